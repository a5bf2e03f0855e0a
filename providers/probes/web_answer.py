"""What a web server answered a check: bounded, and in words that show no secret."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from providers.base import Said
from providers.probes.check import DoesNotHoldError

MOST_WORDS = 120
"""Characters of an answer's text that a message quotes."""
MOST_SAID = 8192
"""Characters of an answer's text in which a refusal is looked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `headers`: names in lower case. `cut`: the body was longer than what was read of it.

    `hidden`: what was sent in secret; a server that repeats it is not quoted with it.
    """

    url: httpx.URL
    address: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    cut: bool
    hidden: Sequence[str] = field(default=(), repr=False)

    @property
    def at(self) -> str:
        """Where it came from, for messages."""
        return f"{self.url.copy_with(query=None)} at {self.address}"

    @property
    def text(self) -> str:
        try:
            return self.body.decode(_charset(self.headers.get("content-type", "")), errors="replace")
        except LookupError:
            return self.body.decode(errors="replace")

    @property
    def words(self) -> str:
        """The beginning of the text on one line, quoted, without what was sent in secret."""
        line = " ".join(self._shown().split())
        return repr(line if len(line) <= MOST_WORDS else f"{line[:MOST_WORDS]}…")

    @property
    def said(self) -> Said:
        """The answer as data, for who has to tell a refusal from a fault."""
        return Said(self.status, self._shown()[:MOST_SAID])

    def _shown(self) -> str:
        text = self.text
        for hidden in self.hidden:
            text = text.replace(hidden, "…")
        return text

    def expect(self, *statuses: int) -> "Answer":
        """Itself. Raises DoesNotHoldError when its status is none of these."""
        if self.status not in statuses:
            location = self.headers.get("location", "")
            led = f", leading to {location[:200]}" if location else ""
            expected = " or ".join(str(status) for status in statuses)
            raise DoesNotHoldError(f"{self.at} answered {self.status}{led}; expected {expected}.", said=self.said)
        return self

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises DoesNotHoldError when it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise DoesNotHoldError(f"{self.at} answered {self.words}; expected a JSON object.", said=self.said)
        return found


def _charset(content_type: str) -> str:
    _, _, charset = content_type.partition("charset=")
    return charset.split(";")[0].strip(" \"'") or "utf-8"
