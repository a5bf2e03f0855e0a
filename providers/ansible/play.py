"""The provider of `ansible.play`: one play of the estate, proven by its verdict.

A play is repeatable by its author's promise: an attempt that was interrupted
is no effect, and the next one runs its tasks again. Ending an attempt ends
everything on this machine, but a command that a task already started on a host
goes on there; tasks that may take long should carry a `timeout` of their own.
"""

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from providers.ansible.attempts import Attempt, Attempts
from providers.ansible.collections import fault_of_collections
from providers.ansible.confinement import containment_for, prefix_of
from providers.ansible.events import cut, flat
from providers.ansible.job import Job
from providers.ansible.launch import DeadlineError, HaltedError, supervise
from providers.ansible.private import Access, environment, fill, private_directory
from providers.ansible.processes import program
from providers.ansible.verdict import Verdict
from providers.base import HALTED, Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.reach import Reach
from providers.wants import Play

FENCE_PATIENCE = 10.0
"""Seconds to wait for an earlier attempt of the same step that is still ending."""
ENDING = 5.0
"""Seconds until the fence must be free after an attempt was ended."""


class AnsiblePlay:
    """Runs a play at most once at a time per step, and never again once it has succeeded for the same wish."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._attempts = Attempts(context.workspace)

    def observe(self, want: Play, tag: Tag, before: JsonMap | None) -> Finding:
        """OURS when the latest attempt succeeded at this very wish, with what the play handed out by set_stats."""
        play = digest_of_tree(self._play_file(want).parent)
        latest = self._attempts.latest()
        verdict = latest.verdict() if latest else None
        if latest is None or latest.retired():
            return Finding(Presence.ABSENT, message=f"{want.play} has not run.")
        if verdict is None:
            task = latest.last_task()
            where = f' during task "{task}"' if task else ""
            text = f"An earlier try at {want.play} was interrupted{where}; its tasks may run again."
            return Finding(Presence.ABSENT, message=text)
        if verdict.failure:
            return Finding(Presence.ABSENT, message=verdict.failure.message)
        if (verdict.want, verdict.play) != (digest_of_want(want), play):
            return Finding(Presence.ABSENT, message=f"{want.play} ran with other content or other values.")
        return _done(want, latest, verdict)

    def apply(self, want: Play, tag: Tag, before: JsonMap, report: Report) -> Finding:
        """Run the play, unless it has succeeded already.

        Raises ProviderError: permanent when a task failed, passing when a host
        was out of reach or the deadline came, by which time all is ended here.
        """
        end = time.monotonic() + self._context.deadline
        with self._fence(want) as fence:
            found = self.observe(want, tag, before)
            if found.presence is Presence.OURS:
                return found
            if self._attempts.latest():
                report(found.message)
            attempt, complaint = self._run(want, tag, fence, end, report)
        verdict = attempt.verdict()
        if verdict is None:
            raise self._ended_early(want, attempt, complaint)
        if verdict.failure:
            failure = verdict.failure
            raise ProviderError(failure.message, permanent=failure.permanent, effect_possible=failure.effect_possible)
        return _done(want, attempt, verdict)

    def undo(self, want: Play, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        """A play takes nothing back by itself: only its proof goes, so that a later apply runs it again."""
        attempt = self._attempts.named(str(effect.get("attempt", "")))
        if attempt is not None:
            with self._fence(want):
                attempt.retire()
        return Finding(Presence.ABSENT, message=f"{want.play} takes nothing back; only an undo play of its own would.")

    @contextmanager
    def _fence(self, want: Play) -> Iterator[int]:
        with self._attempts.fence(min(FENCE_PATIENCE, self._context.deadline)) as fence:
            if fence is None:
                text = f"An earlier try at {want.play} is still running on this machine; try again when it has ended."
                raise ProviderError(text, permanent=False, effect_possible=True)
            yield fence

    def _run(self, want: Play, tag: Tag, fence: int, end: float, report: Report) -> tuple[Attempt, str]:
        """One attempt, and what its supervisor complained about; its verdict is there unless it ended early."""
        access = self._access()
        secrets = {name: self._context.reveal(reference) for name, reference in want.secrets.items()}
        known_hosts = self._context.workspace.absolute().parent / f"known_hosts-{_digest(tag.run)[:16]}"
        program("ssh", "openssh-client")
        self._require_collections(want)
        self._require_reach(want, access.port)
        held = containment_for(self._context)
        if not held.holds:
            report(f"not sandboxed: {held}")
        with private_directory() as private:
            fill(private, want, secrets, access, known_hosts, contained=held.holds)
            attempt = self._attempts.start(private)
            job = Job(
                attempt=str(attempt.path.absolute()),
                private=str(private),
                estate=str(self._context.estate.absolute()),
                play=want.play,
                hosts=dict(want.hosts),
                user=access.user,
                port=access.port,
                networks=self._context.scope.get("networks"),
                known_hosts=str(known_hosts),
                fence=fence,
                prefix=prefix_of(held, self._context, private, attempt.name, fence),
                contained=held.holds,
                ansible_playbook=_ansible_playbook(),
                secrets=[secret.reveal() for secret in (access.key, *secrets.values())],
                play_digest=digest_of_tree(self._play_file(want).parent),
                want_digest=digest_of_want(want),
            )
            try:
                return attempt, supervise(job, environment(private), end, report, self._context.halted)
            except HaltedError:
                return attempt, f"it was ended because {HALTED}"
            except DeadlineError:
                return attempt, f"it was ended at its deadline of {self._context.deadline:g} s (the step's `timeout`)"

    def _require_reach(self, want: Play, port: int) -> None:
        """Raises ProviderError(permanent) for a host out of the scope's reach, such as this machine itself."""
        reach = Reach.of(self._context.scope)
        for host in want.hosts.values():
            with suppress(OSError):  # a name that nobody knows is the play's to report
                reach.look_up(host, port)

    def _require_collections(self, want: Play) -> None:
        fault = fault_of_collections(self._play_file(want).parent)
        if fault:
            text = f"{want.play} was not started, because of the collection {fault}; put it into the estate anew."
            raise ProviderError(text, permanent=True)

    def _ended_early(self, want: Play, attempt: Attempt, complaint: str) -> ProviderError:
        """What to say of an attempt without a verdict, once it is sure that nothing of it lives on."""
        task = attempt.last_task()
        where = f'during task "{task}"' if task else "before its first task"
        with self._attempts.fence(ENDING) as fence:
            alive = "" if fence is not None else " Some of its processes would not end;"
        last = flat((complaint.strip().splitlines() or ["its supervisor was killed"])[-1])
        text = f"{want.play} did not finish, {where}: {cut(last, 1000)}.{alive} Try the step again; its tasks rerun."
        return ProviderError(text, permanent=False, effect_possible=True)

    def _access(self) -> Access:
        block = self._context.scope.get("ssh")
        if not isinstance(block, Mapping) or not isinstance(block.get("key"), str):
            raise ProviderError("The scope has no `ssh` with a `key`; add it to bascule.yaml.", permanent=True)
        return Access.of(block, self._context.reveal(block["key"]))

    def _play_file(self, want: Play) -> Path:
        """The play. Raises ProviderError(permanent) when it is missing, or a link that leads out of the estate."""
        path, estate = (self._context.estate / want.play).resolve(), self._context.estate.resolve()
        if not path.is_file() or not path.is_relative_to(estate):
            raise ProviderError(
                f"The estate has no play {want.play} at this commit; commit it, or mend the step.", permanent=True
            )
        return path


def digest_of_want(want: Play) -> str:
    """The same for the same wish."""
    return _digest(json.dumps(want.model_dump(mode="json"), sort_keys=True))


def digest_of_tree(directory: Path) -> str:
    """Of every file below a directory: a play is its file and the roles and templates beside it."""
    total = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory)
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in name.parts):
            total.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _done(want: Play, attempt: Attempt, verdict: Verdict) -> Finding:
    changed = len(verdict.stats["changed"])
    return Finding(
        Presence.OURS,
        outputs=verdict.outputs,
        effect={"attempt": attempt.name},
        message=f"{want.play} ran on {len(verdict.stats['processed'])} host(s) and changed {changed}.",
    )


def _ansible_playbook() -> str:
    """The one beside this Python; the supervisor starts it with this Python."""
    path = Path(sys.executable).with_name("ansible-playbook")
    if not path.is_file():
        raise ProviderError(
            f"{path} is missing; install Bascule's Python packages again (ansible-core).", permanent=True
        )
    return str(path)
