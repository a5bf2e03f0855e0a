"""Live events of a run (server-sent events, WHATWG HTML §9.2), for any number of viewers at the price of one.

Every message has the id of the cursor after it, so a viewer that reconnects
with `Last-Event-ID` hears the rest: no gap, and no line or step event twice.
The run itself is told anew on each connection. The viewers of a run share
what is read, and wait without a thread.
"""

import asyncio
import functools
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import anyio
from anyio.to_thread import run_sync
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from orchestrator.domain.halt import Halted
from orchestrator.engine.progress import Progress
from orchestrator.web.api.answers import LogLine, RunAnswer, StepAnswer
from orchestrator.web.reading import Batch, Cursor, Reading

STREAMS_AT_MOST = 300
STREAMS_EACH = 20
"""Of one person, on all of their pages and by all of their tokens. Who holds the installation's token has them all."""
KEEP_ALIVE = 15.0
"""Seconds without news after which a comment shows that the connection lives."""
LOOK_EVERY = 1.0
"""Seconds: another worker's progress is not announced here, so everyone looks this often."""
PACE = 0.1
"""The least seconds between two looks."""
ASK_AGAIN = 5.0
"""Seconds after which it is asked again whether who listens may: who is shut out hears no more."""
LAST_LINES = 1.5
"""Seconds that a run's last lines of output may come after its end."""
MOVES_APART = 0.5
"""Seconds between two news that something moved: a page then looks anew, and must have time to."""
AGAIN_AFTER_END = 4_000
AGAIN_AFTER_BREAK = 1_000
"""Milliseconds after which a browser connects again: an ended run may yet be undone."""

_UNTOLD: int | None = -1
"""Stands for no halt and for none at all: whoever connects is told which."""
_INSTEAD = "read /api/v1/runs/… instead."


@dataclass(frozen=True, slots=True)
class HaltNow:
    """Whether everything is halted: none of a run's events says that a halt was lifted."""

    halted: Halted | None


Said = LogLine | StepAnswer | RunAnswer | HaltNow
Put = Callable[[Said], str]
"""Puts what is told into a message's data; empty for what is not told. Viewers with the same one share its work."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a look found, as messages: the news, the run itself, which `moved` or did not, and the halt in force."""

    news: bytes
    run: bytes
    moved: bool
    halt: bytes
    halted: int | None
    cursor: Cursor
    whole: bool
    ended_at: float | None


class Busy(Exception):
    """There are as many streams as the service bears, or as one person may have."""


class Live:
    """The service's streams. `open` and `close` belong to the event loop that serves them."""

    def __init__(self, reading: Reading, progress: Progress) -> None:
        self._reading = reading
        self._progress = progress
        self._open = Counter[str]()
        self._counting = threading.Lock()
        self._readers = 4
        self._shared: dict[tuple[str, Cursor, Put], asyncio.Task[Heard]] = {}
        self._revising: asyncio.Task[str] | None = None
        self._closing = threading.Event()

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._beat = asyncio.Event()
        self._limiter = anyio.CapacityLimiter(self._readers)
        self._thread = threading.Thread(target=self._watch, name="live", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends every stream in good order; viewers connect again when the service is back."""
        self._closing.set()
        self._on_beat()

    def slot(self, person: str) -> Iterator[None]:
        """Holds one of the streams for as long as an answer takes. `person`: empty for no one's. Raises Busy."""
        with self._counting:
            if person and self._open[person] >= STREAMS_EACH:
                raise Busy(f"You have {STREAMS_EACH} streams open already; close some pages, or {_INSTEAD}")
            if self._open.total() >= STREAMS_AT_MOST:
                raise Busy(f"{STREAMS_AT_MOST} streams are open already; close some, or {_INSTEAD}")
            self._open[person] += 1
        try:
            yield
        finally:
            with self._counting:
                self._open -= Counter((person,))

    async def stream(
        self, run_id: str, cursor: Cursor, put: Put, still: Callable[[], bool] = lambda: True
    ) -> AsyncIterator[bytes]:
        """The run from the cursor on, until it has ended and all was said, or who listens may not any more: `still`."""
        yield format_sse_event(retry=AGAIN_AFTER_BREAK)
        first, spoke, seen_end = True, time.monotonic(), None
        asked, halted = time.monotonic(), _UNTOLD
        while not self._closing.is_set():
            if time.monotonic() - asked > ASK_AGAIN:
                asked = time.monotonic()
                if not await run_sync(still, limiter=self._limiter):
                    return
            beat = self._beat
            heard = await self._hear(run_id, cursor, put)
            news = heard.news + (heard.run if heard.moved or (first and heard.whole) else b"")
            if heard.halted != halted:
                news, halted = news + heard.halt, heard.halted
            if news:
                yield news
                spoke = time.monotonic()
            cursor = heard.cursor
            if not heard.whole:
                continue
            first = False
            if heard.ended_at is None:
                seen_end = None
            else:
                seen_end = seen_end or time.monotonic()
                if self._all_was_said(heard.ended_at, seen_end):
                    yield format_sse_event(event="end", data_str="{}", retry=AGAIN_AFTER_END)
                    return
            await beat.wait()
            if time.monotonic() - spoke > KEEP_ALIVE:
                yield KEEPALIVE_COMMENT
                spoke = time.monotonic()

    async def moves(self, seen: str, still: Callable[[], bool] = lambda: True) -> AsyncIterator[bytes]:
        """`moved` whenever anything that pages show moved since the revision `seen`, at most every MOVES_APART."""
        yield format_sse_event(retry=AGAIN_AFTER_BREAK)
        spoke = asked = time.monotonic()
        while not self._closing.is_set():
            if time.monotonic() - asked > ASK_AGAIN:
                asked = time.monotonic()
                if not await run_sync(still, limiter=self._limiter):
                    return
            beat = self._beat
            revision = await self._revision()
            if revision != seen:
                seen, spoke = revision, time.monotonic()
                yield format_sse_event(event="moved", data_str="{}", id=revision)
                await asyncio.sleep(MOVES_APART)
                continue
            await beat.wait()
            if time.monotonic() - spoke > KEEP_ALIVE:
                yield KEEPALIVE_COMMENT
                spoke = time.monotonic()

    async def _revision(self) -> str:
        """Read once between two beats, for everyone."""
        if self._revising is None:
            self._revising = self._loop.create_task(run_sync(self._reading.revision, limiter=self._limiter))
        return await asyncio.shield(self._revising)

    def _all_was_said(self, ended_at: float, seen_end: float) -> bool:
        return self._progress.clock() - ended_at > LAST_LINES or time.monotonic() - seen_end > LAST_LINES

    async def _hear(self, run_id: str, cursor: Cursor, put: Put) -> Heard:
        """One look between two beats for everyone who has heard the same."""
        key = (run_id, cursor, put)
        task = self._shared.get(key)
        if task is None:
            look = functools.partial(self._look, run_id, cursor, put)
            task = self._shared[key] = self._loop.create_task(run_sync(look, limiter=self._limiter))
        return await asyncio.shield(task)

    def _look(self, run_id: str, cursor: Cursor, put: Put) -> Heard:
        batch = self._reading.after(run_id, cursor)
        halt = put(HaltNow(batch.halted))
        return Heard(
            news=b"".join(_message(name, at, put(said)) for name, at, said in _news(batch, cursor)),
            run=_message("run", batch.cursor, put(batch.run)),
            moved=batch.whole and batch.cursor.event != cursor.event,
            halt=_message("halt", batch.cursor, halt) if halt else b"",
            halted=batch.halted.id if batch.halted is not None else None,
            cursor=batch.cursor,
            whole=batch.whole,
            ended_at=batch.run.ended_at if batch.ended else None,
        )

    def _watch(self) -> None:
        seen = -1
        while not self._closing.is_set():
            seen = self._progress.wait_for_move(seen, LOOK_EVERY)
            with suppress(RuntimeError):  # the loop may have closed meanwhile: nobody listens any more
                self._loop.call_soon_threadsafe(self._on_beat)
            self._closing.wait(PACE)

    def _on_beat(self) -> None:
        self._shared.clear()
        self._revising = None
        beat, self._beat = self._beat, asyncio.Event()
        beat.set()


def _news(batch: Batch, since: Cursor) -> Iterator[tuple[str, Cursor, Said]]:
    """Lines and steps, each with the cursor after it: cut short anywhere, nothing is lost and nothing repeats."""
    at = since
    for line in batch.lines:
        at = replace(at, line=line.id)
        yield "log", at, line
    for event, step in batch.steps:
        at = replace(at, event=event)
        yield "step", at, step


def _message(name: str, after: Cursor, data: str) -> bytes:
    return format_sse_event(event=name, data_str=data, id=str(after))


def as_json(said: Said) -> str:
    """For the API, which is asked for the halt by itself."""
    return "" if isinstance(said, HaltNow) else said.model_dump_json()
