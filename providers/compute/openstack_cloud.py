"""The part of the OpenStack driver that its nouns share: one Keystone, four services, and lists of any length."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from libcloud.common.types import MalformedResponseError
from libcloud.compute.drivers.openstack import OpenStack_2_NodeDriver

from providers.base import ProviderError, Secret
from providers.compute.openstack_endpoints import Place
from providers.compute.openstack_services import (
    ImageConnection,
    Keystone,
    NetworkConnection,
    ServiceConnection,
    VolumeConnection,
)
from providers.vendor_http import Deadline, RefusedError

PAGE = 200
"""Things asked for at once; a service may give fewer."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """How the servers of a scope are connected and placed; all as names or ids at the cloud.

    `network`: what servers are attached to; without it, the project's only one.
    `floating_network`: the external network that their public addresses come from;
    without it, a server has the address that its network gives it.
    `images`: the cloud's image by Bascule's neutral name.
    """

    network: str = ""
    floating_network: str = ""
    availability_zone: str = ""
    images: Mapping[str, str] = field(default_factory=dict)


class OpenStackCloud(OpenStack_2_NodeDriver):
    """Libcloud's OpenStack driver with our connections. One per thread and per call.

    The stock constructor makes a connection for each service; none of them speaks
    before its first request.
    """

    connectionCls = ServiceConnection  # noqa: N815 (libcloud's names)
    image_connectionCls = ImageConnection  # type: ignore[assignment]  # noqa: N815
    network_connectionCls = NetworkConnection  # type: ignore[assignment]  # noqa: N815
    volumev3_connectionCls = VolumeConnection  # type: ignore[assignment]  # noqa: N815
    volumev2_connectionCls = VolumeConnection  # type: ignore[assignment]  # noqa: N815
    connection: Any
    image_connection: Any
    network_connection: Any
    volumev3_connection: Any

    def __init__(
        self, place: Place, credential: Secret, secret: Secret, deadline: Deadline, wiring: Wiring | None = None
    ) -> None:
        self.place = place
        self.endpoint = place.keystone
        self.deadline = deadline
        self.wiring = wiring or Wiring()
        self.where = place.where
        self.wrote = False
        self.keystone = Keystone(self, place, credential, secret)
        self._networks: dict[tuple[str, str], str] = {}
        # Libcloud keeps these in plain sight; the credential is Keystone's alone.
        super().__init__(  # type: ignore[no-untyped-call]
            "application credential",
            "",
            secure=place.keystone.secure,
            api_version="2.2",
            ex_force_auth_version="3.x_appcred",
            ex_force_auth_url=place.keystone.base,
        )

    def _one(
        self, connection: Any, path: str, *keys: str, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        """One thing by its path; None when it does not exist."""
        try:
            return self._told(connection, path, *keys, headers=headers)
        except RefusedError as error:
            if error.code == 404:
                return None
            raise

    def _told(self, connection: Any, path: str, *keys: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """What a GET says, below these keys. Raises RefusedError when it does not exist."""
        found = mapping(connection.request(path, headers=dict(headers or {})).object)
        for key in keys:
            found = mapping(found.get(key))
        return found

    def _sent(self, connection: Any, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        """What a POST made."""
        answer = connection.request(path, data=body, method="POST")
        return mapping(mapping(answer.object).get(key))

    def _listed(
        self,
        connection: Any,
        path: str,
        key: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[Any]:
        """All pages of a list.

        Each page after the first begins behind the last thing seen. That there is a
        next one the answer says with a link; where it leads is not followed.
        """
        found: list[Any] = []
        asked = {**(params or {}), "limit": PAGE}
        while True:
            body = mapping(connection.request(path, params=asked, headers=dict(headers or {})).object)
            things = body.get(key)
            if not isinstance(things, list):
                raise MalformedResponseError(f"a list without {key}")
            found += things
            links = body.get(f"{key}_links") or []
            more = body.get("next") or any(link.get("rel") == "next" for link in links)
            if not things or not more:
                return found
            marker = things[-1]["id"]
            if marker == asked.get("marker"):
                raise MalformedResponseError(f"a list of {key} that never ends")
            asked["marker"] = marker

    def _network_id(self, name: str, **params: str) -> str:
        """A network's id by its name or id, of those that the filter lets through.

        Raises ProviderError(permanent) when that is not one network.
        """
        key = name, str(params)
        if key not in self._networks:
            known = self._listed(self.network_connection, "/v2.0/networks", "networks", params)
            found = [each for each in known if name in (each["id"], each.get("name"))]
            if len(found) != 1:
                near = ", ".join(sorted(str(each.get("name")) for each in known)) or "none"
                said = "several networks" if found else "no network"
                raise ProviderError(
                    f"{self.where} has {said} {name}; write the id of one in the scope (known: {near}).", permanent=True
                )
            self._networks[key] = str(found[0]["id"])
        return self._networks[key]


def quoted(part: str) -> str:
    """One part of a path."""
    return quote(part, safe="")


def mapping(value: Any) -> dict[str, Any]:
    """A JSON object. Raises MalformedResponseError when it is something else."""
    if not isinstance(value, dict):
        raise MalformedResponseError("an answer in another shape than the API's")
    return value
