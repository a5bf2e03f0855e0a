"""What the pages of signals show of verdicts: why one stands, what it is about to become, and what comes of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from orchestrator.domain.proposals.ahead import Stage
from orchestrator.domain.signals.change import JURISDICTION
from orchestrator.domain.signals.outlook import Outlook
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.thresholds import DEFAULT
from orchestrator.operations.outlooks import Ahead, RuleAhead
from orchestrator.store.runs import Row
from orchestrator.web.api.verdict_routes import ReasonAnswer, VerdictAnswer
from orchestrator.web.pages.text import clean
from orchestrator.web.times import duration, moment
from orchestrator.web.words import Language, say

MOST_SEEN = 24
"""Observations of one verdict that are shown."""
AGAINST = frozenset({"refused", "failing", "partly-refused", "partly-failing", "rising", "vendor"})
LOOKS = {
    Verdict.UNKNOWN: ("later", "quiet"),
    Verdict.NOMINAL: ("done", "good"),
    Verdict.SUSPECT: ("check", "waits"),
    Verdict.ERODING: ("decide", "bad"),
    Verdict.CUT: ("failed", "bad"),
}
"""Icon and tone."""
_REASON_LOOKS = {
    "answering": ("done", "good"),
    "controls-healthy": ("done", "good"),
    "controls-failing": ("decide", "waits"),
    "controls-unproven": ("check", "quiet"),
    "silent": ("later", "quiet"),
    "recovered": ("back", "waits"),
}
_TIMES = frozenset({"sync", "freshness"})
"""Aspects whose values are seconds."""


@dataclass(frozen=True, slots=True)
class Seen:
    at: float
    what: str
    vantage: str
    outcome: str
    icon: str
    tone: str


@dataclass(frozen=True, slots=True)
class ReasonView:
    """`against`: it is held against the vendor. `link`: of a jurisdiction, the vendor's own page."""

    icon: str
    tone: str
    text: str
    detail: str
    link: str
    seen: list[Seen]


@dataclass(frozen=True, slots=True)
class Need:
    """One condition of a worse verdict, and whether it holds by the reasons of this one."""

    met: bool
    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class Coming:
    """One sentence of what comes next. `ends`: what counts down to it, UTC seconds. `link`: where that is."""

    text: str
    ends: float | None = None
    link: str = ""
    link_text: str = ""


@dataclass(frozen=True, slots=True)
class VerdictView:
    subject: str
    link: str
    is_law: bool
    title: str
    word: str
    icon: str
    tone: str
    rank: int
    at: float | None
    words: str
    services: list[tuple[str, str]]
    coming: list[Coming]
    seen_by: str
    acknowledge: str


def verdict_view(
    language: Language,
    one: VerdictAnswer,
    ahead: Ahead,
    titles: Mapping[str, str],
    waiting: Mapping[str, str],
) -> VerdictView:
    """`waiting`: by rule, its proposal that waits for people. What comes of the law is told of the law."""
    icon, tone = LOOKS[one.verdict]
    is_law = one.subject.startswith(JURISDICTION)
    stands = one.verdict.rank > 0 and not is_law
    own = replace(ahead, rules=tuple(rule for rule in ahead.rules if rule.rule.when.subject == one.subject))
    coming = [*outlook_lines(language, one, ahead), *rule_lines(language, one, own, titles, waiting)]
    return VerdictView(
        subject=one.subject,
        link=f"/signals/{one.subject}",
        is_law=is_law,
        title=clean(getattr(one.title, language)),
        word=verdict_word(language, one.verdict),
        icon=icon,
        tone=tone,
        rank=one.verdict.rank,
        at=one.change.at if one.change else None,
        words=clean(getattr(one.words, language)),
        services=[(name, titles.get(name, name)) for name in one.services],
        coming=coming if one.verdict.rank else [],
        seen_by=seen_line(language, ahead.seen),
        acknowledge=f"/signals/{one.subject}/acknowledge" if stands and ahead.seen is None else "",
    )


def verdict_word(language: Language, verdict: Verdict) -> str:
    return say(language, f"signals.verdict.{verdict.value}")


def seen_line(language: Language, seen: Row | None) -> str:
    if seen is None:
        return ""
    said = {"by": clean(seen.by), "at": moment(language, seen.at), "comment": clean(seen.comment)}
    return say(language, "seen.said" if seen.comment else "seen.by", **said)


def outlook_lines(language: Language, one: VerdictAnswer, ahead: Ahead) -> Iterator[Coming]:
    """What the verdict becomes by itself."""
    outlook = ahead.outlook
    if outlook is None:
        return
    now = {"now": verdict_word(language, outlook.evidence)}
    if outlook.becomes is not None and outlook.at is not None:
        said = {**now, "next": verdict_word(language, outlook.becomes), "at": moment(language, outlook.at)}
        yield Coming(say(language, "outlook.becomes", **said), outlook.at)
    elif outlook.evidence.rank >= one.verdict.rank:
        yield Coming(say(language, "outlook.same", **now))
    else:
        yield Coming(say(language, f"outlook.{_kept_by(one, outlook)}", **now))


def _kept_by(one: VerdictAnswer, outlook: Outlook) -> str:
    if one.verdict is Verdict.SUSPECT and outlook.unseen:
        return "unseen"
    return "few" if outlook.well < 2 else "waits"


def rule_lines(
    language: Language, one: VerdictAnswer, ahead: Ahead, titles: Mapping[str, str], waiting: Mapping[str, str]
) -> Iterator[Coming]:
    """What policy does because of it."""
    for rule in ahead.rules:
        yield _rule_line(language, rule, titles, waiting.get(rule.name, ""))
    if not ahead.rules and one.verdict.rank and one.services and not one.subject.startswith(JURISDICTION):
        asked = "&".join(f"service={name}" for name in one.services)
        yield Coming(say(language, "ahead.no-rule"), link=f"/plans/new?{asked}", link_text=say(language, "ahead.plan"))


def _rule_line(language: Language, one: RuleAhead, titles: Mapping[str, str], proposal: str) -> Coming:
    said = {
        "rule": one.name,
        "names": ", ".join(clean(titles.get(name, name)) for name in one.services),
        "verdict": verdict_word(language, one.rule.when.bar),
        "time": duration(one.rule.when.for_, language),
        "arm": duration(one.rule.arm, language),
        "at": moment(language, one.at) if one.at is not None else "",
        "subject": one.rule.when.subject.removeprefix(JURISDICTION),
    }
    text = say(language, f"ahead.{one.stage.value}", **said)
    if one.stage is Stage.WAITS:
        link = f"/proposals/{proposal}" if proposal else "/proposals"
        return Coming(text, link=link, link_text=say(language, "ahead.look"))
    then = say(language, f"ahead.then.{one.rule.release}", **said)
    return Coming(f"{text} {then}" if one.stage in (Stage.HOLDS, Stage.BELOW) else text, one.at)


def reason_views(language: Language, reasons: Sequence[ReasonAnswer]) -> list[ReasonView]:
    return [_reason_view(language, one) for one in reasons]


def _reason_view(language: Language, one: ReasonAnswer) -> ReasonView:
    icon, tone = _REASON_LOOKS.get(one.what, ("failed", "bad"))
    link = ""
    if one.what == "vendor" and one.subject:
        icon, tone = LOOKS[Verdict(one.verdict or "unknown")]
        link = f"/signals/{one.subject}"
    detail = [
        say(language, "why.from", names=_names(one.vantages)) if one.vantages else "",
        say(language, "why.domains", names=_names(one.trust_domains)) if one.trust_domains else "",
        say(language, "why.account", name=clean(one.account)) if one.account else "",
        say(language, "why.since", at=moment(language, _at(one.since))) if one.since else "",
    ]
    return ReasonView(
        icon,
        tone,
        _reason_text(language, one),
        " · ".join(part for part in detail if part),
        link,
        [_seen(language, found) for found in one.observations],
    )


def _reason_text(language: Language, one: ReasonAnswer) -> str:
    text = say(language, f"why.{one.what}")
    aspects = ", ".join(_aspect(language, name) for name in one.aspect.split(", ") if name)
    looked = " · ".join(part for part in (aspects, clean(one.sensor)) if part)
    if one.what == "vendor":
        looked = clean(f"{one.subject}, {verdict_word(language, Verdict(one.verdict or 'unknown'))}")
    told = say(language, "why.of", what=text, of=looked) if looked else text
    return f"{told} ({_value(language, one.aspect, one.value)})" if one.value is not None else told


def _value(language: Language, aspect: str, value: float) -> str:
    if aspect in _TIMES:
        return duration(value, language)
    return f"{value * 100:.0f} %" if 0 <= value <= 1 else f"{value:.4g}"


def _seen(language: Language, found: Mapping[str, Any]) -> Seen:
    outcome = str(found.get("outcome", "unknown"))
    icon, tone = {"ok": ("done", "good"), "denied": ("failed", "bad"), "fail": ("decide", "bad")}.get(
        outcome, ("later", "quiet")
    )
    value = found.get("value")
    told = say(language, f"outcome.{outcome}")
    return Seen(
        _at(str(found.get("at", ""))),
        f"{_aspect(language, str(found.get('aspect', '')))} · {clean(str(found.get('sensor', '')))}",
        clean(f"{found.get('vantage', '')} ({found.get('trust_domain', '')})"),
        f"{told} ({_value(language, str(found.get('aspect', '')), float(value))})" if value is not None else told,
        icon,
        tone,
    )


def _aspect(language: Language, name: str) -> str:
    return say(language, f"aspect.{name}")


def _at(text: str) -> float:
    """From ISO 8601, as observations and reasons have it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def needs(language: Language, reasons: Sequence[ReasonAnswer]) -> list[Need]:
    """What a verdict of more than suspect asks for, held against the reasons of the present one."""
    against = [one for one in reasons if one.what in AGAINST - {"vendor"}]
    domains = sorted({name for one in against for name in one.trust_domains})
    aspects = sorted({name for one in against for name in one.aspect.split(", ") if name})
    kinds = {one.what for one in reasons}
    controls = next((one for one in ("healthy", "failing") if f"controls-{one}" in kinds), "unproven")
    return [
        Need(len(domains) >= 2, say(language, "need.domains", count=len(domains)), _names(domains)),
        Need(
            len(aspects) >= 2,
            say(language, "need.aspects", count=len(aspects)),
            ", ".join(_aspect(language, name) for name in aspects),
        ),
        Need(controls == "healthy", say(language, f"need.controls.{controls}"), ""),
    ]


def bars(language: Language) -> list[tuple[str, str]]:
    """Each verdict's word, and what makes it."""
    said = {
        "eroding": duration(DEFAULT.hold_eroding, language),
        "cut": duration(DEFAULT.hold_cut, language),
        "long": duration(DEFAULT.outage_longest, language),
        "companions": DEFAULT.companions,
        "release": duration(DEFAULT.release, language),
        "release_cut": duration(DEFAULT.release_cut, language),
        "cooldown": duration(DEFAULT.cooldown, language),
        "unknown": duration(DEFAULT.hold_unknown, language),
        "unrelated": DEFAULT.unrelated,
    }
    order = (Verdict.CUT, Verdict.ERODING, Verdict.SUSPECT, Verdict.NOMINAL, Verdict.UNKNOWN)
    return [(verdict_word(language, one), say(language, f"bar.{one.value}", **said)) for one in order]


def _names(names: Sequence[str]) -> str:
    return clean(", ".join(names))
