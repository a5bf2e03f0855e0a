"""A town whose office and visio services are stand-ins over TLS, and a scope that reaches them by their names."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from providers.base import Context, Finding, Secret, Tag
from providers.probes.check import Check
from providers.probes.collabora import CollaboraCheck
from providers.probes.cryptpad import CryptpadCheck
from providers.probes.jitsi import JitsiCheck
from providers.probes.meet import MeetCheck
from providers.probes.nextcloud import NextcloudCheck
from providers.probes.onlyoffice import OnlyofficeCheck
from providers.probes.webdav import WebdavCheck
from providers.simulator.authority import Authority
from providers.simulator.collabora import Collabora
from providers.simulator.condition import Condition, Service, Site
from providers.simulator.cryptpad import CryptPad
from providers.simulator.dns_zones import ZoneBook
from providers.simulator.jitsi import Jitsi
from providers.simulator.livekit import LiveKit
from providers.simulator.meet import Meet
from providers.simulator.nextcloud import Nextcloud
from providers.simulator.onlyoffice import OnlyOffice
from providers.wants import (
    CollaboraProbe,
    CryptpadProbe,
    JitsiProbe,
    MeetProbe,
    NextcloudProbe,
    OnlyofficeProbe,
    WebdavProbe,
)
from tests.dns_hosts import serving
from tests.dns_servers import ZONE

SECRETS = {
    "anne": "the-password-of-anne-in-this-test",
    "jwt": "the-jwt-secret-of-this-test",
    "livekit-key": "APIkeyOfThisTest",
    "livekit-secret": "the-livekit-secret-of-this-test",
}
NAMES = ("cloud", "docs", "collabora", "pads", "sandbox", "visio", "livekit", "meet")
TAG = Tag("run-1", "office/check")


@dataclass(frozen=True, slots=True)
class Trial:
    """A check with its wish, the site that it looks at, and what it leaves there that would be seen."""

    make: Callable[[Context], Check[Any]]
    want: Any
    site: Site
    service: Any
    world: Callable[[], Any]

    def look(self, town: "Town") -> Finding:
        return self.make(town.context).observe(self.want, TAG, None)

    def apply(self, town: "Town", want: Any = None) -> Finding:
        return self.make(town.context).apply(want or self.want, TAG, {}, lambda _: None)


@dataclass
class Town:
    """`scope` may be changed by a test; sites end with the stack."""

    directory: Path
    authority: Authority
    scope: dict[str, Any]
    stack: ExitStack
    secrets: dict[str, str] = field(default_factory=lambda: dict(SECRETS))
    trials: dict[str, Trial] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)

    @property
    def context(self) -> Context:
        secrets = self.secrets

        def reveal(reference: str) -> Secret:
            return Secret(secrets[reference.removeprefix("secret://")])

        return Context(self.scope, reveal, self.directory, self.directory, deadline=10.0)

    def site(self, name: str, service: Service) -> Site:
        site = Site(name, service, "127.0.0.1", 0, self.authority.certificates(f"{name}.{ZONE}"))
        self.stack.callback(site.stop)
        self.sites[name] = site
        return site

    def trial(self, kind: str) -> Trial:
        """The check of this kind against a healthy site, the same one whenever it is asked for."""
        if kind not in self.trials:
            self.trials[kind] = _TRIALS[kind](self)
        return self.trials[kind]

    @contextmanager
    def unreachable_by_scope(self) -> Iterator[None]:
        """The scope's networks hold nothing of this machine."""
        networks, self.scope["networks"] = self.scope["networks"], ["198.18.0.0/16"]
        try:
            yield
        finally:
            self.scope["networks"] = networks


def url(name: str, site: Site | int, path: str = "") -> str:
    """Below a site, or a port of this machine, under a name of the town."""
    return f"https://{name}.{ZONE}:{site if isinstance(site, int) else site.port}{path}"


@contextmanager
def office_town(directory: Path) -> Iterator[Town]:
    records = "".join(f"{name} 60 A 127.0.0.1\n" for name in ("ns1", *NAMES))
    book = ZoneBook({ZONE: f"$ORIGIN {ZONE}.\n@ 60 SOA ns1 hostmaster 1 60 60 60 60\n@ 60 NS ns1\n{records}"})
    authority = Authority(directory)
    with serving(book) as server, ExitStack() as stack:
        scope = {"networks": ["127.0.0.0/8"], "dns": {"resolvers": [server]}, "tls": {"ca": str(authority.file)}}
        yield Town(directory, authority, scope, stack)


@contextmanager
def in_condition(site: Site, condition: Condition) -> Iterator[None]:
    site.become(condition)
    try:
        yield
    finally:
        site.become(Condition.HEALTHY)


def _webdav(town: Town) -> Trial:
    service = Nextcloud({"anne": SECRETS["anne"]})
    service.home("anne").folders.add("Crise 2026")
    site = town.site("cloud", service)
    files = url("cloud", site, "/remote.php/dav/files/anne")
    want = WebdavProbe(url=files, user="anne", password="secret://anne", folder="Crise 2026")
    return Trial(WebdavCheck, want, site, service, lambda: dict(service.home("anne").files))


def _nextcloud(town: Town) -> Trial:
    service = Nextcloud({"anne": SECRETS["anne"]})
    site = town.site("cloud", service)
    want = NextcloudProbe(url=url("cloud", site), user="anne", password="secret://anne")
    return Trial(NextcloudCheck, want, site, service, lambda: service.homes)


def _onlyoffice(town: Town) -> Trial:
    service = OnlyOffice(SECRETS["jwt"])
    site = town.site("docs", service)
    want = OnlyofficeProbe(url=url("docs", site), secret="secret://jwt")
    return Trial(OnlyofficeCheck, want, site, service, lambda: None)


def _collabora(town: Town) -> Trial:
    service = Collabora()
    site = town.site("collabora", service)
    return Trial(CollaboraCheck, CollaboraProbe(url=url("collabora", site)), site, service, lambda: None)


def _cryptpad(town: Town) -> Trial:
    service = CryptPad("", "")
    site, sandbox = town.site("pads", service), town.site("sandbox", service)
    service.url, service.safe_url = url("pads", site), url("sandbox", sandbox)
    want = CryptpadProbe(url=url("pads", site), safe_url=url("sandbox", sandbox))
    return Trial(CryptpadCheck, want, site, service, lambda: None)


def _meet(town: Town) -> Trial:
    livekit = town.site("livekit", LiveKit({SECRETS["livekit-key"]: SECRETS["livekit-secret"]}))
    service = Meet(url("livekit", livekit).replace("https:", "wss:"))
    site = town.site("visio", service)
    return Trial(MeetCheck, MeetProbe(url=url("visio", site)), site, service, lambda: None)


def _livekit(town: Town) -> Trial:
    """The check of Visio with a key, seen from LiveKit."""
    service = LiveKit({SECRETS["livekit-key"]: SECRETS["livekit-secret"]})
    site = town.site("livekit", service)
    visio = town.site("visio", Meet(url("livekit", site)))
    want = MeetProbe(
        url=url("visio", visio), livekit_key="secret://livekit-key", livekit_secret="secret://livekit-secret"
    )
    return Trial(MeetCheck, want, site, service, lambda: None)


def _jitsi(town: Town) -> Trial:
    service = Jitsi(f"meet.{ZONE}")
    site = town.site("meet", service)
    want = JitsiProbe(url=url("meet", site))
    return Trial(JitsiCheck, want, site, service, lambda: dict(service.sessions))


_TRIALS: Mapping[str, Callable[[Town], Trial]] = {
    "webdav": _webdav,
    "nextcloud": _nextcloud,
    "onlyoffice": _onlyoffice,
    "collabora": _collabora,
    "cryptpad": _cryptpad,
    "meet": _meet,
    "livekit": _livekit,
    "jitsi": _jitsi,
}
TRIALS = tuple(_TRIALS)
