"""An observation: one reading of one sensor, and how it is read from what a program wrote.

The plain form is a mapping `{at, vendor, aspect, sensor, vantage, trust_domain,
outcome, value}`, with `account` where the reading is of one account alone. `at`
is in seconds since the epoch or in ISO 8601; a time without an offset is UTC.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

from orchestrator.domain.catalogue import Aspect

Outcome = Literal["ok", "fail", "denied", "unknown"]
"""`fail`: no or a wrong answer; `denied`: refused by authority (401, 403, 451, no active subscription);
`unknown`: the sensor could not look."""

CONTROL = "control-"
"""How the names of vendors begin that are no vendors: sites of our own choice that tell our network from theirs."""

ASPECTS: tuple[str, ...] = get_args(Aspect)
OUTCOMES: tuple[str, ...] = get_args(Outcome)
NEVER_REFUSED = frozenset({"dns", "tcp", "tls"})
"""Aspects that show no credential: a refusal there is a failure, and an answer says nothing of refusals."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,98}[a-z0-9])?")
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}")
_EARLIEST, _LATEST = 0.0, 32503680000.0
"""Seconds since the epoch, up to the year 3000: what is outside is no time of a reading."""


class BadObservation(ValueError):
    """It can't be read: `message` says what is wrong with it, `remedy` what to write instead."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message} {remedy}")
        self.message = message
        self.remedy = remedy


class Observation(NamedTuple):
    """One reading. A tuple, because months of them are folded; build it with `observation_of` from anything foreign.

    `at`: seconds since the epoch, UTC, by the sensor's own clock. `value`: a lag or age in seconds, or a share
    from 0 to 1; more is worse. `trust_domain`: whoever holds its credential can forge all of its readings.
    `account`: whose access was tried, where it is one account's alone.
    """

    at: float
    vendor: str
    aspect: str
    sensor: str
    vantage: str
    trust_domain: str
    outcome: str
    value: float | None = None
    account: str | None = None

    @property
    def is_control(self) -> bool:
        return self.vendor.startswith(CONTROL)

    def as_json(self) -> dict[str, Any]:
        """The plain form, `at` in ISO 8601."""
        told: dict[str, Any] = {**self._asdict(), "at": iso(self.at)}
        if self.account is None:
            del told["account"]
        return told


def observation_of(data: object) -> Observation:
    """The observation that a plain mapping says; what else it holds is left. Raises BadObservation."""
    if not isinstance(data, Mapping):
        raise BadObservation("It is no mapping.", f"Write an object with {', '.join(_REQUIRED)}.")
    missing = [key for key in _REQUIRED if key not in data]
    if missing:
        raise BadObservation(f"`{missing[0]}` is missing.", f"Add `{missing[0]}`: {_REQUIRED[missing[0]]}.")
    return Observation(
        instant(data["at"]),
        _name(data, "vendor"),
        _choice(data, "aspect", ASPECTS),
        _text(data, "sensor"),
        _text(data, "vantage"),
        _text(data, "trust_domain"),
        _choice(data, "outcome", OUTCOMES),
        _value(data.get("value")),
        _text(data, "account") if data.get("account") is not None else None,
    )


def instant(written: object) -> float:
    """Seconds since the epoch, from a number or ISO 8601. Raises BadObservation."""
    seconds = _seconds(written)
    if seconds is None or not _EARLIEST <= seconds < _LATEST:
        raise BadObservation(
            f"`at` is {_shown(written)}, which is no time.",
            "Write UTC such as 2026-11-25T09:12:00Z, or seconds since 1970.",
        )
    return seconds


def iso(at: float) -> str:
    """`2026-11-25T09:12:00Z`; with a fraction only where there is one."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


_REQUIRED: Mapping[str, str] = {
    "at": "a time in UTC, such as 2026-11-25T09:12:00Z",
    "vendor": "a name of the catalogue, or one that begins with control-",
    "aspect": f"one of {', '.join(ASPECTS)}",
    "sensor": "the sensor's name",
    "vantage": "from where it looks",
    "trust_domain": "whose credential vouches for it",
    "outcome": f"one of {', '.join(OUTCOMES)}",
}


def _seconds(written: object) -> float | None:
    if isinstance(written, bool):
        return None
    if isinstance(written, int | float):
        return float(written) if abs(written) <= _LATEST else None
    if not isinstance(written, str) or len(written) > 40:
        return None
    try:
        found = datetime.fromisoformat(written.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _name(data: Mapping[Any, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadObservation(
            f"`{key}` is {_shown(value)}, which is no name.", "Write lower case, digits and hyphens, such as zoom."
        )
    return value


def _text(data: Mapping[Any, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str) or not _TEXT.fullmatch(value) or not value.strip():
        raise BadObservation(f"`{key}` is {_shown(value)}.", "Write one line of 1 to 200 characters.")
    return value


def _choice(data: Mapping[Any, Any], key: str, choices: tuple[str, ...]) -> str:
    value = data[key]
    if value not in choices:
        raise BadObservation(f"`{key}` is {_shown(value)}.", f"Write one of {', '.join(choices)}.")
    return str(value)


def _value(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e15 or math.isnan(value):
        raise BadObservation(
            f"`value` is {_shown(value)}.", "Write a number (seconds, or a share from 0 to 1) or null."
        )
    return float(value)


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value) if abs(value) < 1e18 else "beyond all bounds"
    return f"“{_plain(value[:60])}”" if isinstance(value, str) else "no text"


def _plain(text: str) -> str:
    """Foreign text in a message can't steer a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
