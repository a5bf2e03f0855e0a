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
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import anyio
from anyio.to_thread import run_sync
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from orchestrator.engine.progress import Progress
from orchestrator.web.answers import LogLine, RunAnswer, StepAnswer
from orchestrator.web.reading import Batch, Cursor, Reading

STREAMS_AT_MOST = 300
KEEP_ALIVE = 15.0
"""Seconds without news after which a comment shows that the connection lives."""
LOOK_EVERY = 1.0
"""Seconds: another worker's progress is not announced here, so everyone looks this often."""
PACE = 0.1
"""The least seconds between two looks."""
LAST_LINES = 1.5
"""Seconds that a run's last lines of output may come after its end."""
AGAIN_AFTER_END = 10_000
AGAIN_AFTER_BREAK = 1_000
"""Milliseconds after which a browser connects again: an ended run may yet be undone."""

Said = LogLine | StepAnswer | RunAnswer
Put = Callable[[Said], str]
"""Puts what is told into a message's data."""


class Busy(Exception):
    """There are as many streams as the service bears."""


class Live:
    """The service's streams. `open` and `close` belong to the event loop that serves them."""

    def __init__(self, reading: Reading, progress: Progress) -> None:
        self._reading = reading
        self._progress = progress
        self._slots = threading.BoundedSemaphore(STREAMS_AT_MOST)
        self._readers = 4
        self._shared: dict[tuple[str, Cursor], asyncio.Task[Batch]] = {}
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

    def slot(self) -> Iterator[None]:
        """A dependency that holds one of the streams for as long as its answer takes. Raises Busy."""
        if not self._slots.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._slots.release()

    async def stream(self, run_id: str, cursor: Cursor, put: Put) -> AsyncIterator[bytes]:
        """The run from the cursor on, until it has ended and all was said."""
        yield format_sse_event(retry=AGAIN_AFTER_BREAK)
        first, spoke, seen_end = True, time.monotonic(), None
        while not self._closing.is_set():
            beat = self._beat
            batch = await self._read(run_id, cursor)
            for name, after, said in _told(batch, cursor, run_too=first):
                yield format_sse_event(event=name, data_str=put(said), id=str(after))
                spoke = time.monotonic()
            cursor = batch.cursor
            if not batch.whole:
                continue
            first = False
            if batch.ended:
                seen_end = seen_end or time.monotonic()
                if self._all_was_said(batch, seen_end):
                    yield format_sse_event(event="end", data_str="{}", retry=AGAIN_AFTER_END)
                    return
            else:
                seen_end = None
            await beat.wait()
            if time.monotonic() - spoke > KEEP_ALIVE:
                yield KEEPALIVE_COMMENT
                spoke = time.monotonic()

    def _all_was_said(self, batch: Batch, seen_end: float) -> bool:
        since = self._progress.clock() - (batch.run.ended_at or 0.0)
        return since > LAST_LINES or time.monotonic() - seen_end > LAST_LINES

    async def _read(self, run_id: str, cursor: Cursor) -> Batch:
        """One look between two beats for everyone who has heard the same."""
        key = (run_id, cursor)
        task = self._shared.get(key)
        if task is None:
            look = functools.partial(self._reading.after, run_id, cursor)
            task = self._shared[key] = self._loop.create_task(run_sync(look, limiter=self._limiter))
        return await asyncio.shield(task)

    def _watch(self) -> None:
        seen = -1
        while not self._closing.is_set():
            seen = self._progress.wait_for_move(seen, LOOK_EVERY)
            if self._loop.is_closed():
                return
            self._loop.call_soon_threadsafe(self._on_beat)
            self._closing.wait(PACE)

    def _on_beat(self) -> None:
        self._shared.clear()
        beat, self._beat = self._beat, asyncio.Event()
        beat.set()


def _told(batch: Batch, since: Cursor, *, run_too: bool) -> Iterator[tuple[str, Cursor, Said]]:
    """The batch's messages, each with the cursor after it: cut short anywhere, nothing is lost and nothing repeats."""
    at = since
    for line in batch.lines:
        at = replace(at, line=line.id)
        yield "log", at, line
    for event, step in batch.steps:
        at = replace(at, event=event)
        yield "step", at, step
    if batch.whole and (run_too or batch.cursor.event != since.event):
        yield "run", batch.cursor, batch.run


def as_json(said: Said) -> str:
    return said.model_dump_json()
