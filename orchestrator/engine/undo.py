"""Taking one step back: find what it left, prove the place it would point back to, take back, prove."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.domain.journal import StepEvent, StepView
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.model import RunState, StepState
from orchestrator.engine.spec import ActionSpec
from orchestrator.engine.work import Bench, Call, HaltedBeforeError, Stale, Work, reads_only
from orchestrator.engine.workshop import Action
from orchestrator.store import runs
from orchestrator.store.journal import RunJournal, step_view
from providers.base import Finding, Presence, ProviderError, Tag

log = logging.getLogger("bascule.engine")

UNDO_ATTEMPTS = 3
UNDO_WAIT = 2.0
"""Seconds before an undo that may succeed later is tried again."""
APPEARS_WITHIN = 5.0
"""Seconds between two looks for an effect that was asked for and does not show yet."""


class Undo:
    """The way back of a step; it shares the forward way's looks, fences and journal."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def attempt(self, work: Work) -> None:
        """UNDO_READY: nothing of ours ends here; an effect of ours is taken back once its old place is proven."""
        if work.run.paused or work.run.state != RunState.UNDOING.value:
            self._bench.put_back(work)
            return
        nothing = _nothing_to_take_back(work)
        if nothing is not None:
            self._end(work, StepState.UNDO_READY, StepEvent.UNDONE, nothing)
            return
        try:
            self._bench.check_free(work)
            work = self._with_effect(work)
            if not work.view.effect and not isinstance(work.spec.undo, ActionSpec):
                self._end(work, StepState.UNDO_READY, StepEvent.UNDONE, "Its effect is not there.")
                return
            self._prove_origin(work)
        except ProviderError as error:
            self._fail(work, StepState.UNDO_READY, error)
            return
        if self._claim(work):
            self._bench.boundary("undo-intent", work.run.id, work.step.step_id)
            self._take_back(work)

    def reconcile(self, work: Work) -> None:
        """UNDOING after a crash: a provider's undo is repeatable, so it is done again."""
        with self._bench.progress.journal(work.run.id) as journal:
            view = self._bench.still(journal, work, StepState.UNDOING)
            halted = journal.halted()
            if halted and _only_once(work.spec.undo):
                said = "It was interrupted, then halted. Find out whether it happened; then skip, or retry its undo."
                data = {"message": said, "permanent": True}
                journal.step_event(work.step.step_id, view, StepEvent.UNDO_FAILED, data)
                return
            if halted or (journal.run.paused and not isinstance(work.spec.undo, ActionSpec)):
                said = "It was interrupted, and the run was paused before it could go on."
                self._end_for_now(journal, work, view, said)
                return
            data = {"fence": work.fence}
            journal.step_event(work.step.step_id, view, StepEvent.UNDO_RECLAIMED, data)
        self._bench.boundary("undo-reclaimed", work.run.id, work.step.step_id)
        self._take_back(work, begun=True)

    def settle(self, work: Work) -> None:
        """UNDO_SETTLING: a server that is being destroyed; ask again, which may begin the next part of it."""
        if not self._bench.halting.look():
            self._take_back(work)
            return
        with self._bench.progress.journal(work.run.id) as journal:
            view = self._bench.still(journal, work, StepState.UNDO_SETTLING)
            journal.halted()
            self._end_for_now(journal, work, view, "The kill switch was engaged while it was under way.")

    def _end_for_now(self, journal: RunJournal, work: Work, view: StepView, said: str) -> None:
        """An undo that was cut short ends, and begins anew when its run is resumed: it is repeatable."""
        view = journal.step_event(work.step.step_id, view, StepEvent.UNDO_FAILED, {"message": said})
        journal.undo_ready(work.step.step_id, view)

    def _with_effect(self, work: Work) -> Work:
        """An attempt that ended without an outcome left no effect on record: look for it."""
        if work.view.effect or isinstance(work.spec.undo, ActionSpec):
            return work
        if work.view.before is None:
            return work
        action = self._bench.action(work, work.spec, work.spec.timeout)
        found = self._bench.look(action, work, work.view.before)
        if found.presence is Presence.UNPROVABLE:
            raise ProviderError(
                f"{found.message} It can't be proved whether there is something to take back. "
                "Look yourself; then skip this step with a reason.",
                permanent=True,
            )
        if found.presence is Presence.PENDING and not found.effect:
            raise ProviderError(
                f"{found.message} What it made may still appear: look again before it is taken back.",
                permanent=False,
                retry_after=APPEARS_WITHIN,
            )
        return _with(work, found.effect)

    def _prove_origin(self, work: Work) -> None:
        """A dead vendor is no place to go back to."""
        origin = work.spec.origin
        if origin is None:
            return
        try:
            action = self._bench.action(work, origin, 30.0)
            action.provider.apply(action.want, work.tag, {}, work.report)
        except ProviderError as error:
            raise ProviderError(
                f"The old place does not show that it is alive, so the endpoint stays where it is: {error.message}",
                permanent=True,
            ) from error

    def _claim(self, work: Work) -> bool:
        with self._bench.progress.journal(work.run.id) as journal:
            view = self._bench.still(journal, work, StepState.UNDO_READY)
            if not journal.may_begin(RunState.UNDOING):
                runs.put_back(journal.connection, work.run.id, work.step.step_id, work.step.dispatch)
                return False
            data = {"fence": work.fence, "effect": dict(work.view.effect), "message": ""}
            journal.step_event(work.step.step_id, view, StepEvent.UNDO_INTENT, data)
        return True

    def _take_back(self, work: Work, *, begun: bool = False) -> None:
        """`begun`: an earlier life of the service was at it, and left no outcome."""
        call = Call()
        try:
            with self._bench.calling(work) as call:
                found = self._undo(work, begun)
        except HaltedBeforeError as error:
            error.permanent = begun and _only_once(work.spec.undo)
            self._fail(work, StepState.UNDOING, error, halted=True)
            return
        except ProviderError as error:
            self._bench.boundary("undo-effect", work.run.id, work.step.step_id)
            if error.effect_possible and _only_once(work.spec.undo):
                error = ProviderError(error.message, permanent=True, effect_possible=True)
            self._fail(work, StepState.UNDOING, error, halted=call.cut)
            return
        except Exception:
            log.exception("undo of step %s of run %s failed unexpectedly", work.step.step_id, work.run.id)
            text = f"Unexpected fault while undoing {work.spec.uses}; the service's log has the details."
            self._fail(work, StepState.UNDOING, ProviderError(text, permanent=True))
            return
        self._bench.boundary("undo-effect", work.run.id, work.step.step_id)
        self._record(work, found)

    def _undo(self, work: Work, begun: bool) -> Finding:
        undo = work.spec.undo
        if isinstance(undo, ActionSpec):
            action = self._bench.action(work, undo, work.spec.timeout)
            return self._run_action(work, action, {} if begun and _only_once(undo) else None)
        action = self._bench.action(work, work.spec, work.spec.timeout)
        return action.provider.undo(action.want, work.tag, work.view.effect, work.report)

    def _run_action(self, work: Work, action: Action, known: Mapping[str, Any] | None) -> Finding:
        """An undo that the runbook spells out is an action of its own, with its own tag.

        `known`: what was there before, once it was begun and may not be begun twice.
        """
        tag = Tag(work.run.id, f"{work.step.step_id}~undo")
        before = action.provider.observe(action.want, tag, known)
        if before.presence is Presence.UNPROVABLE:
            raise ProviderError(
                f"{before.message} Find out whether it happened; then skip this step with a reason, or retry its undo.",
                permanent=True,
            )
        if before.presence in (Presence.OURS, Presence.ALREADY):
            return Finding(Presence.ABSENT, message=before.message)
        done = action.provider.apply(action.want, tag, before.values, work.report)
        if done.presence in (Presence.OURS, Presence.ALREADY):
            return Finding(Presence.ABSENT, message=done.message)
        return done

    def _record(self, work: Work, found: Finding) -> None:
        if found.presence is Presence.PENDING:
            with self._bench.progress.journal(work.run.id) as journal:
                view = self._owned(journal, work)
                if view.state is StepState.UNDOING:
                    data = {"message": found.message}
                    journal.step_event(work.step.step_id, view, StepEvent.UNDO_UNDER_WAY, data)
                elif self._bench.progress.clock() >= (view.started_at or 0.0) + work.spec.timeout:
                    said = f"Not taken back within {work.spec.timeout:g} s: {found.message}"
                    journal.step_event(work.step.step_id, view, StepEvent.UNDO_FAILED, {"message": said})
                    return
                journal.dispatch(work.step.step_id, found.again_after)
            self._bench.boundary("undo-outcome", work.run.id, work.step.step_id)
            return
        if found.presence is Presence.ABSENT:
            self._end(work, None, StepEvent.UNDONE, found.message)
            return
        text = found.message or "What it changed has been changed by others since, and was left alone."
        self._fail(work, StepState.UNDOING, ProviderError(text, permanent=True))

    def _end(self, work: Work, state: StepState | None, kind: StepEvent, message: str) -> None:
        with self._bench.ending(work) as journal:
            view = self._bench.still(journal, work, state) if state else self._owned(journal, work)
            journal.step_event(work.step.step_id, view, kind, {"message": message})
        self._bench.boundary("undo-outcome", work.run.id, work.step.step_id)

    def _fail(self, work: Work, state: StepState, error: ProviderError, *, halted: bool = False) -> None:
        """`halted`: the kill switch cut it short, which counts as no try."""
        with self._bench.progress.journal(work.run.id) as journal:
            ready = state is StepState.UNDO_READY
            view = self._bench.still(journal, work, state) if ready else self._owned(journal, work)
            if halted:
                journal.halted()
            said = f"Cut short by the kill switch. {error.message}" if halted else error.message
            data = {"message": said, "permanent": error.permanent}
            view = journal.step_event(work.step.step_id, view, StepEvent.UNDO_FAILED, data)
            tries_left = halted or error.advanced or view.undo_attempt < UNDO_ATTEMPTS
            if not error.permanent and tries_left:
                journal.undo_ready(work.step.step_id, view, delay=max(error.retry_after or 0.0, UNDO_WAIT))
        self._bench.boundary("undo-outcome", work.run.id, work.step.step_id)

    def _owned(self, journal: RunJournal, work: Work) -> StepView:
        row = journal.step(work.step.step_id)
        view = step_view(row)
        under_way = view.state in (StepState.UNDOING, StepState.UNDO_SETTLING)
        if row.dispatch != work.step.dispatch or not under_way:
            raise Stale(f"{work.run.id}/{work.step.step_id} was taken over")
        if view.state is StepState.UNDOING and view.fence != work.fence:
            raise Stale(f"{work.run.id}/{work.step.step_id} was taken over")
        return view


def _nothing_to_take_back(work: Work) -> str | None:
    if reads_only(work.spec.uses):
        return "It changed nothing."
    if work.spec.undo == "none":
        return "Its runbook says that there is nothing to undo."
    return None


def _only_once(undo: object) -> bool:
    """Whether an undo that the runbook spells out may not be begun again in doubt."""
    kind = KINDS.get(undo.uses) if isinstance(undo, ActionSpec) else None
    return kind is not None and not kind.repeatable


def _with(work: Work, effect: Mapping[str, Any]) -> Work:
    return replace(work, view=replace(work.view, effect=effect))
