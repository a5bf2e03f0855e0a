"""Some threads, each with tools of its own: a driver is never shared between threads."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, Protocol, Self, TypeVar

from providers.vendor_http import Deadline


class Closable(Protocol):
    """A thread's tool: it has connections to close."""

    def close(self) -> None: ...


Tool = TypeVar("Tool", bound=Closable)
Item = TypeVar("Item")
Result = TypeVar("Result")

RESERVE = 0.1
"""The share of a call's time, at its end, in which nothing new is begun and what is under way ends."""
MOST_RESERVE = 10.0
"""Seconds."""


class OutOfTime(Exception):
    """The call's time is over, or it was halted, and some items were not begun."""


class Crew(Generic[Tool]):
    """Does the same work for many items, some side by side. Used as `with`; `make` gives a thread its tool."""

    def __init__(self, make: Callable[[], Tool], size: int, deadline: Deadline) -> None:
        self._make = make
        self._size = size
        self._deadline = deadline
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix="storage")
        self.tools: list[Tool] = []
        """Those made so far."""

    def has_time(self) -> bool:
        """Whether more may be begun."""
        deadline = self._deadline
        return not deadline.halted() and deadline.end - deadline.now() > min(MOST_RESERVE, RESERVE * deadline.seconds)

    def each(self, work: Callable[[Tool, Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The results, as they come. After a first failure nothing new is begun; it is raised once all have ended.

        Raises OutOfTime likewise.
        """
        coming, running = iter(items), set[Future[Result]]()
        failure: BaseException | None = None
        try:
            while True:
                while failure is None and len(running) < self._size:
                    if not self.has_time():
                        failure = None if (one := next(coming, self)) is self else OutOfTime()
                        break
                    one = next(coming, self)
                    if one is self:
                        break
                    running.add(self._pool.submit(self._with_tool, work, one))  # type: ignore[arg-type]
                if not running:
                    break
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    error = future.exception()
                    if error is None:
                        yield future.result()
                    elif failure is None or isinstance(failure, OutOfTime):
                        failure = error
        finally:
            wait(running)
        if failure is not None:
            raise failure

    def _with_tool(self, work: Callable[[Tool, Item], Result], item: Item) -> Result:
        if not hasattr(self._own, "tool"):
            self._own.tool = self._make()
            self.tools.append(self._own.tool)
        return work(self._own.tool, item)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for tool in self.tools:
            tool.close()
