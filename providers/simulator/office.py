"""The office and visio services of a town, each at a name of its own over TLS, and in a condition of its own."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from providers.simulator.authority import Authority
from providers.simulator.collabora import Collabora
from providers.simulator.condition import Condition, Service, Site
from providers.simulator.cryptpad import CryptPad
from providers.simulator.faults import FaultTable
from providers.simulator.jitsi import Jitsi
from providers.simulator.livekit import LiveKit
from providers.simulator.meet import Meet
from providers.simulator.nextcloud import Nextcloud
from providers.simulator.onlyoffice import OnlyOffice

USER = "crise"
"""Who has files in Nextcloud."""

HOSTS = {
    "nextcloud": "cloud",
    "onlyoffice": "docs",
    "collabora": "collabora",
    "cryptpad": "pads",
    "cryptpad-sandbox": "sandbox.pads",
    "visio": "visio",
    "livekit": "livekit",
    "jitsi": "jitsi",
}
"""Site: its name in the town's zone."""


@dataclass(frozen=True, slots=True)
class OfficeSecrets:
    """What the services were installed with."""

    password: str = field(repr=False)
    jwt: str = field(repr=False)
    livekit_key: str = field(repr=False)
    livekit_secret: str = field(repr=False)


class Office:
    """Listens when it is made, until `stop`. `address`: of each site, by its name in HOSTS. Raises OSError."""

    def __init__(
        self,
        domain: str,
        secrets: OfficeSecrets,
        authority: Authority,
        address: Callable[[str], str],
        port: int = 443,
        faults: FaultTable | None = None,
    ) -> None:
        self.domain = domain
        self.nextcloud = Nextcloud({USER: secrets.password})
        self.onlyoffice = OnlyOffice(secrets.jwt)
        self.collabora = Collabora()
        self.cryptpad = CryptPad("", "")
        self.visio = Meet("")
        self.livekit = LiveKit({secrets.livekit_key: secrets.livekit_secret})
        self.jitsi = Jitsi(f"{HOSTS['jitsi']}.{domain}")
        services: dict[str, Service] = {name: getattr(self, name.removesuffix("-sandbox")) for name in HOSTS}
        with ExitStack() as opened:
            self.sites: dict[str, Site] = {}
            for name, service in services.items():
                shown = authority.certificates(*self._names(name))
                site = Site(name.removesuffix("-sandbox"), service, address(name), port, shown, faults)
                self.sites[name] = site
                opened.callback(site.stop)
            self._sites_open = opened.pop_all()
        self.cryptpad.url, self.cryptpad.safe_url = self.url("cryptpad"), self.url("cryptpad-sandbox")
        self.visio.livekit_url = self.url("livekit").replace("https:", "wss:")

    def _names(self, site: str) -> list[str]:
        """Its own and those of the same server: CryptPad's page and its sandbox are one."""
        server = site.removesuffix("-sandbox")
        return [self.host(name) for name in HOSTS if name.removesuffix("-sandbox") == server]

    def host(self, site: str) -> str:
        return f"{HOSTS[site]}.{self.domain}"

    def url(self, site: str) -> str:
        port = self.sites[site].port
        return f"https://{self.host(site)}" + (f":{port}" if port != 443 else "")

    def become(self, site: str, condition: Condition) -> None:
        self.sites[site].become(condition)

    def conditions(self) -> dict[str, str]:
        return {name: site.condition.value for name, site in self.sites.items()}

    def reset(self) -> None:
        """All is well again, and nobody has left anything."""
        for site in self.sites.values():
            site.become(Condition.HEALTHY)
        self.nextcloud.homes.clear()
        self.livekit.joined.clear()
        self.jitsi.sessions.clear()
        self.jitsi.opened = 0

    def stop(self) -> None:
        self._sites_open.close()
