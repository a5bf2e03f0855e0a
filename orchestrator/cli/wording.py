"""How sizes and texts from elsewhere read on a terminal. Durations and moments: `web/times`, as on the page."""

import re
from datetime import datetime

from orchestrator.web.words import Language

_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_STEERING = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What JSON may hold as it is, and a terminal obeys: the eight-bit controls, and what turns the direction of text."""


def clean(text: str) -> str:
    """Without control characters, terminal sequences and turns of direction: what servers and plays say can't steer
    the terminal, nor what somebody reads on it."""
    return _CONTROLS.sub("", text)


def harmless(document: str) -> str:
    """The same JSON document, with everything escaped that would steer a terminal that it is shown on."""
    return _STEERING.sub(lambda found: f"\\u{ord(found.group()):04x}", document)


def one_line(text: str) -> str:
    return " ".join(clean(text.replace("\n", " ")).split())


def moment(at: float) -> str:
    """Day and time here, to the second: for lists, where one stands below the other."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def size(count: int, language: Language = "en") -> str:
    """Bytes, in powers of 1000; in French they are octets."""
    unit = "o" if language == "fr" else "B"
    if count < 1000:
        return f"{count} {unit}"
    power = min((len(str(count)) - 1) // 3, 4)
    return f"{count / 1000**power:.1f} {'kMGT'[power - 1]}{unit}"


def counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def short_step(step_id: str) -> str:
    """A step's id without its runbook's name, for places where that is said already."""
    return step_id.partition("/")[2] or step_id
