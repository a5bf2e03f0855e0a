"""What was said and observed over a time, drawn as lanes, with the same in words. Pure.

Lengths across are shares of the width (`12.5%`), so that a lane is as wide as the screen; heights are pixels. Height
and word say what colour only repeats.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from orchestrator.domain.signals.quorum import Verdict
from orchestrator.store.runs import Row

Since = Literal["1h", "6h", "24h", "7d"]
WINDOWS: Mapping[Since, tuple[int, int, int]] = {
    "1h": (3600, 60, 900),
    "6h": (6 * 3600, 300, 3600),
    "24h": (86400, 900, 6 * 3600),
    "7d": (7 * 86400, 7200, 86400),
}
"""Seconds of the whole, of a slot of observations, and from one mark of the axis to the next."""
HEIGHT = 30
VERDICT_HEIGHTS: Mapping[Verdict, int] = {
    Verdict.UNKNOWN: 6,
    Verdict.NOMINAL: 8,
    Verdict.SUSPECT: 16,
    Verdict.ERODING: 23,
    Verdict.CUT: HEIGHT,
}
WORST = ("denied", "fail", "unknown", "ok")
OUTCOME_HEIGHTS = {"ok": 6, "unknown": 6, "fail": 18, "denied": HEIGHT}
_WIDE = 0.12
"""Of a bar that its word fits into."""
_NARROWEST = 0.003


@dataclass(frozen=True, slots=True)
class Bar:
    """`kind`: a verdict or an outcome. `word` is empty where it does not fit; `title` says all."""

    start: float
    end: float
    kind: str
    height: int
    title: str
    word: str = ""
    x: str = ""
    width: str = ""

    @property
    def y(self) -> int:
        return HEIGHT - self.height


@dataclass(frozen=True, slots=True)
class Lane:
    """`label`: the whole lane in a sentence, for whoever sees no drawing."""

    name: str
    note: str
    link: str
    label: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    at: float
    x: str
    day: bool


@dataclass(frozen=True, slots=True)
class Span:
    """One verdict on one subject, within the window. `words`: by language."""

    start: float
    end: float
    verdict: Verdict
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Spell:
    """Slots side by side whose worst outcome is the same. `counts`: readings by outcome."""

    start: float
    end: float
    worst: str
    counts: Mapping[str, int]

    @property
    def bad(self) -> bool:
        return self.worst != "ok"


Seen = tuple[str, str]
"""A trust domain and an aspect."""


@dataclass(frozen=True, slots=True)
class Window:
    """UTC seconds. `since` is what stands in the address."""

    since: Since
    start: float
    end: float
    slot: int

    @classmethod
    def of(cls, since: Since, now: float) -> "Window":
        lasts, slot, _ = WINDOWS[since]
        return cls(since, now - lasts, now, slot)

    def share(self, at: float) -> float:
        return min(max((at - self.start) / (self.end - self.start), 0.0), 1.0)

    def placed(self, bar: Bar) -> Bar:
        left = self.share(bar.start)
        width = max(self.share(bar.end) - left, _NARROWEST)
        return replace(
            bar, x=_percent(min(left, 1 - width)), width=_percent(width), word=bar.word if width >= _WIDE else ""
        )

    def marks(self) -> list[Mark]:
        """On full hours or days of the service's zone."""
        step = WINDOWS[self.since][2]
        beside = time.localtime(self.end).tm_gmtoff
        at = ((self.start + beside) // step + 1) * step - beside
        found = []
        while at < self.end:
            if 0.03 < self.share(at) < 0.97:
                found.append(Mark(at, _percent(self.share(at)), step >= 86400))
            at += step
        return found


def spans_of(rows: Iterable[Row], window: Window) -> dict[str, list[Span]]:
    """By subject, what was said of it in the window; `rows` are changes in the order of their recording."""
    found: dict[str, list[Span]] = {}
    for row in rows:
        spans = found.setdefault(row.subject, [])
        if spans:
            spans[-1] = replace(spans[-1], end=max(row.at, spans[-1].start))
        spans.append(Span(row.at, window.end, Verdict(row.verdict), row.words))
    for subject, spans in found.items():
        within = [one for one in spans if one.end > window.start]
        found[subject] = [replace(one, start=max(one.start, window.start)) for one in within]
    return found


def spells_of(tallies: Iterable[Row], window: Window) -> dict[Seen, list[Spell]]:
    """By trust domain and aspect; `tallies` as `observations.tallies` gives them."""
    slots: dict[Seen, dict[int, dict[str, int]]] = {}
    for row in tallies:
        outcomes = slots.setdefault((row.trust_domain, row.aspect), {}).setdefault(int(row.slot), {})
        outcomes[row.outcome] = outcomes.get(row.outcome, 0) + int(row.readings)
    return {seen: list(_spells(found, window)) for seen, found in sorted(slots.items())}


def _spells(slots: Mapping[int, Mapping[str, int]], window: Window) -> Iterator[Spell]:
    now: Spell | None = None
    for slot, counts in sorted(slots.items()):
        start, worst = float(slot * window.slot), next(one for one in WORST if counts.get(one))
        end = min(start + window.slot, window.end)
        if now is not None and now.worst == worst and now.end >= start:
            together = {one: now.counts.get(one, 0) + counts.get(one, 0) for one in WORST}
            now = replace(now, end=end, counts=together)
            continue
        if now is not None:
            yield now
        now = Spell(max(start, window.start), end, worst, dict(counts))
    if now is not None:
        yield now


def verdict_bars(
    spans: Sequence[Span], window: Window, word: Callable[[Verdict], str], title: Callable[[Span], str]
) -> tuple[Bar, ...]:
    return tuple(
        window.placed(
            Bar(one.start, one.end, one.verdict.value, VERDICT_HEIGHTS[one.verdict], title(one), word(one.verdict))
        )
        for one in spans
    )


def outcome_bars(spells: Sequence[Spell], window: Window, title: Callable[[Spell], str]) -> tuple[Bar, ...]:
    return tuple(
        window.placed(Bar(one.start, one.end, one.worst, OUTCOME_HEIGHTS[one.worst], title(one))) for one in spells
    )


def _percent(share: float) -> str:
    return f"{share * 100:.2f}%"
