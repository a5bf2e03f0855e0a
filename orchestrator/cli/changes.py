"""What a planned step would change, in lines for a terminal. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.cli.wording import clean, counted, duration, one_line, short_step, size
from orchestrator.domain.plan import PlannedStep
from orchestrator.operations.changes import Change, Edit, Held, Told, Turn, Turns, Value, changes_of, read_out

NOT_YET = "what is there then"
"""Of a record set that can't be looked at before another step has ended."""
ONE_LINE = 46
"""Characters that fit beside a step's name on a terminal of 80."""

WORDS: Mapping[str, str] = {
    "server.find": "find the server {name} at {providers}",
    "server.release": "release the server {name} at {providers}",
    "server.there": "server {name} is at {providers} already",
    "server.make": "create the server {name} at {providers} ({size}, {image})",
    "server.make.like": "create the server {name} at {providers} ({cpu} CPU, {memory} GB, {image})",
    "volume": "create the volume {name} at {provider} ({size} GB)",
    "snapshot": "take the snapshot {name} of volume {volume} at {provider}",
    "room.none": "no room: {message}",
    "room.now": "now: {size} at {provider}",
    "message": "{message}",
    "ttl.lower": "TTL {ttl} s, where it is longer",
    "ttl.set": "TTL {ttl} s",
    "ttl.wait": "then waits {time}, until no cache can hold a longer one",
    "copy": "copy {source} to {target}",
    "copy.there": "{objects} of {source} are at {target} already",
    "copy.do": "copy {objects} ({bytes}) from {source} to {target}",
    "copy.bucket": "make the bucket {target}",
    "copy.under": "only what is under {prefix}",
    "compare": "compare {source} with {target}; changes nothing",
    "play": "play {play} on {hosts}",
    "approval.approver": "{approvers} yes",
    "approval.operator": "{operators} yes",
    "sheet": "{sheet}",
    "task.operator": "an operator does {sheet}",
    "task.approver": "an approver does {sheet}",
    "wait": "wait for {time}",
    "wait.later": "wait for {time}",
    "message.send": "tell {channel}: {text}",
    "announce": "announce on {account}: {text}",
    "inform": "tell people by {channels}: {text}",
    "meetings": "meetings of {calendar} from {vendors} to {link}",
    "profile": "profile of {account}",
    "check": "check {kind} {what}; changes nothing",
    "kind": "{text}",
    "stale": "as it was {age} ago; now it can't be read: {message}",
    "unreadable": "can't be read now: {message}",
}
"""By the code of what is told."""


def change_lines(step: PlannedStep, now: float) -> list[str]:
    """One line or more: what this step does, what would change now, and how old that knowledge is."""
    return [clean(line) for line in _lines(changes_of(step), now)]


def after_line(step: PlannedStep) -> str:
    """What must be over before this step's change is known; empty when it is known now."""
    return f"after {short_step(step.after)}" if step.after else ""


def known(value: str) -> str:
    """A value with its references read out: `after server` stands for what that step will hand out."""
    return read_out(value, lambda step, output: f"<{output} after {step}>")


def _lines(changes: Sequence[Change], now: float) -> Iterator[str]:
    told = [one for one in changes if not _is_sheet(one)]
    sheets = "".join(f"; {_sentence(one, now)}" for one in changes if isinstance(one, Told) and _is_sheet(one))
    for place, one in enumerate(told):
        if isinstance(one, Turns):
            yield from _turns(one)
            continue
        mark = "! " if one.alarm else "  " if place and one.code in ("message", "copy.under") else ""
        yield f"{mark}{_sentence(one, now)}{'' if place else sheets}"


def _is_sheet(change: Change) -> bool:
    """What people follow stands behind what they do, on its line."""
    return isinstance(change, Told) and change.code == "sheet"


def _sentence(told: Told, now: float) -> str:
    values = {name: _said(name, value) for name, value in told.values.items()}
    at, count = told.values.get("at"), told.values.get("count")
    if isinstance(at, float):
        values["age"] = duration(now - at)
    if isinstance(count, int):
        values["objects"] = counted(count, "object")
        says = "says" if count == 1 else "say"
        values |= {f"{role}s": f"{counted(count, role)} {says}" for role in ("approver", "operator")}
    return WORDS[told.code].format_map(values)


def _said(name: str, value: Value) -> str:
    if isinstance(value, tuple):
        return (", else " if name == "providers" else ", ").join(map(known, value))
    if isinstance(value, Mapping):
        return known(one_line(value.get("en", "")))
    if isinstance(value, str):
        return known(one_line(value))
    return duration(value) if name == "time" else size(int(value)) if name == "bytes" else str(value)


def _turns(found: Turns) -> Iterator[str]:
    if found.zones:
        yield _where(found.zones)
    for turn in found.turns:
        yield from _turned(turn)


def _where(zones: Sequence[str]) -> str:
    return f"DNS {zones[0]}" if len(zones) == 1 else f"DNS, in each of {len(zones)} zones: {', '.join(zones)}"


def _turned(turn: Turn) -> Iterator[str]:
    """On one line what fits there, otherwise the new state below the old."""
    name = turn.name if isinstance(turn.name, str) else one_line(turn.name.get("en", ""))
    what = f"  {name} {turn.kind}".rstrip() + ":"
    was = NOT_YET if turn.before is None else _held(turn.before)
    if turn.after is None:
        yield f"{what} {was}"
        return
    wanted = ", ".join(map(known, turn.after.words)) if isinstance(turn.after, Edit) else _held(turn.after)
    if turn.stays:
        yield f"{what} {was}, as it is"
    elif len(what) + len(was) + len(wanted) < ONE_LINE:
        yield f"{what} {was} → {wanted}"
    else:
        yield f"{what} {was}"
        yield f"    → {wanted}"


def _held(held: Held) -> str:
    if not held.values:
        return "nothing"
    said = ", ".join(map(known, held.values))
    return f"{said} ({held.ttl} s)" if held.ttl is not None else said
