"""Starts the supervisor, passes its lines on, and ends it at the deadline: the service's side."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from providers.ansible.job import Job
from providers.base import Halted, Report, never

ROOT = Path(__file__).parents[2]
"""Where `providers` can be imported from, in a checkout and in an installation."""
GRACE = 5.0
"""Seconds the supervisor has to end its children once its lifeline is cut."""


LOOK_EVERY = 0.5
"""Seconds between two questions whether everything is halted."""


class DeadlineError(Exception):
    """The play still ran at the end of its time; it was ended."""


class HaltedError(Exception):
    """The kill switch was engaged while the play ran; it was ended."""


def supervise(job: Job, environment: dict[str, str], end: float, report: Report, halted: Halted = never) -> str:
    """Run the job to its end, or until `end` on the monotonic clock.

    Returns what the supervisor complained about, empty normally. Raises
    DeadlineError and HaltedError. Whatever happens, the supervisor is gone afterwards.
    """
    complaints = Path(job.private, "complaints")
    with complaints.open("wb") as stderr, _supervisor(job, environment, stderr.fileno()) as process:
        assert process.stdout is not None
        for line in _lines(process.stdout.fileno(), end, halted):
            report(line)
        process.wait(timeout=max(end - time.monotonic(), 0.1))
    return complaints.read_text(errors="replace")


@contextmanager
def _supervisor(job: Job, environment: dict[str, str], stderr: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "providers.ansible.supervisor", str(job.write())],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        pass_fds=(job.fence,),
        start_new_session=True,
    )
    try:
        yield process
    except subprocess.TimeoutExpired as error:
        raise DeadlineError from error
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Cut the lifeline; what does not end by that is killed."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    try:
        process.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _lines(handle: int, end: float, halted: Halted) -> Iterator[str]:
    """Lines as they come, until the other side closes. Raises DeadlineError, HaltedError."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    rest = b""
    while True:
        left = end - time.monotonic()
        if left <= 0:
            raise DeadlineError
        if halted():
            raise HaltedError
        if not poll.poll(min(left, LOOK_EVERY) * 1000):
            continue
        chunk = os.read(handle, 65536)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
