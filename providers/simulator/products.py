"""The products that a rehearsal moves people to, each at an address of its own, over TLS, under its names.

Office and visio are `office`; here are the others: AI, social accounts, identity, packages, and the town's own page.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from providers.simulator.addresses import HTTPS_PORT, Addresses
from providers.simulator.apt_mirror import AptMirror
from providers.simulator.authority import Authority
from providers.simulator.condition import Condition, Service, Site
from providers.simulator.credentials import Credentials
from providers.simulator.effects import EffectLog
from providers.simulator.faults import FaultTable
from providers.simulator.fediverse import Dialect, FediverseServer
from providers.simulator.friendica import FRIENDICA
from providers.simulator.keycloak import Keycloak
from providers.simulator.mastodon import MASTODON
from providers.simulator.mistral import Mistral
from providers.simulator.mta_sts import MtaSts
from providers.simulator.office import HOSTS as OFFICE_HOSTS
from providers.simulator.office import Office, OfficeSecrets
from providers.simulator.openpgp_key import OpenPgpKey
from providers.simulator.pixelfed import PIXELFED
from providers.simulator.website import Website

ARCHIVE = "Archive of the rehearsal <archive@secours.example>"
"""Who signs the packages of the rehearsal; an estate trusts the public half for rehearsals only."""
REALM, CLIENT = "valbourg", "bascule-canary"
STANDBY = "secours.example"
"""The zone of the hosts that the rehearsal falls back to."""
HOST_PARTS: Mapping[str, int] = {name: 101 + number for number, name in enumerate(OFFICE_HOSTS)}
"""Site of `office` -> the last part of its address."""


@dataclass(frozen=True, slots=True)
class _Product:
    """The last part of its address, the name that it answers under, and its stand-in."""

    host: int
    name: str
    make: Callable[["Products", str], Service]


class Products:
    """All of them, listening from when they are made until `stop`. Raises OSError."""

    def __init__(
        self,
        domain: str,
        addresses: Addresses,
        credentials: Credentials,
        authority: Authority,
        effects: EffectLog,
        faults: FaultTable,
    ) -> None:
        self.domain = domain
        self.credentials = credentials
        self.effects = effects
        secrets = OfficeSecrets(
            credentials.canary_password,
            credentials.onlyoffice_jwt,
            credentials.livekit_key,
            credentials.livekit_secret,
        )
        self.office = Office(
            domain, secrets, authority, lambda site: addresses.service(HOST_PARTS[site]), faults=faults
        )
        self.sites: dict[str, Site] = dict(self.office.sites)
        for name, product in _PRODUCTS.items():
            host = product.name.format(domain=domain, standby=STANDBY)
            service = product.make(self, f"https://{host}")
            shown = authority.certificates(host)
            self.sites[name] = Site(name, service, addresses.service(product.host), HTTPS_PORT, shown, faults)

    def become(self, name: str, condition: Condition) -> None:
        """Switch one stand-in. Raises KeyError for a name that is none."""
        self.sites[name].become(condition)

    def conditions(self) -> dict[str, str]:
        return {name: site.condition.value for name, site in sorted(self.sites.items())}

    def reset(self) -> None:
        """All is well again, and nobody has left anything."""
        self.office.reset()
        for site in self.sites.values():
            site.become(Condition.HEALTHY)
            if isinstance(site.service, FediverseServer):
                site.service.clear()

    def state(self) -> dict[str, object]:
        """What people see at each social account: its announcements and its fields."""
        return {
            name: {"statuses": [one.text for one in site.service.statuses], "fields": list(site.service.fields)}
            for name, site in sorted(self.sites.items())
            if isinstance(site.service, FediverseServer)
        }

    def stop(self) -> None:
        for site in self.sites.values():
            site.stop()


def _fediverse(dialect: Dialect) -> Callable[[Products, str], Service]:
    return lambda all_, url: FediverseServer(dialect, url, all_.credentials.social_token, all_.effects)


_PRODUCTS: Mapping[str, _Product] = {
    "keycloak": _Product(
        120,
        "sso.{domain}",
        lambda all_, url: Keycloak(url, REALM, CLIENT, all_.credentials.keycloak_secret),
    ),
    "mistral": _Product(121, "api.mistral.ai", lambda all_, _: Mistral(all_.credentials.mistral_key, all_.effects)),
    "mastodon": _Product(122, "mastodon.{standby}", _fediverse(MASTODON)),
    "pixelfed": _Product(123, "pixelfed.{standby}", _fediverse(PIXELFED)),
    "friendica": _Product(124, "friendica.{standby}", _fediverse(FRIENDICA)),
    "apt-mirror": _Product(125, "mirror.{standby}", lambda all_, _: AptMirror(OpenPgpKey.fixed(ARCHIVE))),
    "mta-sts": _Product(127, "mta-sts.{domain}", lambda all_, _: MtaSts(["mail.tutanota.de"])),
    "website": _Product(
        126,
        "news.{domain}",
        lambda all_, _: Website([f"https://{name}.{STANDBY}/@valbourg" for name in ("mastodon", "friendica")]),
    ),
}
