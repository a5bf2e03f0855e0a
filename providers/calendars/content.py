"""Lines of a calendar as they are written (RFC 5545 §3.1), so that what is not changed stays as it is, byte for byte.

A library that reads a calendar and writes it again folds, escapes and orders its lines anew; here only the
lines that change are written.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

OCTETS = 75
"""Of one line, without its end."""
VOLATILE = frozenset({"SEQUENCE", "DTSTAMP", "LAST-MODIFIED"})
"""What a change of anything else changes too."""

_PHYSICAL = re.compile(r"[^\n]*\n|[^\n]+")
_FOLD = re.compile(r"\r?\n[ \t]")
_HEAD = re.compile(r'^(?P<name>[A-Za-z0-9.\-]+)(?P<parameters>(?:;[^=;:]+=(?:"[^"]*"|[^";:])*)*):', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """One content line. `raw`: as written, with its folds and its end; `value` still escaped."""

    raw: str
    name: str
    parameters: str
    value: str

    @property
    def text(self) -> str:
        return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], self.value)

    def with_value(self, value: str) -> "Line":
        return made(self.name, value, self.parameters)


def lines_of(text: str) -> list[Line]:
    """Every line; joined again they are the text."""
    raws: list[str] = []
    for part in _PHYSICAL.findall(text):
        if raws and part[:1] in (" ", "\t"):
            raws[-1] += part
        else:
            raws.append(part)
    return [_read(raw) for raw in raws]


def _read(raw: str) -> Line:
    whole = _FOLD.sub("", raw).rstrip("\r\n")
    head = _HEAD.match(whole)
    if head is None:
        return Line(raw, "", "", whole)
    return Line(raw, head["name"].upper(), head["parameters"], whole[head.end() :])


def made(name: str, value: str, parameters: str = "") -> Line:
    """A new line; the value is escaped already where its type asks for that."""
    return Line(folded(f"{name}{parameters}:{value}"), name, parameters, value)


def escaped(text: str) -> str:
    """A text as the value of a line (RFC 5545 §3.3.11)."""
    return text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def folded(line: str) -> str:
    """In parts of at most 75 octets, never in the middle of a sign, with its end."""
    parts: list[str] = []
    part, octets = "", 0
    for sign in line:
        width = len(sign.encode())
        if octets + width > OCTETS:
            parts.append(part)
            part, octets = " ", 1
        part, octets = part + sign, octets + width
    return "\r\n".join([*parts, part]) + "\r\n"


def joined(lines: Iterable[Line]) -> str:
    return "".join(line.raw for line in lines)


def events_of(lines: list[Line]) -> Iterator[tuple[int, int]]:
    """Where each VEVENT begins and ends: the places of its BEGIN and its END."""
    start: int | None = None
    for place, line in enumerate(lines):
        if line.name == "BEGIN" and line.value.upper() == "VEVENT":
            start = place
        elif line.name == "END" and line.value.upper() == "VEVENT" and start is not None:
            yield start, place
            start = None


def own_lines(lines: Iterable[Line]) -> Iterator[Line]:
    """The lines of one component without those of components inside it, such as alarms."""
    depth = 0
    for line in lines:
        depth += line.name == "BEGIN"
        if depth <= 1:
            yield line
        depth -= line.name == "END"


def value_of(lines: Iterable[Line], name: str) -> str:
    """The first value under this name in a component itself; empty when there is none."""
    return next((line.value for line in own_lines(lines) if line.name == name), "")


def moment(at: float) -> str:
    """Seconds since the epoch, as a calendar writes them."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y%m%dT%H%M%SZ")


def fingerprint(text: str) -> str:
    """The same for the same content, however a server folds and orders its lines, and whenever it was sent."""
    kept: list[str] = []
    path: list[str] = []
    for line in lines_of(text):
        if line.name == "BEGIN":
            path.append(line.value.upper())
        if line.name and line.name not in VOLATILE:
            kept.append(f"{'/'.join(path)} {line.name}{line.parameters}:{line.text}")
        if line.name == "END" and path:
            path.pop()
    return hashlib.sha256("\n".join(sorted(kept)).encode()).hexdigest()
