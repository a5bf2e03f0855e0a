"""The small pieces of large copies: parts, ledger, crew, progress."""

import threading
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from providers.base import ProviderError
from providers.storage.content import IN_MEMORY, Content
from providers.storage.crew import Crew, OutOfTime
from providers.storage.ledger import Ledger
from providers.storage.progress import Progress, amount
from providers.storage.store import LARGEST, MIB, Limits
from providers.storage.uploads import slices
from providers.vendor_http import Deadline


@pytest.mark.parametrize("size", [1, 5 * MIB, 5 * MIB + 1, 100 * MIB, 4_999_999_999_999])
@pytest.mark.parametrize("most", [1000, 10_000])
def test_parts_cover_an_object_without_gap_or_overlap(size: int, most: int) -> None:
    plan = slices(size, Limits(5 * MIB, most, 4))
    assert [one.number for one in plan] == list(range(1, len(plan) + 1))
    assert len(plan) <= most
    assert plan[0].start == 0
    assert plan[-1].end == size
    assert all(one.end == after.start for one, after in pairwise(plan))
    assert all(5 * MIB <= one.size <= LARGEST for one in plan[:-1])


def test_an_object_too_large_for_the_store_is_refused() -> None:
    with pytest.raises(ProviderError, match="does not fit into 2 parts") as caught:
        slices(3 * LARGEST, Limits(5 * MIB, 2, 4))
    assert caught.value.permanent


def test_a_ledger_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "facts"
    with Ledger(file) as ledger:
        assert ledger.get("part", "é", 1) is None
        assert not file.exists(), "a look writes nothing"
        ledger.add("part", "é", 1, "a")
        ledger.add("part", "é", 1, "b")
    file.write_bytes(file.read_bytes() + b'["part","x",2,"c')
    for _ in range(2):
        with Ledger(file) as ledger:
            assert (ledger.get("part", "é", 1), ledger.get("part", "x", 2)) == ("b", None)
            ledger.add("part", "y", 3, "d")
    with Ledger(file) as ledger:
        assert ledger.get("part", "y", 3) == "d"


class Tool:
    """What a thread has to itself."""

    def __init__(self) -> None:
        self.thread: int | None = None
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_each_thread_of_a_crew_has_a_tool_of_its_own() -> None:
    together = threading.Barrier(3)

    def work(tool: Tool, item: int) -> int:
        if item < 3:
            together.wait(10)  # passes only when three are at it side by side
        assert tool.thread in (None, threading.get_ident())
        tool.thread = threading.get_ident()
        return item * item

    with Crew(Tool, 3, Deadline(60.0)) as crew:
        assert sorted(crew.each(work, range(20))) == [n * n for n in range(20)]
    assert len(crew.tools) == 3
    assert all(tool.closed for tool in crew.tools)


def test_after_a_failure_nothing_new_begins_and_what_was_done_is_told() -> None:
    begun: list[int] = []
    done: list[int] = []

    def work(_: Tool, item: int) -> int:
        begun.append(item)
        if item == 2:
            raise requests.ConnectionError("gone")
        return item

    with Crew(Tool, 1, Deadline(60.0)) as crew, pytest.raises(requests.ConnectionError):
        done.extend(crew.each(work, range(1000)))
    assert (begun, done) == ([0, 1, 2], [0, 1])


def test_what_does_not_fit_into_the_time_is_not_begun() -> None:
    now = [0.0]

    def work(_: Tool, item: int) -> int:
        now[0] += 30.0
        return item

    deadline = Deadline(100.0, now=lambda: now[0])
    done: list[int] = []
    with Crew(Tool, 1, deadline) as crew, pytest.raises(OutOfTime):
        done.extend(crew.each(work, range(1000)))
    with Crew(Tool, 1, deadline) as crew:
        assert list(crew.each(work, [])) == [], "nothing left is not out of time"
    assert now[0] == 90.0


def test_progress_is_told_seldom_and_at_the_end() -> None:
    now, said = [0.0], list[str]()
    progress = Progress("Copied", 1000, 1_000_000, said.append, lambda: now[0])
    for _ in range(1000):
        now[0] += 0.01
        progress.done(1000)
    assert len(said) == 11
    assert said[-1] == "Copied 1000 of 1000 objects, 1.0 MB of 1.0 MB"


@pytest.mark.parametrize(("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (5e15, "5.0 PB")])
def test_amounts_are_decimal(size: float, text: str) -> None:
    assert amount(size) == text


def test_content_is_the_same_in_memory_and_on_disk(tmp_path: Path) -> None:
    for size in (0, 1, IN_MEMORY, IN_MEMORY + 1):
        with Content.of(b"x" * size, tmp_path) as content:
            body = content.body(Deadline(10.0))
            assert b"".join(body) == b"x" * size if not isinstance(body, str) else size == 0
    assert list(tmp_path.iterdir()) == [], "files have no name, so none is left behind"
