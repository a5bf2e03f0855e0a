"""DNS hosts in this process: each vendor's API over HTTP, and the DNS server that answers what it publishes."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import dns.name

from providers.base import Context, ProviderError, Secret, Tag
from providers.dns.gandi import GandiRecords
from providers.dns.ovhcloud import OvhcloudRecords
from providers.dns.scaleway import ScalewayRecords
from providers.dns.swap_records import SwapRecords
from providers.simulator.dns_server import DnsListener, DnsService
from providers.simulator.dns_zones import ZoneBook
from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault, FaultTable
from providers.simulator.gandi_dns import GandiDns
from providers.simulator.hosted_zones import Held, HostedZones
from providers.simulator.http_service import HttpService, Request, Response
from providers.simulator.ovh_dns import OvhDns
from providers.simulator.ovh_signature import Secrets, Signatures
from providers.simulator.scaleway_dns import ScalewayDns
from providers.wants import Records
from tests.dns_servers import RECORDS, ZONE
from tests.vendor_stand_ins import listening

PROJECT = "7a1b0c5e-0000-4000-8000-000000000001"
SECRETS = {
    "application-key": "application-key-of-this-test",
    "application-secret": "application-secret-of-this-test",
    "consumer-key": "consumer-key-of-this-test",
    "scaleway-token": "11111111-2222-3333-4444-555555555555",
    "gandi-token": "personal-access-token-of-this-test",
}
SEED = "\n".join(["@ 3600 SOA ns1 hostmaster 1 86400 86400 864000 60", *RECORDS])


class Service(Protocol):
    """One vendor's stand-in."""

    def handle(self, request: Request) -> Response: ...

    def refusal(self, fault: Fault, _request: Request) -> Response: ...


@dataclass
class Host:
    """A vendor's API with its zone, and the DNS server that answers it."""

    name: str
    make: Callable[[Context], SwapRecords]
    book: ZoneBook
    zones: HostedZones
    service: Service
    faults: FaultTable
    effects: EffectLog
    context: Context
    secrets: dict[str, str]
    dies_after: int | None = None
    requests: list[str] = field(default_factory=list)
    before_write: Callable[[], None] | None = None

    @property
    def block(self) -> dict[str, Any]:
        """The zone's block of the scope."""
        found: dict[str, Any] = self.context.scope["dns"]["zones"][ZONE]
        return found

    def handle(self, request: Request) -> Response:
        """As the vendor; notes what was asked, and ends the world after so many writes when told to."""
        self.requests.append(f"{request.method} {request.path}")
        if request.method == "GET":
            return self.service.handle(request)
        change, self.before_write = self.before_write, None
        if change is not None:
            change()
        answer = self.service.handle(request)
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after == 0:
                self.faults.replace([Fault(service=f"{self.name}-dns", kind="drop", times=None)])
                raise ConnectionAbortedError
        return answer

    def records(self) -> list[str]:
        """What is published, and what is held besides where that differs; SOA left out."""
        zone = self.book.zones[dns.name.from_text(ZONE)]
        published = [
            f"{name.relativize(zone.origin or dns.name.root)} {ttl} {rdata.rdtype.name} {rdata.to_text()}"
            for name, ttl, rdata in zone.iterate_rdatas()
            if rdata.rdtype.name != "SOA"
        ]
        return sorted(published)

    def world(self) -> Any:
        """Published and held."""
        if isinstance(self.service, OvhDns):
            held = self.service.state().get(ZONE) or self._fresh()
            return self.records(), held
        return self.records()

    def _fresh(self) -> list[str]:
        """What OVH's stand-in would hold had anybody asked."""
        return sorted(
            f"{name} {held.ttl} {kind} {value}"
            for (name, kind), held in self.zones.record_sets(ZONE).items()
            for value in held.values
        )

    def foreign(self, name: str, kind: str, ttl: int, *values: str) -> None:
        """Somebody else changes a record set, published at once; without values it is removed."""
        self.zones.change(ZONE, {(name, kind): Held(ttl, values) if values else None})
        if isinstance(self.service, OvhDns):
            self.service.reset()

    def change_elsewhere(self, want: Records) -> None:
        """Another run changes something through the same API, whatever is under way."""
        (self.context.workspace / "elsewhere").mkdir(exist_ok=True)
        other = self.make(replace(self.context, workspace=self.context.workspace / "elsewhere"))
        tag = Tag("another-run", "step")
        other.apply(want, tag, other.observe(want, tag, None).values, lambda _: None)

    @contextmanager
    def faulty(self, *rules: dict[str, Any]) -> Iterator[None]:
        self.faults.replace([Fault(service=f"{self.name}-dns", **rule) for rule in rules])
        try:
            yield
        finally:
            self.faults.replace([])

    @contextmanager
    def losing_one_answer(self) -> Iterator[None]:
        """The first write happens and its answer never arrives; after it, all is as usual."""
        first = {"ovh": "POST */record", "scaleway": "PATCH *", "gandi": "PUT *"}[self.name]
        with self.faulty({"kind": "lose_answer", "route": first}):
            yield

    @contextmanager
    def dying(self, writes: int = 1) -> Iterator[None]:
        """So many writes happen, the last without an answer, and nothing gets through after it."""
        self.dies_after = writes
        try:
            yield
        finally:
            self.dies_after = None
            self.faults.replace([])

    @contextmanager
    def wrong_credential(self) -> Iterator[None]:
        right = dict(self.secrets)
        self.secrets.update({name: f"not-{value}" for name, value in right.items() if name != "application-key"})
        try:
            yield
        finally:
            self.secrets.update(right)

    @contextmanager
    def down(self) -> Iterator[None]:
        with self.faulty({"kind": "drop", "times": None}):
            yield


def _reveal(secrets: dict[str, str]) -> Callable[[str], Secret]:
    def reveal(reference: str) -> Secret:
        found = secrets.get(reference.removeprefix("secret://"))
        if found is None:
            raise ProviderError(f"There is no {reference}.", permanent=True)
        return Secret(found)

    return reveal


def _service(name: str, zones: HostedZones, effects: EffectLog) -> Service:
    if name == "ovh":
        key = Secrets(SECRETS["application-secret"], SECRETS["consumer-key"])
        return OvhDns(zones, Signatures({SECRETS["application-key"]: key}), effects)
    if name == "scaleway":
        return ScalewayDns(zones, SECRETS["scaleway-token"], PROJECT, effects)
    return GandiDns(zones, SECRETS["gandi-token"], effects)


MAKE: dict[str, Callable[[Context], SwapRecords]] = {
    "ovh": OvhcloudRecords,
    "scaleway": ScalewayRecords,
    "gandi": GandiRecords,
}
BLOCKS: dict[str, dict[str, str]] = {
    "ovh": {
        "driver": "ovhcloud",
        "application_key": "secret://application-key",
        "application_secret": "secret://application-secret",
        "consumer_key": "secret://consumer-key",
    },
    "scaleway": {"driver": "scaleway", "project": PROJECT, "token": "secret://scaleway-token"},
    "gandi": {"driver": "gandi", "token": "secret://gandi-token"},
}


@contextmanager
def dns_host(name: str, tmp_path: Path, records: str = SEED) -> Iterator[Host]:
    """`name`: ovh, scaleway or gandi."""
    book = ZoneBook({ZONE: f"$ORIGIN {ZONE}.\n{records}"})
    zones, effects, faults, secrets = HostedZones(book), EffectLog(), FaultTable(), dict(SECRETS)
    service = _service(name, zones, effects)
    (workspace := tmp_path / "workspace").mkdir(exist_ok=True)
    (estate := tmp_path / "estate").mkdir(exist_ok=True)
    block: dict[str, Any] = dict(BLOCKS[name])
    scope = {"networks": ["127.0.0.0/8"], "dns": {"zones": {ZONE: block}}}
    context = Context(scope, _reveal(secrets), workspace, estate, 10.0)
    host = Host(name, MAKE[name], book, zones, service, faults, effects, context, secrets)
    http = HttpService(f"{name}-dns", host.handle, faults, service.refusal)
    with listening(http) as url, serving(book) as server:
        block |= {"url": url, "servers": [server]}
        yield host
        faults.stopping.set()


@contextmanager
def serving(book: ZoneBook) -> Iterator[str]:
    """A DNS server of these zones on loopback; its address."""
    with socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        port = tcp.getsockname()[1]
    listener = DnsListener(DnsService(book, {}, frozenset(), EffectLog(), FaultTable()), "127.0.0.1", port)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        with suppress(OSError):
            listener.stop()


@contextmanager
def lagging(host: Host) -> Iterator[Any]:
    """The zone's only server answers a copy of what the host publishes, taken over when told to."""
    copy = ZoneBook({ZONE: f"$ORIGIN {ZONE}.\n{SEED}"})
    with serving(copy) as server:
        host.block["servers"][:] = [server]
        yield lambda: copy.zones.update(host.book.zones)
