"""What an accepted delivery means to us: observations for what a rule names, and the rest as unmapped. Pure."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from orchestrator.domain.signals.alert import Alert, Reading
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.source import Rule, Source

AHEAD = 300.0
"""Seconds that a sender's clock may be ahead of ours before its time counts for nothing."""
_LARGEST = 1e15
"""Of a value: seconds beyond it are no lag of anything."""
MOST_UNMAPPED = 20
"""Unmapped alerts of one delivery that are kept one by one; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An observation, and what shows a repetition of it; empty where nothing does."""

    observation: Observation
    key: str


@dataclass(frozen=True, slots=True)
class Unmapped:
    """What no rule speaks of, or what could not be read; `labels` are data from outside."""

    reason: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Meaning:
    """`unmapped` are the first of `left` things that nothing was made of."""

    seen: Sequence[Seen]
    unmapped: Sequence[Unmapped]
    left: int


def meaning(
    name: str, source: Source, reading: Reading, received: float, vendors: Collection[str] = frozenset()
) -> Meaning:
    """Observations of every rule that an alert matches, and those of a source that observes itself.

    `received`: our own clock, seconds since the epoch. `vendors`: whom such a source may speak of where the estate
    does not say it of this one.
    """
    seen: list[Seen] = []
    left = [Unmapped(note, {}) for note in reading.notes]
    spoken = frozenset(vendors if source.vendors is None else source.vendors)
    for one in reading.observations:
        if one.is_control or one.vendor in spoken:
            seen.append(_vouched(name, source, one, received))
        else:
            left.append(Unmapped("The source may not speak of this vendor.", {"vendor": one.vendor}))
    for alert in reading.alerts:
        rules = [rule for rule in source.map if _matches(rule, alert)]
        seen += [_seen(name, source, rule, alert, received) for rule in rules]
        if not rules:
            left.append(Unmapped("No rule of the source's `map` matches these labels.", alert.labels))
    if not seen and not left:
        left.append(Unmapped("The delivery holds no alert.", {}))
    return Meaning(seen, left[:MOST_UNMAPPED], len(left))


def _matches(rule: Rule, alert: Alert) -> bool:
    return all(_fits(pattern, alert.labels.get(label)) for label, pattern in rule.match.items())


def _fits(pattern: str, value: str | None) -> bool:
    if value is None or "*" not in pattern:
        return value == pattern
    return fnmatchcase(value, pattern.replace("[", "[[]").replace("?", "[?]"))


def _seen(name: str, source: Source, rule: Rule, alert: Alert, received: float) -> Seen:
    observation = Observation(
        at=_moment(alert.at, received),
        vendor=rule.vendor,
        aspect=rule.aspect,
        sensor=rule.sensor or name,
        vantage=source.vantage or name,
        trust_domain=source.trust_domain,
        outcome=rule.outcome if alert.state == "fail" else alert.state,
        value=_value(rule, alert),
        account=rule.account,
    )
    same = [name, alert.identity, observation.vendor, observation.aspect, observation.sensor]
    key = hashlib.sha256(json.dumps(same).encode()).hexdigest() if alert.identity else ""
    return Seen(observation, key)


def _vouched(name: str, source: Source, one: Observation, received: float) -> Seen:
    """Whose word it is and from where it was seen says the estate, whatever the sender says."""
    observation = one._replace(
        at=_moment(one.at, received), vantage=source.vantage or name, trust_domain=source.trust_domain
    )
    same = [name, one.at, one.vendor, one.aspect, one.sensor, one.account]
    return Seen(observation, hashlib.sha256(json.dumps(same).encode()).hexdigest())


def _value(rule: Rule, alert: Alert) -> float | None:
    found = alert.numbers.get(rule.value) if rule.value else None
    return found if found is not None and abs(found) <= _LARGEST else None


def _moment(said: float | None, received: float) -> float:
    """When it came about. A clock that runs ahead never puts an observation into the future."""
    return received if said is None or said > received + AHEAD else min(said, received)
