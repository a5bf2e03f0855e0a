"""Observations recorded as JSON Lines: one object a line, and every line that can't be read said with its remedy."""

import json
from collections.abc import Iterable, Iterator
from sys import intern

from orchestrator.domain.problem import Problem
from orchestrator.domain.signals.observation import BadObservation, Observation, observation_of
from orchestrator.domain.signals.thresholds import DEFAULT, Thresholds

MOST_LINE = 65536
"""Characters of a line; no observation is that long."""


def read_recording(lines: Iterable[str], file: str, problems: list[Problem]) -> Iterator[Observation]:
    """The observations of the lines that are right, one by one; `problems` gets the others. Empty lines are left."""
    for number, line in enumerate(lines, start=1):
        text = line.strip("\ufeff \t\r\n")
        if not text:
            continue
        try:
            yield _shared(observation_of(_parsed(text)))
        except BadObservation as error:
            problems.append(Problem(file, number, 1, error.message, error.remedy))


def _shared(one: Observation) -> Observation:
    """With its names kept in memory once, however many lines say them."""
    return Observation(
        one.at,
        intern(one.vendor),
        intern(one.aspect),
        intern(one.sensor),
        intern(one.vantage),
        intern(one.trust_domain),
        intern(one.outcome),
        one.value,
        intern(one.account) if one.account else None,
    )


def as_arrived(observations: list[Observation], bars: Thresholds = DEFAULT) -> list[Observation]:
    """The observations in the order in which they came.

    That is the order of the lines, unless the recording was written sensor by sensor or vendor by vendor: then no
    sensor's own time ever goes back, though that of the lines does, and they are put in the order of their times.
    """
    apart = bars.alone + bars.lateness
    newest = float("-inf")
    grouped = False
    own: dict[tuple[str | None, ...], float] = {}
    for one in observations:
        key = (*one[1:6], one.account)
        if one.at < own.get(key, one.at) - bars.lateness:
            return observations
        own[key] = one.at
        grouped = grouped or one.at < newest - apart
        newest = max(newest, one.at)
    return sorted(observations, key=lambda one: one.at) if grouped else observations


def _parsed(text: str) -> object:
    if len(text) > MOST_LINE:
        raise BadObservation("The line is too long for an observation.", f"Keep it below {MOST_LINE} characters.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadObservation("The line is no JSON.", "Write one JSON object a line.") from None
