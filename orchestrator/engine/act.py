"""One dispatch of a step: look, journal the intent, act once, prove, journal the outcome.

tenacity repeats reads for some seconds inside an attempt; below it, only
`providers.vendor_http` repeats single GETs. Everything that takes longer is a
new dispatch with a delay.
"""

import logging
from collections.abc import Mapping
from typing import Any

import tenacity

from orchestrator.domain.drift import starting_point
from orchestrator.domain.journal import StepEvent, StepView
from orchestrator.domain.model import RunState, StepState
from orchestrator.engine.work import (
    READS_FOR,
    Bench,
    Call,
    HaltedBeforeError,
    Work,
    reads_only,
    what_is_left,
    worth_repeating,
)
from orchestrator.engine.workshop import Action
from orchestrator.store import runs
from orchestrator.store.journal import RunJournal
from providers.base import Finding, Presence, ProviderError

log = logging.getLogger("bascule.engine")


class Act:
    """The way forward of a step that has a provider. Its methods run in many threads."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def attempt(self, work: Work) -> None:
        """READY: look, journal the intent, apply, journal the outcome."""
        if work.run.paused or work.run.state != RunState.RUNNING.value:
            self._bench.put_back(work)
            return
        try:
            self._bench.check_free(work)
            action = self._bench.action(work, work.spec, work.spec.timeout)
            found = self._first_look(work, action)
        except ProviderError as error:
            self._refuse(work, error)
            return
        if found is not None:
            found = self._from_here(work, found)
            if found is None:
                return
        if not self._claim(work, found):
            return
        self._bench.boundary("intent", work.run.id, work.step.step_id)
        self._carry_out(work, action, found)

    def reconcile(self, work: Work) -> None:
        """RUNNING without an outcome, after a crash: find the proof, and only then decide."""
        with self._bench.progress.journal(work.run.id) as journal:
            view = self._bench.still(journal, work, StepState.RUNNING)
            journal.step_event(work.step.step_id, view, StepEvent.RECLAIMED, {"fence": work.fence})
        self._bench.boundary("reclaimed", work.run.id, work.step.step_id)
        work.report("Bascule was interrupted here; looking for what the interrupted attempt left behind.")
        try:
            action = self._bench.action(work, work.spec, work.spec.timeout)
            found = None if reads_only(work.spec.uses) else self._bench.look(action, work, work.view.before or {})
        except ProviderError as error:
            self._bench.outcome_unknown(
                work, f"The interrupted attempt left no sign that could be read: {error.message}"
            )
            return
        if found is not None and found.presence is Presence.PENDING and not found.effect:
            self._ask_again(work, found)
            return
        if found is None or not self._stopped(work, found):
            self._carry_out(work, action, found)

    def _stopped(self, work: Work, found: Finding) -> bool:
        """In a run that was paused or stopped, an interrupted attempt ends here; a resumed run makes another."""
        if found.presence not in (Presence.ABSENT, Presence.CONFLICT):
            return False
        with self._bench.progress.journal(work.run.id) as journal:
            if journal.may_begin(RunState.RUNNING):
                return False
            said = "It was interrupted, and the run was stopped before it could go on."
            self._end_for_now(journal, work, said, found.effect)
        self._bench.boundary("outcome", work.run.id, work.step.step_id)
        return True

    def _end_for_now(self, journal: RunJournal, work: Work, said: str, left: Mapping[str, Any]) -> None:
        """An attempt that was cut short ends; the next is ready for when its run is resumed."""
        view = self._bench.owned(journal, work)
        data = {"message": said, "fence": "", **what_is_left(left)}
        view = journal.step_event(work.step.step_id, view, StepEvent.FAILED, data)
        if journal.run.state is RunState.RUNNING:
            journal.ready(work.step.step_id, view)

    def _ask_again(self, work: Work, found: Finding) -> None:
        """Nothing of ours is to be seen yet, and may still come: the attempt goes on once that is settled."""
        with self._bench.progress.journal(work.run.id) as journal:
            self._bench.owned(journal, work)
            journal.dispatch(work.step.step_id, found.again_after)

    def _first_look(self, work: Work, action: Action) -> Finding | None:
        if reads_only(work.spec.uses):
            return None
        return self._bench.look(action, work, work.view.before if work.view.had_intent else None)

    def _from_here(self, work: Work, found: Finding) -> Finding | None:
        """The state that the change starts from; None when it moved since the plan, and the step is held for that."""
        accepted = work.view.before if work.view.drift_accepted else None
        expected = work.spec.before if accepted is None else accepted
        begun = work.view.had_intent and work.view.before is not None
        if work.spec.before is None or expected is None or begun:
            return found
        start = starting_point(expected, found)
        if start is not None:
            return start
        data = {
            "message": "What this step changes has moved since the plan was made. Look at both states; "
            "retry with the new state accepted, skip, or undo.",
            "before": dict(found.values),
            "waits_for": {"for": "decision", "code": "drift", "expected": expected, "found": dict(found.values)},
        }
        self._bench.step(work, StepState.READY, StepEvent.HELD, data)
        return None

    def _claim(self, work: Work, found: Finding | None) -> bool:
        """Journal the intent; False when the run was paused, halted or ended meanwhile."""
        with self._bench.progress.journal(work.run.id, urgent=True) as journal:
            view = self._bench.still(journal, work, StepState.READY)
            if not journal.may_begin(RunState.RUNNING):
                runs.put_back(journal.connection, work.run.id, work.step.step_id, work.step.dispatch)
                return False
            before = _before(view, found)
            deadline = self._bench.progress.clock() + work.spec.timeout
            data = {"fence": work.fence, "before": before, "wake_at": deadline, "message": ""}
            journal.step_event(work.step.step_id, view, StepEvent.INTENT, data)
        return True

    def _carry_out(self, work: Work, action: Action, found: Finding | None) -> None:
        """Apply unless the look already settles it, and record what came of it."""
        if found is not None and found.presence in (Presence.OURS, Presence.ALREADY, Presence.PENDING):
            self.record(work, found)
            return
        if found is not None and found.presence is Presence.UNPROVABLE:
            self._bench.outcome_unknown(work, found.message)
            return
        before = _before(work.view, found)
        call = Call()
        try:
            with self._bench.calling(work) as call:
                done = action.provider.apply(action.want, work.tag, before, work.report)
        except HaltedBeforeError as error:
            self._halted(work, found, error)
            return
        except ProviderError as error:
            self._bench.boundary("effect", work.run.id, work.step.step_id)
            self._after_error(work, action, before, found, error, cut=call.cut)
            return
        except Exception as error:
            log.exception("step %s of run %s failed unexpectedly", work.step.step_id, work.run.id)
            fault = ProviderError(
                f"Unexpected {type(error).__name__} in {work.spec.uses}; the service's log has the details.",
                permanent=True,
                effect_possible=True,
            )
            self._after_error(work, action, before, found, fault)
            return
        self._bench.boundary("effect", work.run.id, work.step.step_id)
        self.record(work, self._soon(work, action, before, done))

    def _soon(self, work: Work, action: Action, before: Mapping[str, Any], done: Finding) -> Finding:
        """Give an effect under way some seconds to arrive before the step is put aside."""
        if done.presence is not Presence.PENDING or done.again_after > READS_FOR:
            return done
        looks = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: found.presence is Presence.PENDING)
            | tenacity.retry_if_exception(worth_repeating),
            wait=tenacity.wait_fixed(min(done.again_after, 0.25)),
            stop=tenacity.stop_after_delay(READS_FOR),
            retry_error_callback=lambda state: done,
        )
        try:
            found: Finding = looks(action.provider.observe, action.want, work.tag, before)
        except ProviderError as error:
            work.report(f"It is under way, and cannot be looked at: {error.message}")
            return done
        return found

    def _after_error(
        self,
        work: Work,
        action: Action,
        before: Mapping[str, Any],
        found: Finding | None,
        error: ProviderError,
        *,
        cut: bool = False,
    ) -> None:
        """The attempt failed: where its effect may have happened all the same, look before saying so.

        `found` before it: what an earlier attempt began stays on record, whatever became of this one.
        `cut`: the kill switch ended it.
        """
        if error.effect_possible and not reads_only(work.spec.uses):
            try:
                found = self._bench.look(action, work, before)
            except ProviderError as blind:
                self._bench.outcome_unknown(work, f"{error.message} Looking for the effect failed too: {blind.message}")
                return
            if found.presence is not Presence.ABSENT:
                self.record(work, found, failed=error.message)
                return
        if cut and not error.permanent:
            self._halted(work, found, error)
            return
        left = found.effect if found is not None else {}
        self._bench.fail(
            work, error.message, permanent=error.permanent, wait=error.retry_after, left=left, advanced=error.advanced
        )

    def _halted(self, work: Work, found: Finding | None, error: ProviderError) -> None:
        """The kill switch cut the attempt short: it is no failure of the step's, and once resumed there is another."""
        with self._bench.progress.journal(work.run.id) as journal:
            journal.halted()
            said = f"Cut short by the kill switch. {error.message}"
            self._end_for_now(journal, work, said, found.effect if found is not None else {})
        self._bench.boundary("outcome", work.run.id, work.step.step_id)

    def record(self, work: Work, found: Finding, failed: str = "") -> None:
        """Turn what a provider found into the step's next event."""
        data: dict[str, Any] = {"outputs": dict(found.outputs), "effect": dict(found.effect), "message": found.message}
        presence = found.presence
        if presence in (Presence.OURS, Presence.ALREADY):
            with self._bench.ending(work) as journal:
                view = self._bench.owned(journal, work)
                if work.spec.verify is None:
                    journal.step_event(work.step.step_id, view, StepEvent.SUCCEEDED, data)
                else:
                    data["wake_at"] = self._bench.progress.clock() + work.spec.verify.within
                    journal.step_event(work.step.step_id, view, StepEvent.APPLIED, data)
                    journal.dispatch(work.step.step_id)
            self._bench.boundary("outcome", work.run.id, work.step.step_id)
        elif presence is Presence.PENDING:
            with self._bench.progress.journal(work.run.id) as journal:
                view = self._bench.owned(journal, work)
                if view.state is StepState.RUNNING:
                    journal.step_event(work.step.step_id, view, StepEvent.UNDER_WAY, data)
                journal.dispatch(work.step.step_id, found.again_after)
            self._bench.boundary("outcome", work.run.id, work.step.step_id)
        elif presence is Presence.UNPROVABLE:
            self._bench.outcome_unknown(work, " ".join(part for part in (failed, found.message) if part))
        else:
            text = failed or found.message or "The effect is not there."
            self._bench.fail(work, text, permanent=presence is Presence.CONFLICT)

    def _refuse(self, work: Work, error: ProviderError) -> None:
        """It failed before any intent: nothing was changed."""
        with self._bench.progress.journal(work.run.id) as journal:
            view = self._bench.still(journal, work, StepState.READY)
            self._bench.fail_in(
                journal,
                work,
                view,
                error.message,
                permanent=error.permanent,
                wait=error.retry_after,
                advanced=error.advanced,
            )


def _before(view: StepView, found: Finding | None) -> Mapping[str, Any]:
    """What was there before the step's first write: as journalled once, else as just seen."""
    if view.had_intent and view.before is not None:
        return view.before
    return dict(found.values) if found is not None else {}
