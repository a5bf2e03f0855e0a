"""One step over several zones: in each a change of its own, by that zone's own driver, side by side.

A zone whose state moved, or whose server refuses, is left alone and named; the
others are done. The effect is kept zone by zone, so another attempt finishes only
the rest, and undo takes back exactly what was written.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from providers.base import HALTED, Context, Finding, JsonMap, Presence, Provider, ProviderError, Report, Tag
from providers.dns.deadline import Deadline, TimeIsUpError
from providers.wants import InZones

SIDE_BY_SIDE = 8
"""Zones worked on at once; no vendor's API should take that for an attack."""

MOST_TOLD = 5
"""Zones that a message tells of one by one; the step's output tells of all."""

MakeOne = Callable[[Any, Context], Provider[Any]]
"""The provider of a wish for one zone. Raises ProviderError(permanent)."""

Told = Finding | ProviderError
Wish = TypeVar("Wish", bound=InZones)


class HaltedError(ProviderError):
    """The kill switch came before this zone's turn. A zone that was begun is finished, for none is left empty."""

    def __init__(self) -> None:
        super().__init__(f"{HALTED}.", permanent=False)


class ManyZones:
    """Any kind of step that knows how to change one zone, done in each of the wish's `zones`.

    A provider is made for each zone in the thread that uses it: drivers are not made to be shared.
    """

    def __init__(self, context: Context, make: MakeOne) -> None:
        self.context = context
        self._make = make

    def observe(self, want: InZones, tag: Tag, before: JsonMap | None) -> Finding:
        expected = None if before is None else _by_zone(before)

        def look(provider: Provider[Any], zone: str) -> Finding:
            known = None if expected is None else expected.get(zone, {})
            return provider.observe(want.at(zone), tag, known)

        results = self._each(want, want.zones, look)
        failed = _failures(results)
        if failed:
            raise _failure(f"Not every zone can be read: {_told(failed)}", failed, effect_possible=False)
        return _together(_findings(results))

    def apply(self, want: InZones, tag: Tag, before: JsonMap, report: Report) -> Finding:
        """Raises ProviderError that names each zone which was not changed, and why, once all others are done."""
        expected = _by_zone(before)
        aloud = _one_at_a_time(report)

        def change(provider: Provider[Any], zone: str) -> Finding:
            return _reported(zone, aloud, lambda: provider.apply(want.at(zone), tag, expected.get(zone, {}), aloud))

        results = self._each(want, want.zones, change)
        failed, done = _failures(results), _findings(results)
        if failed:
            changed = any(one.effect for one in done.values())
            message = f"Done in {len(done)} of {len(results)} zones, not in {_told(failed)}"
            raise _failure(message, failed, effect_possible=changed)
        return _together(done)

    def undo(self, want: InZones, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        """Takes back each zone's part by itself; CONFLICT when one was left alone, and all others are back."""
        written = _by_zone(effect)
        aloud = _one_at_a_time(report)

        def take_back(provider: Provider[Any], zone: str) -> Finding:
            return _reported(zone, aloud, lambda: provider.undo(want.at(zone), tag, written[zone], aloud))

        results = self._each(want, list(written), take_back)
        failed, done = _failures(results), _findings(results)
        if failed:
            back = sum(one.presence is Presence.ABSENT for one in done.values())
            message = f"Taken back in {back} of {len(results)} zones, not in {_told(failed)}"
            raise _failure(message, failed, effect_possible=True)
        return _taken_back(done, effect)

    def _each(
        self, want: InZones, zones: Sequence[str], act: Callable[[Provider[Any], str], Finding]
    ) -> dict[str, Told]:
        """What came of it in each zone, in their order."""
        deadline = Deadline(self.context.deadline)

        def one(zone: str) -> Told:
            try:
                return act(self._provider(want.at(zone), deadline), zone)
            except ProviderError as error:
                return error

        if not zones:
            return {}
        with ThreadPoolExecutor(min(self._side_by_side(want, zones), len(zones)), thread_name_prefix="zone") as pool:
            return dict(zip(zones, pool.map(one, zones), strict=True))

    def _side_by_side(self, want: InZones, zones: Sequence[str]) -> int:
        """As many zones at once as the most sparing of their drivers takes."""
        deadline = Deadline(self.context.deadline)
        found = [SIDE_BY_SIDE]
        for zone in {_driver(self.context, zone): zone for zone in zones}.values():
            with suppress(ProviderError):  # told of that zone when its turn comes
                found.append(getattr(self._provider(want.at(zone), deadline), "side_by_side", SIDE_BY_SIDE))
        return min(found)

    def _provider(self, want: InZones, deadline: Deadline) -> Provider[Any]:
        left = deadline.left()
        if left <= 0:
            raise TimeIsUpError
        if self.context.halted():
            raise HaltedError
        workspace = self.context.workspace / want.zone
        return self._make(want, replace(self.context, workspace=workspace, deadline=left))


def _driver(context: Context, zone: str) -> object:
    return context.scope.get("dns", {}).get("zones", {}).get(zone, {}).get("driver")


def _by_zone(values: JsonMap) -> Mapping[str, JsonMap]:
    zones: Mapping[str, JsonMap] = values.get("zones", {})
    return zones


def _one_at_a_time(report: Report) -> Report:
    lock = threading.Lock()

    def aloud(text: str) -> None:
        with lock:
            report(text)

    return aloud


def _reported(zone: str, report: Report, act: Callable[[], Finding]) -> Finding:
    try:
        found = act()
    except ProviderError as error:
        report(f"! {zone}: {error.message}")
        raise
    report(f"{zone}: {found.message}")
    return found


def _failures(results: Mapping[str, Told]) -> dict[str, ProviderError]:
    return {zone: one for zone, one in results.items() if isinstance(one, ProviderError)}


def _findings(results: Mapping[str, Told]) -> dict[str, Finding]:
    return {zone: one for zone, one in results.items() if isinstance(one, Finding)}


def _failure(message: str, failed: Mapping[str, ProviderError], *, effect_possible: bool) -> ProviderError:
    """One failure of several: worth trying again as long as that may help one of them."""
    waits = [one.retry_after for one in failed.values() if one.retry_after is not None]
    return ProviderError(
        message,
        permanent=all(one.permanent for one in failed.values()),
        effect_possible=effect_possible or any(one.effect_possible for one in failed.values()),
        retry_after=max(waits, default=None),
    )


def _together(found: Mapping[str, Finding]) -> Finding:
    """The findings of all zones as one.

    ABSENT with an effect when some zones are done and others are not: `apply` finishes them.
    """
    pending = [one.again_after for one in found.values() if one.presence is Presence.PENDING]
    return Finding(
        _presence({one.presence for one in found.values()}),
        {"zones": {zone: dict(one.values) for zone, one in found.items()}},
        outputs=_outputs(list(found.values())),
        effect=_effect(found),
        message=_told(found),
        again_after=min(pending, default=1.0),
        parts={zone: one.presence for zone, one in found.items()},
    )


def _presence(found: set[Presence]) -> Presence:
    """Invariant: OURS, ALREADY and PENDING only when no zone is left to be changed."""
    if Presence.UNPROVABLE in found:
        return Presence.UNPROVABLE
    if Presence.ABSENT in found:
        return Presence.ABSENT
    if Presence.CONFLICT in found:
        return Presence.CONFLICT if found <= {Presence.CONFLICT, Presence.ALREADY} else Presence.ABSENT
    for presence in (Presence.PENDING, Presence.OURS):
        if presence in found:
            return presence
    return Presence.ALREADY


def _outputs(found: Sequence[Finding]) -> JsonMap:
    """Of each output the largest: the latest moment, the longest TTL."""
    names = {name for one in found for name in one.outputs}
    return {name: max(one.outputs[name] for one in found if name in one.outputs) for name in sorted(names)}


def _effect(found: Mapping[str, Finding]) -> JsonMap:
    written = {zone: dict(one.effect) for zone, one in found.items() if one.effect}
    return {"zones": written} if written else {}


def _taken_back(done: Mapping[str, Finding], effect: JsonMap) -> Finding:
    left = {zone: one for zone, one in done.items() if one.presence is Presence.CONFLICT}
    pending = {zone: one for zone, one in done.items() if one.presence is Presence.PENDING}
    values = {"zones": {zone: dict(one.values) for zone, one in done.items()}}
    if left:
        back = f"Taken back in {len(done) - len(left)} of {len(done)} zones, not in {_told(left)}"
        return Finding(Presence.CONFLICT, values, message=back)
    if pending:
        wait = min(one.again_after for one in pending.values())
        return Finding(Presence.PENDING, values, effect=effect, message=_told(pending), again_after=wait)
    told = _told(done) or "Nothing was changed, so there is nothing to take back."
    return Finding(Presence.ABSENT, values, message=told)


def _told(results: Mapping[str, Told]) -> str:
    """Zone by zone what happened, as far as a sentence holds it."""
    told = [f"{zone}: {one.message.rstrip('.')}" for zone, one in list(results.items())[:MOST_TOLD]]
    more = len(results) - len(told)
    return "; ".join(told) + (f"; and {more} more zones" if more else "") + "." if told else ""
