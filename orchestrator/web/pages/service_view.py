"""What the pages of services show, in the reader's language."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.model import Direction, Mode, RunState
from orchestrator.domain.preparedness import ALLOWED, Readiness, Trial, latest
from orchestrator.domain.runbook import Runbook
from orchestrator.domain.signals.clock_board import ClockLine, ClockStanding
from orchestrator.domain.signals.words import VERDICTS
from orchestrator.operations.preparedness import Prepared, Trials
from orchestrator.web.pages.now_view import VERDICT_LOOKS, Titles
from orchestrator.web.pages.run_view import RUN_LOOKS
from orchestrator.web.pages.text import clean
from orchestrator.web.times import duration
from orchestrator.web.words import Language, say

READINESS_LOOKS = {
    Readiness.READY: ("done", "good"),
    Readiness.GAPS: ("check", "waits"),
    Readiness.UNPROVEN: ("decide", "waits"),
    Readiness.UNPREPARED: ("failed", "bad"),
}
"""Icon and tone."""
_SHEETS = ("human.task", "human.approval")


Shown = Callable[[Collection[str]], bool]
"""Whether a run of these services is shown to who looks."""


@dataclass(frozen=True, slots=True)
class TrialView:
    """The last failover in one mode. `at`: UTC seconds. `kept`: whether within the RTO; empty where nobody knows.

    `run_id`: empty where its run is not shown to who looks.
    """

    mode: str
    run_id: str
    icon: str
    word: str
    tone: str
    at: float
    age: str
    took: str
    kept: str
    in_time: bool


@dataclass(frozen=True, slots=True)
class LackView:
    """`remedy`: what to do about it."""

    text: str
    remedy: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class ClockView:
    """`at` is absent while the vendor is not lost; `left` then says how long after the loss."""

    title: str
    vendor: str
    at: float | None
    left: str
    tone: str
    breaks: str


@dataclass(frozen=True, slots=True)
class ServiceView:
    name: str
    title: str
    criticality: str
    needs: list[tuple[str, str]]
    needed_by: list[tuple[str, str]]
    vendor: str
    subject: str
    verdict: str
    verdict_icon: str
    verdict_tone: str
    verdict_words: str
    target: str
    rto: str
    rpo: str
    copied_at: float | None
    trials: list[TrialView]
    readiness: str
    icon: str
    tone: str
    lacks: list[LackView]
    clock: ClockView | None
    clocks: list[ClockView]
    plan: str


@dataclass(frozen=True, slots=True)
class RunbookView:
    """`docs`: files of the estate that its people work by."""

    direction: str
    name: str
    title: str
    steps: int
    docs: list[str]
    file: str


def service_view(language: Language, one: Prepared, titles: Titles, now: float, shown: Shown) -> ServiceView:
    service = one.service
    icon, tone = READINESS_LOOKS[one.readiness]
    verdict_icon, verdict_tone = VERDICT_LOOKS[one.verdict]
    clocks = [clock_view(language, line, now) for line in one.clocks]
    return ServiceView(
        name=one.name,
        title=clean(str(getattr(service.title, language))),
        criticality=say(language, f"service.{service.criticality}"),
        needs=[(name, titles.get(name, name)) for name in service.needs],
        needed_by=[(name, titles.get(name, name)) for name in one.needed_by],
        vendor=clean(one.vendor[language]),
        subject=service.vendor,
        verdict=VERDICTS[one.verdict][0 if language == "fr" else 1],
        verdict_icon=verdict_icon,
        verdict_tone=verdict_tone,
        verdict_words=clean(one.standing.words[language]) if one.standing is not None else "",
        target=clean(one.target[language]),
        rto=_span(language, service.rto),
        rpo=_span(language, service.rpo),
        copied_at=one.copied_at,
        trials=list(trial_views(language, one.trials, service.rto, now, shown)),
        readiness=say(language, f"ready.{one.readiness.value}"),
        icon=icon,
        tone=tone,
        lacks=list(_lacks(language, one)),
        clock=clocks[0] if clocks and one.running else None,
        clocks=clocks,
        plan=f"/plans/new?{urlencode({'service': one.name})}",
    )


def trial_views(language: Language, trials: Trials, rto: float | None, now: float, shown: Shown) -> Iterator[TrialView]:
    """The real ones in front."""
    for mode in (Mode.LIVE, Mode.DRILL, Mode.REHEARSAL):
        if mode in trials:
            yield _trial(language, trials[mode], rto, now, shown)


def clock_view(language: Language, line: ClockLine, now: float) -> ClockView:
    word = 0 if language == "fr" else 1
    tones = {ClockStanding.OUT: "bad", ClockStanding.SOON: "waits"}
    if line.at is None:
        left = say(language, "clocks.after", time=duration(line.lasts, language))
    else:
        left = duration(line.at - now, language) if line.at > now else say(language, "now.over")
    return ClockView(
        title=clean(line.title[word]),
        vendor=line.vendor,
        at=line.at,
        left=left,
        tone=tones.get(line.standing, "quiet"),
        breaks=clean(line.breaks[word]),
    )


def runbook_views(language: Language, one: Prepared, bundle: Bundle) -> list[RunbookView]:
    """The failover in front. One that is not there is left out."""
    names = {Direction.FAILOVER: one.service.failover, Direction.FAILBACK: one.service.failback}
    found = {direction: bundle.runbooks[name] for direction, name in names.items() if name in bundle.runbooks}
    return [_runbook(language, direction, runbook) for direction, runbook in found.items()]


def _runbook(language: Language, direction: Direction, runbook: Runbook) -> RunbookView:
    sheets = [step.with_.get("instructions") for step in runbook.steps.values() if step.uses in _SHEETS]
    return RunbookView(
        direction=say(language, f"direction.{direction.value}"),
        name=runbook.name,
        title=clean(str(getattr(runbook.title, language))),
        steps=len(runbook.steps),
        docs=list(dict.fromkeys(clean(one) for one in sheets if isinstance(one, str))),
        file=runbook.file,
    )


def _trial(language: Language, one: Trial, rto: float | None, now: float, shown: Shown) -> TrialView:
    moved, within = one.took is not None, one.within(rto)
    icon, tone = RUN_LOOKS[RunState.SUCCEEDED if moved else one.outcome]
    kept = "" if within is None else say(language, "trial.within" if within else "trial.over")
    return TrialView(
        mode=one.mode.value,
        run_id=one.run_id if shown(one.services) else "",
        icon=icon if within is not False else "decide",
        word=say(language, f"run.{one.outcome.value}"),
        tone=tone if within is not False else "waits",
        at=one.ended_at,
        age=say(language, "trial.ago", time=duration(now - one.ended_at, language)),
        took=duration(one.took, language) if one.took is not None else "",
        kept=kept,
        in_time=within is not False,
    )


def _lacks(language: Language, one: Prepared) -> Iterator[LackView]:
    last = latest(one.trials.values())
    said = {
        "vendor": clean(one.vendor[language]),
        "rto": _span(language, one.service.rto),
        "rpo": _span(language, one.service.rpo),
        "took": duration(last.took, language) if last is not None and last.took is not None else "",
        "name": one.name,
    }
    for lack in one.lacks:
        text = say(language, f"lack.{lack.value}", **said)
        yield LackView(text, say(language, f"remedy.{lack.value}", **said), lack in ALLOWED)


def _span(language: Language, seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds, language)


def counted(services: Sequence[ServiceView], one_of: Callable[[ServiceView], str]) -> Mapping[str, int]:
    """How many there are of each, in the order in which they come."""
    found: dict[str, int] = {}
    for service in services:
        found[one_of(service)] = found.get(one_of(service), 0) + 1
    return found
