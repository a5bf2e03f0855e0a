"""What a name leads to, with the names on the way: through the scope's resolvers, as every look-up."""

from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.resolver
import dns.rrset

from providers.probes.resolver import LONGEST_CHAIN, LOOKUP_SECONDS, Names, UnresolvedError


@dataclass(frozen=True, slots=True)
class Answered:
    """The hosts that CNAMEs name on the way, in order, and the record set at their end, if any.

    `exists` is false when there is no such name, of whatever type.
    """

    chain: tuple[str, ...] = ()
    rrset: dns.rrset.RRset | None = None
    exists: bool = True


class Trails(Names):
    """Names whose CNAMEs are told; a name that does not exist is an answer as well."""

    def look_up(self, host: str, kind: str) -> Answered:
        """The record set that a name leads to, along CNAMEs through any number of servers. Raises UnresolvedError."""
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
            raise UnresolvedError(f"{host} can't be looked up ({' '.join(str(error).split())})") from error
        raise UnresolvedError(f"{host} leads through more than {LONGEST_CHAIN} CNAMEs")

    def _ask(self, name: dns.name.Name, kind: str) -> dns.message.QueryMessage:
        """The whole answer of one of the name's servers, also when the name does not exist."""
        lifetime = self._deadline.within(LOOKUP_SECONDS)
        resolver = self._resolver(name)
        try:
            return resolver.resolve(name, kind, search=False, raise_on_no_answer=False, lifetime=lifetime).response
        except dns.resolver.NXDOMAIN as error:
            answer: dns.message.QueryMessage = error.kwargs["responses"][name]
            return answer
