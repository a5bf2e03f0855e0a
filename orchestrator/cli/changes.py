"""What a planned step would change, in lines for a terminal, in the page's words. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.cli.wording import clean, one_line, short_step, size
from orchestrator.domain.plan import PlannedStep
from orchestrator.operations.changes import Change, Edit, Held, Told, Turn, Turns, Value, changes_of, read_out
from orchestrator.web.times import duration
from orchestrator.web.words import Language, say

ONE_LINE = 46
"""Characters that fit beside a step's name on a terminal of 80."""
_BESIDES = ("message", "copy.under")
"""Codes of what belongs to the line before it."""


def change_lines(step: PlannedStep, now: float, language: Language = "en") -> list[str]:
    """One line or more: what this step does, what would change now, and how old that knowledge is."""
    return [clean(line) for line in _lines(changes_of(step), now, language)]


def after_line(step: PlannedStep, language: Language = "en") -> str:
    """What must be over before this step's change is known; empty when it is known now."""
    return say(language, "note.after", needs=short_step(step.after)) if step.after else ""


def known(value: str, language: Language = "en") -> str:
    """A value with its references read out: `<address of server>` stands for what that step will hand out."""
    return read_out(value, lambda step, output: f"<{say(language, 'plan.later', step=step, output=output)}>")


def _lines(changes: Sequence[Change], now: float, language: Language) -> Iterator[str]:
    told = [one for one in changes if not _is_sheet(one)]
    sheets = [_sentence(one, now, language) for one in changes if isinstance(one, Told) and _is_sheet(one)]
    for place, one in enumerate(told):
        if isinstance(one, Turns):
            yield from _turns(one, language)
            continue
        mark = "! " if one.alarm else "  " if place and one.code in _BESIDES else ""
        yield mark + " · ".join([_sentence(one, now, language), *([] if place else sheets)])


def _is_sheet(change: Change) -> bool:
    """What people follow stands behind what they do, on its line."""
    return isinstance(change, Told) and change.code == "sheet"


def _sentence(told: Told, now: float, language: Language) -> str:
    values: dict[str, object] = {name: _said(name, value, language) for name, value in told.values.items()}
    at, count, message = told.values.get("at"), told.values.get("count"), told.values.get("message")
    if isinstance(at, float):
        values["age"] = duration(now - at, language)
    if isinstance(count, int):
        values["count"] = count
    why = one_line(message) if isinstance(message, str) else ""
    if told.code == "message":
        return why
    return f"{say(language, f'plan.do.{told.code}', **values)} {why}".rstrip()


def _said(name: str, value: Value, language: Language) -> str:
    if isinstance(value, tuple):
        between = say(language, "plan.else") if name == "providers" else ", "
        return between.join(known(one, language) for one in value)
    if isinstance(value, Mapping):
        return known(one_line(value.get(language) or value.get("en", "")), language)
    if isinstance(value, str):
        return known(one_line(value), language)
    if name == "time":
        return duration(value, language)
    return size(int(value), language) if name == "bytes" else str(value)


def _turns(found: Turns, language: Language) -> Iterator[str]:
    if found.zones:
        yield say(language, "plan.zones", count=len(found.zones), names=", ".join(found.zones))
    for turn in found.turns:
        yield from _turned(turn, language)


def _turned(turn: Turn, language: Language) -> Iterator[str]:
    """On one line what fits there, otherwise the new state below the old."""
    name = turn.name if isinstance(turn.name, str) else one_line(turn.name.get(language) or turn.name.get("en", ""))
    what = say(language, "cli.plan.named", name=f"  {name} {turn.kind}".rstrip())
    was = say(language, "plan.not_yet") if turn.before is None else _held(turn.before, language)
    if turn.after is None:
        yield f"{what} {was}"
        return
    wanted = _edit(turn.after, language) if isinstance(turn.after, Edit) else _held(turn.after, language)
    if turn.stays:
        yield f"{what} {was}, {say(language, 'plan.stays')}"
    elif len(what) + len(was) + len(wanted) < ONE_LINE:
        yield f"{what} {was} → {wanted}"
    else:
        yield f"{what} {was}"
        yield f"    → {wanted}"


def _edit(edit: Edit, language: Language) -> str:
    return ", ".join(known(word, language) for word in edit.words)


def _held(held: Held, language: Language) -> str:
    if not held.values:
        return say(language, "plan.nothing")
    said = ", ".join(known(value, language) for value in held.values)
    return f"{said} ({held.ttl} s)" if held.ttl is not None else said
