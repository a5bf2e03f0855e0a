"""Where a token may go: Keystone tells where the services are, and the scope's block which of that is believed.

A catalogue comes from outside. One that is wrong, or was tampered with, must not
make us show the token to a stranger. So a service's address is taken from the
block's `endpoints` when it stands there; otherwise from the catalogue, and then
it must be on Keystone's own host, or within the block's `domain`, and encrypted
when Keystone is. Ports and paths are the catalogue's to say.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from providers.base import ProviderError
from providers.vendor_http import Endpoint, one_line


class Service(StrEnum):
    """What is used of an OpenStack cloud, by its key in `endpoints`."""

    COMPUTE = "compute"
    VOLUME = "volume"
    NETWORK = "network"
    IMAGE = "image"


TYPES: Mapping[Service, tuple[str, ...]] = {
    Service.COMPUTE: ("compute",),
    Service.VOLUME: ("volumev3", "block-storage", "block-store", "volume"),
    Service.NETWORK: ("network",),
    Service.IMAGE: ("image",),
}
"""The names a catalogue gives a service, the preferred one first (OpenStack's service types authority)."""


@dataclass(frozen=True, slots=True)
class Place:
    """One cloud and region of it, as the scope's block has it.

    `keystone`: its path is without the version. `domain`: the catalogue's hosts may
    be this one or below it. `endpoints`: a service's URL by its name, instead of the
    catalogue's.
    """

    keystone: Endpoint
    region: str
    interface: str = "public"
    domain: str = ""
    endpoints: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return f"OpenStack {self.keystone.host} {self.region}"


def keystone_at(url: str, ca: str | None) -> Endpoint:
    """Keystone's address; `/v3` at its end may be given or not."""
    found = Endpoint.at(url, ca)
    return replace(found, path=found.path.removesuffix("/v3"))


def endpoint_of(place: Place, service: Service, catalogue: Sequence[Any], project: str) -> Endpoint:
    """Where a service is asked. Raises ProviderError(permanent) when nothing that is allowed is known."""
    given = place.endpoints.get(service)
    url = given or _in_catalogue(place, service, catalogue)
    found = Endpoint.at(url, place.keystone.ca) if given else _trusted(place, service, url)
    return replace(found, path=_versioned(service, found.path, project))


def _in_catalogue(place: Place, service: Service, catalogue: Sequence[Any]) -> str:
    for kind in TYPES[service]:
        offered = [entry for entry in _endpoints(catalogue, kind) if entry.get("interface") == place.interface]
        for entry in offered:
            if place.region in (entry.get("region_id"), entry.get("region")):
                return str(entry.get("url", ""))
    regions = sorted({str(entry.get("region_id")) for kind in TYPES[service] for entry in _endpoints(catalogue, kind)})
    known = one_line(", ".join(regions)) or "none"
    raise ProviderError(
        f"{place.where} has no {place.interface} {service} service (it has these regions: {known}); "
        "correct `region` or `interface` of the scope.",
        permanent=True,
    )


def _endpoints(catalogue: Sequence[Any], kind: str) -> Iterable[Mapping[str, Any]]:
    for entry in catalogue:
        if isinstance(entry, Mapping) and entry.get("type") == kind:
            yield from (one for one in entry.get("endpoints") or [] if isinstance(one, Mapping))


def _trusted(place: Place, service: Service, url: str) -> Endpoint:
    """The catalogue's address, when the token may go there."""
    try:
        parts = urlsplit(url)
        host, _port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    plain = parts.scheme in {"http", "https"} and host and parts.username is None and not parts.query
    if not plain or not re.fullmatch(r"[A-Za-z0-9.:\-]+", host):
        raise ProviderError(
            f"{place.where} says that its {service} service is at something that is no address "
            f"({one_line(ascii(url))[:80]}); set `endpoints: {{{service}: https://…}}` in the scope.",
            permanent=True,
        )
    if place.keystone.secure and parts.scheme != "https":
        raise ProviderError(
            f"{place.where} would have its {service} service asked without encryption at {host}; "
            f"set `endpoints: {{{service}: https://…}}` in the scope.",
            permanent=True,
        )
    if not _is_within(host, place):
        raise ProviderError(
            f"{place.where} sends its {service} service to the host {host}, which the scope does not name, so nothing "
            f"was sent there; if it belongs to this cloud, set `domain` or `endpoints: {{{service}: …}}` in the scope.",
            permanent=True,
        )
    return Endpoint.at(url, place.keystone.ca)


def _is_within(host: str, place: Place) -> bool:
    own = place.keystone.host.strip("[]").lower()
    domain = place.domain.strip(".").lower()
    lower = host.lower()
    return lower == own or (bool(domain) and (lower == domain or lower.endswith(f".{domain}")))


def _versioned(service: Service, path: str, project: str) -> str:
    """The path with the API's version where the requests expect it: catalogues name it or not."""
    match service:
        case Service.COMPUTE:
            return path if re.search(r"/v2(\.\d+)?(/|$)", path) else f"{path}/v2.1"
        case Service.VOLUME:
            return path if re.search(r"/v3/[^/]+$", path) else f"{path.removesuffix('/v3')}/v3/{project}"
        case Service.NETWORK:
            return path.removesuffix("/v2.0")
        case Service.IMAGE:
            return re.sub(r"/v2(\.\d+)?$", "", path)
