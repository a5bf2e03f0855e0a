"""Whether what a step would change has moved since the plan, and which state its change starts from. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from providers.base import Finding, Presence


def starting_point(expected: Mapping[str, Any], found: Finding) -> Finding | None:
    """The finding whose values are the state to change from; None when the step must be held.

    A step of several zones goes on with those that are as planned. One that moved
    keeps its planned state in the answer, so its own compare-and-swap refuses it; what
    is already as wished keeps the state found, so that nobody's work is taken for ours.
    """
    if found.presence is Presence.ALREADY or dict(found.values) == dict(expected):
        return found
    planned, now = expected.get("zones"), found.values.get("zones")
    if not found.parts or not isinstance(planned, Mapping) or not isinstance(now, Mapping):
        return None
    if planned.keys() != now.keys():
        return None
    open_ = {zone for zone, presence in found.parts.items() if presence is not Presence.ALREADY}
    moved = {zone for zone in open_ if now[zone] != planned[zone]}
    if moved == open_:
        return None
    values = {zone: planned[zone] if zone in moved else state for zone, state in now.items()}
    return replace(found, presence=Presence.ABSENT, values={"zones": values})
