"""Runs one play by ansible-runner: `python -m providers.ansible.supervisor JOB`. The only importer of ansible_runner.

A process of its own because ansible-runner is not made for a threaded service,
and because it must die with the service: its standard input is a lifeline that
the service holds open, and the kernel signals it when the service's thread ends.
Lines for people go to standard output; the verdict goes to the attempt's directory.
"""

import json
import os
import queue
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]
import ptyprocess  # type: ignore[import-untyped]
from ansible_runner.config.runner import RunnerConfig
from ansible_runner.runner import Runner

from providers.ansible import processes
from providers.ansible.ahead import open_ahead
from providers.ansible.attempts import Attempt
from providers.ansible.events import Allowance, Event, Tally, cut, line_of
from providers.ansible.job import Job
from providers.ansible.mask import Mask
from providers.ansible.verdict import Asked, Verdict, failure_of

LINE_LIMIT = 4096
"""Bytes of one line of output."""
OUTPUT_LIMIT = 2 * 1024 * 1024
"""Bytes of output of one attempt."""
ENDING = 3.0
"""Seconds that killed processes may take to be gone."""


class Output:
    """Says events as lines, from a thread of its own: ansible-runner fails a play whose event handler is slow."""

    def __init__(self, job: Job, mask: Mask) -> None:
        self._mask = mask
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._log = Path(job.attempt, "output.log").open("w", encoding="utf-8")  # noqa: SIM115
        # Standard output is for these lines only: whatever a library prints goes to standard error.
        self._lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._allowance = Allowance(OUTPUT_LIMIT)
        self._thread = threading.Thread(target=self._write_all, name="output", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        self._events.put(event)

    def close(self) -> None:
        """Return when every line is written."""
        self._events.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        while (event := self._events.get()) is not None:
            line = line_of(event, self._mask)
            if line and (allowed := self._allowance(cut(line, LINE_LIMIT))):
                self._write(allowed)

    def _write(self, line: str) -> None:
        for file in (self._log, self._lines):
            file.write(line + "\n")
            file.flush()


class Supervisor:
    """One attempt, from its job to its verdict."""

    def __init__(self, job: Job, abandoned: threading.Event) -> None:
        self._job = job
        self._abandoned = abandoned
        self._mask = Mask(job.secrets)
        self._tally = Tally(self._mask)
        self._output = Output(job, self._mask)

    def run(self) -> None:
        """Run the play to its end and leave the verdict."""
        runner = Runner(self._config(), event_handler=self._take)
        runner.run()
        if self._abandoned.is_set():
            signal.pause()  # another thread is ending this process: what ansible-runner saw of that is no verdict
        Attempt(Path(self._job.attempt)).conclude(self._verdict(runner.rc))
        self._output.close()

    def _take(self, event: Event) -> bool:
        """Called for each event; false because none is kept as a file."""
        self._tally.take(event)
        self._output.put(event)
        return False

    def _verdict(self, rc: int | None) -> Verdict:
        job, tally = self._job, self._tally
        asked = Asked(play=job.play, hosts=job.hosts, known_hosts=job.known_hosts)
        failure = failure_of(tally, rc, len(json.dumps(tally.outputs)), asked)
        return Verdict(
            rc=rc,
            stats=tally.stats or {},
            outputs={} if failure else tally.outputs,
            play=job.play_digest,
            want=job.want_digest,
            failure=failure,
        )

    def _config(self) -> RunnerConfig:
        job = self._job
        config = RunnerConfig(
            private_data_dir=str(Path(job.private, "runner")),
            project_dir=job.estate,
            playbook=str(Path(job.estate, job.play)),
            inventory=str(job.inventory),
            cmdline=f"-e @{shlex.quote(str(job.variables))}",
            ident=Path(job.attempt).name,
            suppress_env_files=True,
            fact_cache_type="memory",
            quiet=True,
        )
        config.prepare()
        # Settings files are off (they would keep secrets), so what they could set is set here.
        config.pexpect_timeout = 0.2
        config.suppress_output_file = True
        config.command = [*job.namespace, sys.executable, job.ansible_playbook, *config.command[1:]]
        return config


def dying_with(supervisor: int) -> Callable[[], None]:
    """What a child does before it becomes another program: from then on it dies with its supervisor."""

    def bind() -> None:
        processes.die_with_parent(signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(os.EX_TEMPFAIL)

    return bind


def terminal_of(fence: int, bind: Callable[[], None]) -> type[pexpect.spawn]:
    """The pseudo-terminal that ansible-runner starts Ansible in, mended for what it has no setting for.

    Ansible keeps the fence open, dies with this process, and isn't waited for after its end.
    """

    class Terminal(pexpect.spawn):  # type: ignore[misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings, preexec_fn=bind, maxread=65536)
            self.ptyproc.delayafterclose = 0

        def _spawnpty(self, args: list[str], **settings: Any) -> ptyprocess.PtyProcess:
            return ptyprocess.PtyProcess.spawn(args, pass_fds=(fence,), **settings)

    return Terminal


def watch_lifeline(job: Job) -> threading.Event:
    """End everything when the service is gone or lets go; the event is set when that begins."""
    abandoned = threading.Event()

    def abort(*_: object) -> None:
        abandoned.set()
        processes.end_descendants(ENDING)
        shutil.rmtree(job.private, ignore_errors=True)
        os._exit(os.EX_TEMPFAIL)

    def wait() -> None:
        while os.read(0, 1):
            pass
        abort()

    signal.signal(signal.SIGTERM, abort)
    threading.Thread(target=wait, name="lifeline", daemon=True).start()
    return abandoned


def main(path: Path) -> None:
    job = Job.read(path)
    processes.die_with_parent(signal.SIGTERM)
    bind = dying_with(os.getpid())
    # While there are no threads yet: what runs between fork and exec must find no lock held.
    open_ahead(job, bind)
    abandoned = watch_lifeline(job)
    processes.adopt_orphans()
    pexpect.spawn = terminal_of(job.fence, bind)
    supervisor = Supervisor(job, abandoned)
    supervisor.run()
    processes.end_descendants(ENDING)
    # All is written; Python's own clearing up would only keep the service waiting.
    os._exit(os.EX_OK)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
