"""`dns.records` for any server: observe, apply and undo around one driver's message."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from dataclasses import replace

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.dns.deadline import Deadline, TimeIsUpError
from providers.dns.in_flight import InFlight
from providers.dns.record_edits import CannotEditError, require_form, wanted_sets
from providers.dns.record_sets import (
    Key,
    RecordSet,
    RecordSets,
    as_values,
    changed,
    differences,
    from_json,
    only,
    presence,
    spoken_of,
)
from providers.dns.swap import StaleError, Swap, Written
from providers.dns.view import View
from providers.wants import Records

LOOK_AGAIN_SECONDS = 0.1
"""Between two readings while the servers take a change over."""

TAKE_OVER_SECONDS = 10.0
"""How long one call waits for that; then the step is PENDING, and no thread waits for a slow zone transfer."""


LOOK_AT_FLIGHT_SECONDS = 2.0
"""Between two looks for a change whose answer was lost."""


class SwapRecords(ABC):
    """Changes record sets from what the plan saw to what is wanted.

    The proof of an effect is the state journalled before it, see
    `record_sets.presence`. Its `effect` holds the changed record sets only, so that
    undo never touches what was already so.

    An `atomic` driver changes all in one message or nothing. Any other writes one
    after the other, and may be cut off in between. Invariant: what is there then lies
    between the two states, that is, each record set is in one of its `_states`; so it
    is known as begun by us, and apply walks on from it and undo walks back.

    A message without an answer may arrive late. A `conditional` driver's does nothing
    once the state has moved on, so it is sent again at once; it would only take effect
    where the expected state is there again, as after an undo. Any other driver sends
    nothing while one may arrive. Invariant: nothing is said to be absent or taken back
    while a message of ours may still change it (in_flight.py).
    """

    atomic = True
    conditional = True

    def __init__(self, context: Context) -> None:
        self.context = context
        self._flights: dict[str, InFlight] = {}

    def _in_flight(self, zone: str) -> InFlight:
        """This step's messages to the zone that have no answer."""
        path = self.context.workspace / f"{zone}-in-flight.json"
        return self._flights.setdefault(zone, InFlight(path, self.context.clock))

    @abstractmethod
    def _write(self, swap: Swap, deadline: Deadline) -> Written:
        """Send one message that changes all record sets of the swap, or none; unless atomic, make what is left of it.

        Raises ProviderError when the server refuses or can't be reached.
        """

    def _held(self, zone: str, keys: Iterable[Key], deadline: Deadline) -> RecordSets | None:
        """What the place that takes the changes holds; None where that is the first of the zone's servers."""
        del zone, keys, deadline
        return None

    def _states(self, expected: RecordSet, wanted: RecordSet) -> Collection[RecordSet]:
        """The states of one record set during a swap that is not atomic; there and back, both ends included."""
        return expected, wanted

    def _publish(self, zone: str, deadline: Deadline) -> None:
        """Have what is held answered by the servers, where the host waits for that word; saying it twice is safe."""
        del zone, deadline

    def _is_published(self, zone: str, held: RecordSets) -> bool:
        """Whether what is held reaches the servers by itself from here on."""
        del zone, held
        return True

    def observe(self, want: Records, tag: Tag, before: JsonMap | None) -> Finding:
        del tag  # a zone carries no mark of who wrote it
        require_form(want)
        expected = None if before is None else _expected(before, want)
        deadline = Deadline(self.context.deadline)
        view = self._view(want.zone, spoken_of(want), deadline, at_origin=expected is not None)
        try:
            wanted = wanted_sets(want, view.agreed() if expected is None else expected)
        except CannotEditError as error:
            return Finding(Presence.CONFLICT, as_values(view.agreed()), message=error.message)
        if expected is None:
            return self._found(want, view, None, wanted, deadline)
        found = self._begun(want.zone, view, expected, wanted) or self._found(want, view, expected, wanted, deadline)
        return self._unless_in_flight(want.zone, found, _effect(expected, wanted))

    def _found(
        self, want: Records, view: View, expected: RecordSets | None, wanted: RecordSets, deadline: Deadline
    ) -> Finding:
        """What the view shows, whatever is on its way."""
        current = view.agreed()
        found = _finding(want.zone, expected, current, wanted)
        if found.presence is Presence.ABSENT and (obstacle := self._obstacle(want.zone, wanted, current, deadline)):
            return replace(found, presence=Presence.CONFLICT, message=obstacle)
        if found.presence is Presence.CONFLICT and expected is not None and not self.atomic:
            return replace(found, effect=self._ours(expected, view.primary, wanted))
        return found

    def _unless_in_flight(self, zone: str, found: Finding, effect: JsonMap) -> Finding:
        """What was found, as far as it can be said while a message of ours may still arrive.

        With a conditional driver apply may go on; an undo is given the effect, and waits.
        """
        left = self._in_flight(zone).left()
        if left <= 0 or found.presence not in (Presence.ABSENT, Presence.CONFLICT):
            return found
        if not self.conditional:
            return _awaited(zone, found.values, effect, left)
        if found.presence is Presence.ABSENT:
            return replace(found, effect=effect, message=_IN_FLIGHT.format(zone=zone))
        return found

    def apply(self, want: Records, tag: Tag, before: JsonMap, report: Report) -> Finding:
        del tag
        deadline = Deadline(self.context.deadline)
        expected = _expected(before, want)
        wanted = wanted_sets(want, expected)
        view = self._view(want.zone, wanted, deadline, at_origin=True)
        if self._on_the_way(view, expected, wanted):
            self._publish(want.zone, deadline)
        else:
            current = self._start(view, expected, wanted)
            if current == wanted:
                return _finding(want.zone, expected, current, wanted)
            if not self._possible(current, expected, wanted):
                raise StaleError(want.zone, expected, current)
            if obstacle := self._obstacle(want.zone, wanted, current, deadline):
                raise ProviderError(obstacle, permanent=True)
            swap = Swap.between(want.zone, expected, wanted)
            report(f"Changing {swap}.")
            if not self._carry_out(swap, deadline):
                left = self._in_flight(want.zone).left()
                return _awaited(want.zone, as_values(current), _effect(expected, wanted), left)
        if self._taken_over(want.zone, expected, wanted, deadline):
            return _finding(want.zone, expected, wanted, wanted)
        return _on_the_way(want.zone, expected, wanted)

    def undo(self, want: Records, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        """Takes back the record sets that the effect names, those only, and only if nobody changed them since.

        The zone is the wish's; its records are the effect's, whatever the wish says by now. What may still arrive
        is waited for: before anything is taken back or, with a conditional driver, after it.
        """
        del tag
        if not effect:
            return Finding(Presence.ABSENT, message="Nothing was changed, so there is nothing to take back.")
        deadline = Deadline(self.context.deadline)
        ours, original = from_json(effect["after"]), from_json(effect["before"])
        view = self._view(want.zone, original, deadline, at_origin=True)
        flight = self._in_flight(want.zone)
        if not self.conditional and flight.left() > 0:
            return _awaited(want.zone, as_values(original), effect, flight.left())
        if self._on_the_way(view, ours, original):
            self._publish(want.zone, deadline)
        else:
            current = self._start(view, ours, original)
            still_changed = changed(current, original)
            swap = Swap(want.zone, only(ours, still_changed), only(original, still_changed))
            if not self._possible(only(current, still_changed), swap.expected, swap.wanted):
                return _changed_by_others(want.zone, swap.expected, current)
            if swap.wanted:
                report(f"Taking back {swap}.")
                try:
                    if not self._carry_out(swap, deadline):
                        return _awaited(want.zone, as_values(original), effect, flight.left())
                except StaleError as stale:
                    return _changed_by_others(want.zone, swap.expected, stale.current)
        if self._taken_over(want.zone, ours, original, deadline):
            if (left := flight.left()) > 0:
                return _awaited(want.zone, as_values(original), effect, left)
            return Finding(Presence.ABSENT, as_values(original), message=f"{want.zone} is as it was before.")
        return Finding(Presence.PENDING, as_values(original), effect=effect, message=_LAGGING.format(zone=want.zone))

    def _view(self, zone: str, of: RecordSets, deadline: Deadline, *, at_origin: bool = False) -> View:
        """`at_origin`: with what the place that takes the changes holds; a plan needs neither that nor its secrets."""
        if not at_origin:
            return View.taken(self.context.scope, zone, of, deadline)
        origin = self._held(zone, (one.key for one in of), deadline)
        view = View.taken(self.context.scope, zone, of, deadline, origin)
        self._in_flight(zone).seen(view.primary)
        return view

    def _possible(self, current: RecordSets, expected: RecordSets, wanted: RecordSets) -> bool:
        """Whether our swap alone may have left this: one of its two ends or, unless atomic, something between."""
        if self.atomic:
            return current in (expected, wanted)
        ways = zip(current, expected, wanted, strict=True)
        return all(one in self._states(start, end) for one, start, end in ways)

    def _on_the_way(self, view: View, expected: RecordSets, wanted: RecordSets) -> bool:
        return view.on_the_way(wanted, lambda held: self._possible(held, expected, wanted))

    def _start(self, view: View, expected: RecordSets, wanted: RecordSets) -> RecordSets:
        """What to go on from: what all agree on, or what a host's API holds while its servers lag within our swap."""
        if view.origin is not None and view.all(lambda held: self._possible(held, expected, wanted)):
            return view.origin
        return view.agreed()

    def _begun(self, zone: str, view: View, expected: RecordSets, wanted: RecordSets) -> Finding | None:
        """What an earlier call of ours began and did not see arrive; None when there is nothing such."""
        current = view.primary
        if self._on_the_way(view, expected, wanted) and self._is_published(zone, current):
            return _on_the_way(zone, expected, wanted)
        cut_off = current not in (expected, wanted) or (current == wanted and not view.everywhere(wanted))
        if self.atomic or not cut_off or not self._possible(current, expected, wanted):
            return None
        said = f"A change of {zone} was cut off: {differences(wanted, current, zone) or 'it is not published yet'}."
        return Finding(Presence.ABSENT, as_values(current), effect=_effect(expected, wanted), message=said)

    def _ours(self, expected: RecordSets, current: RecordSets, wanted: RecordSets) -> JsonMap:
        """The effect of a change cut off beside foreign ones: the record sets that we left as they are."""
        keys = {
            start.key
            for start, one, end in zip(expected, current, wanted, strict=True)
            if one != start and one in self._states(start, end)
        }
        return _effect(only(expected, keys), only(wanted, keys)) if keys else {}

    def _obstacle(self, zone: str, wanted: RecordSets, current: RecordSets, deadline: Deadline) -> str:
        """What must go before the wanted record sets can come, in one sentence; empty when nothing must."""
        there = View.in_the_way(self.context.scope, zone, wanted, current, deadline)
        if not there:
            return ""
        listed = "; ".join(f"{one.name} {one.type} is {one}" for one in there)
        return f"A CNAME stands alone at its name, and in {zone} {listed}; add it to the step with `state: absent`."

    def _carry_out(self, swap: Swap, deadline: Deadline) -> bool:
        """Send until it is known to have happened; False when it is to be waited for.

        A conditional message is sent again after a lost answer: whichever comes second
        finds something else than expected. Raises StaleError when somebody else
        changed the record sets.
        """
        flight = self._in_flight(swap.zone)
        flight.leads_to = swap.wanted
        doubt = False
        while self.conditional or flight.left() <= 0:
            written = self._write_again(swap, deadline, doubt)
            if written is Written.DONE:
                return True
            doubt = doubt or written is Written.LOST
            current = self._current_after_doubt(swap, deadline)
            if current == swap.wanted and self._is_published(swap.zone, current):
                return True
            if written is Written.STALE or not self._possible(current, swap.expected, swap.wanted):
                raise StaleError(swap.zone, swap.expected, current, doubt=doubt)
        return False

    def _write_again(self, swap: Swap, deadline: Deadline, doubt: bool) -> Written:
        """As `_write`; after a message in `doubt`, a failure does not mean that nothing happened."""
        try:
            return self._write(swap, deadline)
        except ProviderError as error:
            error.effect_possible = error.effect_possible or doubt
            raise

    def _current_after_doubt(self, swap: Swap, deadline: Deadline) -> RecordSets:
        """What the primary holds after an answer that does not settle it."""
        try:
            return self._view(swap.zone, swap.wanted, deadline, at_origin=True).primary
        except ProviderError as error:
            raise ProviderError(
                f"It is not known whether {swap} was changed: {error.message}", permanent=False, effect_possible=True
            ) from error

    def _taken_over(self, zone: str, expected: RecordSets, wanted: RecordSets, deadline: Deadline) -> bool:
        """Wait until every server has what is wanted; False when that takes longer than this call may.

        Raises ProviderError when somebody else changed it meanwhile, or a server stays silent.
        """
        patience = Deadline(min(TAKE_OVER_SECONDS, deadline.left()))
        while True:
            try:
                view = self._view(zone, wanted, deadline)
            except TimeIsUpError:
                return False
            except ProviderError as error:
                if error.permanent or not patience.pause(LOOK_AGAIN_SECONDS):
                    raise ProviderError(error.message, permanent=error.permanent, effect_possible=True) from error
                continue
            if view.everywhere(wanted):
                return True
            if not self._possible(view.primary, expected, wanted):
                raise ProviderError(
                    f"The server took our change of {zone}, and now {differences(wanted, view.primary, zone)}; "
                    "find out who changed it since, and decide which of the two shall stay.",
                    permanent=True,
                    effect_possible=True,
                )
            if not patience.pause(LOOK_AGAIN_SECONDS):
                return False


_LAGGING = "The primary server of {zone} has the change; the other servers take it over."
_IN_FLIGHT = "The answer to a change of {zone} was lost, and the change may still arrive."


def _expected(before: JsonMap, want: Records) -> RecordSets:
    """The journalled state before the change, of the same record sets as what is wanted."""
    expected = from_json(before.get("records", ()))
    if [one.key for one in expected] != [one.key for one in spoken_of(want)]:
        raise ProviderError(
            f"The record sets of {want.zone} that were planned are not those of the step; plan again.", permanent=True
        )
    return expected


def _effect(expected: RecordSets, wanted: RecordSets) -> JsonMap:
    keys = changed(expected, wanted)
    return {
        "before": [one.as_json() for one in only(expected, keys)],
        "after": [one.as_json() for one in only(wanted, keys)],
    }


def _finding(zone: str, expected: RecordSets | None, current: RecordSets, wanted: RecordSets) -> Finding:
    found = presence(expected, current, wanted)
    values = as_values(current)
    match found:
        case Presence.OURS:
            assert expected is not None
            return Finding(found, values, effect=_effect(expected, wanted), message=f"{zone} has what is wanted.")
        case Presence.ALREADY:
            return Finding(found, values, message=f"{zone} had what is wanted already.")
        case Presence.CONFLICT:
            assert expected is not None
            return Finding(found, values, message=f"{differences(expected, current, zone)}.")
        case _:
            return Finding(found, values, message=f"Would change: {differences(wanted, current, zone)}.")


def _on_the_way(zone: str, expected: RecordSets, wanted: RecordSets) -> Finding:
    return Finding(
        Presence.PENDING,
        as_values(wanted),
        effect=_effect(expected, wanted),
        message=_LAGGING.format(zone=zone),
    )


def _awaited(zone: str, values: JsonMap, effect: JsonMap, left: float) -> Finding:
    """A message of ours may arrive for so many seconds."""
    again = min(max(left, 0.1), LOOK_AT_FLIGHT_SECONDS)
    return Finding(Presence.PENDING, values, effect=effect, message=_IN_FLIGHT.format(zone=zone), again_after=again)


def _changed_by_others(zone: str, expected: RecordSets, current: RecordSets) -> Finding:
    found = differences(expected, current, zone) or "its server holds something else than it answers"
    return Finding(Presence.CONFLICT, as_values(current), message=f"Left alone, as others changed it since: {found}.")
