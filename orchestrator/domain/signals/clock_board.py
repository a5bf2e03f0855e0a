"""What runs out, as people are shown it, and when they are warned of it beforehand."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import Service
from orchestrator.domain.signals.clock import RunningClock, running_clocks

HOUR = 3600.0
SOON = 24 * HOUR
"""Seconds before its end from which a clock is marked."""
LEVELS: tuple[tuple[str, float], ...] = (("out", 0.0), ("1h", HOUR), ("4h", 4 * HOUR), ("24h", SOON))
"""What is warned of, the most urgent in front, and from how many seconds before the end."""


class ClockStanding(StrEnum):
    OUT = "out"
    SOON = "soon"
    RUNNING = "running"
    IF_LOST = "if_lost"
    """It does not run: the vendor is not lost."""


@dataclass(frozen=True, slots=True)
class ClockLine:
    """One clock of one vendor, with all the services that it hits.

    `lasts`: seconds from the loss on. `since` and `at`: when the loss began and when it has run out, seconds since
    the epoch, UTC; None while the vendor is not lost. `title` and `breaks`: French, English.
    """

    vendor: str
    clock: str
    title: tuple[str, str]
    breaks: tuple[str, str]
    services: tuple[str, ...]
    lasts: float
    since: float | None
    at: float | None
    standing: ClockStanding


@dataclass(frozen=True, slots=True)
class ClockBoard:
    """Without a loss that shows, `running` is false and the lines say what would run out if each vendor were lost."""

    running: bool
    lines: tuple[ClockLine, ...]


@dataclass(frozen=True, slots=True)
class ClockWarning:
    """To be told once: `key` names the clock, the loss that it counts from, and the level. `words`: `fr` and `en`."""

    key: str
    level: str
    vendor: str
    clock: str
    services: tuple[str, ...]
    at: float
    words: Mapping[str, str]


def clock_board(
    onsets: Mapping[str, float], services: Mapping[str, Service], catalogue: Catalogue, now: float
) -> ClockBoard:
    """The clocks that run; while none does, those that would."""
    running = running_clocks(onsets, services, catalogue)
    if running:
        return ClockBoard(True, tuple(_line(found, now) for found in _together(running)))
    vendors = {service.vendor for service in services.values()}
    supposed = running_clocks(dict.fromkeys(vendors, 0.0), services, catalogue)
    return ClockBoard(False, tuple(_line(found, None) for found in _together(supposed)))


def due_warnings(clocks: Iterable[RunningClock], now: float, told: Collection[str]) -> list[ClockWarning]:
    """The warnings that nobody was given yet, the most urgent in front.

    `told`: the keys of those that were given. Of each clock only its most urgent level is told: who begins to look an
    hour before the end is not told of a day. A loss that ends and comes again is told anew.
    """
    due = []
    for found in _together(clocks):
        one = found[0]
        level = next((name for name, before in LEVELS if one.at - now <= before), None)
        key = f"{one.vendor}/{one.clock}/{one.since:.0f}/{level}"
        if level is not None and key not in told:
            services = _services(found)
            words = _words(one, services, now)
            due.append(ClockWarning(key, level, one.vendor, one.clock, services, one.at, words))
    return due


def _together(clocks: Iterable[RunningClock]) -> list[list[RunningClock]]:
    """One list for each clock of each loss, whatever services it hits; the first to run out in front."""
    found: dict[tuple[float, str, str, float], list[RunningClock]] = {}
    for one in clocks:
        found.setdefault((one.at, one.vendor, one.clock, one.since), []).append(one)
    return [found[key] for key in sorted(found)]


def _services(found: Sequence[RunningClock]) -> tuple[str, ...]:
    return tuple(sorted({one.service for one in found}))


def _line(found: Sequence[RunningClock], now: float | None) -> ClockLine:
    one = found[0]
    lost = now is not None
    return ClockLine(
        vendor=one.vendor,
        clock=one.clock,
        title=one.title,
        breaks=one.breaks,
        services=_services(found),
        lasts=one.at - one.since,
        since=one.since if lost else None,
        at=one.at if lost else None,
        standing=ClockStanding.IF_LOST if now is None else _standing(one.at - now),
    )


def _standing(left: float) -> ClockStanding:
    if left <= 0:
        return ClockStanding.OUT
    return ClockStanding.SOON if left <= SOON else ClockStanding.RUNNING


def _words(one: RunningClock, services: Sequence[str], now: float) -> dict[str, str]:
    moment = datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    listed = ", ".join(services)
    if one.at <= now:
        fr, en = f"c'est expiré depuis le {moment}", f"ran out on {moment}"
    else:
        left = _duration(one.at - now)
        fr, en = f"il reste {left}, jusqu'au {moment}", f"{left} left, until {moment}"
    stops_fr = f" Ce qui s'arrête : {one.breaks[0]}." if one.breaks[0] else ""
    stops_en = f" What stops: {one.breaks[1]}." if one.breaks[1] else ""
    return {
        "fr": f"{one.title[0]} ({one.vendor}) : {fr}. Services : {listed}.{stops_fr}",
        "en": f"{one.title[1]} ({one.vendor}): {en}. Services: {listed}.{stops_en}",
    }


def _duration(seconds: float) -> str:
    """`< 1 min`, `45 min`, `3 h 20 min`: the same in both languages."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "< 1 min"
    hours, rest = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {rest:02d} min" if rest else f"{hours} h"
