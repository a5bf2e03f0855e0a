"""What all looks of one discovery share: its time, its resolvers, the table of addresses, and what was not seen."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import dns.rdata

from providers.base import Context, ProviderError
from providers.discovery.networks import NetworkTable
from providers.discovery.sign import Sign, Unread
from providers.dns.deadline import Deadline
from providers.probes.resolver import Answered, Names, UnresolvedError

NOTHING = Answered()


@dataclass
class Survey:
    """One discovery under way; all threads share it.

    `domains`: the organisation's own. Each question is asked once: its answer, also that there is none, is kept.
    """

    context: Context
    domains: Sequence[str]
    table: NetworkTable
    deadline: Deadline
    unread: set[Unread] = field(default_factory=set)
    _answers: dict[tuple[str, str], Answered] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def names(self) -> Names:
        return Names(self.context.scope, self.deadline)

    def ask(self, domain: str, host: str, kind: str) -> Answered:
        """What this name and type lead to; nothing, and a note, when it can't be learnt."""
        key = (host, kind)
        if key not in self._answers:
            try:
                self._answers[key] = self.names.look_up(host, kind)
            except (UnresolvedError, ProviderError) as error:
                self.note(domain, "record", f"{host} {kind}", str(error))
                return NOTHING
        return self._answers[key]

    def values(self, domain: str, host: str, kind: str) -> list[dns.rdata.Rdata]:
        """The records of this name and type, in a stable order."""
        rrset = self.ask(domain, host, kind).rrset
        return sorted(rrset, key=lambda one: one.to_text()) if rrset is not None else []

    def has_address(self, domain: str, host: str) -> bool:
        return any(True for _ in self.addresses(domain, host))

    def ours(self, host: str) -> bool:
        """Whether a host is within the organisation's own domains."""
        return any(host == domain or host.endswith(f".{domain}") for domain in self.domains)

    def addresses(self, domain: str, host: str) -> Iterator[tuple[str, str]]:
        """Type and text of each. A name that does not exist is not asked for twice."""
        for kind in ("A", "AAAA"):
            answer = self.ask(domain, host, kind)
            for rdata in sorted(answer.rrset or (), key=str):
                yield kind, rdata.to_text()
            if not answer.exists:
                return

    def owners(self, domain: str, host: str, through: tuple[str, ...] = (), reason: str = "") -> Iterator[Sign]:
        """Whose addresses a host has, as far as the table knows."""
        for kind, address in self.addresses(domain, host):
            yield from self.owner(domain, host, address, f"{reason}{host} {kind} ", through)

    def owner(self, domain: str, at: str, address: str, evidence: str, through: tuple[str, ...] = ()) -> Iterator[Sign]:
        held = self.table.find(address)
        if held is not None:
            yield Sign(domain, "network", at, held.owner, f"{evidence}{address} in {held.prefix}", through)

    def note(self, domain: str, kind: Literal["record", "page", "certificate"], what: str, message: str) -> None:
        with self._lock:
            self.unread.add(Unread(domain, kind, what, " ".join(message.split())[:300]))


def third_parties(survey: Survey, hosts: Sequence[str]) -> tuple[str, ...]:
    """Those of these hosts that are not the organisation's own."""
    return tuple(host for host in hosts if not survey.ours(host))
