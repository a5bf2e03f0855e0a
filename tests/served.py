"""Stand-ins of products on loopback, over TLS: well, or wrong in one of the usual ways."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Thread
from typing import Any

from providers.base import Context, Secret
from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault, FaultTable
from providers.simulator.http_service import HttpService, Request, Response, _Server
from tests.dns_servers import free_port
from tests.probe_targets import Authority

PARKED = b"<!doctype html><html><head><title>valbourg.example</title></head><body>This domain is parked.</body></html>"


class Wrong(StrEnum):
    """How a product can be wrong while something answers in its place, or nothing does."""

    DOWN = "down"
    PARKED = "parked"
    MAINTENANCE = "maintenance"
    CERTIFICATE = "certificate"
    READ_ONLY = "read-only"


class _TlsServer(_Server):
    def __init__(self, port: int, service: HttpService, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", port), service, None)
        self._tls = tls

    def get_request(self) -> Any:
        line, address = super().get_request()
        line.settimeout(5)
        return self._tls.wrap_socket(line, server_side=True), address


@dataclass
class Served:
    """One stand-in at `url`. `faults`: for lost answers and refusals."""

    name: str
    url: str
    port: int
    stand_in: Any
    authority: Authority
    faults: FaultTable = field(default_factory=FaultTable)
    effects: EffectLog = field(default_factory=EffectLog)
    wrong: Wrong | None = None
    _server: _TlsServer | None = None

    @contextmanager
    def being(self, wrong: Wrong) -> Iterator[None]:
        """Within it, the stand-in is wrong in this way."""
        self._stop()
        self.wrong = wrong
        if wrong is not Wrong.DOWN:
            self.start()
        try:
            yield
        finally:
            self._stop()
            self.wrong = None
            self.start()

    @contextmanager
    def faulty(self, *rules: dict[str, Any]) -> Iterator[None]:
        """With these faults; `route` and `kind` as in the simulator's fault table."""
        self.faults.replace([Fault(service=self.name, **rule) for rule in rules])
        try:
            yield
        finally:
            self.faults.replace([])

    @contextmanager
    def losing_answers(self) -> Iterator[None]:
        """The first write is done and its answer never arrives."""
        writes = [{"route": f"{method} *", "kind": "lose_answer"} for method in ("POST", "PATCH", "DELETE")]
        with self.faulty(*writes):
            yield

    def written(self) -> list[tuple[str, str]]:
        """Action and target of every write so far."""
        return [(str(effect["action"]), str(effect["target"])) for effect in self.effects.listed()]

    def start(self) -> None:
        names = ("other.example",) if self.wrong is Wrong.CERTIFICATE else ("127.0.0.1",)
        service = HttpService(self.name, self._handle, self.faults, self.stand_in.refusal)
        self._server = _TlsServer(self.port, service, self.authority.server_context(*names))
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _handle(self, request: Request) -> Response:
        answer: Response
        if self.wrong is Wrong.PARKED:
            return Response(200, PARKED, {"Content-Type": "text/html; charset=utf-8"})
        if self.wrong is Wrong.MAINTENANCE:
            answer = self.stand_in.in_maintenance(request)
        elif self.wrong is Wrong.READ_ONLY:
            answer = self.stand_in.read_only(request)
        else:
            answer = self.stand_in.handle(request)
        return answer


@contextmanager
def served(name: str, make: Callable[[str, EffectLog], Any], directory: Path) -> Iterator[Served]:
    """A stand-in, made for its URL, until the end of the block; its authority's file is `ca.pem` of the directory."""
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    made = Served(name, url, port, None, Authority(directory))
    made.stand_in = make(url, made.effects)
    made.start()
    try:
        yield made
    finally:
        made.faults.stopping.set()
        made._stop()


def context(at: Served, directory: Path, secrets: dict[str, str], **blocks: Any) -> Context:
    """A scope that reaches loopback only, trusts the stand-in's authority, and has these blocks besides."""
    scope = {"networks": ["127.0.0.0/8"], "tls": {"ca": str(at.authority.file)}, **blocks}

    def reveal(reference: str) -> Secret:
        return Secret(secrets[reference.removeprefix("secret://")])

    return Context(scope, reveal, directory / "workspace", directory, deadline=10.0)
