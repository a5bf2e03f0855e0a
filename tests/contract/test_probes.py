"""Every check keeps the contract of read-only steps, against real servers on loopback."""

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, Secret
from providers.probes.check import Check
from providers.probes.dns import DnsCheck
from providers.probes.http import HttpCheck
from providers.probes.smtp import SmtpCheck
from providers.probes.ssh import SshCheck
from providers.probes.tcp import TcpCheck
from providers.probes.tls import TlsCheck
from providers.wants import DnsProbe, HttpProbe, SmtpProbe, SshProbe, TcpProbe, TlsProbe
from tests.contract.suite import Case, ReadOnlyContract
from tests.dns_servers import ZONE, Server, bind
from tests.probe_targets import PAGE, Authority, mail_server, web_server
from tests.ssh_host import make_host

WWW = f"www.{ZONE}"
MAIL = f"mail.{ZONE}"


@dataclass
class Town:
    """One zone on a real name server, and a scope that knows it."""

    dns: Server
    authority: Authority
    directory: Path
    scope: dict[str, Any]
    secrets: dict[str, str] = field(default_factory=lambda: {"unused": "never-to-be-seen"})

    @property
    def context(self) -> Context:
        def reveal(reference: str) -> Secret:
            return Secret(self.secrets[reference.removeprefix("secret://")])

        return Context(self.scope, reveal, self.directory / "workspace", self.directory, deadline=10.0)

    @contextmanager
    def unreachable_by_scope(self) -> Iterator[None]:
        """The scope's networks hold nothing of this machine."""
        networks, self.scope["networks"] = self.scope["networks"], ["198.18.0.0/16"]
        yield
        self.scope["networks"] = networks

    def case(
        self,
        want: Any,
        make: Callable[[Context], Check[Any]],
        down: Callable[[], AbstractContextManager[None]],
        world: Callable[[], Any],
    ) -> Case:
        return Case(
            want=want,
            context=self.context,
            make=make,
            world=world,
            break_permanently=self.unreachable_by_scope,
            break_briefly=down,
            untrue=down,
            secrets=list(self.secrets.values()),
        )

    @contextmanager
    def published(self, *changes: str, undone_by: tuple[str, ...]) -> Iterator[None]:
        self.dns.change(*changes)
        yield
        self.dns.change(*undone_by)


@contextmanager
def town(directory: Path) -> Iterator[Town]:
    authority = Authority(directory)
    with bind(directory) as dns:
        dns.change(
            "delete www A",
            "add www 60 A 127.0.0.1",
            "add mail 60 A 127.0.0.1",
            "delete @ MX",
            "add @ 60 MX 10 mail",
        )
        scope = {
            "networks": ["127.0.0.0/8"],
            "dns": {"resolvers": [dns.address], "zones": {ZONE: {"driver": "rfc2136", "servers": [dns.address]}}},
            "tls": {"ca": str(authority.file)},
            "smtp": {"helo": f"bascule.{ZONE}", "from": f"canary@{ZONE}"},
        }
        yield Town(dns, authority, directory, scope)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


class TestTcp(ReadOnlyContract):
    @pytest.fixture
    def case(self, at: Town) -> Iterator[Case]:
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]

        @contextmanager
        def down() -> Iterator[None]:
            nonlocal listener
            listener.close()
            yield
            listener = socket.create_server(("127.0.0.1", port))

        yield at.case(TcpProbe(host=WWW, port=port), TcpCheck, down, at.dns.records)
        listener.close()


@contextmanager
def stoppable(stack: ExitStack, start: Callable[[], AbstractContextManager[Any]]) -> Iterator[None]:
    """Ends what is running in the stack, and starts it again after the block."""
    stack.close()
    yield
    stack.enter_context(start())


class TestTls(ReadOnlyContract):
    @pytest.fixture
    def case(self, at: Town) -> Iterator[Case]:
        trusted = at.authority.server_context(WWW)
        with ExitStack() as stack:
            port = stack.enter_context(web_server(trusted)).port
            want = TlsProbe(host=WWW, port=port, days_left=20)
            yield at.case(want, TlsCheck, lambda: stoppable(stack, lambda: web_server(trusted, port)), at.dns.records)


class TestHttp(ReadOnlyContract):
    @pytest.fixture
    def case(self, at: Town) -> Iterator[Case]:
        trusted = at.authority.server_context(WWW)
        with ExitStack() as stack:
            port = stack.enter_context(web_server(trusted)).port
            want = HttpProbe(url=f"https://{WWW}:{port}/moved", contains=PAGE)
            yield at.case(want, HttpCheck, lambda: stoppable(stack, lambda: web_server(trusted, port)), at.dns.records)


class TestDns(ReadOnlyContract):
    @pytest.fixture
    def case(self, at: Town) -> Case:
        want = DnsProbe(zone=ZONE, type="MX", values=["10 MAIL"])
        moved = at.published("add @ 60 MX 20 www", undone_by=("delete @ MX 20 www",))
        return at.case(want, DnsCheck, lambda: moved, at.dns.records)


class TestSmtp(ReadOnlyContract):
    @pytest.fixture
    def case(self, at: Town) -> Iterator[Case]:
        with mail_server(at.authority.server_context(MAIL)) as server:
            want = SmtpProbe(domain=ZONE, port=server.port, mx=[f"{MAIL}."])
            at.scope["tls"]["verify"] = True
            yield at.case(want, SmtpCheck, lambda: _busy_elsewhere(at), lambda: (at.dns.records(), server.taken))


@contextmanager
def _busy_elsewhere(at: Town) -> Iterator[None]:
    """The MX is an address where nobody answers."""
    with at.published(
        "delete mail A", "add mail 60 A 127.9.9.9", undone_by=("delete mail A", "add mail 60 A 127.0.0.1")
    ):
        yield


@pytest.mark.core
class TestSsh(ReadOnlyContract):
    @pytest.fixture
    def case(self, at: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
        host = make_host(tmp_path_factory.mktemp("ssh"))
        with host.running():
            at.scope.update(host.scope)
            at.secrets["ssh-key"] = host.key
            yield at.case(SshProbe(host=WWW, port=host.port), SshCheck, host.stopped, at.dns.records)
