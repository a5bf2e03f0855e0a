"""Alertmanager's webhook, version 4, and Grafana's, which adds to it.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from orchestrator.domain.signals.alert import (
    MOST_ALERTS,
    Alert,
    Reading,
    State,
    Unfit,
    labels,
    mapping,
    moment,
    number,
    numbers,
    read_json,
    text,
)

_STATES: Mapping[str, State] = {"firing": "fail", "resolved": "ok"}


def read(_headers: Mapping[str, str], body: bytes) -> Reading:
    data = read_json(body)
    if not isinstance(data, dict) or not isinstance(data.get("alerts"), list):
        raise Unfit("The body has no list `alerts`.")
    found: list[Alert] = []
    notes: list[str] = []
    for index, one in enumerate(data["alerts"][:MOST_ALERTS]):
        alert = _alert(one)
        if alert is None:
            notes.append(f"Alert {index + 1} has no labels, or a status that is neither firing nor resolved.")
        else:
            found.append(alert)
    left = len(data["alerts"]) - MOST_ALERTS
    if left > 0:
        notes.append(f"{left} alerts above {MOST_ALERTS} were not looked at.")
    cut = number(data.get("truncatedAlerts"))
    if cut:
        notes.append(f"The sender left out {cut:g} alerts: raise its `max_alerts`.")
    return Reading(found, notes)


def _alert(one: object) -> Alert | None:
    said = mapping(one)
    status = text(said.get("status"))
    names = labels(mapping(said.get("labels")))
    if status not in _STATES or not names:
        return None
    begun = text(said.get("startsAt"))
    ended = moment(said.get("endsAt")) if status == "resolved" else None
    return Alert(
        labels=names,
        state=_STATES[status],
        at=ended or moment(said.get("startsAt")),
        identity=json.dumps([text(said.get("fingerprint")) or _fingerprint(names), begun, status]),
        numbers=numbers(mapping(said.get("values")), mapping(said.get("annotations")), names),
    )


def _fingerprint(names: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(sorted(names.items())).encode()).hexdigest()
