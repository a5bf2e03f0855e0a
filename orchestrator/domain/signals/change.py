"""A verdict that changed, with what made it and the words for a person."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.domain.signals.controls import Health
from orchestrator.domain.signals.observation import iso
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.reason import Reason, reasons_of
from orchestrator.domain.signals.vendor import Place, WatchedVendor
from orchestrator.domain.signals.view import Vote
from orchestrator.domain.signals.words import Said, sentence

JURISDICTION = "jurisdiction:"


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that changed. `at`: when the evidence was enough; `since`: when what it speaks of began (UTC seconds).
    `targeted`: the one account, or the one sensor, that is refused while others are let in."""

    at: float
    subject: str
    verdict: Verdict
    before: Verdict
    since: float
    reasons: tuple[Reason, ...]
    words: Said
    targeted: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "at": iso(self.at),
            "subject": self.subject,
            "verdict": self.verdict.value,
            "before": self.before.value,
            "since": iso(self.since),
            "targeted": self.targeted,
            "words": dict(self.words),
            "reasons": [one.as_json() for one in self.reasons],
        }


def vendor_change(
    vendor: WatchedVendor,
    before: Verdict,
    votes: Sequence[Vote],
    healths: Mapping[Place, Health],
    now: float,
    told: Callable[[float], float],
) -> Change:
    """`now` is steady, `told` gives what the clocks said then; the vendor keeps what its verdict rests on."""
    verdict = vendor.standing.verdict
    against = reasons_of(vendor.views.values(), now) if verdict.rank else []
    reasons = tuple(_dated(one, told) for one in [*against, *_beside(vendor, votes, healths, bool(against))])
    since = told(min((one.since for one in against if one.since is not None), default=now))
    vendor.since, vendor.shown = since, tuple(seen for one in reasons for seen in one.observations)
    if verdict.rank >= Verdict.ERODING.rank:
        vendor.onset = since if vendor.onset is None else min(since, vendor.onset)
    elif verdict is not Verdict.UNKNOWN:
        vendor.onset = None
    words = sentence(vendor.title, verdict, since, told(now), reasons)
    return Change(told(now), vendor.name, verdict, before, since, reasons, words, vendor.evidence.targeted)


def law_title(country: str) -> Said:
    return {"fr": f"Juridiction {country}", "en": f"Jurisdiction {country}"}


def law_change(country: str, before: Verdict, verdict: Verdict, vendors: Sequence[WatchedVendor], at: float) -> Change:
    """`vendors`: all whose owners that law binds. `at`: seconds since the epoch, UTC."""
    decisive = [one for one in vendors if one.standing.verdict.rank >= verdict.rank]
    reasons = tuple(
        Reason(
            "vendor", subject=one.name, verdict=one.standing.verdict.value, since=one.since, observations=one.shown[:2]
        )
        for one in decisive
    )
    since = min((one.since for one in decisive if one.since is not None), default=at) if verdict.rank else at
    words = sentence(law_title(country), verdict, since, at, reasons)
    return Change(at, JURISDICTION + country, verdict, before, since, reasons, words)


def _beside(
    vendor: WatchedVendor, votes: Sequence[Vote], healths: Mapping[Place, Health], against: bool
) -> Iterator[Reason]:
    """What else makes the verdict: answers, silence, controls."""
    verdict = vendor.standing.verdict
    failing = [place for place, one in healths.items() if one.failing]
    silent = tuple(sorted(one.domain for one in votes if one.regular and not one.fresh))
    if verdict is Verdict.SUSPECT and not against:
        yield Reason("recovered")
    if verdict is Verdict.NOMINAL:
        answering = tuple(sorted(one.domain for one in votes if one.well))
        latest = tuple(vendor.views[domain].last for domain in answering)
        yield Reason("answering", trust_domains=answering, observations=latest)
    if silent or (verdict is Verdict.UNKNOWN and not failing):
        yield Reason("silent", trust_domains=silent)
    if failing:
        vantages = tuple(sorted({vantage for _, vantage in failing}))
        yield Reason("controls-failing", vantages=vantages, trust_domains=tuple(sorted({one for one, _ in failing})))
    elif any(one.sound for one in healths.values()):
        yield Reason("controls-healthy")
    else:
        yield Reason("controls-unproven")


def _dated(reason: Reason, told: Callable[[float], float]) -> Reason:
    """With the times that the clocks said."""
    since = None if reason.since is None else told(reason.since)
    return replace(
        reason, since=since, observations=tuple(one._replace(at=told(one.at)) for one in reason.observations)
    )
