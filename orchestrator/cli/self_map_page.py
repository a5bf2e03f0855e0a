"""Bascule's own independence on a terminal: one line a reliance, the reason below it; standings by sign and word."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from orchestrator.cli.session import Session
from orchestrator.cli.wording import clean, counted, one_line

SIGNS = {"guarded": "✘", "unknown": "?", "clear": "✔", "own": "✔", "told": "·"}
"""Standing: its sign, in the order in which they are told."""


def show_self_map(session: Session, found: Mapping[str, Any]) -> None:
    """The whole answer of the service, or of this process."""
    ordered = sorted(found["findings"], key=lambda one: list(SIGNS).index(one["standing"]))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("relies on", ratio=3, overflow="fold")
    table.add_column("host", ratio=4, overflow="fold")
    table.add_column("controlled by", ratio=3, overflow="fold")
    table.add_column("from", no_wrap=True)
    for one in ordered:
        table.add_row(*map(_cell, (mark(one), relies_on(one), where(one), *who(one))))
    session.out.print(table)
    for one in ordered:
        if one["advice"]:
            said = f"{SIGNS[one['standing']]} {one['host'] or relies_on(one)}: {one['advice']}"
            session.out.print(Text(one_line(said)))
            if one["record"]:
                session.out.print(Text(f"    shown by {one_line(one['record'])}"))
    session.out.print(Text(summary(found)))


def mark(one: Mapping[str, Any]) -> str:
    return f"{SIGNS[one['standing']]} {one['standing']}"


def relies_on(one: Mapping[str, Any]) -> str:
    return f"{one['kind']}: {one['name']}"


def where(one: Mapping[str, Any]) -> str:
    return one["host"] or ("this machine" if one["standing"] == "own" else "not told")


def who(one: Mapping[str, Any]) -> tuple[str, str]:
    return one["operator"] or "nobody known", one["country"]


def summary(found: Mapping[str, Any]) -> str:
    """Ready, or not, and for what."""
    told = [one["standing"] for one in found["findings"]]
    guarded, unknown = told.count("guarded"), told.count("unknown")
    said = f"not ready: {counted(guarded, 'reliance')} on vendors that it guards against" if guarded else "ready"
    more = f"; {counted(unknown, 'reliance')} of unknown owner" if unknown else ""
    return f"Bascule, seen from scope {found['scope']}: {counted(len(told), 'reliance')}, {said}{more}."


def _cell(text: str) -> Text:
    return Text(clean(text))
