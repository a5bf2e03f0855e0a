"""A dependency map on a terminal: service by service, then what follows from it."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.cli.session import Session
from orchestrator.cli.wording import counted, moment, one_line
from orchestrator.web.times import duration

STANDINGS: Mapping[str, str] = {
    "confirmed": "✔ declared",
    "target": "→ target",
    "undeclared": "! undeclared",
    "elsewhere": "? elsewhere",
    "unknown": "? unknown",
    "dead": "✘ dead",
    "unrecognisable": "? unseen",
}
"""Sign and word of how a dependency stands."""
NAMED = 5
"""So many domains, or things that were not seen, are named."""

Found = Mapping[str, Any]


def show_map(session: Session, found: Found) -> None:
    """The whole answer of the service, or of this process."""
    session.out.print(Text(_heading(found), style="bold"))
    session.out.print(_table(found["dependencies"]))
    for title, lines in (
        ("Seen and not declared", list(_undeclared(found))),
        ("Declared and not seen", list(_unseen(found))),
        ("Stands alone", list(_single_points(found))),
        ("What breaks first, after the last contact", list(_breaking(found))),
        ("Prepared for", [_coverage(found["coverage"])]),
        ("Not looked at; nothing follows from it", list(_unread(found["unread"]))),
    ):
        if lines:
            session.line()
            session.out.print(Text(f"{title}: {len(lines)}" if len(lines) > 1 else title, style="bold"))
            for line in lines:
                session.out.print(Padding(Text(one_line(line)), (0, 0, 0, 2), expand=False))


def _heading(found: Found) -> str:
    domains = found["domains"]
    named = ", ".join(domains) if len(domains) <= 3 else f"{domains[0]} and {len(domains) - 1} more domains"
    return f"Map of {named}, scope {found['scope']}, seen {moment(found['read_at'])[:-3]}"


def _table(dependencies: Sequence[Found]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("service", min_width=8, overflow="fold")
    table.add_column("depends on", ratio=2, overflow="fold")
    table.add_column("law", min_width=5)
    table.add_column("standing", no_wrap=True)
    table.add_column("shown by", ratio=1, overflow="fold")
    for row, group in groupby(dependencies, key=lambda one: one["row"]):
        for at, one in enumerate(group):
            cells = (row if at == 0 else "", _title(one), _law(one["holder"]), STANDINGS[one["standing"]], _kinds(one))
            table.add_row(*[Text(one_line(cell)) for cell in cells])
    return table


def _title(one: Found) -> str:
    holder = one["holder"]
    return str(holder["title"].get("en") or holder["name"])


def _law(holder: Found) -> str:
    """`US`, or `IE/US` where a company here answers to an owner there; `?` where nobody knows."""
    if not holder["known"]:
        return "?"
    laws = dict.fromkeys((holder["jurisdiction"], holder["country"]))
    return "/".join(laws)


def _kinds(one: Found) -> str:
    kinds = ", ".join(dict.fromkeys(sign["kind"] for sign in one["signs"]))
    return f"{kinds}, marks alone" if one["only_marks"] else kinds


def _undeclared(found: Found) -> Iterator[str]:
    for one in found["dependencies"]:
        if one["standing"] == "undeclared":
            more = len(one["domains"]) - 1
            beside = f", and {counted(more, 'more domain')}" if more > 0 else ""
            yield f"{one['row']}: {_title(one)} — {one['signs'][0]['evidence']}{beside}"


def _unseen(found: Found) -> Iterator[str]:
    for one in found["dependencies"]:
        match one["standing"]:
            case "dead":
                yield f"{one['row']}: {_title(one)} is declared, and nothing of it is seen"
            case "elsewhere":
                yield f"{one['row']}: {_title(one)} is declared, and seen for other services alone"
            case "unknown":
                yield f"{one['row']}: {_title(one)} is declared and not seen; some records had no answer"
            case "unrecognisable":
                yield f"{one['row']}: the catalogue does not say how {_title(one)} shows"


def _single_points(found: Found) -> Iterator[str]:
    titles = {one["holder"]["name"]: _title(one) for one in found["dependencies"]}
    for one in found["single_points"]:
        domains = one["domains"]
        where = ", ".join(domains) if len(domains) <= NAMED else counted(len(domains), "domain")
        yield f"{one['role']}: {titles.get(one['holder'], one['holder'])}, for {', '.join(one['rows'])} ({where})"


def _breaking(found: Found) -> Iterator[str]:
    titles = {one["holder"]["name"]: _title(one) for one in found["dependencies"]}
    for one in found["breaking"]:
        title = one["title"].get("en") or one["clock"]
        yield f"{duration(one['after'], 'en')}: {titles[one['holder']]}, {title} ({', '.join(one['rows'])})"


def _coverage(counts: Mapping[str, int]) -> str:
    exposed = counts["exposed"]
    if not exposed:
        return "Nobody outside Europe decides over anything that was found."
    shares = [
        f"{counts[key]} {word} ({counts[key] * 100 // exposed} %)"
        for key, word in (("runbook", "with a runbook"), ("tested", "tested"), ("fresh", "with data within the RPO"))
    ]
    return f"Of {exposed} that are decided outside Europe, or by nobody known: {', '.join(shares)}."


def _unread(unread: Sequence[Found]) -> Iterator[str]:
    for one in unread[:NAMED]:
        yield f"{one['what']}: {one['message']}"
    if len(unread) > NAMED:
        yield f"and {len(unread) - NAMED} more; --json has them all"
