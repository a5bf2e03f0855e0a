"""Copies from AWS (moto's server) to European stores, each run in a process that is killed on the way."""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from providers.base import Context, Finding, Tag
from providers.simulator.s3_dialect import Dialect
from providers.storage import open_writes
from providers.storage.content import Content
from providers.storage.copy import StorageCopy
from providers.storage.open_writes import OpenWrites
from providers.storage.store import Bucket
from providers.storage.verify import StorageVerify
from providers.vendor_http import Deadline
from providers.wants import Copy, Place, Verify
from tests.copy_process import Answer, lead_to_loopback
from tests.loopback import within
from tests.moto_server import Moto
from tests.vendor_stand_ins import StoreStandIn, reveal, store_stand_in

MIB = 1024 * 1024
PARALLEL = 4
SUFFIX = "store.example"
TAG = Tag("run-1", "data")
LARGE = "archive/registre 1890–2026.tar"
ROOT = Path(__file__).parent.parent
IN_FLIGHT_SECONDS = 1.0
"""How long a killed process's write is waited for here: the stand-in has it at once or never."""
LIMIT = 100.0
"""Seconds that one process may take, and that a condition is waited for."""

STORES: Mapping[str, tuple[str, Dialect, dict[str, Any]]] = {
    "scaleway": (
        "fr-par",
        Dialect(host=f"s3.fr-par.{SUFFIX}", path_style=False, max_parts=1000, location=True),
        {"addressing": "virtual", "max_parts": 1000},
    ),
    "ovhcloud": ("gra", Dialect(host=f"s3.gra.{SUFFIX}", location=True), {"addressing": "virtual"}),
    "outscale": ("eu-west-2", Dialect(url_listing=False), {"addressing": "path"}),
}
"""Region, dialect and settings after the manner of each vendor."""


@dataclass
class Move:
    """One copy: the source at AWS, the target, and the folder that outlives the processes."""

    moto: Moto
    target: StoreStandIn
    folder: Path
    source: dict[str, Any] = field(init=False)
    want: Copy = field(init=False)
    log_from: int = 0

    def __post_init__(self) -> None:
        self.source = {
            "driver": "s3",
            "url": self.moto.url,
            "region": "eu-west-1",
            "access_key": "secret://source-access",
            "secret_key": "secret://source-secret",
            "parallel": PARALLEL,
        }
        here, there = Place(store="source", bucket="organisation"), Place(store="target", bucket="fallback-data")
        self.want = Copy(source=here, target=there)
        self.log_from = self.moto.log.stat().st_size

    @property
    def scope(self) -> dict[str, Any]:
        return {"storage": {"source": self.source, "target": self.target.block}}

    def context(self) -> Context:
        return Context(within(self.scope), reveal, self.folder, self.folder, deadline=LIMIT)

    def observe(self) -> Finding:
        return StorageCopy(self.context()).observe(self.want, TAG, None)

    def undo(self, effect: Mapping[str, Any]) -> Finding:
        return StorageCopy(self.context()).undo(self.want, TAG, effect, lambda _: None)

    def verify(self, how: str) -> Finding:
        want = Verify.model_validate({"source": self.want.source, "target": self.want.target, "how": how})
        return StorageVerify(self.context()).apply(want, TAG, {}, lambda _: None)

    @contextmanager
    def copying(self, before: Mapping[str, Any], deadline: float = LIMIT) -> Iterator[subprocess.Popen[bytes]]:
        """The provider's `apply` in a process of its own."""
        file = self.folder / "job.json"
        want = self.want.model_dump(by_alias=True)
        job: dict[str, Any] = {"in_flight": IN_FLIGHT_SECONDS, "suffix": SUFFIX}
        job |= {"scope": self.scope, "want": want, "tag": [TAG.run, TAG.step], "before": before, "deadline": deadline}
        file.write_text(json.dumps(job))
        file.with_suffix(".answer").unlink(missing_ok=True)
        process = subprocess.Popen([sys.executable, "-m", "tests.copy_process", str(file)], cwd=ROOT)
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)

    def copy(self, before: Mapping[str, Any], deadline: float = LIMIT) -> Answer:
        """To the end of one call; of a further one where a killed process's writes could still have arrived."""
        while True:
            with self.copying(before, deadline) as process:
                assert process.wait(LIMIT) == 0
            answer = Answer(**json.loads((self.folder / "job.answer").read_text()))
            left = OpenWrites(self.folder).left()
            if answer.presence == "ours" or not left:
                return answer
            time.sleep(left)

    def copy_until(self, before: Mapping[str, Any], point: Callable[[], bool]) -> None:
        """Kill the process, as with kill -9, once this holds at the target."""
        idle = set(threading.enumerate())
        with self.copying(before) as process:
            until(lambda: point() or process.poll() is not None)
            assert process.poll() is None, "it ended before it could be killed"
        # What it had sent is still being answered: wait until the last of its connections is done with.
        until(lambda: not _connections() - idle)

    def reads(self) -> Counter[str]:
        """How often each object was read at the source."""
        with self.moto.log.open("rb") as log:
            log.seek(self.log_from)
            lines = log.read().decode().splitlines()
        # In front of GET there may be the terminal's codes for a colour.
        asked = [line.split("GET /organisation/")[1] for line in lines if "GET /organisation/" in line]
        return Counter(unquote(path.split(" ")[0].split("?")[0]) for path in asked)

    def writes(self) -> dict[str, int]:
        """How often each object was written at the target, without Bascule's own."""
        counted = self.target.count("object.put")
        return {key: times for key, times in counted.items() if "/.bascule/" not in key}

    def sent_parts(self) -> int:
        return sum(self.target.count("part.put").values())


@contextmanager
def move_to(vendor: str, moto: Moto, folder: Path) -> Iterator[Move]:
    region, dialect, settings = STORES[vendor]
    lead_to_loopback(SUFFIX)
    with (
        pytest.MonkeyPatch.context() as here,
        store_stand_in("target", region, dialect, part_mib=5, parallel=PARALLEL, **settings) as target,
    ):
        here.setattr(open_writes, "IN_FLIGHT_SECONDS", IN_FLIGHT_SECONDS)
        yield Move(moto, target, folder)


def fill(move: Move, objects: int, large: int) -> None:
    """An organisation's bucket at AWS: many small objects, some with odd names, and one of `large` bytes."""
    bucket = Bucket(move.context(), "source", "organisation", Deadline(LIMIT))
    bucket.create()
    chance = random.Random(3)
    for number in range(objects):
        key = f"dossiers/{number % 17:02}/pièce n° {number:05}.txt"
        with Content.of(chance.randbytes(chance.randrange(0, 20_000)), move.folder) as content:
            bucket.upload(key, content, {"content-type": "text/plain"}, {"number": str(number)})
    with Content(move.folder) as content:
        for _ in range(0, large, MIB):
            content.write(chance.randbytes(MIB))
        bucket.upload(LARGE, content, {"content-type": "application/x-tar"}, {})


def _connections() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "process_request_thread" in thread.name}


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def killed_and_resumed(
    move: Move, objects: int, large: int, *, at_shares: tuple[float, ...], at_parts: tuple[int, ...]
) -> Answer:
    """Copy, killed at these shares of the small objects and after these parts of the large one; then to the end.

    Asserts that nothing was written twice, and that no more was read twice than was under way when it was killed.
    """
    before = move.observe().values
    assert before["to_copy"] == objects + 1
    for share in at_shares:
        move.copy_until(before, lambda share=share: len(move.writes()) >= share * objects)  # type: ignore[misc]
    for parts in at_parts:
        move.copy_until(before, lambda parts=parts: move.sent_parts() >= parts)  # type: ignore[misc]
    answer = move.copy(before)
    assert answer.presence == "ours", answer.message
    assert answer.outputs["objects"] == objects + 1
    assert len(move.writes()) == objects + 1
    assert set(move.writes().values()) == {1}
    assert set(move.target.count("part.put").values()) == {1}
    assert list(move.target.count("upload.begin").values()) == [1]
    reads, kills = move.reads(), len(at_shares) + len(at_parts)
    assert len(reads) == objects + 1
    assert sum(reads.values()) <= objects + large // (5 * MIB) + kills * PARALLEL
    return answer
