"""The pages of signals: what is said of vendors, why, what comes next, and what no rule speaks of.

Foreign text is shown as text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from orchestrator.domain.signals.clock_board import ClockBoard
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.suggestion import Suggestion, suggested
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.store import observations, verdicts
from orchestrator.store.runs import Row
from orchestrator.web.api.proposal_routes import read_proposals
from orchestrator.web.api.signal_routes import LeftAnswer, UnmappedDelivery, read_sources, read_unmapped
from orchestrator.web.api.standing_routes import read_standing
from orchestrator.web.api.verdict_routes import Subject, VerdictAnswer, read_verdicts
from orchestrator.web.edge.authority import Acting, name_of, sees
from orchestrator.web.pages.action import Action, answer, ask, reason
from orchestrator.web.pages.form import Form
from orchestrator.web.pages.page import Lang, render, service_titles
from orchestrator.web.pages.proposal_view import proposal_view, standing_view
from orchestrator.web.pages.signal_view import (
    LOOKS,
    MOST_SEEN,
    bars,
    needs,
    outlook_lines,
    reason_views,
    rule_lines,
    seen_line,
    verdict_view,
    verdict_word,
)
from orchestrator.web.pages.text import clean
from orchestrator.web.pages.timeline import (
    WINDOWS,
    WORST,
    Lane,
    Mark,
    Seen,
    Since,
    Span,
    Spell,
    Window,
    outcome_bars,
    spans_of,
    spells_of,
    verdict_bars,
)
from orchestrator.web.parts import Given, Parts
from orchestrator.web.times import duration, moment, of_day, short_day
from orchestrator.web.words import Language, say

LISTED = 50
SHOWN = 40
"""Changes and lanes that a page shows; the API has them all."""
SPELLS = 6
"""Times of trouble of one trust domain and aspect that the table names."""

SinceQuery = Annotated[Since, Query()]
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ChangeView:
    at: float
    title: str
    link: str
    before: str
    word: str
    icon: str
    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class SpellsView:
    """One trust domain and aspect in words: readings by outcome, and when it was not well."""

    domain: str
    aspect: str
    ok: int
    fail: int
    denied: int
    unknown: int
    bad: list[str]
    more: int


@dataclass(frozen=True, slots=True)
class LeftView:
    reason: str
    labels: list[str]
    rule: Suggestion | None


@dataclass(frozen=True, slots=True)
class DeliveryView:
    source: str
    received_at: float
    repeats: int
    content_type: str
    left: list[LeftView]
    more: int
    body: str | None


@router.get("/signals")
def show_signals(request: Request, given: Given, acting: Acting, language: Lang, since: SinceQuery = "24h") -> Response:
    window = Window.of(since, given.service.progress.clock())
    titles = service_titles(given, language)
    waiting = [one for one in read_proposals(given, LISTED, waiting=True) if sees(acting, one.services)]
    answers = read_verdicts(given)
    ahead = given.service.outlooks.of(one.subject for one in answers)
    by_rule = {one.rule: one.id for one in waiting}
    views = [verdict_view(language, one, ahead[one.subject], titles, by_rule) for one in answers]
    with given.service.database.read() as conn:
        changes = verdicts.between(conn, window.start)
    names = {one.subject: one.title for one in views}
    lanes = _verdict_lanes(language, changes, window, names)
    within = [row for row in reversed(changes) if row.at >= window.start]
    return render(
        request,
        "signals.html",
        language,
        bad=[one for one in views if one.rank],
        well=[one for one in views if not one.rank],
        proposals=[proposal_view(language, one, titles) for one in waiting],
        standing=[standing_view(language, one, titles) for one in read_standing(given) if sees(acting, one.services)],
        clocks=_clocks(given),
        titles=titles,
        deliveries=_deliveries(given, language),
        sources=read_sources(given),
        sinces=list(WINDOWS),
        since=since,
        lanes=lanes[:SHOWN],
        marks=window.marks(),
        mark_text=_mark_text(language),
        changes=[_change(language, row, names) for row in within[:SHOWN]],
        more=max(len(within) - SHOWN, 0),
    )


@router.get("/signals/{vendor}")
def show_vendor(
    request: Request, vendor: Subject, given: Given, acting: Acting, language: Lang, since: SinceQuery = "24h"
) -> Response:
    found, others = _found(given, vendor)
    window = Window.of(since, given.service.progress.clock())
    titles = service_titles(given, language)
    waiting = [one for one in read_proposals(given, LISTED, waiting=True) if sees(acting, one.services)]
    by_rule = {one.rule: one.id for one in waiting}
    ahead = given.service.outlooks.of([vendor])[vendor]
    view = verdict_view(language, found, ahead, titles, by_rule)
    about = _about(found)
    with given.service.database.read() as conn:
        changes = verdicts.between(conn, window.start)
        tallies = [] if view.is_law else observations.tallies(conn, vendor, window.start, window.end, window.slot)
        seen = verdicts.acknowledgements_of(conn, vendor, LISTED)
    changes = [row for row in changes if row.subject in about]
    names = {one.subject: clean(getattr(one.title, language)) for one in others}
    spells = spells_of(tallies, window)
    within = [row for row in reversed(changes) if row.at >= window.start]
    reasons = found.change.reasons if found.change else []
    return render(
        request,
        "vendor.html",
        language,
        one=view,
        since_at=found.change.since if found.change and view.rank else None,
        targeted=clean(found.change.targeted or "") if found.change else "",
        reasons=reason_views(language, reasons),
        most_seen=MOST_SEEN,
        needs=needs(language, reasons) if not view.is_law and view.rank else [],
        bars=bars(language),
        coming=[*outlook_lines(language, found, ahead), *rule_lines(language, found, ahead, titles, by_rule)],
        watched_here=ahead.outlook is not None,
        seen=[seen_line(language, row) for row in seen],
        lanes=_verdict_lanes(language, changes, window, names),
        observed=[_observed_lane(language, key, one, window) for key, one in spells.items()],
        spells=[_spells_view(language, key, one) for key, one in spells.items()],
        sinces=list(WINDOWS),
        since=since,
        marks=window.marks(),
        mark_text=_mark_text(language),
        changes=[_change(language, row, names) for row in within[:SHOWN]],
        more=max(len(within) - SHOWN, 0),
        clocks=[line for line in _clocks(given).lines if line.vendor == vendor],
        running=_clocks(given).running,
        titles=titles,
    )


@router.get("/signals/{vendor}/acknowledge")
def ask_acknowledge(request: Request, vendor: Subject, given: Given, language: Lang) -> Response:
    return ask(request, language, _acknowledging(given, language, vendor))


@router.post("/signals/{vendor}/acknowledge")
def acknowledge(
    request: Request, vendor: Subject, form: Form, given: Given, acting: Acting, language: Lang
) -> Response:
    def act(typed: Mapping[str, str]) -> None:
        given.service.verdicts.acknowledge(vendor, name_of(acting, None), typed["reason"])

    return answer(request, language, _acknowledging(given, language, vendor), form, act)


def _acknowledging(given: Parts, language: Language, subject: str) -> Action:
    found, _ = _found(given, subject)
    title = clean(getattr(found.title, language))
    return Action(
        title=say(language, "seen.ask", name=title),
        does=say(language, "seen.does", name=title),
        touches=[clean(getattr(found.words, language))],
        safe=say(language, "seen.safe"),
        button=say(language, "seen.do"),
        back=f"/signals/{subject}",
        did="acknowledge",
        fields=[reason(language, required=False)],
        command=f"bascule signals acknowledge {subject}",
    )


def _found(given: Parts, subject: str) -> tuple[VerdictAnswer, list[VerdictAnswer]]:
    """What is said of one, beside all. Raises NotFound."""
    others = read_verdicts(given)
    found = next((one for one in others if one.subject == subject), None)
    if found is None:
        raise NotFound(f"Nothing was ever said of {subject}; /signals shows what was.")
    return found, others


def _about(found: VerdictAnswer) -> set[str]:
    """The subject itself, and of a law the vendors that its verdict rests on."""
    reasons = found.change.reasons if found.change else []
    return {found.subject, *(one.subject for one in reasons if one.subject)}


def _verdict_lanes(language: Language, changes: Sequence[Row], window: Window, names: Mapping[str, str]) -> list[Lane]:
    spans = spans_of(changes, window)
    order = [one for one in names if one in spans]
    return [_verdict_lane(language, one, spans[one], window, names[one]) for one in order]


def _verdict_lane(language: Language, subject: str, spans: Sequence[Span], window: Window, name: str) -> Lane:
    def word(verdict: Verdict) -> str:
        return verdict_word(language, verdict)

    def title(span: Span) -> str:
        said = {"word": word(span.verdict), "from": moment(language, span.start), "to": moment(language, span.end)}
        return say(language, "timeline.span", **said)

    lasts: dict[str, float] = {}
    for span in spans:
        lasts[word(span.verdict)] = lasts.get(word(span.verdict), 0.0) + span.end - span.start
    told = ", ".join(f"{one} {duration(seconds, language)}" for one, seconds in lasts.items())
    label = say(language, "timeline.lane", name=name, told=told)
    note = word(spans[-1].verdict) if spans else ""
    return Lane(name, note, f"/signals/{subject}", label, verdict_bars(spans, window, word, title))


def _observed_lane(language: Language, key: Seen, spells: Sequence[Spell], window: Window) -> Lane:
    name, note = say(language, f"aspect.{key[1]}"), clean(key[0])
    counts = {one: sum(spell.counts.get(one, 0) for spell in spells) for one in WORST}
    label = say(language, "timeline.lane", name=f"{name}, {note}", told=_counted(language, counts))
    return Lane(name, note, "", label, outcome_bars(spells, window, lambda one: _spell(language, one)))


def _spell(language: Language, one: Spell) -> str:
    said = {"word": _counted(language, one.counts), "from": moment(language, one.start)}
    return say(language, "timeline.span", **said, to=moment(language, one.end))


def _counted(language: Language, counts: Mapping[str, int]) -> str:
    return ", ".join(
        f"{counts[outcome]} × {say(language, f'outcome.{outcome}')}" for outcome in WORST if counts.get(outcome)
    )


def _spells_view(language: Language, key: Seen, spells: Sequence[Spell]) -> SpellsView:
    bad = [one for one in reversed(spells) if one.bad]
    counts = {one: sum(spell.counts.get(one, 0) for spell in spells) for one in WORST}
    return SpellsView(
        domain=clean(key[0]),
        aspect=say(language, f"aspect.{key[1]}"),
        bad=[_spell(language, one) for one in bad[:SPELLS]],
        more=max(len(bad) - SPELLS, 0),
        **counts,
    )


def _mark_text(language: Language) -> Callable[[Mark], str]:
    def text(mark: Mark) -> str:
        return short_day(language, mark.at) if mark.day else of_day(mark.at)

    return text


def _change(language: Language, row: Row, names: Mapping[str, str]) -> ChangeView:
    verdict = Verdict(row.verdict)
    icon, tone = LOOKS[verdict]
    return ChangeView(
        row.at,
        names.get(row.subject, row.subject),
        f"/signals/{row.subject}",
        verdict_word(language, Verdict(row.before)),
        verdict_word(language, verdict),
        icon,
        tone,
        clean(row.words[language]),
    )


def _deliveries(given: Parts, language: Language) -> list[DeliveryView]:
    found = read_unmapped(given, LISTED)
    vendors = _vendors(given, language) if found else {}
    return [_delivery(given, one, vendors) for one in found]


def _delivery(given: Parts, one: UnmappedDelivery, vendors: Mapping[str, Sequence[str]]) -> DeliveryView:
    return DeliveryView(
        source=one.source,
        received_at=one.received_at,
        repeats=one.repeats,
        content_type=clean(one.content_type),
        left=[_left(given, one.source, left, vendors) for left in one.left],
        more=max(one.unmapped - len(one.left), 0),
        body=clean(one.body) if one.body is not None else None,
    )


def _left(given: Parts, source: str, one: LeftAnswer, vendors: Mapping[str, Sequence[str]]) -> LeftView:
    rule = suggested(source, given.service.signals.sources().get(source), one.labels, vendors)
    return LeftView(clean(one.reason), [clean(f"{name}={value}") for name, value in one.labels.items()], rule)


def _vendors(given: Parts, language: Language) -> dict[str, list[str]]:
    """Those that the estate depends on, with what they are called besides."""
    try:
        bundle = given.service.estates.bundle(given.service.estates.newest())
    except RequestError:
        return {}
    names = dict.fromkeys(one.vendor for one in bundle.estate.services.values())
    products = {name: bundle.catalogue.product(name) for name in names}
    return {name: [one.title.en, one.title.fr] if one is not None else [] for name, one in products.items()}


def _clocks(given: Parts) -> ClockBoard:
    """Nothing runs out while no estate can be read."""
    try:
        return given.service.clocks.board()
    except RequestError:
        return ClockBoard(False, ())
