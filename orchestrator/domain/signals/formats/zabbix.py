"""Zabbix's webhook media type, with the names of its official scripts.

https://www.zabbix.com/documentation/current/en/manual/config/notifications/media/webhook
"""

import contextlib
import json
from collections.abc import Mapping
from typing import Any

from orchestrator.domain.signals.alert import (
    Alert,
    Reading,
    State,
    Unfit,
    labels,
    mapping,
    moment,
    numbers,
    read_json,
    tags,
    text,
)

_STATES: Mapping[str, State] = {"1": "fail", "0": "ok"}
_OF_TRIGGERS = "0"
"""`event_source`: events of discovery, registration and Zabbix itself say nothing of what is monitored."""


def read(_headers: Mapping[str, str], body: bytes) -> Reading:
    data = mapping(read_json(body))
    event, value = text(data.get("event_id")), text(data.get("event_value"))
    if not event or value not in _STATES:
        raise Unfit("The body has no `event_id`, or an `event_value` that is neither 1 nor 0.")
    ours = (text(data.get("event_source")) or _OF_TRIGGERS) == _OF_TRIGGERS
    state = _STATES[value]
    times = ("event_recovery_time", "event_time") if state == "ok" else ("event_time",)
    at = next((found for name in times if (found := moment(data.get(name))) is not None), None)
    alert = Alert(
        labels=labels(tags(_tags(data.get("event_tags"))), data),
        state=state if ours else "unknown",
        at=at,
        identity=json.dumps([event, value]),
        numbers=numbers(data),
    )
    return Reading([alert])


def _tags(said: object) -> list[Any]:
    """{EVENT.TAGSJSON} arrives as text, {EVENT.TAGS} as `name:value, name:value`."""
    if isinstance(said, list):
        return said
    written = text(said)
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(written)
        return found if isinstance(found, list) else []
    return written.split(",")
