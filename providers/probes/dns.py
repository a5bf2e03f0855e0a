"""Record values at every authoritative server of a zone, or at every resolver of the scope."""

import dns.exception

from providers.base import ProviderError
from providers.dns.authority import read, servers_of
from providers.dns.endpoint import Endpoint
from providers.dns.record_sets import canonical_values, from_rdataset, owner
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.wants import DnsProbe


class DnsCheck(Check[DnsProbe]):
    """`probe.dns`: no cache between, unless resolvers are asked. Outputs: `values` in canonical form, `servers`."""

    def _look(self, want: DnsProbe, attempt: Attempt) -> Seen:
        try:
            name = owner(want.name.lower(), want.zone)
            expected = canonical_values(want.type, want.values, want.zone)
        except (dns.exception.DNSException, ValueError) as error:
            raise ProviderError(
                f"The values of {want.name} {want.type} are not in zone-file form ({error}); correct the check.",
                permanent=True,
            ) from error
        servers = _servers(want, attempt)
        for server in servers:
            found = _values(want, server, attempt)
            if not (found == expected or (want.match == "among" and set(expected) <= set(found))):
                raise DoesNotHoldError(
                    f"{name} {want.type} is {', '.join(found) or 'nothing'} at {server}; "
                    f"expected {', '.join(expected)}."
                )
        return Seen(
            f"{name} {want.type} is {', '.join(expected)} at every server.",
            {"values": list(expected), "servers": [str(server) for server in servers]},
        )


def _servers(want: DnsProbe, attempt: Attempt) -> tuple[Endpoint, ...]:
    """Raises ProviderError(permanent) when the scope names none."""
    if want.at == "authorities":
        return tuple(servers_of(attempt.context.scope, want.zone))
    found = tuple(attempt.names.resolvers())
    if not found:
        raise ProviderError(
            f"The scope has no `dns.resolvers` that could be asked for {want.zone}; add them to bascule.yaml.",
            permanent=True,
        )
    return found


def _values(want: DnsProbe, server: Endpoint, attempt: Attempt) -> tuple[str, ...]:
    """What one server answers. Raises DoesNotHoldError when it does not answer."""
    key = want.name.lower(), want.type
    if want.at == "resolvers":
        asked = attempt.names.resolved_by(server, owner(want.name.lower(), want.zone), want.type)
        return from_rdataset(key, asked).values
    try:
        (found,) = read(want.zone, server, (key,), attempt.deadline)
    except ProviderError as error:
        if error.permanent:
            raise
        raise DoesNotHoldError(error.message) from error
    return found.values
