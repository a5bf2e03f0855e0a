"""A town whose office and visio services are stand-ins over TLS, and a scope that reaches them by their names."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
from providers.simulator.condition import Condition, Service, Site
from providers.simulator.dns_zones import ZoneBook
from providers.simulator.faults import FaultTable
from providers.simulator.office import HOSTS, USER, Office, OfficeSecrets
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
    "password": "the-password-of-this-test",
    "jwt": "the-jwt-secret-of-this-test",
    "livekit-key": "APIkeyOfThisTest",
    "livekit-secret": "the-livekit-secret-of-this-test",
}
OFFICE_SECRETS = OfficeSecrets(*SECRETS.values())
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
    office: Office
    scope: dict[str, Any]
    stack: ExitStack

    @property
    def context(self) -> Context:
        def reveal(reference: str) -> Secret:
            return Secret(SECRETS[reference.removeprefix("secret://")])

        return Context(self.scope, reveal, self.directory, self.directory, deadline=10.0)

    def other(self, site: str, service: Service, faults: FaultTable | None = None) -> str:
        """Another service under the site's name, until the town ends; its URL."""
        host = self.office.host(site)
        other = Site(site, service, "127.0.0.1", 0, self.authority.certificates(host), faults)
        self.stack.callback(other.stop)
        return f"https://{host}:{other.port}"

    def trial(self, kind: str) -> Trial:
        """The check of this kind against its site."""
        return _TRIALS[kind](self)

    def at(
        self,
        site: str,
        make: Callable[[Context], Check[Any]],
        want: Any,
        service: Any,
        world: Callable[[], Any] = lambda: None,
    ) -> Trial:
        return Trial(make, want, self.office.sites[site], service, world)

    @contextmanager
    def unreachable_by_scope(self) -> Iterator[None]:
        """The scope's networks hold nothing of this machine."""
        networks, self.scope["networks"] = self.scope["networks"], ["198.18.0.0/16"]
        try:
            yield
        finally:
            self.scope["networks"] = networks


@contextmanager
def office_town(directory: Path) -> Iterator[Town]:
    records = "".join(f"{name} 60 A 127.0.0.1\n" for name in ("ns1", *HOSTS.values()))
    book = ZoneBook({ZONE: f"$ORIGIN {ZONE}.\n@ 60 SOA ns1 hostmaster 1 60 60 60 60\n@ 60 NS ns1\n{records}"})
    authority = Authority(directory)
    with serving(book) as server, ExitStack() as stack:
        office = Office(ZONE, OFFICE_SECRETS, authority, lambda _: "127.0.0.1", port=0)
        stack.callback(office.stop)
        scope = {"networks": ["127.0.0.0/8"], "dns": {"resolvers": [server]}, "tls": {"ca": str(authority.file)}}
        yield Town(directory, authority, office, scope, stack)


@contextmanager
def in_condition(site: Site, condition: Condition) -> Iterator[None]:
    site.become(condition)
    try:
        yield
    finally:
        site.become(Condition.HEALTHY)


def _webdav(town: Town) -> Trial:
    service = town.office.nextcloud
    service.home(USER).folders.add("Crise 2026")
    files = f"{town.office.url('nextcloud')}/remote.php/dav/files/{USER}"
    want = WebdavProbe(url=files, user=USER, password="secret://password", folder="Crise 2026")
    return town.at("nextcloud", WebdavCheck, want, service, lambda: dict(service.home(USER).files))


def _nextcloud(town: Town) -> Trial:
    service = town.office.nextcloud
    want = NextcloudProbe(url=town.office.url("nextcloud"), user=USER, password="secret://password")
    return town.at("nextcloud", NextcloudCheck, want, service, lambda: dict(service.home(USER).files))


def _onlyoffice(town: Town) -> Trial:
    want = OnlyofficeProbe(url=town.office.url("onlyoffice"), secret="secret://jwt")
    return town.at("onlyoffice", OnlyofficeCheck, want, town.office.onlyoffice)


def _collabora(town: Town) -> Trial:
    want = CollaboraProbe(url=town.office.url("collabora"))
    return town.at("collabora", CollaboraCheck, want, town.office.collabora)


def _cryptpad(town: Town) -> Trial:
    want = CryptpadProbe(url=town.office.url("cryptpad"), safe_url=town.office.url("cryptpad-sandbox"))
    return town.at("cryptpad", CryptpadCheck, want, town.office.cryptpad)


def _meet(town: Town) -> Trial:
    return town.at("visio", MeetCheck, MeetProbe(url=town.office.url("visio")), town.office.visio)


def _livekit(town: Town) -> Trial:
    """The check of Visio with a key, seen from LiveKit."""
    keys = {"livekit_key": "secret://livekit-key", "livekit_secret": "secret://livekit-secret"}
    return town.at("livekit", MeetCheck, MeetProbe(url=town.office.url("visio"), **keys), town.office.livekit)


def _jitsi(town: Town) -> Trial:
    service = town.office.jitsi
    want = JitsiProbe(url=town.office.url("jitsi"))
    return town.at("jitsi", JitsiCheck, want, service, lambda: dict(service.sessions))


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
