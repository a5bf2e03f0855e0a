"""CloudEvents 1.0 over HTTP, and Standard Webhooks: an envelope with an id around data of any kind.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from orchestrator.domain.signals.alert import (
    MOST_ALERTS,
    Alert,
    Reading,
    Unfit,
    flattened,
    labels,
    mapping,
    moment,
    numbers,
    read_json,
    text,
)
from orchestrator.domain.signals.formats.generic import state_in, state_of_type, tags_in, time_in

_CE = "ce-"


def read_cloudevents(headers: Mapping[str, str], body: bytes) -> Reading:
    """Structured, batched or binary, as the content type and the `ce-` headers say."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if f"{_CE}specversion" in headers and not kind.startswith("application/cloudevents"):
        attributes = {name.removeprefix(_CE): unquote(value) for name, value in headers.items() if name[:3] == _CE}
        return _of_events([{**attributes, "data": _data(kind, body)}])
    data = read_json(body)
    if isinstance(data, list) and kind == "application/cloudevents-batch+json":
        return _of_events(data)
    return _of_events([data])


def _data(kind: str, body: bytes) -> Any:
    """The data of a binary event: JSON where it says so, else nothing that labels could be taken from."""
    return read_json(body) if body and (kind.endswith(("/json", "+json")) or not kind) else None


def _of_events(events: list[Any]) -> Reading:
    found: list[Alert] = []
    notes: list[str] = []
    for index, one in enumerate(events[:MOST_ALERTS]):
        event = mapping(one)
        if not text(event.get("specversion")).startswith("1.") or not event.get("id") or not event.get("source"):
            notes.append(f"Event {index + 1} is no CloudEvent 1.x: it lacks specversion, id or source.")
        else:
            found.append(_event(event))
    if len(events) > MOST_ALERTS:
        notes.append(f"{len(events) - MOST_ALERTS} events above {MOST_ALERTS} were not looked at.")
    single = found[0].identity if len(events) == 1 and found else ""
    return Reading(found, notes, delivery=single)


def _event(event: Mapping[str, Any]) -> Alert:
    attributes = {name: value for name, value in event.items() if name not in ("data", "data_base64")}
    data = mapping(event.get("data"))
    flat = {f"data.{name}": value for name, value in flattened(data)}
    return Alert(
        labels=labels(attributes, tags_in(data), flat),
        state=state_in(data, state_of_type(text(event.get("type")))),
        at=moment(event.get("time")) or time_in(data),
        identity=json.dumps([text(event.get("source")), text(event.get("id"))]),
        numbers=numbers(data, flat),
    )


def read_standard_webhooks(headers: Mapping[str, str], body: bytes) -> Reading:
    """`{type, timestamp, data}`; the id stands in the header that the signature covers."""
    said = read_json(body)
    if not isinstance(said, dict) or not isinstance(said.get("data"), dict):
        raise Unfit("The body has no object `data`.")
    data = said["data"]
    flat = {f"data.{name}": value for name, value in flattened(data)}
    sent = text(headers.get("webhook-id"))
    alert = Alert(
        labels=labels({"type": said.get("type")}, tags_in(data), flat),
        state=state_in(data, state_of_type(text(said.get("type")))),
        at=moment(said.get("timestamp")) or time_in(data),
        identity=sent,
        numbers=numbers(data, flat),
    )
    return Reading([alert], delivery=sent)
