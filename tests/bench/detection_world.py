"""Months of observations from a seed: vendors watched from two trust domains, and what befalls them and us.

Nothing here knows how verdicts are made. Each probe looks every five minutes, at
a phase of its own. What happens is drawn from the seed as a list of troubles,
each with a beginning and an end; the readings follow from the troubles that are
on. Times are seconds since the epoch, UTC.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.domain.signals.observation import Observation

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
INTERVAL = 5 * MINUTE
START = 1767225600.0
"""2026-01-01, a Thursday."""

VENDORS = (
    "microsoft-365", "aws", "google-workspace", "zoom", "cloudflare", "openai", "github", "meta", "docker-hub", "x",
    "scaleway", "mailo",
)  # fmt: skip
"""Ten that American law reaches, of eight owners or more, and two that it does not."""
CONTROLS = ("control-eu-north", "control-eu-south", "control-us")
PLACES = (("own", "paris"), ("peer", "lyon"))
"""Trust domain and vantage."""
ASPECTS = (("tls", "tls"), ("auth", "token-refresh"), ("semantic", "api"), ("sync", "mailbox-sync"))
"""As the catalogue watches Microsoft 365, with a mailbox of one's own beside it."""
SIGNED_IN = frozenset(("auth", "semantic", "sync"))
THIN = tuple(one for one in ASPECTS if one[0] != "semantic")
"""What may be left of it elsewhere: two sensors that sign in."""

Kind = Literal[
    "outage", "network", "both-networks", "resolver", "certificate", "credential", "flapping", "liar", "compromised",
    "clock", "clocks", "cut", "erosion", "quiet-erosion", "thin-erosion", "targeted",
]  # fmt: skip
REAL: tuple[Kind, ...] = ("cut", "erosion", "quiet-erosion", "thin-erosion", "targeted")


@dataclass(frozen=True, slots=True)
class Trouble:
    """`vendor` empty: all; `place` None: all. `share`: of the readings that it spoils. `aspects` empty: all."""

    kind: Kind
    start: float
    end: float
    vendor: str = ""
    place: int | None = None
    share: float = 1.0
    aspects: frozenset[str] = frozenset()
    shift: float = 0.0
    period: float = 0.0
    denying: float = 0.0
    """Of the spoiled readings, the share that look like refusals."""


@dataclass(slots=True)
class World:
    seed: int
    days: float
    vendors: tuple[str, ...] = VENDORS
    aspects: tuple[tuple[str, str], ...] = ASPECTS
    troubles: list[Trouble] = field(default_factory=list)

    @property
    def end(self) -> float:
        return START + self.days * DAY


def months(seed: int, days: float) -> World:
    """Everything that must raise no alarm: outages, and whatever can go wrong on our side, or be staged."""
    rng = random.Random(seed)
    world = World(seed, days)
    end = world.end
    for vendor in VENDORS:
        for start in _times(rng, 30, end):
            world.troubles.append(_outage(rng, vendor, start))
        for start in _times(rng, 60, end):
            period = rng.uniform(8, 40) * MINUTE
            spoils = frozenset(rng.choice((("auth",), ("auth", "semantic", "sync"), ())))
            hours = rng.uniform(1, 8) * HOUR
            world.troubles.append(Trouble("flapping", start, start + hours, vendor, None, 1.0, spoils, period=period))
    for place in range(len(PLACES)):
        for start in _times(rng, 15, end):
            long = rng.uniform(5 * MINUTE, 4 * HOUR)
            world.troubles.append(Trouble("network", start, start + long, place=place, share=rng.uniform(0.5, 1)))
        for start in _times(rng, 20, end):
            long = rng.uniform(0.5, 12) * HOUR
            world.troubles.append(Trouble("resolver", start, start + long, place=place, share=rng.uniform(0.15, 1)))
        for start in _times(rng, 45, end):
            spoils = frozenset(rng.choice((("tls", "auth", "semantic", "sync"), ("tls",))))
            world.troubles.append(
                Trouble("certificate", start, start + rng.uniform(1, 48) * HOUR, place=place, aspects=spoils)
            )
        for start in _times(rng, 60, end):
            shift = rng.choice((-1, 1)) * rng.choice((90, 600, 2700, 4 * HOUR, 3 * DAY, 365 * DAY))
            long = rng.uniform(1, 30) * HOUR
            world.troubles.append(Trouble("clock", start, start + long, place=place, shift=shift))
    for start in _times(rng, 60, end):
        long = rng.uniform(10 * MINUTE, 3 * HOUR)
        world.troubles.append(Trouble("both-networks", start, start + long, share=rng.uniform(0.6, 1)))
    for start in _times(rng, 90, end):
        shift = rng.choice((-1, 1)) * rng.uniform(60, 2 * HOUR)
        world.troubles.append(Trouble("clocks", start, start + rng.uniform(1, 30) * HOUR, shift=shift))
    world.troubles += _wrong(rng, end)
    return world


def stricken(seed: int, kind: Kind) -> World:
    """Three vendors for some days, of which the first is struck a day before the end, and another has an outage."""
    rng = random.Random(seed)
    start = START + rng.uniform(2, 8) * DAY
    vendors = tuple(rng.sample([name for name in VENDORS if name not in ("scaleway", "mailo")], 3))
    world = World(seed, (start - START) / DAY + 1.0, vendors, THIN if kind == "thin-erosion" else ASPECTS)
    match kind:
        case "cut":
            spoils = rng.choice((SIGNED_IN, SIGNED_IN | {"tls"}))
            share, denying = rng.uniform(0.9, 1.0), rng.uniform(0.7, 1.0)
            struck = Trouble("cut", start, world.end, vendors[0], share=share, aspects=spoils, denying=denying)
        case "targeted":
            struck = Trouble("targeted", start, world.end, vendors[0], aspects=frozenset(("auth",)), denying=1.0)
        case _:
            struck = Trouble(kind, start, world.end, vendors[0], aspects=SIGNED_IN, denying=0.8)
    world.troubles.append(struck)
    world.troubles += [_outage(rng, vendors[1], START + rng.uniform(1, world.days - 1) * DAY)]
    return world


def observations(world: World) -> Iterator[Observation]:
    """In the order in which they arrive."""
    rng = random.Random(world.seed * 7919 + 1)
    sensors = _sensors(world, rng)
    pending = sorted(world.troubles, key=lambda one: one.start)
    on: list[Trouble] = []
    at, end = START, world.end
    while at < end:
        if pending and pending[0].start < at + INTERVAL:
            on.append(pending.pop(0))
            continue
        on = [one for one in on if one.end > at]
        rhythm = _rhythm(at)
        yield from _troubled_round(sensors, at, rhythm, on, rng) if on else _round(sensors, at, rhythm, rng)
        at += INTERVAL


Sensor = tuple[float, str, str, str, int, str | None, float]
"""Phase, vendor, aspect, sensor, place, account, usual lag (0: no value)."""


def _sensors(world: World, rng: random.Random) -> list[Sensor]:
    targeted = any(one.kind == "targeted" for one in world.troubles)
    found: list[Sensor] = []
    for place in range(len(PLACES)):
        for vendor in world.vendors:
            for aspect, sensor in world.aspects:
                lag = rng.uniform(60, 240) if aspect == "sync" else 0.0
                found.append((rng.uniform(0, 290), vendor, aspect, sensor, place, None, lag))
            accounts = ("canary", "mayor") if targeted else ()
            found += [(rng.uniform(0, 290), vendor, "auth", f"sign-in-{one}", place, one, 0.0) for one in accounts]
        found += [(rng.uniform(0, 290), control, "semantic", "page", place, None, 0.0) for control in CONTROLS]
    return sorted(found)


def _rhythm(at: float) -> float:
    """Lags and failures rise on working days, and by the hour."""
    day, hour = int(at // DAY + 3) % 7, at % DAY / HOUR
    return (1.0 if day < 5 else 0.5) * (1.0 + 0.8 * math.sin((hour - 8) / 24 * 2 * math.pi))


def _round(sensors: list[Sensor], at: float, rhythm: float, rng: random.Random) -> Iterator[Observation]:
    draw, gauss = rng.random, rng.gauss
    chance = 0.007 + 0.006 * rhythm
    make = Observation
    for phase, vendor, aspect, sensor, place, account, lag in sensors:
        domain, vantage = PLACES[place]
        outcome = "ok" if draw() > chance else ("fail" if draw() > 0.03 else "denied")
        value = lag * (0.6 + rhythm) + gauss(0.0, 0.15) * lag if lag else None
        yield make(at + phase, vendor, aspect, sensor, vantage, domain, outcome, value, account)


def _troubled_round(
    sensors: list[Sensor], at: float, rhythm: float, on: list[Trouble], rng: random.Random
) -> Iterator[Observation]:
    found = []
    for one, where in zip(_round(sensors, at, rhythm, rng), sensors, strict=True):
        shift = 0.0
        for trouble in on:
            if trouble.start <= one.at < trouble.end:
                shift += _shift(trouble, where)
                one = _spoiled(trouble, one, where, rng)
        found.append(one._replace(at=max(one.at + shift, 0.0)))
    return iter(found)


def _shift(trouble: Trouble, where: Sensor) -> float:
    return trouble.shift if trouble.place is None or trouble.place == where[4] else 0.0


def _spoiled(trouble: Trouble, one: Observation, where: Sensor, rng: random.Random) -> Observation:
    control = where[1].startswith("control-")
    if trouble.place is not None and trouble.place != where[4]:
        return one
    match trouble.kind:
        case "clock" | "clocks":
            return one
        case "network" | "both-networks" | "resolver":
            hit = rng.random() < trouble.share
        case "certificate":
            hit = control or not trouble.aspects or where[2] in trouble.aspects
        case "liar" | "compromised":
            if control:
                return one._replace(outcome="ok")
            hit = not trouble.vendor or trouble.vendor == where[1]
        case "flapping":
            hit = _hits(trouble, where) and (one.at - trouble.start) % trouble.period < trouble.period / 2
        case "targeted":
            hit = where[1] == trouble.vendor and where[5] == "mayor"
        case "erosion" | "quiet-erosion" | "thin-erosion":
            return _eroded(trouble, one, where, rng)
        case _:
            hit = _hits(trouble, where) and rng.random() < trouble.share
    if not hit:
        return one
    outcome = "denied" if rng.random() < trouble.denying else "fail"
    return one._replace(outcome=outcome, value=None)


def _hits(trouble: Trouble, where: Sensor) -> bool:
    return trouble.vendor == where[1] and (not trouble.aspects or where[2] in trouble.aspects)


def _eroded(trouble: Trouble, one: Observation, where: Sensor, rng: random.Random) -> Observation:
    """The share that is gone rises from nothing to all in three days; the lag with it, unless it is a quiet one."""
    if not _hits(trouble, where):
        return one
    gone = (one.at - trouble.start) / (3 * DAY)
    if rng.random() < gone:
        return one._replace(outcome="denied" if rng.random() < trouble.denying else "fail", value=None)
    if one.value is not None and trouble.kind == "erosion":
        return one._replace(value=one.value + gone * 12 * HOUR)
    return one


def _outage(rng: random.Random, vendor: str, start: float) -> Trouble:
    """Hours; of some aspects or all; some of them answer with refusals now and then."""
    long = min(rng.lognormvariate(0.7, 0.9), 16.0) * HOUR
    spoils = rng.choice((frozenset(("auth",)), frozenset(("sync",)), SIGNED_IN, SIGNED_IN, frozenset()))
    denying = rng.choice((0.0, 0.0, 0.0, rng.uniform(0.02, 0.2)))
    return Trouble("outage", start, start + long, vendor, None, rng.uniform(0.6, 1.0), spoils, denying=denying)


def _wrong(rng: random.Random, end: float) -> list[Trouble]:
    """What makes one trust domain say that a vendor refuses us: a credential of ours that ran out there, a vantage that
    lies, a source that is forged throughout. One at a time: when two are wrong at once, no quorum of two can tell."""
    found: list[Trouble] = []
    for start in _times(rng, 12, end):
        place, long = rng.randrange(len(PLACES)), rng.uniform(1, 96) * HOUR
        if found and start < found[-1].end + 6 * HOUR:
            continue
        kind: Kind = rng.choice(("credential", "liar", "compromised"))
        vendor = "" if kind == "compromised" else rng.choice(VENDORS)
        spoils = SIGNED_IN if kind == "credential" else frozenset[str]()
        denying = 1.0 if kind == "credential" else rng.choice((0.0, 0.5, 1.0))
        found.append(Trouble(kind, start, start + long, vendor, place, 1.0, spoils, denying=denying))
    return found


def _times(rng: random.Random, days: float, end: float) -> Iterator[float]:
    """A Poisson process with one event in so many days."""
    at = START + rng.expovariate(1 / (days * DAY))
    while at < end:
        yield at
        at += rng.expovariate(1 / (days * DAY))
