"""The simulator's cloud and stores in this process, without its machines.

The whole simulator needs privileges for its servers' namespaces; the HTTP
services in front of them do not, and are the same code.
"""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from providers.base import ProviderError, Secret
from providers.simulator.addresses import Addresses
from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault, FaultTable
from providers.simulator.fleet import Fleet, Hosts
from providers.simulator.fleet_catalogue import Catalogue
from providers.simulator.http_service import HttpListener, HttpService, Request, Response
from providers.simulator.s3_blob import Blob
from providers.simulator.s3_dialect import Dialect
from providers.simulator.s3_service import S3Service
from providers.simulator.s3_signature import AccessKey
from providers.simulator.s3_store import Store
from providers.simulator.s3_uploads import Part, Uploads
from providers.simulator.scaleway_api import ScalewayApi

SEED = Path(__file__).parents[1] / "providers/simulator/seed"
TOKEN = "11111111-2222-3333-4444-555555555555"
SECRETS = {
    "secret://scaleway-token": TOKEN,
    "secret://source-access": "SOURCEACCESSKEY",
    "secret://source-secret": "source/secret+value",
    "secret://target-access": "TARGETACCESSKEY",
    "secret://target-secret": "target/secret+value",
}


WRONGLY_SIGNED = (b"INVALID_SIGNATURE", b"INVALID_KEY", b"INVALID_CREDENTIAL", b"NOT_CREDENTIAL", b"QUERY_TIME_OUT")
"""The words of vendors that do not answer a wrong signature with 401."""


@cache
def seed(cloud: str) -> dict[str, Any]:
    """What the simulator's cloud begins with, read once for all tests; nobody changes it."""
    found: dict[str, Any] = yaml.safe_load((SEED / f"{cloud}.yaml").read_text())
    return found


def at_once(_seconds: float) -> None:
    """How long a boot is waited for in most tests."""


class Tally:
    """The requests that reached a service, how many it refused for who asked, the bytes it answered. Thread-safe."""

    def __init__(self) -> None:
        self.requests = self.refused = self.answered = 0
        self._lock = threading.Lock()

    def clear(self) -> None:
        with self._lock:
            self.requests = self.refused = self.answered = 0

    def counting(self, handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """The handler, counted."""

        def counted(request: Request) -> Response:
            answer = handle(request)
            wrong = answer.status == 401 or any(word in answer.body for word in WRONGLY_SIGNED)
            with self._lock:
                self.requests += 1
                self.refused += wrong
                self.answered += len(answer.body)
            return answer

        return counted


class NoMachines:
    """Servers that are only what the API says of them."""

    def start(self, server_id: str, hostname: str, host: int, user_data: bytes | None) -> None:
        pass

    def stop(self, server_id: str) -> None:
        pass

    def forget(self, server_id: str) -> None:
        pass


@dataclass
class StandIn:
    """One vendor's service: its address, its faults, and what was written to it."""

    name: str
    url: str
    faults: FaultTable
    effects: EffectLog

    @contextmanager
    def faulty(self, *rules: dict[str, Any]) -> Iterator[None]:
        """With these faults; `route` and `kind` as in the simulator's fault table."""
        self.faults.replace([Fault(service=self.name, **rule) for rule in rules])
        try:
            yield
        finally:
            self.faults.replace([])

    def written(self) -> list[tuple[str, str]]:
        """Action and target of every write so far."""
        return [(str(effect["action"]), str(effect["target"])) for effect in self.effects.listed()]


@dataclass
class CloudStandIn(StandIn):
    """A cloud's stand-in; `tally` counts what no fault kept from it."""

    fleet: Fleet = field(kw_only=True)
    block: dict[str, Any] = field(kw_only=True)
    tally: Tally = field(default_factory=Tally, kw_only=True)


@dataclass
class StoreStandIn(StandIn):
    """One S3 stand-in; `asked`: method and address of every request, with the range of bytes if it named one."""

    store: Store = field(kw_only=True)
    uploads: Uploads = field(kw_only=True)
    block: dict[str, Any] = field(kw_only=True)
    asked: list[str] = field(kw_only=True)

    def put(self, bucket: str, key: str, data: bytes, content_type: str = "text/plain", **meta: str) -> None:
        """Somebody else writes here."""
        self.store.put(bucket, key, data, content_type, meta)

    def put_in_parts(self, bucket: str, key: str, *parts: bytes, content_type: str = "video/mp4") -> None:
        """Somebody else writes an object in parts, so that its checksum is not its content's MD5."""
        upload = self.uploads.begin(bucket, key, content_type, {})
        blobs = [Blob(part) for part in parts]
        for number, blob in enumerate(blobs, start=1):
            self.uploads.add_part(upload, bucket, key, number, Part(blob, blob.md5.hex()))
        self.uploads.finish(upload, bucket, key, [(n, blob.md5.hex()) for n, blob in enumerate(blobs, start=1)])

    def count(self, action: str) -> dict[str, int]:
        """How often each target saw this action."""
        return dict(Counter(target for done, target in self.written() if done == action))


@contextmanager
def cloud_stand_in(
    wider: frozenset[str] = frozenset(), wait: Callable[[float], None] = at_once
) -> Iterator[CloudStandIn]:
    """Scaleway; `wait` passes the seconds that a boot takes."""
    effects, faults, tally = EffectLog(), FaultTable(), Tally()
    catalogue = Catalogue.from_seed(seed("scaleway"))
    fleet = Fleet("scaleway", catalogue, Addresses(0), Hosts(), NoMachines(), effects, wait)
    api = ScalewayApi(fleet, TOKEN, wider)
    with listening(HttpService("scaleway", tally.counting(api.handle), faults, api.refusal)) as url:
        block = {
            "driver": "scaleway",
            "url": url,
            "zone": "fr-par-1",
            "project": catalogue.project,
            "token": "secret://scaleway-token",
        }
        yield CloudStandIn("scaleway", url, faults, effects, fleet=fleet, block=block, tally=tally)
        faults.stopping.set()
        fleet.settle()


@contextmanager
def store_stand_in(role: str, region: str, dialect: Dialect | None = None, **more: Any) -> Iterator[StoreStandIn]:
    """One store; `role` is its name in the fault table and picks its key pair, `more` goes into its block."""
    effects, faults, store, asked = EffectLog(), FaultTable(), Store({}), list[str]()
    key = AccessKey(SECRETS[f"secret://{role}-access"], SECRETS[f"secret://{role}-secret"], region)
    name = f"s3-{role}"
    service = S3Service(name, store, key, effects, dialect or Dialect())

    def handle(request: Request) -> Response:
        asked.append(f"{request.method} {request.path}?{request.raw_query} {request.headers.get('Range', '')}".strip())
        return service.handle(request)

    with listening(HttpService(name, handle, faults, service.refusal)) as url:
        if service.dialect.host:
            url = url.replace("127.0.0.1", service.dialect.host)
        block = {
            "driver": "s3",
            "url": url,
            "region": region,
            "access_key": f"secret://{role}-access",
            "secret_key": f"secret://{role}-secret",
            **more,
        }
        uploads = service.desk.uploads
        yield StoreStandIn(name, url, faults, effects, store=store, uploads=uploads, block=block, asked=asked)
        faults.stopping.set()


@contextmanager
def listening(service: HttpService) -> Iterator[str]:
    """The service on a free port of loopback; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    listener = HttpListener(service, "127.0.0.1", port, stops_within=0.005)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        listener.stop()


def reveal(reference: str) -> Secret:
    """The secrets of these tests."""
    if reference not in SECRETS:
        raise ProviderError(f"There is no {reference}.", permanent=True)
    return Secret(SECRETS[reference])
