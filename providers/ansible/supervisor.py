"""Runs one play by ansible-runner: `python -m providers.ansible.supervisor JOB`. The only importer of ansible_runner.

A process of its own because ansible-runner is not made for a threaded service,
and because it must die with the service: its standard input is a lifeline that
the service holds open, and the kernel signals it when the service's thread ends.
Lines for people go to standard output; the verdict goes to the attempt's directory.
"""

import json
import os
import queue
import resource
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

from providers.ansible import host_keys, processes
from providers.ansible.ahead import opening_ahead
from providers.ansible.attempts import Attempt
from providers.ansible.broker import start_broker
from providers.ansible.console import Bounded, Sink
from providers.ansible.event_file import bytes_waiting, take_event
from providers.ansible.events import Allowance, Event, Tally, cut, line_of
from providers.ansible.job import Job
from providers.ansible.private import door_of, events_of, known_hosts_of
from providers.ansible.verdict import Asked, Failure, Verdict, failure_of
from providers.core_files import forbid_core_files
from providers.reach import Reach
from providers.redaction import Mask

LINE_LIMIT = 4096
"""Bytes of one line of output."""
OUTPUT_LIMIT = 2 * 1024 * 1024
"""Bytes of output of one attempt."""
EVENTS_LIMIT = 128 * 1024 * 1024
"""Bytes of events that may wait unread, in memory; a play that leaves more is ended."""
LOOK_EVERY = 0.5
"""Seconds between two looks at them."""
MEMORY_LIMIT = 2 * 1024**3
"""Bytes of address space of each process of a play: what a host answers is held there several times over."""
FILE_LIMIT = 256 * 1024 * 1024
"""Bytes of each file that a process of a play writes."""
ENDING = 3.0
"""Seconds that killed processes may take to be gone."""


class Output:
    """Says events as lines, from a thread of its own: ansible-runner fails a play whose event handler is slow."""

    def __init__(self, job: Job, mask: Mask) -> None:
        self._mask = mask
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._log = Path(job.attempt, "output.log").open("w", encoding="utf-8")  # noqa: SIM115
        # Standard output is for these lines only: whatever a library prints goes to standard error.
        self._lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._allowance = Allowance(OUTPUT_LIMIT)
        self._thread = threading.Thread(target=self._write_all, name="output", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Only what may still be said is kept: events come faster than a busy service takes lines."""
        if self._allowance.spent:
            return
        line = line_of(event, self._mask)
        if line and (allowed := self._allowance(cut(line, LINE_LIMIT))):
            self._queue.put(allowed)

    def close(self) -> None:
        """Return when every line is written."""
        self._queue.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        while (line := self._queue.get()) is not None:
            for file in (self._log, self._lines):
                file.write(line + "\n")
                file.flush()


class PlayRunner(Runner):  # type: ignore[misc]
    """Ansible-runner, but for how it reads events: the play can write what it finds there."""

    def event_callback(self, event_data: Event) -> None:
        if "uuid" in event_data:
            left = take_event(Path(self.config.artifact_dir, "job_events"), event_data["uuid"])
            self.event_handler({**event_data, **left})


class Supervisor:
    """One attempt, from its job to its verdict."""

    def __init__(self, job: Job, abandoned: threading.Event) -> None:
        self._job = job
        self._abandoned = abandoned
        self._mask = Mask(job.secrets)
        self._tally = Tally(self._mask)
        self._output = Output(job, self._mask)
        self._ended = threading.Event()
        self._flooded = False

    def run(self) -> None:
        """Run the play to its end and leave the verdict."""
        runner = PlayRunner(self._config(), event_handler=self._take)
        threading.Thread(target=self._watch_events, name="events", daemon=True).start()
        runner.run()
        if self._abandoned.is_set():
            signal.pause()  # another thread is ending this process: what ansible-runner saw of that is no verdict
        self._ended.set()
        Attempt(Path(self._job.attempt)).conclude(self._verdict(runner.rc))
        self._output.close()

    def _take(self, event: Event) -> bool:
        """Called for each event; false because none is kept as a file."""
        self._tally.take(event)
        self._output.put(event)
        return False

    def _watch_events(self) -> None:
        """End a play that leaves events faster than they are read: they lie in memory."""
        events = events_of(Path(self._job.private), self._job.name)
        while not self._flooded and not self._ended.wait(LOOK_EVERY):
            self._flooded = bytes_waiting(events) > EVENTS_LIMIT
        if self._flooded:
            processes.end_descendants(ENDING)

    def _verdict(self, rc: int | None) -> Verdict:
        job, tally = self._job, self._tally
        asked = Asked(play=job.play, hosts=job.hosts, known_hosts=job.known_hosts)
        failure = self._flood() or failure_of(tally, rc, len(json.dumps(tally.outputs)), asked)
        return Verdict(
            rc=rc,
            stats=tally.stats or {},
            outputs={} if failure else tally.outputs,
            play=job.play_digest,
            want=job.want_digest,
            failure=failure,
        )

    def _flood(self) -> Failure | None:
        if not self._flooded:
            return None
        text = f"{self._job.play} was ended because it left more than {EVENTS_LIMIT} bytes of events; print less in it."
        return Failure(text, permanent=True, effect_possible=True)

    def _config(self) -> RunnerConfig:
        job = self._job
        config = RunnerConfig(
            private_data_dir=str(Path(job.private, "runner")),
            project_dir=job.estate,
            playbook=str(Path(job.estate, job.play)),
            inventory=str(job.inventory),
            cmdline=f"-e @{shlex.quote(str(job.variables))}",
            ident=job.name,
            suppress_env_files=True,
            fact_cache_type="memory",
            quiet=True,
        )
        config.prepare()
        # Settings files are off (they would keep secrets), so what they could set is set here.
        config.pexpect_timeout = 0.2
        config.suppress_output_file = True
        config.command = [*job.prefix, *_ahead(job), sys.executable, job.ansible_playbook, *config.command[1:]]
        return config


def _ahead(job: Job) -> list[str]:
    """Only where all ends with the namespace: a connection that nobody ends would outlive the play."""
    return opening_ahead(Path(job.private), job.hosts.values(), job.user, job.port) if job.prefix else []


LIMITS = {
    resource.RLIMIT_AS: MEMORY_LIMIT,
    resource.RLIMIT_FSIZE: FILE_LIMIT,
    resource.RLIMIT_CORE: 0,
}


def dying_with(supervisor: int) -> Callable[[], None]:
    """What a child does before it becomes another program: from then on it dies with its supervisor."""

    def bind() -> None:
        processes.die_with_parent(signal.SIGKILL)
        if os.getppid() != supervisor:
            os._exit(os.EX_TEMPFAIL)

    return bind


def terminal_of(fence: int, bind: Callable[[], None]) -> type[pexpect.spawn]:
    """The pseudo-terminal that ansible-runner starts Ansible in, mended for what it has no setting for.

    Ansible keeps the fence open, dies with this process, and isn't waited for after its
    end. It is never asked for a password, so what it writes is passed on, and not kept.
    """

    def limited() -> None:
        bind()
        for limit, most in LIMITS.items():
            hard = resource.getrlimit(limit)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(limit, (most, most))

    class Terminal(pexpect.spawn):  # type: ignore[misc]
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **settings, preexec_fn=limited, maxread=65536)
            self.ptyproc.delayafterclose = 0

        def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> str:
            super().read_nonblocking(size, timeout)
            return ""

        @property
        def logfile_read(self) -> Bounded | None:
            """Where ansible-runner wants to be told what was read."""
            return self._told

        @logfile_read.setter
        def logfile_read(self, file: Sink | None) -> None:
            self._told = Bounded(file) if file else None

        def _spawnpty(self, args: list[str], **settings: Any) -> ptyprocess.PtyProcess:
            return ptyprocess.PtyProcess.spawn(args, pass_fds=(fence,), **settings)

    return Terminal


def end_all(job: Job) -> None:
    """End every process of the attempt, and keep the host keys that it has seen for the steps to come."""
    processes.end_descendants(ENDING)
    names = host_keys.names_of(job.hosts.values(), job.port)
    host_keys.take_back(Path(job.known_hosts), known_hosts_of(Path(job.private)), names)


def watch_lifeline(job: Job) -> threading.Event:
    """End everything when the service is gone or lets go; the event is set when that begins."""
    abandoned = threading.Event()

    def abort(*_: object) -> None:
        abandoned.set()
        end_all(job)
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
    forbid_core_files()
    job = Job.read(path)
    processes.die_with_parent(signal.SIGTERM)
    bind = dying_with(os.getpid())
    events_of(Path(job.private), job.name).mkdir(mode=0o700, parents=True)
    if job.contained:
        # While there are no threads yet: a fork must find no lock held.
        targets = {host.lower(): job.port for host in job.hosts.values()}
        start_broker(door_of(Path(job.private)), targets, Reach.of({"networks": job.networks}), bind)
    abandoned = watch_lifeline(job)
    processes.adopt_orphans()
    pexpect.spawn = terminal_of(job.fence, bind)
    supervisor = Supervisor(job, abandoned)
    supervisor.run()
    end_all(job)
    # All is written; Python's own clearing up would only keep the service waiting.
    os._exit(os.EX_OK)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
