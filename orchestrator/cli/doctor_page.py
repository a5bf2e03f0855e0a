"""What a check-up found, on a terminal: entry by entry, what is missing first; states by sign and word."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.padding import Padding
from rich.text import Text

from orchestrator.cli.session import Session
from orchestrator.cli.wording import clean, counted, one_line

SIGNS = {"missing": "✘", "needless": "!", "unknown": "?", "held": "✔"}
"""State of a right: its sign, in the order in which they are told."""
NAME_AT = 13
"""Column at which the rights' names begin."""


def show_check_up(session: Session, found: Mapping[str, Any]) -> None:
    """The whole answer of the service, or of this process."""
    examinations = found["examinations"]
    for one in examinations:
        session.out.print(Text(clean(heading(one)), style="bold"))
        for indent, line in lines_of(one):
            session.out.print(Padding(Text(clean(line)), (0, 0, 0, indent), expand=False))
    session.line(summary(found["scope"], examinations))


def heading(one: Mapping[str, Any]) -> str:
    """`✘ broken    compute ovh, OVHcloud GRA11`."""
    needless = any(right["state"] == "needless" for right in one["rights"])
    sign, word = ("✘", "not ready") if not one["ok"] else ("!", "too wide") if needless else ("✔", "ready")
    where = f", {one['where']}" if one["where"] and one["where"] != one["entry"] else ""
    return f"{sign} {word}: {one['kind']} {one['entry']}{where}"


def lines_of(one: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Each line with its indent. What is held and needs no advice is only counted."""
    if one["message"]:
        yield 2, one_line(one["message"])
    for state, sign in SIGNS.items():
        rights = [right for right in one["rights"] if right["state"] == state]
        told = [right for right in rights if right["advice"] or state != "held"]
        for right in told:
            yield 2, f"{sign} {state.ljust(NAME_AT - 4)}{one_line(right['name'])}"
            if right["advice"]:
                yield NAME_AT, one_line(right["advice"])
        if len(rights) > len(told):
            yield 2, f"{sign} {state.ljust(NAME_AT - 4)}{counted(len(rights) - len(told), 'right')}"


def summary(scope: str, examinations: list[Mapping[str, Any]]) -> str:
    broken = sum(not one["ok"] for one in examinations)
    needless = sum(right["state"] == "needless" for one in examinations for right in one["rights"])
    said = f"{counted(broken, 'entry', 'entries')} not ready" if broken else "all is ready"
    more = f"; {counted(needless, 'needless right')}" if needless else ""
    return f"Scope {scope}: {counted(len(examinations), 'entry', 'entries')} examined, {said}{more}."
