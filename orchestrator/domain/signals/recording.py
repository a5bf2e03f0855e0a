"""Observations recorded as JSON Lines: one object a line, and every line that can't be read said with its remedy."""

import json
from collections.abc import Iterable, Iterator

from orchestrator.domain.problem import Problem
from orchestrator.domain.signals.observation import BadObservation, Observation, observation_of

MOST_LINE = 65536
"""Characters of a line; no observation is that long."""


def read_recording(lines: Iterable[str], file: str, problems: list[Problem]) -> Iterator[Observation]:
    """The observations of the lines that are right, one by one; `problems` gets the others. Empty lines are left."""
    for number, line in enumerate(lines, start=1):
        text = line.strip("\ufeff \t\r\n")
        if not text:
            continue
        try:
            yield observation_of(_parsed(text))
        except BadObservation as error:
            problems.append(Problem(file, number, 1, error.message, error.remedy))


def _parsed(text: str) -> object:
    if len(text) > MOST_LINE:
        raise BadObservation("The line is too long for an observation.", f"Keep it below {MOST_LINE} characters.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadObservation("The line is no JSON.", "Write one JSON object a line.") from None
