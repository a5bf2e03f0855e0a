"""What one alert says, whoever sent it; and how values of unknown shape are read without trusting any of them."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from orchestrator.domain.signals.observation import Observation

State = Literal["ok", "fail", "denied", "unknown"]

MOST_LABELS = 64
MOST_ALERTS = 1000
"""Alerts of one delivery that are looked at; the rest of it is shown as unmapped."""
_LONGEST_NAME = 100
_LONGEST_TEXT = 500
_MOST_VALUES = 50_000
"""Values that one body may hold: a mebibyte of empty lists would take fifty in memory."""
_EARLIEST = 946_684_800.0
"""2000-01-01: senders write the year 1 or 0 where they know no time."""
_MILLISECONDS = 100_000_000_000
"""A number of seconds above this would lie in the year 5138: it counts milliseconds."""


class Unfit(Exception):
    """The body is not what this format's senders write; the text says where it differs."""


@dataclass(frozen=True, slots=True)
class Alert:
    """`labels` are what rules match; `numbers` what they may take a value from.

    `identity` is the same for every repetition of the same news, and empty where nothing shows that it is a
    repetition. `at`: when the news came about, by the sender's clock; seconds since the epoch, UTC.
    """

    labels: Mapping[str, str]
    state: State
    at: float | None = None
    identity: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """A whole delivery. `delivery` is the sender's own id of it, or empty; `notes` are what could not be read.

    `observations`: what a sender of observations says that it saw, before it is known what it may speak of.
    """

    alerts: Sequence[Alert] = ()
    notes: Sequence[str] = ()
    delivery: str = ""
    observations: Sequence[Observation] = ()


def read_json(body: bytes) -> Any:
    """The value of a JSON text (RFC 8259). Raises Unfit, with a sentence, on everything that is none.

    Stricter than Python's own reading: UTF-8 only, no NaN, no number beyond a double, no key twice.
    """
    if sum(body.count(sign) for sign in b",[{") > _MOST_VALUES:
        raise Unfit(f"The body holds more than {_MOST_VALUES} values.")
    try:
        return json.loads(
            body.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once
        )
    except UnicodeDecodeError as error:
        raise Unfit("The body is not UTF-8.") from error
    except RecursionError as error:
        raise Unfit("The body is nested too deep.") from error
    except ValueError as error:
        raise Unfit("The body is not JSON.") from error


def _no_constant(name: str) -> float:
    raise Unfit(f"The body holds {name}, which is not JSON.")


def _finite(written: str) -> float:
    value = float(written)
    if not math.isfinite(value):
        raise Unfit("The body holds a number that no computer can hold.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unfit("The body holds a key twice.")
    return found


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a JSON object, else an empty one: senders write null where they have nothing."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """A scalar as text, cut to a bounded length and storable anywhere; nothing for null, lists and objects."""
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        written = str(value)
    except ValueError:
        return ""  # an integer of thousands of digits
    return written[:_LONGEST_TEXT].encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def labels(*parts: Mapping[str, Any]) -> dict[str, str]:
    """The scalars of these mappings as labels; of the same name, the earlier one stays."""
    found: dict[str, str] = {}
    for part in parts:
        for name, value in part.items():
            said = text(value)
            if said and len(found) < MOST_LABELS:
                found.setdefault(text(name)[:_LONGEST_NAME], said)
    return found


def flattened(value: Mapping[str, Any], prefix: str = "", depth: int = 2) -> Iterator[tuple[str, Any]]:
    """Scalars by dotted names, those at the top first: objects within objects as far as `depth`."""
    for name, inner in value.items():
        if not isinstance(inner, dict | list):
            yield f"{prefix}{name}", inner
    for name, inner in value.items():
        if isinstance(inner, dict) and depth > 1:
            yield from flattened(inner, f"{prefix}{name}.", depth - 1)


def number(value: object) -> float | None:
    """A finite number, written as one or as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(text(value)) > 40:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def numbers(*parts: Mapping[str, Any]) -> dict[str, float]:
    """What of these mappings is a number; of the same name, the earlier one stays."""
    found: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            read = number(value)
            if read is not None and len(found) < MOST_LABELS:
                found.setdefault(text(name)[:_LONGEST_NAME], read)
    return found


def moment(value: object) -> float | None:
    """A time as senders write it: RFC 3339, `2026-11-25 09:12:00` in UTC, or seconds or milliseconds since the epoch.

    None for everything else, and for times that mean "none", such as the year 1.
    """
    read = number(value)
    if read is None and isinstance(value, str):
        read = _written_moment(value[:60].strip())
    if read is None:
        return None
    read = read / 1000 if read > _MILLISECONDS else read
    return read if _EARLIEST <= read < _MILLISECONDS else None


def _written_moment(said: str) -> float | None:
    try:
        found = datetime.fromisoformat(said)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def tags(value: object) -> dict[str, str]:
    """Tags as labels `tag.NAME`: from objects with a name and a value, or from `name:value`."""
    found: dict[str, str] = {}
    for one in sequence(value)[:MOST_LABELS]:
        if isinstance(one, dict):
            name, said = text(one.get("tag", one.get("name"))), text(one.get("value"))
        else:
            name, _, said = text(one).partition(":")
        if name.strip():
            found[f"tag.{name.strip()[:_LONGEST_NAME]}"] = said.strip() or "true"
    return found


_WORDS: Mapping[str, State] = {
    **dict.fromkeys(("ok", "up", "resolved", "recovered", "recovery", "success", "normal", "healthy", "passed"), "ok"),
    **dict.fromkeys(
        ("fail", "failed", "failing", "failure", "down", "firing", "triggered", "re-triggered", "critical", "error"),
        "fail",
    ),
    **dict.fromkeys(("alert", "alerting", "problem", "disaster", "outage"), "fail"),
    **dict.fromkeys(("denied", "refused", "forbidden", "unauthorized", "revoked"), "denied"),
}


def state_of_word(said: object) -> State | None:
    """What a word that senders use for a state means; None for a word that nobody agreed on."""
    return _WORDS.get(text(said).strip().lower())
