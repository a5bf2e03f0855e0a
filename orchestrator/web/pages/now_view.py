"""What the page of the moment shows, in the reader's language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from orchestrator.domain.model import Direction
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.words import VERDICTS
from orchestrator.web.api.answers import RunColumns
from orchestrator.web.api.proposal_routes import ProposalAnswer
from orchestrator.web.api.standing_routes import StandingAnswer
from orchestrator.web.api.verdict_routes import VerdictAnswer
from orchestrator.web.errands import Errand, RefusedEstate, RunWait, UnconfirmedCodes, UnconfirmedRole
from orchestrator.web.pages.run_view import RUN_LOOKS, run_view
from orchestrator.web.pages.text import clean, short
from orchestrator.web.reading import ActiveRun
from orchestrator.web.words import Language, say

Titles = Mapping[str, str]

VERDICT_LOOKS = {
    Verdict.UNKNOWN: ("later", "quiet"),
    Verdict.NOMINAL: ("done", "good"),
    Verdict.SUSPECT: ("check", "waits"),
    Verdict.ERODING: ("decide", "bad"),
    Verdict.CUT: ("failed", "bad"),
}
"""Icon and tone."""
_TROUBLED = ("failed", "held", "unknown", "undo_failed")
_DO = {
    **dict.fromkeys(("release", "approval", "proposal"), "now.do.approve"),
    **dict.fromkeys(_TROUBLED, "now.do.decide"),
    **dict.fromkeys(("role", "codes"), "now.do.confirm"),
    "task": "now.do.task",
    "paused": "now.do.run",
    "standing": "now.do.sign",
    "acknowledge": "now.do.acknowledge",
    "estate": "now.do.estate",
}


@dataclass(frozen=True, slots=True)
class ErrandView:
    """`detail` is in English where `foreign`. `ends`: what it counts down to (UTC seconds)."""

    icon: str
    tone: str
    mode: str
    title: str
    where: str
    detail: str
    foreign: bool
    href: str
    button: str
    mine: bool
    ends: float | None
    since: float | None


@dataclass(frozen=True, slots=True)
class BlockedView:
    """A proposal without a plan. `why`, in English: what stands in the way."""

    title: str
    words: str
    standing: str
    why: str
    href: str


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run at a glance. `due`: when the RTO of its most urgent service is over; `until`: when it ended."""

    id: str
    mode: str
    what: str
    icon: str
    word: str
    tone: str
    summary: str
    done: int
    total: int
    since: float | None
    until: float | None
    expected: float
    due: float | None


@dataclass(frozen=True, slots=True)
class VerdictLine:
    """`words`: the verdict and its reasons, without the title."""

    subject: str
    title: str
    word: str
    icon: str
    tone: str
    words: str
    services: str


def errand_view(language: Language, one: Errand, titles: Titles) -> ErrandView:
    icon, tone, title, where, detail, href = _told(language, one, titles)
    button = say(language, _DO[one.kind] if one.mine else "now.do.look")
    return ErrandView(
        icon=icon,
        tone=tone,
        mode=one.mode,
        title=title,
        where=where,
        detail=detail,
        foreign=isinstance(one.about, RunWait | RefusedEstate),
        href=href,
        button=button,
        mine=one.mine,
        ends=one.ends,
        since=one.since,
    )


def _told(language: Language, one: Errand, titles: Titles) -> tuple[str, str, str, str, str, str]:
    """Icon, tone, title, where, detail, address."""
    match one.about:
        case RunWait() as about:
            return _of_run(language, one, about, titles)
        case ProposalAnswer() as about:
            title = say(language, "proposal.armed", names=_names(about.services, titles))
            href = f"/approve/proposal/{quote(about.id)}" if one.mine else f"/proposals/{quote(about.id)}"
            return "waits", "waits", title, who_releases(language, about), _words(language, about), href
        case StandingAnswer() as about:
            title = say(language, "standing.asked", names=_names(about.services, titles))
            said = {"rule": about.rule, "by": clean(about.asked_by), "given": len(about.signatures)}
            where = say(language, "now.standing", needed=about.needed, **said)
            href = f"/approve/standing/{quote(about.id)}" if one.mine else "/signals"
            return "waits", "quiet", title, where, "", href
        case VerdictAnswer() as about:
            title = say(language, "now.acknowledge", name=getattr(about.title, language))
            return "check", "waits", clean(title), "", clean(getattr(about.words, language)), _evidence(one, about)
        case UnconfirmedRole() as about:
            where = say(language, "now.given", by=clean(about.by))
            service = titles.get(about.service, about.service) or say(language, "account.everywhere")
            said = {"person": clean(about.person), "role": about.role, "service": service}
            href = f"/settings/people/{quote(about.person)}/confirm" if one.mine else "/settings"
            return "waits", "quiet", say(language, "now.role", **said), where, "", href
        case UnconfirmedCodes() as about:
            where = say(language, "now.given", by=clean(about.by))
            href = "/settings/break-glass/confirm" if one.mine else "/settings/break-glass"
            return "waits", "quiet", say(language, "now.codes"), where, "", href
        case RefusedEstate() as about:
            return "decide", "waits", say(language, "now.refused"), "", clean(about.why), "/estate"


def _of_run(language: Language, one: Errand, about: RunWait, titles: Titles) -> tuple[str, str, str, str, str, str]:
    run, place = about.run, f"/runs/{quote(about.run.id)}"
    view = run_view(language, run.model_copy(update={"waits": [about.wait]})).waits[0]
    parts = [what_runs(language, run, titles), short(about.wait.step), view.detail]
    href = view.link if one.mine and view.link else f"{place}#waits"
    return view.icon, view.tone, view.title, " · ".join(part for part in parts if part), view.message, href


def blocked_view(language: Language, one: ProposalAnswer, titles: Titles) -> BlockedView:
    title = say(language, "proposal.blocked", names=_names(one.services, titles))
    standing = say(language, "proposal.again" if one.blocked else "proposal.made")
    why = clean(one.blocked.text) if one.blocked else ""
    return BlockedView(title, _words(language, one), standing, why, f"/proposals/{quote(one.id)}")


def what_runs(language: Language, run: RunColumns, titles: Titles) -> str:
    """`Failover: Mail, Files and office`."""
    return say(language, f"now.what.{run.direction}", names=_names(run.services, titles))


def who_releases(language: Language, one: ProposalAnswer) -> str:
    if one.standing is not None:
        names = ", ".join(clean(name) for name in one.standing.signers)
        return say(language, "proposal.itself", id=one.standing.id, names=names)
    return say(language, "proposal.missing", count=one.missing)


def run_line(language: Language, entry: ActiveRun, titles: Titles, rto: float | None) -> RunLine:
    """`rto`: seconds, of the service that may be away for the shortest time."""
    run = entry.run
    view = run_view(language, run)
    counts = run.direction == Direction.FAILOVER and rto is not None and run.started_at is not None
    return RunLine(
        id=run.id,
        mode=run.mode,
        what=what_runs(language, run, titles),
        icon=view.icon,
        word=view.word,
        tone=view.tone,
        summary=view.summary,
        done=view.done,
        total=view.total,
        since=view.since,
        until=view.until,
        expected=entry.expected,
        due=(run.started_at or 0.0) + (rto or 0.0) if counts else None,
    )


def ended_line(language: Language, run: RunColumns, titles: Titles) -> RunLine:
    """A run that is over: how it ended, and how long it took."""
    icon, tone = RUN_LOOKS[run.state]
    return RunLine(
        id=run.id,
        mode=run.mode,
        what=what_runs(language, run, titles),
        icon=icon,
        word=say(language, f"run.{run.state.value}"),
        tone=tone,
        summary="",
        done=0,
        total=0,
        since=run.started_at,
        until=run.ended_at,
        expected=0.0,
        due=None,
    )


def run_order(entry: ActiveRun) -> tuple[int, float]:
    """Real ones first, then the one that began first."""
    modes = ("live", "drill", "rehearsal")
    return modes.index(entry.run.mode), entry.run.created_at


def verdict_line(language: Language, one: VerdictAnswer, titles: Titles) -> VerdictLine:
    icon, tone = VERDICT_LOOKS[one.verdict]
    return VerdictLine(
        subject=one.subject,
        title=clean(getattr(one.title, language)),
        word=VERDICTS[one.verdict][0 if language == "fr" else 1],
        icon=icon,
        tone=tone,
        words=_without_title(getattr(one.title, language), clean(getattr(one.words, language))),
        services=_names(one.services, titles),
    )


def _names(services: Sequence[str], titles: Titles) -> str:
    return clean(", ".join(titles.get(name, name) for name in services))


def _words(language: Language, one: ProposalAnswer) -> str:
    return clean(getattr(one.words, language))


def _without_title(title: str, words: str) -> str:
    """What is said of it, where its title stands in front already."""
    return words.removeprefix(clean(title)).lstrip(" :\u00a0\u202f")


def _evidence(one: Errand, about: VerdictAnswer) -> str:
    return f"/signals/{quote(about.subject)}/acknowledge" if one.mine else f"/signals#{quote(about.subject)}"
