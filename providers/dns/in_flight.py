"""Messages without an answer: how long one may still arrive, and change what was meant to be over.

Each message is noted in the step's workspace before it goes, and the note ends with
its answer. While a note is there, the step's change is neither said to be absent nor
taken back for good. The note outlives the process; where another machine takes the
step over, it is not seen there.

A note ends in one of three ways: an answer comes; what the only open message leads to
is seen; or its time is over. No TCP connection says when a server will have read the
last of it, so for an HTTP API that time is a judgement (`IN_FLIGHT_SECONDS`); a server
that checks signatures refuses a message that comes too late (see signed_exchange.py).
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from providers.base import JsonMap, ProviderError
from providers.dns.record_sets import RecordSets, from_json
from providers.step_note import write_note

IN_FLIGHT_SECONDS = 10.0
"""How long after a request was given up its host may still carry it out: seconds are what a queue or a stalled
connection takes, and a change of records takes less than one."""


class AnswerLostError(ProviderError):
    """A write whose answer did not come: it may have happened, or may happen yet."""


@dataclass(frozen=True, slots=True)
class _Note:
    """`since` and `until` in seconds since the epoch. `leads_to`: what is seen once the message has arrived.

    `leads_to` is empty when several messages were sent, since seeing it then tells of one of them only.
    """

    since: float
    until: float
    leads_to: tuple[JsonMap, ...] = ()

    @classmethod
    def from_text(cls, text: str) -> Self:
        noted: dict[str, Any] = json.loads(text)
        return cls(float(noted["since"]), float(noted["until"]), tuple(noted["leads_to"]))

    def as_json(self) -> JsonMap:
        return {"since": self.since, "until": self.until, "leads_to": list(self.leads_to)}


class InFlight:
    """The open messages of one step to one zone. `leads_to`: the record sets that its messages end in."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self.leads_to: RecordSets = ()

    @contextmanager
    def message(self, seconds: float | None = None) -> Iterator[None]:
        """Around one message. Its note stays when the block ends by AnswerLostError, or not at all.

        `seconds`: how long it may arrive, where that counts from when it was sent; otherwise from when it was given up.
        """
        earlier = self._current()
        self._sent(IN_FLIGHT_SECONDS if seconds is None else seconds, earlier)
        try:
            yield
        except AnswerLostError:
            if seconds is None:
                self._sent(IN_FLIGHT_SECONDS, earlier)
            raise
        except ProviderError as refused:
            self._answered(earlier, done=refused.effect_possible)
            raise
        self._answered(earlier, done=True)

    def left(self) -> float:
        """Seconds until no message can arrive any more; 0 when none is open."""
        note = self._current()
        return 0.0 if note is None else note.until - self._clock()

    def seen(self, sets: RecordSets) -> None:
        """This is what is there now: the only open message has arrived when it leads there."""
        note = self._current()
        if note is not None and note.leads_to and set(from_json(note.leads_to)) <= set(sets):
            self._path.unlink(missing_ok=True)

    def _sent(self, seconds: float, earlier: _Note | None) -> None:
        now = self._clock()
        if earlier is None:
            self._keep(_Note(now, now + seconds, tuple(one.as_json() for one in self.leads_to)))
        else:
            self._keep(_Note(now, max(now + seconds, earlier.until)))

    def _answered(self, earlier: _Note | None, *, done: bool) -> None:
        """The message has its answer. If it was `done`, what it leads to no longer tells of the earlier ones."""
        if earlier is None:
            self._path.unlink(missing_ok=True)
        else:
            self._keep(replace(earlier, leads_to=()) if done else earlier)

    def _current(self) -> _Note | None:
        try:
            note = _Note.from_text(self._path.read_text())
        except FileNotFoundError:
            return None
        now = self._clock()
        if now < note.since:
            # The clock was set back: the wait begins anew, and lasts no longer than it was to.
            note = replace(note, since=now, until=now + note.until - note.since)
            self._keep(note)
        if now < note.until:
            return note
        self._path.unlink(missing_ok=True)
        return None

    def _keep(self, note: _Note) -> None:
        write_note(self._path, note.as_json())
