"""One stand-in of a product on loopback, over TLS, in the condition that a test wants."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from providers.base import Context, Secret
from providers.simulator.authority import Authority
from providers.simulator.condition import Condition, Site
from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault, FaultTable
from tests.dns_servers import free_port

HOST = "127.0.0.1"


@dataclass
class Served:
    """A stand-in at `url`. `faults`: for lost answers and refusals; `ca`: the file of its authority."""

    name: str
    url: str
    stand_in: Any
    site: Site
    faults: FaultTable
    effects: EffectLog
    ca: Path

    @contextmanager
    def being(self, condition: Condition) -> Iterator[None]:
        self.site.become(condition)
        try:
            yield
        finally:
            self.site.become(Condition.HEALTHY)

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
        """The first write of each sort is done, and its answer never arrives."""
        with self.faulty(*({"route": f"{method} *", "kind": "lose_answer"} for method in ("POST", "PATCH", "DELETE"))):
            yield

    def written(self) -> list[tuple[str, str]]:
        """Action and target of every write so far."""
        return [(str(effect["action"]), str(effect["target"])) for effect in self.effects.listed()]


@contextmanager
def served(name: str, make: Callable[[str, EffectLog], Any], directory: Path) -> Iterator[Served]:
    """A stand-in, made for its URL, until the end of the block."""
    port, faults, effects, authority = free_port(), FaultTable(), EffectLog(), Authority(directory)
    url = f"https://{HOST}:{port}"
    stand_in = make(url, effects)
    site = Site(name, stand_in, HOST, port, authority.certificates(HOST), faults)
    try:
        yield Served(name, url, stand_in, site, faults, effects, authority.file)
    finally:
        faults.stopping.set()
        site.stop()


def context(at: Served, directory: Path, secrets: dict[str, str], **blocks: Any) -> Context:
    """A scope that reaches loopback only, trusts the stand-in's authority, and has these blocks besides."""
    scope = {"networks": ["127.0.0.0/8"], "tls": {"ca": str(at.ca)}, **blocks}

    def reveal(reference: str) -> Secret:
        return Secret(secrets[reference.removeprefix("secret://")])

    return Context(scope, reveal, directory / "workspace", directory, deadline=10.0)
