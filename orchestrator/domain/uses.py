"""What a sign is for: mail, the web, name servers… and so which of the estate's services it belongs to. Pure."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import Service
from providers.discovery.sign import Sign

DNS, CERTIFICATES, MAIL, WEB, IDENTITY, VISIO, OFFICE = (
    "dns",
    "certificates",
    "mail",
    "web",
    "identity",
    "visio",
    "office",
)

OF_ALL = (DNS, CERTIFICATES)
"""What no single service is about: everything stands on them."""

_BY_KIND: Mapping[str, str] = {
    "mx": MAIL,
    "spf": MAIL,
    "mta-sts": MAIL,
    "ns": DNS,
    "caa": CERTIFICATES,
    "issuer": CERTIFICATES,
    "login": IDENTITY,
}
_BY_LABEL: Mapping[str, str] = {
    "mail": MAIL,
    "webmail": MAIL,
    "smtp": MAIL,
    "imap": MAIL,
    "mx": MAIL,
    "autodiscover": MAIL,
    "autoconfig": MAIL,
    "mta-sts": MAIL,
    "ns": DNS,
    "dns": DNS,
    "cloud": OFFICE,
    "files": OFFICE,
    "visio": VISIO,
    "meet": VISIO,
    "lyncdiscover": VISIO,
    "sso": IDENTITY,
    "login": IDENTITY,
    "auth": IDENTITY,
    "enterpriseregistration": IDENTITY,
    "portal": "portal",
    "vpn": "vpn",
}
_BY_SERVICE: Mapping[str, str] = {
    "_sip": VISIO,
    "_sipfederationtls": VISIO,
    "_xmpp-client": "chat",
    "_xmpp-server": "chat",
}


class Uses:
    """Gives each sign its rows: services of the estate, or a use that the estate has no service for.

    `mentioned`: host -> the services whose runbooks speak of it.
    """

    def __init__(
        self, catalogue: Catalogue, services: Mapping[str, Service], mentioned: Mapping[str, frozenset[str]]
    ) -> None:
        self._catalogue = catalogue
        self._services = services
        self._mentioned = mentioned
        self._by_use: dict[str, tuple[str, ...]] = {}

    def rows(self, sign: Sign, product: str) -> tuple[str, ...]:
        """Never empty. What the estate itself speaks of decides, then what it is for, then who it is bought from."""
        if sign.kind == "inside":
            return self._bought(product) or (self._of_product(product),)
        spoken_of = self._mentioned.get(place(sign)) if sign.kind not in _BY_KIND else None
        if spoken_of:
            return tuple(sorted(spoken_of))
        use = self.of(sign, product)
        if use in OF_ALL:
            return (use,)
        return self._named(use) or self._bought(product) or (use,)

    def of(self, sign: Sign, product: str) -> str:
        """The use that a sign shows, in one word."""
        if sign.kind == "srv":
            return _BY_SERVICE.get(sign.at.partition(".")[0], MAIL)
        if sign.kind == "txt":
            return self._of_product(product)
        return _BY_KIND.get(sign.kind) or by_place(place(sign), sign.domain)

    def _named(self, use: str) -> tuple[str, ...]:
        """The services that are this use: by their name, or because what they fall back to serves it alone."""
        if use not in self._by_use:
            fitting = [name for name, one in self._services.items() if self._serves(one.target) == {use}]
            self._by_use[use] = (use,) if use in self._services else tuple(sorted(fitting))
        return self._by_use[use]

    def _bought(self, product: str) -> tuple[str, ...]:
        return tuple(name for name, one in self._services.items() if product and one.vendor == product)

    def _serves(self, name: str) -> set[str]:
        found = self._catalogue.product(name)
        return set(found.serves) if found else set()

    def _of_product(self, name: str) -> str:
        found = self._catalogue.product(name)
        return found.serves[0] if found else WEB


def place(sign: Sign) -> str:
    """The host at which a sign was seen."""
    return (urlsplit(sign.at).hostname or "") if "://" in sign.at else sign.at.partition(":")[0]


def by_place(host: str, domain: str) -> str:
    """What a host of the organisation is for, by its first label; the web, where that says nothing."""
    if host.endswith(f"._domainkey.{domain}"):
        return MAIL
    label = host.removesuffix(domain).rstrip(".").rpartition(".")[2]
    return _BY_LABEL.get(label) or _BY_LABEL.get(label.rstrip("0123456789-"), WEB)


def ordered(rows: Iterator[str] | set[str], services: Mapping[str, Service]) -> list[str]:
    """The estate's services in its order, then the uses."""
    place_of = {name: at for at, name in enumerate(services)}
    return sorted(rows, key=lambda row: (place_of.get(row, len(place_of)), row))
