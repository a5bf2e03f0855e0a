"""How a scope's names become addresses: through its own resolvers, never through the machine's.

A name in one of the scope's zones is asked of the zone's authoritative servers, so
that no cache hides a change just made. An address is only given out when the scope
reaches it, and who asks connects to that very address: a name that resolves to
something else a moment later (DNS rebinding) leads nowhere new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdata
import dns.rdtypes.ANY.MX
import dns.resolver
import dns.reversename
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

from providers.base import JsonMap, ProviderError
from providers.dns.authority import servers_of
from providers.dns.deadline import Deadline
from providers.dns.endpoint import Endpoint, endpoint
from providers.reach import allowed, literal, require_allowed

LONGEST_CHAIN = 8
"""CNAMEs that lead from one zone into another before it counts as a loop."""

LOOKUP_SECONDS = 5.0


class UnresolvedError(Exception):
    """A name has no usable answer now; the text says which and why.

    `unseen`: none of the resolvers that we ask said anything of use, so nothing is known of the name. One that
    answers that the name's own servers fail (SERVFAIL) has looked.
    """

    def __init__(self, message: str, *, unseen: bool = False) -> None:
        super().__init__(message)
        self.unseen = unseen


@dataclass(frozen=True, slots=True)
class Answered:
    """What a name led to: the hosts that CNAMEs name on the way, in order, and the record set at their end, if any.

    `exists` is false when there is no such name, of whatever type.
    """

    chain: tuple[str, ...] = ()
    rrset: dns.rrset.RRset | None = None
    exists: bool = True


class Names:
    """Looks names up for one call of a provider; a host keeps the addresses that it had when it was first asked for."""

    def __init__(self, scope: JsonMap, deadline: Deadline, instead: Mapping[str, str] | None = None) -> None:
        """`instead`: host -> the host or address that is taken in its place, where a name has not moved yet."""
        self._scope = scope
        self._deadline = deadline
        self._instead = instead or {}
        self._known: dict[tuple[str, tuple[str, ...]], list[str]] = {}

    def addresses(self, host: str, kinds: Sequence[str] = ("A", "AAAA")) -> list[str]:
        """The addresses of a host that the scope reaches; an address stands for itself.

        Raises UnresolvedError when it has none, ProviderError(permanent) when all
        are outside the scope's networks.
        """
        host = self._instead.get(host.lower(), host)
        address = literal(host)
        if address is not None:
            require_allowed(self._scope, str(address))
            return [str(address)]
        asked = host, tuple(kinds)
        if asked not in self._known:
            self._known[asked] = self._reached(host, kinds)
        return self._known[asked]

    def _reached(self, host: str, kinds: Sequence[str]) -> list[str]:
        found = self.published(host, kinds)
        reached = [each for each in found if allowed(self._scope, each)]
        if not reached:
            require_allowed(self._scope, found[0])
        return reached

    def published(self, host: str, kinds: Sequence[str] = ("A", "AAAA")) -> list[str]:
        """The addresses of a host, whether the scope reaches them or not. Raises UnresolvedError when it has none."""
        found = [rdata.to_text() for kind in kinds for rdata in self._resolve(host, kind) or ()]
        if not found:
            raise UnresolvedError(f"{host} has no address in DNS")
        return found

    def mail_servers(self, domain: str) -> list[tuple[int, str]]:
        """Preference and host of each MX, the most preferred first, without trailing dots. Raises UnresolvedError."""
        found = self._resolve(domain, "MX") or ()
        return sorted(
            (rdata.preference, rdata.exchange.to_text(omit_final_dot=True).lower())
            for rdata in found
            if isinstance(rdata, dns.rdtypes.ANY.MX.MX)
        )

    def texts(self, name: str) -> list[bytes]:
        """Each TXT value of the name, its strings joined. Raises UnresolvedError."""
        return [b"".join(rdata.strings) for rdata in self.rdatas(name, "TXT") if isinstance(rdata, TXT)]

    def rdatas(self, name: str, kind: str) -> list[dns.rdata.Rdata]:
        """What the name leads to of this type; empty when there is nothing. Raises UnresolvedError."""
        return list(self._resolve(name, kind) or ())

    def resolvers(self) -> list[Endpoint]:
        """The scope's resolvers, in their order; none when it names none."""
        return [endpoint(text, 53) for text in self._scope.get("dns", {}).get("resolvers", ())]

    def resolved_by(self, server: Endpoint, name: dns.name.Name, kind: str) -> dns.rrset.RRset | None:
        """What one resolver answers, from its cache or not; None when nothing is there. Raises UnresolvedError."""
        asked = dns.resolver.Resolver(configure=False)
        asked.nameservers = [dns.nameserver.Do53Nameserver(server.address, server.port)]
        try:
            lifetime = self._deadline.within(LOOKUP_SECONDS)
            return asked.resolve(name, kind, search=False, raise_on_no_answer=False, lifetime=lifetime).rrset
        except dns.resolver.NXDOMAIN:
            return None
        except (dns.exception.DNSException, OSError) as error:
            raise UnresolvedError(
                f"{name.to_text(omit_final_dot=True)} can't be looked up at {server} ({' '.join(str(error).split())})",
                unseen=_unseen(error),
            ) from error

    def name_servers(self, domain: str) -> list[str]:
        """The names of a domain's servers, without trailing dots; none where no zone begins. Raises UnresolvedError."""
        found = self._resolve(domain, "NS") or ()
        return sorted(rdata.to_text().lower().removesuffix(".") for rdata in found)

    def aliases(self, host: str) -> list[str]:
        """The names that a host's CNAMEs lead through, without trailing dots. Raises UnresolvedError."""
        return list(self.look_up(host, "A").chain)

    def reverse(self, address: str) -> list[str]:
        """The names that the holder of an address gives it. Raises UnresolvedError."""
        found = self._resolve(dns.reversename.from_address(address).to_text(), "PTR") or ()
        return sorted(rdata.to_text().lower().removesuffix(".") for rdata in found)

    def look_up(self, host: str, kind: str) -> Answered:
        """The record set that a name leads to, along CNAMEs through any number of servers. Raises UnresolvedError.

        A name that does not exist is answered as well, with the CNAMEs that lead there.
        """
        chain: list[str] = []
        try:
            name = dns.name.from_text(host)
            for _ in range(LONGEST_CHAIN):
                response = self._ask(name, kind)
                found = response.resolve_chaining()
                chain += [one[0].target.to_text(omit_final_dot=True).lower() for one in found.cnames]
                if found.answer is not None or found.canonical_name == name:
                    return Answered(tuple(chain), found.answer, response.rcode() != dns.rcode.NXDOMAIN)
                name = found.canonical_name
        except (dns.exception.DNSException, OSError, ValueError) as error:
            told = f"{host} can't be looked up ({' '.join(str(error).split())})"
            raise UnresolvedError(told, unseen=_unseen(error)) from error
        raise UnresolvedError(f"{host} leads through more than {LONGEST_CHAIN} CNAMEs")

    def _resolve(self, host: str, kind: str) -> dns.rrset.RRset | None:
        return self.look_up(host, kind).rrset

    def _ask(self, name: dns.name.Name, kind: str) -> dns.message.QueryMessage:
        """The whole answer of one of the name's servers, also when the name does not exist."""
        lifetime = self._deadline.within(LOOKUP_SECONDS)
        resolver = self._resolver(name)
        try:
            return resolver.resolve(name, kind, search=False, raise_on_no_answer=False, lifetime=lifetime).response
        except dns.resolver.NXDOMAIN as error:
            answer: dns.message.QueryMessage = error.kwargs["responses"][name]
            return answer

    def _resolver(self, name: dns.name.Name) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = [dns.nameserver.Do53Nameserver(each.address, each.port) for each in self._servers(name)]
        return resolver

    def _servers(self, name: dns.name.Name) -> Sequence[Endpoint]:
        settings = self._scope.get("dns", {})
        ours = [zone for zone in settings.get("zones", {}) if name.is_subdomain(dns.name.from_text(zone))]
        if ours:
            return servers_of(self._scope, max(ours, key=len))
        resolvers = self.resolvers()
        if not resolvers:
            raise ProviderError(
                f"{name.to_text(omit_final_dot=True)} can't be looked up: the scope has no `dns.resolvers`; "
                "add them to bascule.yaml.",
                permanent=True,
            )
        return resolvers


def _unseen(error: Exception) -> bool:
    """Whether every server that was asked stayed silent or would not look: what is on our side of the question."""
    if isinstance(error, OSError):
        return True
    if not isinstance(error, dns.resolver.NoNameservers | dns.resolver.LifetimeTimeout):
        return False
    answers = [tried[4] for tried in error.kwargs.get("errors", ())]
    return not any(answer is not None and answer.rcode() == dns.rcode.SERVFAIL for answer in answers)
