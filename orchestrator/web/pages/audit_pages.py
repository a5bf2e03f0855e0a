"""The audit: whether it is whole, who witnesses it, and what people and policy did; verified and taken away."""

import itertools
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from orchestrator.domain.people.role import Permission
from orchestrator.operations.audit_verification import Report, UnderWay
from orchestrator.operations.request import RequestError
from orchestrator.store import administration, checkpoints, identities
from orchestrator.store.audit_reading import NotReadable
from orchestrator.store.checkpoints import Standing
from orchestrator.store.runs import Row
from orchestrator.web.edge.authority import Acting, name_of, sees
from orchestrator.web.pages.action import Action, answer, ask
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.history_pages import Before
from orchestrator.web.pages.page import Lang, render
from orchestrator.web.pages.text import clean
from orchestrator.web.parts import Given, Parts
from orchestrator.web.words import Language, knows, say

LISTED = 50
CHECKPOINTS = 8
FIRST = 20
"""Findings that the page shows of each kind."""
MOST_SAID = 300
"""Characters of one thing that an entry says."""
DIGITS = 19
"""Of ids and digests, which are longer than anybody reads."""
RELOADS = 2
"""Seconds until the page looks again while the audit is verified."""
_HIDDEN = frozenset({"head", "length", "releases_needed", "seconds"})
"""Of what an entry says: for programs alone."""

_LONG = re.compile(r"(?:sha256:)?[0-9a-f]{40,64}")

router = APIRouter(prefix="/history/audit", include_in_schema=False)

Kind = Annotated[str, Query(max_length=60)]
Who = Annotated[str, Query(max_length=200)]


class NotExportable(RequestError):
    code = "busy"


@dataclass(frozen=True)
class Line:
    """An entry of the administration's chain, as this reader may see it. `said`: pairs, and where the second leads."""

    seq: int
    at: float
    kind: str
    word: str
    who: str
    said: list[tuple[str, str, str]]


@dataclass(frozen=True)
class WitnessLine:
    standing: Standing
    icon: str
    tone: str
    word: str


@router.get("")
def show_audit(
    request: Request,
    given: Given,
    acting: Acting,
    language: Lang,
    kind: Kind = "",
    who: Who = "",
    before: Before = None,
) -> Response:
    audits = acting.lacks(Permission.AUDIT) is None
    whole = audits or sees(acting, ())
    kind, who = kind.strip(), who.strip() if audits else ""
    with given.service.database.read() as conn:
        points = checkpoints.latest(conn, CHECKPOINTS)
        witnesses = checkpoints.witnesses(conn)
        kinds = administration.kinds(conn) if whole else []
        known = identities.names(conn) if audits else {}
        actors = [who, *identities.of(conn, who)] if who else None
        entries = administration.page(conn, before, LISTED, kind, actors) if whole else None
    under_way = given.service.audit.under_way()
    return render(
        request,
        "audit.html",
        language,
        report=_report(given.service.audit.last()),
        under_way=under_way,
        progress=_progress(under_way),
        reloads=RELOADS,
        points=points,
        witnesses=[_witness(language, one, points[0].number if points else 0) for one in witnesses],
        whole=whole,
        audits=audits,
        entries=[_line(language, row, known, told=audits) for row in entries.rows] if entries else [],
        kinds=[(one, _kind_word(language, one)) for one in kinds],
        kind=kind,
        by=who,
        filtered=bool(kind or who),
        looked_from=entries.before if entries and not entries.rows else None,
        older=_link(kind, who, entries.before) if entries and entries.before else "",
        newest=_link(kind, who, None) if before else "",
    )


@router.get("/verify")
def ask_verify(request: Request, given: Given, language: Lang) -> Response:
    return ask(request, language, _verifying(given, language))


@router.post("/verify")
def verify(request: Request, form: Form, given: Given, acting: Acting, language: Lang) -> Response:
    def act(_typed: Mapping[str, str]) -> None:
        given.service.audit.start(name_of(acting, None))

    return answer(request, language, _verifying(given, language), form, act)


@router.get("/export")
def export(given: Given) -> Response:
    """JSON Lines, as `bascule audit export` writes them."""
    pieces = given.service.audit.export()
    try:
        first = next(pieces)
    except NotReadable as error:
        raise NotExportable(str(error)) from error
    name = time.strftime("bascule-audit-%Y%m%d-%H%M%S.jsonl", time.gmtime(given.service.progress.clock()))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_from(first, pieces), media_type="application/jsonl", headers=headers)


def _from(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield from itertools.chain([first], rest)


def _verifying(given: Parts, language: Language) -> Action:
    with given.service.database.read() as conn:
        entries = sum(head.length for head in checkpoints.heads(conn).values())
    return Action(
        title=say(language, "audit.verify"),
        does=say(language, "audit.verify.does", count=entries),
        safe=say(language, "audit.verify.safe"),
        button=say(language, "audit.verify"),
        back="/history/audit",
        did="verify",
        command="bascule audit verify",
    )


def _report(report: Report | None) -> dict[str, Any] | None:
    """With how much of it is shown."""
    if report is None:
        return None
    shown = report.findings[:FIRST]
    flaws, unread = report.flaws[:FIRST], report.unread[:FIRST]
    faults = list(dict.fromkeys(one.fault.value for one in shown))
    return {
        "of": report,
        "findings": shown,
        "more": max(report.found - len(shown), 0) if report.details else 0,
        "flaws": flaws,
        "unread": unread,
        "faults": faults,
    }


def _progress(under_way: UnderWay | None) -> int:
    """Of a hundred."""
    if under_way is None or not under_way.total:
        return 0
    return min(100 * under_way.read // under_way.total, 100)


def _witness(language: Language, one: Standing, newest: int) -> WitnessLine:
    if one.given_up:
        return WitnessLine(one, "failed", "bad", say(language, "audit.witness.given_up", count=one.given_up))
    if one.waiting and (one.number is None or one.number + 1 < newest):
        return WitnessLine(one, "decide", "bad", say(language, "audit.witness.behind", count=one.waiting))
    if one.waiting:
        return WitnessLine(one, "waits", "waits", say(language, "audit.witness.waits", count=one.waiting))
    return WitnessLine(one, "done", "good", say(language, "audit.witness.has"))


def _line(language: Language, row: Row, known: Mapping[str, str], *, told: bool) -> Line:
    """`told`: the reader audits; who does not sees when, what and a pseudonym."""
    data = identities.with_names(row.data, known) if told and isinstance(row.data, dict) else {}
    return Line(
        seq=row.seq,
        at=row.at,
        kind=row.kind,
        word=_kind_word(language, row.kind),
        who=clean(known.get(row.actor, row.actor)),
        said=[(name, _short(value), _leads(name, value)) for name, value in data.items() if _is_told(name, value)],
    )


def _kind_word(language: Language, kind: str) -> str:
    key = f"audit.kind.{kind}"
    return say(language, key) if knows(language, key) else kind


def _is_told(name: str, value: object) -> bool:
    return name not in _HIDDEN and value not in (None, "", [], {})


def _short(value: object) -> str:
    if isinstance(value, str) and _LONG.fullmatch(value):
        return value[:DIGITS]
    if isinstance(value, bool):
        return str(value).lower()
    text = clean(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return text if len(text) <= MOST_SAID else f"{text[:MOST_SAID]}…"


def _leads(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.replace("-", "").replace(":", "").isalnum():
        return ""
    paths = {"run": "/runs/", "commit": "/estate/files?commit=", "plan_digest": "/plans/"}
    return f"{paths[name]}{value}" if name in paths else ""


def _link(kind: str, who: str, before: int | None) -> str:
    values = {"kind": kind, "who": who, "before": before}
    return f"/history/audit?{urlencode({name: value for name, value in values.items() if value})}#entries"
