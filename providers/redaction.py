"""The one owner of keeping secret values out of text: what was revealed in this process is known, and taken out.

`redact` is asked by whatever people or files are told: errors, logs, events, lines of output. It knows each value since
it was first revealed, in the forms in which text may hold it.
"""

import base64
import json
import logging
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import unquote

HIDDEN = "•••"
SHORTEST = 6
"""Characters of the shortest value that is taken out of what this process says; shorter ones are words."""
SHORTEST_LINE = 8
"""A single line of a multi-line secret is a secret of its own from this many characters on."""
SHORTEST_DATA = 12
"""The same of data that programs go on with: a value that is a word as well must not change what they do."""
SHORTEST_PART = 20
"""A part of a value is taken out of such data from this many characters on, and if it has letters and digits."""
_HERE = frozenset({"localhost"})
REMEMBERED = 1000
"""Values, the latest: derived ones, such as the tokens of an hour, come without end."""


class Mask:
    """Replaces each of these values, its lines and its escaped forms by `•••`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {form for secret in secrets for form in forms(secret)}
        longest_first = sorted(found, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if found else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def finds_in(self, value: Any) -> bool:
        """Whether any text within a JSON value holds a secret."""
        if isinstance(value, dict):
            return any(self.finds_in(key) or self.finds_in(item) for key, item in value.items())
        if isinstance(value, list):
            return any(map(self.finds_in, value))
        return self._pattern is not None and self._pattern.search(str(value)) is not None


def forms(secret: str) -> set[str]:
    """How a value may appear: as it is, stripped, line by line, escaped as JSON or Python would."""
    return _escaped({secret, secret.strip()} | _parts(secret))


def _forms_in_data(secret: str) -> set[str]:
    """The value as a whole, and of its parts those that nobody would write otherwise: an address that is a secret is
    made of words, too, which data that programs go on with may well hold."""
    return _escaped({secret, secret.strip()} | {part for part in _parts(secret) if _looks_random(part)})


def _parts(secret: str) -> set[str]:
    return {line for line in secret.splitlines() if _tells(line)} | _parts_of_url(secret)


def _looks_random(part: str) -> bool:
    return len(part) >= SHORTEST_PART and any(map(str.isdigit, part)) and any(map(str.isalpha, part))


def _escaped(plain: set[str]) -> set[str]:
    escaped = {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in plain for ascii_only in (True, False)}
    return {form for form in plain | escaped | {repr(form)[1:-1] for form in plain} if form.strip()}


def _tells(line: str) -> bool:
    """The first and last lines of PEM files are the same in all of them."""
    return len(line) >= SHORTEST_LINE and not line.startswith("-----")


def _parts_of_url(secret: str) -> set[str]:
    """An address that is a secret holds its token in its path, its query or its user, and libraries tell these alone.

    Where some put a token in the place of the host, it has no dot.
    """
    _, is_url, rest = secret.strip().partition("://")
    place, _, path = rest.partition("/")
    user, _, host = place.rpartition("@")
    hidden = user if "." in host or host.partition(":")[0] in _HERE else place
    parts = re.split(r"[/?&=:@#]", f"{hidden}/{path}") if is_url else []
    found = {part for part in parts if len(part) >= SHORTEST_LINE and part not in _HERE}
    return found | {unquote(part) for part in found}


@dataclass(frozen=True, slots=True)
class _Held:
    """What is taken out of what people are told, and of data."""

    in_text: tuple[str, ...]
    in_data: tuple[str, ...]

    @classmethod
    def of(cls, value: str) -> "_Held":
        encoded = base64.b64encode(value.encode()).decode()
        in_text = [form for form in forms(value) | {encoded} if len(form) >= SHORTEST]
        in_data = [form for form in _forms_in_data(value) | {encoded} if len(form) >= SHORTEST_DATA]
        return cls(tuple(in_text), tuple(in_data))


_NOTHING = _Held((), ())


def _by_length(every: set[str]) -> tuple[str, ...]:
    """The longest first."""
    return tuple(sorted(every, key=lambda form: (-len(form), form)))


def _without(text: str, taken: tuple[str, ...]) -> str:
    for form in taken:
        if form in text:
            text = text.replace(form, HIDDEN)
    return text


class Known:
    """Values that this process knows, with the latest kept; asked and told from all threads."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._values: OrderedDict[str, _Held] = OrderedDict()
        self._all: _Held | None = _NOTHING

    def add(self, value: str) -> None:
        """From now on it is taken out."""
        if len(value.strip()) < SHORTEST:
            return
        with self._lock:
            if value not in self._values:
                self._values[value] = _Held.of(value)
                self._all = None
            self._values.move_to_end(value)
            if len(self._values) > self._most:
                self._values.popitem(last=False)

    def __call__(self, text: str) -> str:
        """The text without any of the values."""
        return _without(text, (self._all or self._longest_first()).in_text)

    def forget(self) -> None:
        """Nothing is known any more."""
        with self._lock:
            self._values.clear()
            self._all = _NOTHING

    def _longest_first(self) -> "_Held":
        with self._lock:
            if self._all is None:
                held = self._values.values()
                in_text = {form for one in held for form in one.in_text}
                in_data = {form for one in held for form in one.in_data}
                self._all = _Held(_by_length(in_text), _by_length(in_data))
            return self._all

    def within(self, value: Any) -> Any:
        """A JSON value without them, in every text of it but the names, by which programs find what they look for."""
        match value:
            case str():
                return _without(value, (self._all or self._longest_first()).in_data)
            case dict():
                return {key: self.within(inner) for key, inner in value.items()}
            case list() | tuple():
                return [self.within(inner) for inner in value]
        return value


redact = Known()
"""This process's own."""


def install_in_logs() -> None:
    """From now on every record of every logger is made without these values, tracebacks included; so is what the
    interpreter says of an exception that nobody caught."""
    made = logging.getLogRecordFactory()
    if getattr(made, "redacts", False):
        return
    traces = logging.Formatter()

    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = made(*args, **kwargs)
        _clean_message(record)
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = redact(traces.formatException(record.exc_info))
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return record

    make.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make)
    sys.excepthook = _say
    threading.excepthook = lambda found: _say(found.exc_type, found.exc_value, found.exc_traceback)


def _clean_message(record: logging.LogRecord) -> None:
    try:
        said = record.getMessage()
    except (TypeError, ValueError, KeyError):  # the handler says so, as ever
        return
    without = redact(said)
    if without != said:
        record.msg, record.args = without, None


def _say(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if issubclass(kind, SystemExit):
        return
    text = logging.Formatter().formatException((kind, error or kind(), trace))
    sys.stderr.write(redact(text) + "\n")
