"""Record values at every authoritative server of a zone."""

import dns.exception

from providers.base import ProviderError
from providers.dns.authority import read, servers_of
from providers.dns.record_sets import canonical_values, owner
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.wants import DnsProbe


class DnsCheck(Check[DnsProbe]):
    """`probe.dns`: no cache between. Outputs: `values` in canonical zone-file form, `servers`."""

    def _look(self, want: DnsProbe, attempt: Attempt) -> Seen:
        try:
            name = owner(want.name.lower(), want.zone)
            expected = canonical_values(want.type, want.values, want.zone)
        except (dns.exception.DNSException, ValueError) as error:
            raise ProviderError(
                f"The values of {want.name} {want.type} are not in zone-file form ({error}); correct the check.",
                permanent=True,
            ) from error
        servers = servers_of(attempt.context.scope, want.zone)
        for server in servers:
            try:
                (found,) = read(want.zone, server, ((want.name.lower(), want.type),), attempt.deadline)
            except ProviderError as error:
                if error.permanent:
                    raise
                raise DoesNotHoldError(error.message) from error
            if found.values != expected:
                raise DoesNotHoldError(
                    f"{name} {want.type} is {', '.join(found.values) or 'nothing'} at {server}; "
                    f"expected {', '.join(expected)}."
                )
        return Seen(
            f"{name} {want.type} is {', '.join(expected)} at every server.",
            {"values": list(expected), "servers": [str(server) for server in servers]},
        )
