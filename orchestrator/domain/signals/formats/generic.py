"""Anything that posts JSON objects with a title and a state, as Datadog's webhooks do; and what the envelopes share.

https://docs.datadoghq.com/integrations/webhooks/
"""

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.domain.signals.alert import (
    MOST_ALERTS,
    Alert,
    Reading,
    State,
    Unfit,
    flattened,
    labels,
    mapping,
    moment,
    numbers,
    read_json,
    state_of_word,
    tags,
    text,
)

_STATE_NAMES = ("status", "state", "outcome", "transition", "alert_transition", "alert_status", "alert_type")
_TIME_NAMES = ("last_updated", "at", "time", "timestamp", "date")


def read(_headers: Mapping[str, str], body: bytes) -> Reading:
    data = read_json(body)
    many = data if isinstance(data, list) else [data]
    if not many or not all(isinstance(one, dict) and one for one in many[:MOST_ALERTS]):
        raise Unfit("The body is neither an object nor a list of objects.")
    left = len(many) - MOST_ALERTS
    notes = [f"{left} alerts above {MOST_ALERTS} were not looked at."] if left > 0 else []
    return Reading([_alert(one) for one in many[:MOST_ALERTS]], notes)


def _alert(said: Mapping[str, Any]) -> Alert:
    state = state_in(said)
    at = time_in(said)
    same = [text(said.get("id")), state, text(said.get("last_updated") or said.get("date"))]
    flat = dict(flattened(said))
    return Alert(
        labels=labels(tags_in(said), flat),
        state=state,
        at=at,
        identity=json.dumps(same) if same[0] else "",
        numbers=numbers(flat),
    )


def state_in(said: Mapping[str, Any], otherwise: State = "unknown") -> State:
    """The state that one of the usual names holds."""
    found = (state_of_word(said.get(name)) for name in _STATE_NAMES)
    return next((state for state in found if state is not None), otherwise)


def time_in(said: Mapping[str, Any]) -> float | None:
    found = (moment(said.get(name)) for name in _TIME_NAMES)
    return next((at for at in found if at is not None), None)


def tags_in(said: Mapping[str, Any]) -> dict[str, str]:
    """Tags as a list, or as Datadog's text `name:value,name:value`."""
    given = said.get("tags")
    if isinstance(given, dict):
        return tags([f"{name}:{text(value)}" for name, value in mapping(given).items()])
    return tags(given if isinstance(given, list) else text(given).split(","))


def state_of_type(kind: str) -> State:
    """Of an event's type such as `com.example.probe.failed`, the last word may say the state."""
    return state_of_word(kind.replace("/", ".").rpartition(".")[2]) or "unknown"
