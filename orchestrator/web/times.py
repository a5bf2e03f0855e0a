"""Times and durations as people read them, in French and in English. Times are seconds since the epoch, UTC."""

import time
from datetime import UTC, datetime

from babel.dates import format_datetime
from markupsafe import Markup

from orchestrator.web.words import Language, say

_LOCALES = {"fr": "fr_FR", "en": "en_GB"}
_DAY = "d MMM y"
_TIME = "HH:mm:ss"


def moment(language: Language, at: float) -> str:
    """`26 Nov 2026, 09:06:47 (08:06:47 UTC)`: in the service's zone, and in UTC where that differs."""
    local, utc = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(at, UTC)
    told = _told(language, local, f"{_DAY}, {_TIME}")
    if local.utcoffset() == utc.utcoffset():
        return f"{told} UTC"
    return f"{told} ({_told(language, utc, _TIME if local.date() == utc.date() else f'{_DAY}, {_TIME}')} UTC)"


def marked(language: Language, at: float) -> Markup:
    """The same for a page, where programs read it too."""
    machine = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # nosemgrep: not-escaped  # the text is a constant, and `format` escapes
    return Markup('<time datetime="{}">{}</time>').format(machine, moment(language, at))


def day(language: Language, at: float) -> str:
    """`26 Nov 2026`, in the service's zone."""
    return _told(language, datetime.fromtimestamp(at).astimezone(), _DAY)


def short_day(language: Language, at: float) -> str:
    """`26 Nov`, in the service's zone."""
    return _told(language, datetime.fromtimestamp(at).astimezone(), "d MMM")


def clock(at: float) -> str:
    """`09:06:47`, in the service's zone."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def of_day(at: float) -> str:
    """`09:06`, in the service's zone."""
    return time.strftime("%H:%M", time.localtime(at))


def zone() -> str:
    return time.strftime("%Z")


def duration(seconds: float, language: Language) -> str:
    """`< 1 s`, `12 s`, `1 min 05 s`, `2 h 05 min`, `3 d 4 h`. static/run.js writes the same."""
    whole = max(int(seconds), 0)
    if whole < 1:
        return "< 1 s"
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    unit = say(language, "day")
    return f"{days} {unit} {hours} h" if hours else f"{days} {unit}"


def _told(language: Language, at: datetime, form: str) -> str:
    return str(format_datetime(at, form, tzinfo=at.tzinfo, locale=_LOCALES[language]))
