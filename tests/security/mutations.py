"""Each guard is taken away, one at a time, in a copy of this tree: a test of its row must fail, or it proves nothing.

    .venv/bin/python -m tests.security.mutations [--row N]... [--name WORDS]... [--part N/M] [--at-once N]

First the tests run as everything stands, and must pass. The last lines are a table; the exit status is 1 when a guard's
removal is not noticed, when a guard is not found where the table says, or when a test fails without any removal.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.in_memory import MEMORY, is_fit
from tests.security.guards import GUARDS, Guard

ROOT = Path(__file__).resolve().parents[2]
WITHIN = 300.0
"""Seconds for one test."""
SECURITY_ROWS = range(36, 53)
_FAILED = re.compile(r"\b\d+ (?:failed|error)")


@dataclass(frozen=True)
class Verdict:
    guard: Guard
    said: str
    seconds: float

    @property
    def holds(self) -> bool:
        return self.said == "noticed"


@dataclass
class Copy:
    """A copy of the tree in which one guard at a time is missing."""

    place: Path
    written: int = 0

    def passes(self, *tests: str) -> tuple[bool, str]:
        """Whether the tests pass, and the last line of what they say, or why there is none."""
        command = [
            str(self.place / ".venv/bin/python"),
            "-m",
            "pytest",
            "-x",
            "-q",
            "-n",
            "0",
            "-p",
            "no:cacheprovider",
        ]
        environment = {**os.environ, "PYTHONPATH": str(self.place)}
        try:
            done = subprocess.run(
                [*command, *tests], cwd=self.place, env=environment, capture_output=True, text=True, check=False,
                timeout=WITHIN * max(1, len(tests) // 4),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False, "it takes too long"
        lines = [line for line in done.stdout.splitlines() if line.strip()] or ["it says nothing"]
        if done.returncode not in (0, 1):
            return False, f"pytest ends with {done.returncode}: {lines[-1]}"
        return done.returncode == 0, lines[-1]

    @contextmanager
    def without(self, guard: Guard) -> Iterator[None]:
        file = self.place / guard.file
        whole = file.read_text(encoding="utf-8")
        self._write(file, whole.replace(guard.old, guard.new))
        try:
            yield
        finally:
            self._write(file, whole)

    def _write(self, file: Path, text: str) -> None:
        """Each time with another time of change, so that no compiled module of before is taken for it."""
        file.write_text(text, encoding="utf-8")
        self.written += 1
        later = time.time() + 2 * self.written
        os.utime(file, (later, later))

    def judge(self, guard: Guard) -> Verdict:
        begun = time.monotonic()
        with self.without(guard):
            passed, said = self.passes(guard.test)
        if passed:
            said = "NOT NOTICED"
        elif _FAILED.search(said):
            said = "noticed"
        return Verdict(guard, said, time.monotonic() - begun)


def copied(place: Path) -> Copy:
    """The files that Git knows here, as they stand, and the environments of this checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name, follow_symlinks=False)
    for name in (".venv", ".venv-moto"):
        if (ROOT / name).exists() and not (place / name).exists():
            (place / name).symlink_to((ROOT / name).resolve())
    return Copy(place)


def misplaced(guards: Sequence[Guard]) -> list[str]:
    """Guards that do not stand exactly once where the table says."""
    found = []
    for one in guards:
        file = ROOT / one.file
        times = file.read_text(encoding="utf-8").count(one.old) if file.exists() else 0
        if times != 1 or one.old == one.new:
            found.append(f"row {one.row}, {one.name}: found {times} times in {one.file}")
    return found


def chosen(rows: Sequence[int], names: Sequence[str], part: str) -> list[Guard]:
    """Those of these rows or names; without either, all."""
    picked = [
        one for one in GUARDS if one.row in rows or any(words in one.name for words in names) or not (rows or names)
    ]
    if part:
        number, of = (int(one) for one in part.split("/"))
        picked = picked[number - 1 :: of]
    return picked


def judged(guards: Sequence[Guard], at_once: int) -> list[Verdict]:
    """Each in one of so many copies."""
    shelf = MEMORY if is_fit(MEMORY) else None
    with tempfile.TemporaryDirectory(prefix="bascule-guards-", dir=shelf, ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(at_once):
            copies.put(copied(Path(folder) / str(number)))
        first = copies.get()
        passed, said = first.passes(*dict.fromkeys(one.test for one in guards))
        copies.put(first)
        if not passed:
            sys.exit(f"Without any removal a test fails: {said}")
        print(f"as everything stands: {said}", flush=True)

        def judge(guard: Guard) -> Verdict:
            copy = copies.get()
            try:
                found = copy.judge(guard)
            finally:
                copies.put(copy)
            print(_line(found), flush=True)
            return found

        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(judge, guards))


def _line(found: Verdict) -> str:
    guard = found.guard
    test = guard.test.partition("::")[2] or guard.test
    return f"{guard.row:3}  {found.said:<12} {found.seconds:5.0f} s  {guard.name:<55}  {test}"


def main() -> int:
    asked = argparse.ArgumentParser(description="Each guard is taken away, and a test must notice.")
    asked.add_argument("--row", type=int, action="append", default=[])
    asked.add_argument("--name", action="append", default=[], help="a part of a guard's name")
    asked.add_argument("--part", default="", help="N/M: of M parts the Nth")
    asked.add_argument("--at-once", type=int, default=2)
    given = asked.parse_args()
    guards = chosen(given.row, given.name, given.part)
    if wrong := misplaced(guards):
        print("Guards that are not where the table says:", *wrong, sep="\n  ")
        return 1
    if not guards:
        print("No guard is listed for that.")
        return 1
    verdicts = judged(guards, given.at_once)
    print("\nrow  verdict      time   guard", *map(_line, sorted(verdicts, key=lambda one: one.guard.row)), sep="\n")
    lacking = sorted(set(SECURITY_ROWS) - {one.row for one in GUARDS})
    if lacking:
        print("rows without a guard in tests/security/guards.py:", ", ".join(map(str, lacking)))
    unnoticed = [one for one in verdicts if not one.holds]
    print(f"{len(verdicts)} guards, {len(unnoticed)} of which nobody misses")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
