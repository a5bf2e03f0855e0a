"""`dns.records` through an HTTP API, with octoDNS as the library that plans and applies.

These APIs know no precondition. What the host holds is compared with what was
expected right before the first write, so the foreign change that can be
overwritten unnoticed is one that falls between that reading and the write, or
between a request that was given up and its late arrival. No request can be made to
refuse itself, so one without an answer is waited for (in_flight.py), and nothing is
sent meanwhile.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from octodns.provider import ProviderException
from octodns.provider.plan import Plan, UnsafePlan
from octodns.record.exception import RecordException

from providers.base import ProviderError
from providers.dns.api_session import Api, ApiSession, Explain
from providers.dns.authority import zone_settings
from providers.dns.deadline import Deadline
from providers.dns.in_flight import AnswerLostError
from providers.dns.octodns_plan import APEX_NS, ZoneApi, planned, record_sets
from providers.dns.record_sets import Key, RecordSets
from providers.dns.swap import Swap, Written
from providers.dns.swap_records import SwapRecords
from providers.rights import Right, State


class OctoDnsRecords(SwapRecords):
    """A driver says how its octoDNS provider is built, and whether it writes all at once."""

    host: str
    """The host's name, for people."""
    lowest_ttl = 1
    """The lowest TTL in seconds that the host keeps."""
    sets_apex_ns = True
    """Whether the zone's own NS set can be changed; else the host sets it."""
    conditional = False

    @abstractmethod
    def _api(self, zone: str, keys: Iterable[Key], deadline: Deadline) -> ZoneApi:
        """The provider, from the scope's block. Raises ProviderError when the block is wrong."""

    def _session(self, zone: str, vendor_url: str, explain: Explain, deadline: Deadline) -> ApiSession:
        """HTTP to the host by the zone's block of the scope, without a credential as yet."""
        api = Api.of(self.context, zone_settings(self.context.scope, zone), zone, self.host, vendor_url, explain)
        return ApiSession(api, deadline, self._in_flight(zone))

    def look(self, zone: str, deadline: Deadline) -> None:
        """Read the zone through the API as a step does. Raises ProviderError."""
        for _ in self._api(zone, [APEX_NS], deadline).held(zone):
            pass

    def rights(self, zone: str, now: float, deadline: Deadline) -> Iterable[Right]:
        """What the credential may do besides reading, as far as the host tells. Raises ProviderError."""
        del now, deadline
        return [Right(f"change {zone}", State.UNKNOWN, f"{self.host} tells only when it is tried; a drill proves it.")]

    def _write(self, swap: Swap, deadline: Deadline) -> Written:
        keys = [one.key for one in swap.wanted]
        api = self._api(swap.zone, keys, deadline)
        held = record_sets(api.held(swap.zone), keys, swap.zone)
        if not self._possible(held, swap.expected, swap.wanted) or (self.atomic and held != swap.expected):
            return Written.STALE
        plan = self._plan(api, swap, held)
        try:
            if plan is not None:
                api.apply(plan)
            self._publish(swap.zone, deadline)
        except AnswerLostError:
            return Written.LOST
        return Written.DONE

    def _plan(self, api: ZoneApi, swap: Swap, held: RecordSets) -> Plan | None:
        with self._explaining(swap):
            return planned(api, swap, held)

    @contextmanager
    def _explaining(self, swap: Swap) -> Iterator[None]:
        """octoDNS's exceptions for what the host's provider can't hold, for a person."""
        try:
            yield
        except (ProviderException, RecordException, UnsafePlan) as error:
            raise ProviderError(
                f"{self.host} can't hold {swap}: {' '.join(str(error).split())}; correct the step.", permanent=True
            ) from error

    def _obstacle(self, zone: str, wanted: RecordSets, current: RecordSets, deadline: Deadline) -> str:
        """Also what the host would refuse, some of it after a part is written."""
        if not self.sets_apex_ns and any(one.key == APEX_NS for one in wanted):
            return f"{self.host} sets the NS records of {zone} itself; take `@` NS out of the step."
        low = [f"{one.name} {one.type}" for one in wanted if one.ttl is not None and one.ttl < self.lowest_ttl]
        if low:
            return (
                f"{self.host} keeps no TTL below {self.lowest_ttl} s, and the step wants less for {', '.join(low)} "
                f"in {zone}; raise its `ttl`."
            )
        return super()._obstacle(zone, wanted, current, deadline)


class HostedRecords(OctoDnsRecords):
    """At a host whose servers follow its API some time later: the API is what is compared and written."""

    def _held(self, zone: str, keys: Iterable[Key], deadline: Deadline) -> RecordSets | None:
        keys = list(keys)
        return record_sets(self._api(zone, keys, deadline).held(zone), keys, zone)
