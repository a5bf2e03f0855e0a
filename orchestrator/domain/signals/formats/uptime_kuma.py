"""Uptime Kuma's webhook: a heartbeat and its monitor, each of which may be null."""

import json
from collections.abc import Mapping

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

_STATES: Mapping[str, State] = {"0": "fail", "1": "ok", "2": "unknown", "3": "unknown"}
"""0 down, 1 up, 2 pending, 3 maintenance."""


def read(_headers: Mapping[str, str], body: bytes) -> Reading:
    data = mapping(read_json(body))
    if not {"heartbeat", "monitor", "msg"} & data.keys():
        raise Unfit("The body has neither a `heartbeat` nor a `monitor` nor a `msg`.")
    beat, monitor = mapping(data.get("heartbeat")), mapping(data.get("monitor"))
    status = text(beat.get("status"))
    if status not in _STATES:
        return Reading(notes=["A message without a heartbeat, such as the one that tests the connection."])
    who = text(beat.get("monitorID")) or text(monitor.get("id"))
    alert = Alert(
        labels=labels(tags(monitor.get("tags")), {**monitor, "monitor_id": who}),
        state=_STATES[status],
        at=moment(beat.get("time")),
        identity=json.dumps([who, text(beat.get("time")), status]) if who and beat.get("time") else "",
        numbers=numbers(beat),
    )
    return Reading([alert])
