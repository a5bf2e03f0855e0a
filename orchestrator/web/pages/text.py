"""Foreign text as it may stand on a page: of steps, people, vendors. Templates escape it besides."""

import re

_CONTROLS = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Without control characters, terminal sequences, signs that turn the direction of text, and what is no text."""
    return _CONTROLS.sub("", text)


def short(step_id: str) -> str:
    """A step's id without its runbook's name, for places where that is said already."""
    return step_id.partition("/")[2] or step_id
