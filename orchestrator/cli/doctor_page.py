"""What a check-up found, on a terminal: entry by entry, what is missing first; states by sign and word."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.padding import Padding
from rich.text import Text

from orchestrator.cli.session import Session
from orchestrator.cli.wording import clean, one_line
from orchestrator.web.words import Language, say

SIGNS = {"missing": "✘", "needless": "!", "unknown": "?", "held": "✔"}
"""State of a right: its sign, in the order in which they are told."""
NAME_AT = 13
"""Column at which the rights' names begin."""


def show_check_up(session: Session, found: Mapping[str, Any]) -> None:
    """The whole answer of the service, or of this process."""
    examinations, language = found["examinations"], session.language
    for one in examinations:
        session.out.print(Text(clean(heading(one, language)), style="bold"))
        for indent, line in lines_of(one, language):
            session.out.print(Padding(Text(clean(line)), (0, 0, 0, indent), expand=False))
    session.line(summary(found["scope"], examinations, language))


def heading(one: Mapping[str, Any], language: Language = "en") -> str:
    """`✘ broken    compute ovh, OVHcloud GRA11`."""
    needless = any(right["state"] == "needless" for right in one["rights"])
    sign, word = ("✘", "broken") if not one["ok"] else ("!", "wide") if needless else ("✔", "ready")
    where = f", {one['where']}" if one["where"] and one["where"] != one["entry"] else ""
    told = say(language, f"cli.doctor.{word}")
    return f"{sign} {say(language, 'cli.now.said', what=told, said=one['kind'])} {one['entry']}{where}"


def lines_of(one: Mapping[str, Any], language: Language = "en") -> Iterator[tuple[int, str]]:
    """Each line with its indent. What is held and needs no advice is only counted. Advice is English."""
    if one["message"]:
        yield 2, one_line(one["message"])
    for state, sign in SIGNS.items():
        rights = [right for right in one["rights"] if right["state"] == state]
        told = [right for right in rights if right["advice"] or state != "held"]
        word = say(language, f"cli.right.{state}").ljust(NAME_AT - 4)
        for right in told:
            yield 2, f"{sign} {word}{one_line(right['name'])}"
            if right["advice"]:
                yield NAME_AT, one_line(right["advice"])
        if len(rights) > len(told):
            yield 2, f"{sign} {word}{say(language, 'cli.doctor.rights', count=len(rights) - len(told))}"


def summary(scope: str, examinations: list[Mapping[str, Any]], language: Language = "en") -> str:
    broken = sum(not one["ok"] for one in examinations)
    needless = sum(right["state"] == "needless" for one in examinations for right in one["rights"])
    parts = [
        say(language, "cli.doctor.examined", scope=scope, count=len(examinations)),
        say(language, "cli.doctor.all") if not broken else say(language, "cli.doctor.some", count=broken),
    ]
    if needless:
        parts.append(say(language, "cli.doctor.needless", count=needless))
    return ", ".join(parts) + "."
