"""Steps that wait: for an effect to arrive, for a check to pass, for people, for time. No thread waits with them."""

from typing import Any

from orchestrator.domain.journal import StepEvent
from orchestrator.domain.model import RunState, StepState
from orchestrator.engine.act import Act
from orchestrator.engine.work import Bench, Work, read_for_a_while
from orchestrator.store import runs
from providers.base import Finding, Presence, ProviderError

WITHOUT_PROVIDER = frozenset({"human.approval", "human.task", "wait.for"})
"""Kinds that change nothing outside: the journal alone carries them."""

LONGEST_NAP = 60.0
"""Seconds after which a timer that fired early is asked again."""


class Waiting:
    """Looks again at what a step waits for, each time it is woken."""

    def __init__(self, bench: Bench, act: Act) -> None:
        self._bench = bench
        self._act = act

    def begin(self, work: Work) -> None:
        """Kinds that need no provider: people and time."""
        with self._bench.progress.journal(work.run.id) as journal:
            view = self._bench.still(journal, work, StepState.READY)
            if not journal.may_begin(RunState.RUNNING):
                runs.put_back(journal.connection, work.run.id, work.step.step_id, work.step.dispatch)
                return
            try:
                waits, wait_for = self._waits_for(work)
            except ProviderError as error:
                self._bench.fail_in(journal, work, view, error.message, permanent=True, wait=None)
                return
            data = {"waits_for": waits, "wake_at": self._bench.progress.clock() + wait_for, "message": ""}
            view = journal.step_event(work.step.step_id, view, StepEvent.WAITING, data)
            if wait_for <= 0:
                journal.step_event(work.step.step_id, view, StepEvent.SUCCEEDED)
            else:
                journal.dispatch(work.step.step_id, wait_for)
        self._bench.boundary("waiting", work.run.id, work.step.step_id)

    def settle(self, work: Work) -> None:
        """SETTLING: ask whether the effect that was started has arrived."""
        try:
            action = self._bench.action(work, work.spec, work.spec.timeout)
            found = self._bench.look(action, work, work.view.before or {})
        except ProviderError as error:
            found = Finding(Presence.PENDING, effect=work.view.effect, message=error.message, again_after=5.0)
        self._bench.boundary("settled", work.run.id, work.step.step_id)
        deadline = (work.view.started_at or 0.0) + work.spec.timeout
        if found.presence is Presence.PENDING and self._bench.progress.clock() >= deadline:
            self._bench.fail(work, f"Not ready within {work.spec.timeout:g} s: {found.message}", permanent=True)
            return
        self._act.record(work, found)

    def verify(self, work: Work) -> None:
        """VERIFYING: the effect is made; its check decides when the step has succeeded."""
        check = work.spec.verify
        assert check is not None
        try:
            action = self._bench.action(work, check, min(check.within, 30.0))
            seen = read_for_a_while(lambda: action.provider.apply(action.want, work.tag, {}, work.report))
            failure = None
        except ProviderError as error:
            failure = error
            work.report(f"check: {error.message}")
        self._bench.boundary("verified", work.run.id, work.step.step_id)
        if failure is None:
            self._bench.step(work, StepState.VERIFYING, StepEvent.SUCCEEDED, {"message": seen.message})
        elif self._bench.progress.clock() >= (work.view.wake_at or 0.0):
            text = f"The check {check.uses} did not pass within {check.within:g} s: {failure.message}"
            self._bench.fail(work, text, permanent=True, state=StepState.VERIFYING)
        else:
            with self._bench.progress.journal(work.run.id) as journal:
                self._bench.still(journal, work, StepState.VERIFYING)
                journal.dispatch(work.step.step_id, check.every)

    def wake(self, work: Work) -> None:
        """WAITING: time is over, either as wished (`wait.for`) or because nobody answered."""
        waits = work.view.waits_for or {}
        left = (work.view.wake_at or 0.0) - self._bench.progress.clock()
        if left > 0:
            # The clock was set back since the timer was: this dispatch was the only one.
            with self._bench.progress.journal(work.run.id) as journal:
                self._bench.still(journal, work, StepState.WAITING)
                journal.dispatch(work.step.step_id, min(left, LONGEST_NAP))
            return
        if waits.get("for") == "time":
            self._bench.step(work, StepState.WAITING, StepEvent.SUCCEEDED, {"message": "The wait is over."})
            return
        text = f"Nobody answered within {work.spec.timeout:g} s. Retry to ask again, or skip with a reason."
        self._bench.fail(work, text, permanent=True, state=StepState.WAITING)

    def _waits_for(self, work: Work) -> tuple[dict[str, Any], float]:
        want = self._bench.workshop.wish(work.run, work.spec)
        if work.spec.uses == "wait.for":
            return {"for": "time"}, want.duration
        what = "approval" if work.spec.uses == "human.approval" else "task"
        count = getattr(want, "count", 1)
        waits = {"for": what, "role": want.role, "count": count, "given": [], "instructions": want.instructions}
        return waits, work.spec.timeout
