"""One dispatch of a step: look, journal the intent, act once, prove, journal the outcome.

tenacity repeats reads for some seconds inside an attempt, here and nowhere
else. Everything that takes longer is a new dispatch with a delay.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tenacity

from orchestrator.domain.journal import RunEvent, StepEvent, StepView
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.model import RunState, StepState
from orchestrator.domain.references import find_references
from orchestrator.engine.output import Output
from orchestrator.engine.progress import Progress
from orchestrator.engine.spec import ActionSpec, StepSpec
from orchestrator.engine.workshop import Action, Workshop
from orchestrator.store import runs
from orchestrator.store.journal import RunJournal, step_view
from providers.base import Finding, Presence, ProviderError, Report, Tag

log = logging.getLogger("bascule.engine")

Boundary = Callable[[str, str, str], None]
"""Called with a boundary's name, the run and the step; the fault tests stop the process there."""

WITHOUT_PROVIDER = frozenset({"human.approval", "human.task", "wait.for"})
"""Kinds that change nothing outside: the journal alone carries them."""

READS_FOR = 4.0
"""Seconds that a read is repeated inside an attempt."""


class Stale(Exception):
    """The step moved on without this dispatch: another worker or a person took over. Nothing is written."""


@dataclass(frozen=True, slots=True)
class Work:
    """A dispatch at work: the rows as it found them, and the fence that its outcome must still match."""

    run: Any
    step: Any
    view: StepView
    spec: StepSpec
    fence: str
    report: Report

    @property
    def tag(self) -> Tag:
        return Tag(self.run.id, self.step.step_id)


class Act:
    """Works on dispatches. One instance per worker; its methods run in many threads."""

    def __init__(
        self, progress: Progress, workshop: Workshop, output: Output, worker_id: str, boundary: Boundary | None = None
    ) -> None:
        self.progress = progress
        self.workshop = workshop
        self.output = output
        self._worker_id = worker_id
        self.boundary: Boundary = boundary or (lambda *_: None)

    def load(self, run_id: str, step_id: str, number: int) -> Work | None:
        """The rows of a dispatch; None when a later dispatch made it stale."""
        with self.progress.database.read() as conn:
            row = runs.get_step(conn, run_id, step_id)
            if row is None or row.dispatch != number:
                return None
            run = runs.get_run(conn, run_id)
        view = step_view(row)
        report = self.output.reporter(run_id, step_id, view.attempt)
        fence = f"{self._worker_id}:{number}"
        return Work(run, row, view, StepSpec.model_validate(row.spec), fence, report)

    def attempt(self, work: Work) -> None:
        """READY: look, journal the intent, apply, journal the outcome."""
        if work.run.paused or work.run.state != RunState.RUNNING.value:
            self.put_back(work)
            return
        if work.spec.uses in WITHOUT_PROVIDER:
            self._wait(work)
            return
        try:
            action = self.action(work, work.spec, work.spec.timeout)
            found = self._first_look(work, action)
        except ProviderError as error:
            self._refuse(work, error)
            return
        if found is not None and self._drifted(work, found):
            return
        if not self._claim(work, found):
            return
        self.boundary("intent", work.run.id, work.step.step_id)
        self._carry_out(work, action, found)

    def reconcile(self, work: Work) -> None:
        """RUNNING without an outcome, after a crash: find the proof, and only then decide."""
        with self.progress.journal(work.run.id) as journal:
            view = self.still(journal, work, StepState.RUNNING)
            journal.step_event(work.step.step_id, view, StepEvent.RECLAIMED, {"fence": work.fence})
        self.boundary("reclaimed", work.run.id, work.step.step_id)
        work.report("Bascule was interrupted here; looking for what the interrupted attempt left behind.")
        try:
            action = self.action(work, work.spec, work.spec.timeout)
            found = None if _reads_only(work.spec.uses) else self.look(action, work, work.view.before or {})
        except ProviderError as error:
            self._outcome_unknown(work, f"After an interruption the effect could not be looked for: {error.message}")
            return
        self._carry_out(work, action, found)

    def settle(self, work: Work) -> None:
        """SETTLING: ask whether the effect that was started has arrived."""
        try:
            action = self.action(work, work.spec, work.spec.timeout)
            found = self.look(action, work, work.view.before or {})
        except ProviderError as error:
            found = Finding(Presence.PENDING, effect=work.view.effect, message=error.message, again_after=5.0)
        self.boundary("settled", work.run.id, work.step.step_id)
        deadline = (work.view.started_at or 0.0) + work.spec.timeout
        if found.presence is Presence.PENDING and self.progress.clock() >= deadline:
            self._fail(work, f"Not ready within {work.spec.timeout:g} s: {found.message}", permanent=True)
            return
        self._record(work, found)

    def verify(self, work: Work) -> None:
        """VERIFYING: the effect is made; its check decides when the step has succeeded."""
        check = work.spec.verify
        assert check is not None
        try:
            action = self.action(work, check, min(check.within, 30.0))
            seen = _read(lambda: action.provider.apply(action.want, work.tag, {}, work.report))
            failure = None
        except ProviderError as error:
            failure = error
            work.report(f"check: {error.message}")
        self.boundary("verified", work.run.id, work.step.step_id)
        if failure is None:
            self._step(work, StepState.VERIFYING, StepEvent.SUCCEEDED, {"message": seen.message})
        elif self.progress.clock() >= (work.view.wake_at or 0.0):
            text = f"The check {check.uses} did not pass within {check.within:g} s: {failure.message}"
            self._fail(work, text, permanent=True, state=StepState.VERIFYING)
        else:
            with self.progress.journal(work.run.id) as journal:
                self.still(journal, work, StepState.VERIFYING)
                journal.dispatch(work.step.step_id, check.every)

    def wake(self, work: Work) -> None:
        """WAITING: time is over, either as wished (`wait.for`) or because nobody answered."""
        waits = work.view.waits_for or {}
        if self.progress.clock() < (work.view.wake_at or 0.0):
            return
        if waits.get("for") == "time":
            self._step(work, StepState.WAITING, StepEvent.SUCCEEDED, {"message": "The wait is over."})
            return
        text = f"Nobody answered within {work.spec.timeout:g} s. Retry to ask again, or skip with a reason."
        self._fail(work, text, permanent=True, state=StepState.WAITING)

    def action(self, work: Work, spec: ActionSpec, deadline: float) -> Action:
        named = {name: work.spec.names.get(name, name) for name in _named_steps(spec.with_)}
        with self.progress.database.read() as conn:
            found = runs.outputs_of(conn, work.run.id, named.values())
        outputs = {name: found.get(step_id, {}) for name, step_id in named.items()}
        return self.workshop.action(work.run, work.step.step_id, spec, outputs, deadline)

    def look(self, action: Action, work: Work, before: Mapping[str, Any] | None) -> Finding:
        """Observe, repeated for some seconds while the other side cannot be read."""
        return _read(lambda: action.provider.observe(action.want, work.tag, before))

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

    def _first_look(self, work: Work, action: Action) -> Finding | None:
        if _reads_only(work.spec.uses):
            return None
        return self.look(action, work, work.view.before if work.view.had_intent else None)

    def _drifted(self, work: Work, found: Finding) -> bool:
        expected = work.spec.before
        begun = work.view.had_intent and work.view.before is not None
        same = expected is None or work.view.drift_accepted or begun
        if same or found.presence is Presence.ALREADY or dict(found.values) == expected:
            return False
        data = {
            "message": "What this step changes has moved since the plan was made. Look at both states; "
            "retry with the new state accepted, skip, or undo.",
            "waits_for": {"for": "decision", "code": "drift", "expected": expected, "found": dict(found.values)},
        }
        self._step(work, StepState.READY, StepEvent.HELD, data)
        return True

    def _claim(self, work: Work, found: Finding | None) -> bool:
        """Journal the intent; False when the run was paused or ended meanwhile."""
        with self.progress.journal(work.run.id) as journal:
            view = self.still(journal, work, StepState.READY)
            if journal.run.paused or journal.run.state is not RunState.RUNNING:
                runs.put_back(journal.connection, work.run.id, work.step.step_id, work.step.dispatch)
                return False
            before = _before(view, found)
            deadline = self.progress.clock() + work.spec.timeout
            data = {"fence": work.fence, "before": before, "wake_at": deadline, "message": ""}
            journal.step_event(work.step.step_id, view, StepEvent.INTENT, data)
        return True

    def _carry_out(self, work: Work, action: Action, found: Finding | None) -> None:
        """Apply unless the look already settles it, and record what came of it."""
        if found is not None and found.presence in (Presence.OURS, Presence.ALREADY, Presence.PENDING):
            self._record(work, found)
            return
        if found is not None and found.presence is Presence.UNPROVABLE:
            self._outcome_unknown(work, found.message)
            return
        before = _before(work.view, found)
        try:
            done = action.provider.apply(action.want, work.tag, before, work.report)
        except ProviderError as error:
            self.boundary("effect", work.run.id, work.step.step_id)
            self._after_error(work, action, before, error)
            return
        except Exception as error:
            log.exception("step %s of run %s failed unexpectedly", work.step.step_id, work.run.id)
            fault = ProviderError(
                f"Unexpected {type(error).__name__} in {work.spec.uses}; the service's log has the details.",
                permanent=True,
                effect_possible=True,
            )
            self._after_error(work, action, before, fault)
            return
        self.boundary("effect", work.run.id, work.step.step_id)
        self._record(work, self._soon(work, action, before, done))

    def _soon(self, work: Work, action: Action, before: Mapping[str, Any], done: Finding) -> Finding:
        """Give an effect under way some seconds to arrive before the step is put aside."""
        if done.presence is not Presence.PENDING:
            return done
        looks = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: found.presence is Presence.PENDING)
            | tenacity.retry_if_exception(_worth_repeating),
            wait=tenacity.wait_fixed(min(done.again_after, 0.25)),
            stop=tenacity.stop_after_delay(READS_FOR),
            retry_error_callback=lambda state: done,
        )
        found: Finding = looks(action.provider.observe, action.want, work.tag, before)
        return found

    def _after_error(self, work: Work, action: Action, before: Mapping[str, Any], error: ProviderError) -> None:
        """The attempt failed: where its effect may have happened all the same, look before saying so."""
        if error.effect_possible and not _reads_only(work.spec.uses):
            try:
                found = self.look(action, work, before)
            except ProviderError as blind:
                self._outcome_unknown(work, f"{error.message} Looking for the effect failed too: {blind.message}")
                return
            if found.presence is not Presence.ABSENT:
                self._record(work, found, failed=error.message)
                return
        self._fail(work, error.message, permanent=error.permanent, wait=error.retry_after, no_effect=True)

    def _record(self, work: Work, found: Finding, failed: str = "") -> None:
        """Turn what a provider found into the step's next event."""
        data = {"outputs": dict(found.outputs), "effect": dict(found.effect), "message": found.message}
        presence = found.presence
        if presence in (Presence.OURS, Presence.ALREADY):
            with self.progress.journal(work.run.id) as journal:
                view = self._owned(journal, work)
                if work.spec.verify is None:
                    journal.step_event(work.step.step_id, view, StepEvent.SUCCEEDED, data)
                else:
                    data["wake_at"] = self.progress.clock() + work.spec.verify.within
                    journal.step_event(work.step.step_id, view, StepEvent.APPLIED, data)
                    journal.dispatch(work.step.step_id)
            self.boundary("outcome", work.run.id, work.step.step_id)
        elif presence is Presence.PENDING:
            with self.progress.journal(work.run.id) as journal:
                view = self._owned(journal, work)
                if view.state is StepState.RUNNING:
                    journal.step_event(work.step.step_id, view, StepEvent.UNDER_WAY, data)
                journal.dispatch(work.step.step_id, found.again_after)
            self.boundary("outcome", work.run.id, work.step.step_id)
        elif presence is Presence.UNPROVABLE:
            self._outcome_unknown(work, " ".join(part for part in (failed, found.message) if part))
        else:
            text = failed or found.message or "The effect is not there."
            self._fail(work, text, permanent=presence is Presence.CONFLICT)

    def _owned(self, journal: RunJournal, work: Work) -> StepView:
        row = journal.step(work.step.step_id)
        view = step_view(row)
        lost = row.dispatch != work.step.dispatch
        if lost or (view.state is StepState.RUNNING and view.fence != work.fence):
            raise Stale(f"{work.run.id}/{work.step.step_id} was taken over")
        return view

    def _outcome_unknown(self, work: Work, message: str) -> None:
        text = f"{message} Find out whether it happened; then retry (Bascule looks again), or skip with a reason."
        with self.progress.journal(work.run.id) as journal:
            view = self._owned(journal, work)
            view = journal.step_event(work.step.step_id, view, StepEvent.UNKNOWN, {"message": text, "fence": ""})
            if work.spec.on_failure == "continue":
                journal.step_event(work.step.step_id, view, StepEvent.TOLERATED)
        self.boundary("outcome", work.run.id, work.step.step_id)

    def _fail(
        self,
        work: Work,
        message: str,
        *,
        permanent: bool,
        wait: float | None = None,
        state: StepState | None = None,
        no_effect: bool = False,
    ) -> None:
        """`no_effect`: the attempt surely changed nothing, so the next one begins with a fresh look."""
        with self.progress.journal(work.run.id) as journal:
            view = self.still(journal, work, state) if state else self._owned(journal, work)
            self._fail_in(journal, work, view, message, permanent=permanent, wait=wait, no_effect=no_effect)
        self.boundary("outcome", work.run.id, work.step.step_id)

    def _fail_in(
        self,
        journal: RunJournal,
        work: Work,
        view: StepView,
        message: str,
        *,
        permanent: bool,
        wait: float | None,
        no_effect: bool = False,
    ) -> None:
        retry = work.spec.retry
        again = not permanent and view.attempt < retry.attempts and journal.run.state is RunState.RUNNING
        data = {"message": message, "permanent": permanent, "will_retry": again, "fence": ""}
        if no_effect:
            data["before"] = None
        view = journal.step_event(work.step.step_id, view, StepEvent.FAILED, data)
        if again:
            delay = max(wait or 0.0, retry.delay_after(view.attempt))
            journal.ready(work.step.step_id, view, delay=delay)
        elif work.spec.on_failure == "continue":
            journal.step_event(work.step.step_id, view, StepEvent.TOLERATED)
        elif work.spec.on_failure == "undo" and journal.run.state is RunState.RUNNING:
            journal.run_event(RunEvent.UNDO_REQUESTED, data={"message": f"{work.step.step_id} failed: {message}"})

    def _refuse(self, work: Work, error: ProviderError) -> None:
        """It failed before any intent: nothing was changed."""
        with self.progress.journal(work.run.id) as journal:
            view = self.still(journal, work, StepState.READY)
            self._fail_in(
                journal, work, view, error.message, permanent=error.permanent, wait=error.retry_after
            )

    def _wait(self, work: Work) -> None:
        """Kinds that need no provider: people and time."""
        with self.progress.journal(work.run.id) as journal:
            view = self.still(journal, work, StepState.READY)
            if journal.run.paused or journal.run.state is not RunState.RUNNING:
                runs.put_back(journal.connection, work.run.id, work.step.step_id, work.step.dispatch)
                return
            try:
                waits, wait_for = self._waits_for(work)
            except ProviderError as error:
                self._fail_in(journal, work, view, error.message, permanent=True, wait=None)
                return
            data = {"waits_for": waits, "wake_at": self.progress.clock() + wait_for, "message": ""}
            view = journal.step_event(work.step.step_id, view, StepEvent.WAITING, data)
            if wait_for <= 0:
                journal.step_event(work.step.step_id, view, StepEvent.SUCCEEDED)
            else:
                journal.dispatch(work.step.step_id, wait_for)
        self.boundary("waiting", work.run.id, work.step.step_id)

    def _waits_for(self, work: Work) -> tuple[dict[str, Any], float]:
        want = self.workshop.wish(work.run, work.spec)
        if work.spec.uses == "wait.for":
            return {"for": "time"}, want.duration
        what = "approval" if work.spec.uses == "human.approval" else "task"
        count = getattr(want, "count", 1)
        waits = {"for": what, "role": want.role, "count": count, "given": [], "instructions": want.instructions}
        return waits, work.spec.timeout

    def _step(self, work: Work, state: StepState, kind: StepEvent, data: Mapping[str, Any]) -> None:
        with self.progress.journal(work.run.id) as journal:
            view = self.still(journal, work, state)
            journal.step_event(work.step.step_id, view, kind, data)
        self.boundary("outcome", work.run.id, work.step.step_id)


def _before(view: StepView, found: Finding | None) -> Mapping[str, Any]:
    """What was there before the step's first write: as journalled once, else as just seen."""
    if view.had_intent and view.before is not None:
        return view.before
    return dict(found.values) if found is not None else {}


def _reads_only(uses: str) -> bool:
    kind = KINDS.get(uses)
    return kind is not None and kind.reads_only


def _worth_repeating(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and not error.permanent


def _read(call: Callable[[], Finding]) -> Finding:
    """Repeat a read for some seconds while its failure may pass."""
    reads = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_worth_repeating),
        wait=tenacity.wait_exponential(multiplier=0.2, max=1.0),
        stop=tenacity.stop_after_delay(READS_FOR),
        reraise=True,
    )
    return reads(call)


def _named_steps(value: Any) -> set[str]:
    return {path[1] for _, path in find_references(value) if len(path) == 4 and path[0] == "steps"}
