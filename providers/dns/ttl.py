"""`dns.ttl` for any server: TTLs change ahead of a cutover, values stay, and the wait ends when caches must agree.

A cache that fetched a record set just before the change keeps it for its old TTL
(RFC 2181 §5.2, RFC 1034 §3.6). So the new TTL is in force everywhere once the
largest old TTL has passed since every authoritative server had the new one; until
then the effect is PENDING.

When every server was first seen to have it is kept in the step's workspace. Without
that note, after a crash between change and note, the wait begins anew: it may then
be longer than needed, never shorter.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from providers.base import Context, Finding, JsonMap, Presence, Provider, ProviderError, Report, Tag
from providers.dns.record_sets import RecordSet, RecordSets, as_values, changed, from_json, only, owner
from providers.step_note import read_note, write_note
from providers.wants import Record, Records, Ttl

CALL_SECONDS = 600.0
"""The longest that one call may take: the step's timeout is for the caches, which no call waits for."""

UNKNOWN = "unknown"
"""`effective_at` where the TTLs were low before anybody of ours looked."""


class TtlChange:
    """Changes TTLs by the compare-and-swap of `records`, which is the `dns.records` of the zone's driver."""

    def __init__(self, context: Context, records: Callable[[Context], Provider[Records]]) -> None:
        self.context = context
        self._records = records(replace(context, deadline=min(context.deadline, CALL_SECONDS)))
        self._note = _Note(context.workspace / "ttl-everywhere.json")

    def observe(self, want: Ttl, tag: Tag, before: JsonMap | None) -> Finding:
        if before is None:
            return self._planned(want, tag)
        expected = from_json(before.get("records", ()))
        wanted = _wanted(want, expected)
        if wanted == expected:
            return _already(want, expected)
        found = self._records.observe(_wish(want, expected, wanted), tag, as_values(_changed(expected, wanted)))
        if found.presence is Presence.OURS:
            return self._until_caches_agree(want, expected, wanted, found)
        return found

    def apply(self, want: Ttl, tag: Tag, before: JsonMap, report: Report) -> Finding:
        expected = from_json(before.get("records", ()))
        _require_there(want, expected)
        wanted = _wanted(want, expected)
        found = self.observe(want, tag, before)
        if found.presence in (Presence.OURS, Presence.ALREADY, Presence.PENDING):
            return found
        self._require_patience(want, expected, wanted)
        self._note.forget()
        done = self._records.apply(_wish(want, expected, wanted), tag, as_values(_changed(expected, wanted)), report)
        if done.presence is Presence.OURS:
            return self._until_caches_agree(want, expected, wanted, done)
        return done

    def undo(self, want: Ttl, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        """The old TTLs come back, where nobody changed the record sets since; nothing waits for caches."""
        self._note.forget()
        return self._records.undo(_nothing(want), tag, effect, report)

    def _planned(self, want: Ttl, tag: Tag) -> Finding:
        current = from_json(self._records.observe(_nothing(want), tag, None).values["records"])
        values = as_values(current)
        missing = _missing(want, current)
        if missing:
            return Finding(Presence.CONFLICT, values, message=missing)
        wanted = _wanted(want, current)
        if wanted == current:
            return _already(want, current)
        too_long = _too_long(want, current, wanted, want.longest, "`longest`")
        if too_long:
            return Finding(Presence.CONFLICT, values, message=too_long)
        wait = _longest(_changed(current, wanted))
        return Finding(
            Presence.ABSENT,
            values,
            message=f"Would change TTLs of {want.zone} to {want.ttl} s; caches agree {wait} s after that.",
        )

    def _require_patience(self, want: Ttl, expected: RecordSets, wanted: RecordSets) -> None:
        """Nothing is changed that could not be waited for."""
        for most, name in ((want.longest, "`longest`"), (self.context.deadline, "the step's `timeout`")):
            too_long = _too_long(want, expected, wanted, most, name)
            if too_long:
                raise ProviderError(too_long, permanent=True)

    def _until_caches_agree(self, want: Ttl, expected: RecordSets, wanted: RecordSets, found: Finding) -> Finding:
        """Every server has the new TTL: PENDING until the last cache must have given up the old one, then OURS."""
        now = self.context.clock()
        since = self._note.first(now)
        old = _longest(_changed(expected, wanted))
        effective = since + old
        if now < effective:
            message = (
                f"All servers of {want.zone} have the new TTL; caches may keep the old one until {_iso(effective)}."
            )
            return replace(found, presence=Presence.PENDING, message=message, again_after=effective - now)
        outputs = {"effective_at": _iso(effective), "ttl": _longest(wanted), "old_ttl": old}
        message = f"The TTL of {want.zone} is in force everywhere since {_iso(effective)}."
        return replace(found, outputs=outputs, message=message)


class _Note:
    """When every server was first seen to have the new TTL, in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def first(self, now: float) -> float:
        """The moment noted, else `now`, which is noted.

        A moment in the future means that the clock was set back: the wait begins anew.
        """
        try:
            noted = float(read_note(self._path)["everywhere_at"])
        except (OSError, ValueError, KeyError, TypeError):
            noted = None
        if noted is not None and noted <= now:
            return noted
        write_note(self._path, {"everywhere_at": now})
        return now

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def _wanted(want: Ttl, current: RecordSets) -> RecordSets:
    """The same values, with the TTL that is wished for; what is absent stays absent."""
    return tuple(_with_ttl(want, one) for one in current)


def _with_ttl(want: Ttl, one: RecordSet) -> RecordSet:
    if one.ttl is None or (want.change == "lower" and one.ttl <= want.ttl):
        return one
    return replace(one, ttl=want.ttl)


def _changed(expected: RecordSets, wanted: RecordSets) -> RecordSets:
    """Those of the expected record sets that shall change."""
    return only(expected, changed(expected, wanted))


def _longest(sets: RecordSets) -> int:
    return max((one.ttl or 0 for one in sets), default=0)


def _nothing(want: Ttl) -> Records:
    """A wish that names the record sets and says nothing of their values: to read them, or to take back an effect."""
    absent = [Record(name=one.name, type=one.type, state="absent") for one in want.records]
    return Records(zone=want.zone, records=absent)


def _wish(want: Ttl, expected: RecordSets, wanted: RecordSets) -> Records:
    """The change as record sets with their values. Raises ProviderError(permanent) for too many of them."""
    sets = only(wanted, changed(expected, wanted))
    try:
        records = [Record(name=one.name, type=one.type, ttl=one.ttl, values=list(one.values)) for one in sets]
    except ValidationError as error:
        raise ProviderError(
            f"A record set of {want.zone} has more values than a step can hold; change its TTL by hand.", permanent=True
        ) from error
    return Records(zone=want.zone, records=records)


def _require_there(want: Ttl, expected: RecordSets) -> None:
    missing = _missing(want, expected)
    if missing:
        raise ProviderError(missing, permanent=True)


def _missing(want: Ttl, current: RecordSets) -> str:
    if want.absent == "skip":
        return ""
    names = ", ".join(f"{owner(one.name, want.zone)} {one.type}" for one in current if not one.values)
    return f"There is no {names}, so it has no TTL to change; correct the step, or the zone." if names else ""


def _too_long(want: Ttl, expected: RecordSets, wanted: RecordSets, most: float, name: str) -> str:
    """Why the old TTLs can't be waited for; empty when they can."""
    held = [one for one in _changed(expected, wanted) if one.ttl is not None and one.ttl > most]
    if not held:
        return ""
    told = ", ".join(f"{owner(one.name, want.zone)} {one.type} has a TTL of {one.ttl} s" for one in held)
    return f"{told}, and {name} is {most:g} s: caches may keep it longer than the step waits; raise {name}."


def _already(want: Ttl, current: RecordSets) -> Finding:
    """Needs no change. Since when is not to be known, so a cache may still hold what was there before."""
    outputs = {"effective_at": UNKNOWN, "ttl": _longest(current), "old_ttl": 0}
    message = (
        f"The TTLs of {want.zone} were {'at or below' if want.change == 'lower' else 'at'} {want.ttl} s already; "
        "since when is not known: if that was recent, caches may still hold a longer one."
    )
    return Finding(Presence.ALREADY, as_values(current), outputs=outputs, message=message)


def _iso(at: float) -> str:
    """To the second, never before the moment itself."""
    return datetime.fromtimestamp(math.ceil(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
