"""A dispatch at work: the rows as it found them, and the rules by which it may still write."""

import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import tenacity

from orchestrator.domain.journal import RunEvent, StepEvent, StepView
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.model import RunState, StepState
from orchestrator.domain.references import find_references
from orchestrator.engine.halting import Halting
from orchestrator.engine.output import Output
from orchestrator.engine.progress import Progress
from orchestrator.engine.spec import ActionSpec, StepSpec
from orchestrator.engine.workshop import Action, Workshop
from orchestrator.store import runs
from orchestrator.store.journal import Dispatch, RunJournal, step_view
from providers.base import Finding, ProviderError, Report, Tag

log = logging.getLogger("bascule.engine")

Boundary = Callable[[str, str, str], None]
"""Called with a boundary's name, the run and the step; the fault tests stop the process there."""

READS_FOR = 4.0
"""Seconds that a read is repeated inside an attempt."""


STALE_AFTER = 1.0
"""Seconds after which a halt is looked for once more, right before an effect: a worker may have slept."""


class HaltedBeforeError(ProviderError):
    """A halt came between the claim and its effect: the effect was not begun."""

    def __init__(self) -> None:
        super().__init__("It was not begun.", permanent=False)


class Stale(Exception):
    """The step moved on without this dispatch: another worker or a person took over. Nothing is written."""


@dataclass(frozen=True, slots=True)
class Work:
    """A dispatch at work: the rows as it found them, and the fence that its outcome must still match.

    `kept`: the dispatch that this one's end made ready and its thread goes on with, if any.
    `begun`: monotonic.
    """

    run: Any
    step: Any
    view: StepView
    spec: StepSpec
    fence: str
    report: Report
    kept: list[Dispatch] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    @property
    def tag(self) -> Tag:
        return Tag(self.run.id, self.step.step_id)


@dataclass(slots=True)
class Call:
    """A provider at an effect. `cut`: it was told of a halt, and began nothing more."""

    cut: bool = False


class Bench:
    """What every kind of work shares: loading a dispatch, looking, owning the step, journalling failures.

    Every write first checks, inside the journal's transaction, that this
    dispatch still owns the step; otherwise `Stale` is raised and nothing is written.
    """

    def __init__(
        self, progress: Progress, workshop: Workshop, output: Output, worker_id: str, boundary: Boundary | None = None
    ) -> None:
        self.progress = progress
        self.workshop = workshop
        self.output = output
        self._worker_id = worker_id
        self.boundary: Boundary = boundary or (lambda *_: None)
        self.has_room: Callable[[], bool] = lambda: False
        """Whether a thread may go on with a step that it made ready: never while others wait for a thread."""
        self._calls: dict[tuple[str, str], Call] = {}
        self.halting = Halting(progress.database, busy=lambda: bool(self._calls))

    def load(self, run_id: str, step_id: str, number: int) -> Work | None:
        """The rows of a dispatch; None when a later one made it stale, or when it was put back."""
        with self.progress.database.read() as conn:
            row = runs.get_step(conn, run_id, step_id)
            if row is None or row.dispatch != number or not row.queued:
                return None
            run = runs.get_run(conn, run_id)
        view = step_view(row)
        report = self.output.reporter(run_id, step_id, view.attempt)
        fence = f"{self._worker_id}:{number}"
        return Work(run, row, view, StepSpec.model_validate(row.spec), fence, report)

    def action(self, work: Work, spec: ActionSpec, deadline: float) -> Action:
        named = {name: work.spec.names.get(name, name) for name in _named_steps(spec.with_)}
        with self.progress.database.read() as conn:
            found = runs.outputs_of(conn, work.run.id, named.values())
        outputs = {name: found.get(step_id, {}) for name, step_id in named.items()}
        halted = functools.partial(self._halted, work.run.id, work.step.step_id)
        return self.workshop.action(work.run, work.step.step_id, spec, outputs, deadline, halted)

    def _halted(self, run_id: str, step_id: str) -> bool:
        """What a provider is told while it is at the step's effect; its looks before and after go on."""
        call = self._calls.get((run_id, step_id))
        if call is None or not self.halting.in_force():
            return False
        call.cut = True
        return True

    def look(self, action: Action, work: Work, before: Mapping[str, Any] | None) -> Finding:
        """Observe, repeated for some seconds while the other side cannot be read."""
        return read_for_a_while(lambda: action.provider.observe(action.want, work.tag, before))

    @contextmanager
    def calling(self, work: Work) -> Iterator["Call"]:
        """While a provider is at a step's effect, on this worker.

        Raises HaltedBeforeError, before anything happens, when a halt is in force that the claim did not see.
        """
        at = (work.run.id, work.step.step_id)
        call = self._calls[at] = Call()
        try:
            doubtful = self.halting.in_force() or time.monotonic() - work.begun > STALE_AFTER
            if doubtful and self.halting.look():
                raise HaltedBeforeError
            yield call
        finally:
            self._calls.pop(at, None)

    def check_free(self, work: Work) -> None:
        """Raises ProviderError while an attempt that was given up is at the step's effect all the same."""
        if (work.run.id, work.step.step_id) in self._calls:
            raise ProviderError(
                "The attempt that was given up has not ended yet; wait until it has, or restart Bascule, then retry.",
                permanent=True,
            )

    def put_back(self, work: Work) -> None:
        with self.progress.database.write() as conn:
            runs.put_back(conn, work.run.id, work.step.step_id, work.step.dispatch)

    def still(self, journal: RunJournal, work: Work, state: StepState) -> StepView:
        """The step's present view, if this dispatch still owns it in this state. Raises Stale."""
        row = journal.step(work.step.step_id)
        owned = row.dispatch == work.step.dispatch
        if not owned or row.state != state.value:
            raise Stale(f"{work.run.id}/{work.step.step_id} moved to {row.state} meanwhile")
        return step_view(row)

    def owned(self, journal: RunJournal, work: Work) -> StepView:
        row = journal.step(work.step.step_id)
        view = step_view(row)
        lost = row.dispatch != work.step.dispatch
        if lost or (view.state is StepState.RUNNING and view.fence != work.fence):
            raise Stale(f"{work.run.id}/{work.step.step_id} was taken over")
        return view

    def ending(self, work: Work) -> AbstractContextManager[RunJournal]:
        """The journal for a step's end; this thread goes on with one of the steps which that makes ready."""
        keep = work.kept if not work.kept and self.has_room() else None
        return self.progress.journal(work.run.id, keep=keep)

    def step(self, work: Work, state: StepState, kind: StepEvent, data: Mapping[str, Any]) -> None:
        with self.ending(work) as journal:
            view = self.still(journal, work, state)
            journal.step_event(work.step.step_id, view, kind, data)
        self.boundary("outcome", work.run.id, work.step.step_id)

    def fail(
        self,
        work: Work,
        message: str,
        *,
        permanent: bool,
        wait: float | None = None,
        state: StepState | None = None,
        left: Mapping[str, Any] | None = None,
        advanced: bool = False,
    ) -> None:
        """`left`: what the attempt surely left behind. When that is nothing, the next one begins with a fresh look.

        `advanced`: it got further than those before it, so the next one goes on, and is no further try.
        """
        with self.progress.journal(work.run.id) as journal:
            view = self.still(journal, work, state) if state else self.owned(journal, work)
            self.fail_in(journal, work, view, message, permanent=permanent, wait=wait, left=left, advanced=advanced)
        self.boundary("outcome", work.run.id, work.step.step_id)

    def fail_in(
        self,
        journal: RunJournal,
        work: Work,
        view: StepView,
        message: str,
        *,
        permanent: bool,
        wait: float | None,
        left: Mapping[str, Any] | None = None,
        advanced: bool = False,
    ) -> None:
        retry = work.spec.retry
        tries_left = advanced or view.attempt < retry.attempts
        again = not permanent and tries_left and journal.run.state is RunState.RUNNING
        data = {"message": message, "permanent": permanent, "will_retry": again, "fence": "", **what_is_left(left)}
        if again and view.drift_accepted and not left:
            data.pop("before", None)  # what a person accepted holds for the attempts that follow by themselves
        view = journal.step_event(work.step.step_id, view, StepEvent.FAILED, data)
        if again:
            pause = retry.delay_after(1 if advanced else view.attempt)
            delay = wait if advanced and wait is not None else max(wait or 0.0, pause)
            journal.ready(work.step.step_id, view, delay=delay)
        elif work.spec.on_failure == "continue":
            journal.step_event(work.step.step_id, view, StepEvent.TOLERATED)
        elif work.spec.on_failure == "undo" and journal.run.state is RunState.RUNNING:
            journal.run_event(RunEvent.UNDO_REQUESTED, data={"message": f"{work.step.step_id} failed: {message}"})
            journal.cancel_unstarted()

    def outcome_unknown(self, work: Work, message: str) -> None:
        kind = KINDS.get(work.spec.uses)
        again = "retry (Bascule looks again), or " if kind is None or kind.repeatable else ""
        text = f"{message} Find out whether it happened; then {again}skip with a reason."
        with self.progress.journal(work.run.id) as journal:
            view = self.owned(journal, work)
            view = journal.step_event(work.step.step_id, view, StepEvent.UNKNOWN, {"message": text, "fence": ""})
            if work.spec.on_failure == "continue":
                journal.step_event(work.step.step_id, view, StepEvent.TOLERATED)
        self.boundary("outcome", work.run.id, work.step.step_id)


def what_is_left(left: Mapping[str, Any] | None) -> dict[str, Any]:
    """For the journal: the effect that an attempt left behind, or that there is none and `before` says no more."""
    if left is None:
        return {}
    return {"effect": dict(left)} if left else {"effect": {}, "before": None}


def reads_only(uses: str) -> bool:
    kind = KINDS.get(uses)
    return kind is not None and kind.reads_only


def worth_repeating(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and not error.permanent


def read_for_a_while(call: Callable[[], Finding]) -> Finding:
    """Repeat a read for some seconds while its failure may pass."""
    reads = tenacity.Retrying(
        retry=tenacity.retry_if_exception(worth_repeating),
        wait=tenacity.wait_exponential(multiplier=0.2, max=1.0),
        stop=tenacity.stop_after_delay(READS_FOR),
        reraise=True,
    )
    return reads(call)


def _named_steps(value: Any) -> set[str]:
    return {path[1] for _, path in find_references(value) if len(path) == 4 and path[0] == "steps"}
