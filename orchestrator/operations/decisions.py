"""What people decide about a run and its steps. Each decision is one journal transaction."""

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.domain.authority import Refused, check_approver
from orchestrator.domain.journal import IllegalTransition, RunEvent, StepEvent, StepView
from orchestrator.domain.model import ENDED_RUN, Mode, RunState, StepState
from orchestrator.domain.plan import Plan
from orchestrator.engine.progress import Progress
from orchestrator.operations.halt import require_free
from orchestrator.operations.people.approvals import Approvals, Signed, counted
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError, require_short
from orchestrator.store import runs
from orchestrator.store.journal import RunJournal, RunNotFound, StepNotFound, step_view


class Decisions:
    def __init__(self, progress: Progress, approvals: Approvals | None = None) -> None:
        self._progress = progress
        self._approvals = approvals or Approvals()

    def approve(self, run_id: str, step_id: str, actor: str, comment: str = "", signed: Signed | None = None) -> None:
        """Say yes at a hold point, or acknowledge a task. Raises Denied, Conflict, NotFound, RequestError."""
        require_short(comment)

        def decide(journal: RunJournal) -> None:
            view = journal.view(step_id)
            waits = view.waits_for or {}
            if view.state is not StepState.WAITING or waits.get("for") not in ("approval", "task"):
                raise Conflict(f"{step_id} is {view.state.value} and waits for nobody's approval.")
            proof: Mapping[str, Any] = {}
            try:
                if waits["for"] == "approval":
                    view, proof = self._as_approver(journal, step_id, view, actor, comment, signed)
                else:
                    check_approver(actor, "", waits.get("given", []))
            except Refused as error:
                raise Denied(str(error)) from error
            view = journal.step_event(step_id, view, StepEvent.APPROVED, {"comment": comment, **proof}, actor=actor)
            given = (view.waits_for or {}).get("given", [])
            if len(given) >= int(waits.get("count", 1)):
                by = ", ".join(journal.named(one) for one in given)
                data = {"outputs": {"by": by}, "message": f"By {by}."}
                journal.step_event(step_id, view, StepEvent.SUCCEEDED, data)

        self._change(run_id, decide)

    def _as_approver(
        self, journal: RunJournal, step_id: str, view: StepView, actor: str, comment: str, signed: Signed | None
    ) -> tuple[StepView, Mapping[str, Any]]:
        """The step without the approvals that are void, and what is kept with this one. Raises Refused."""
        conn, row = journal.connection, journal.row
        mode, service = Mode(row.mode), journal.step(step_id).spec.get("service")
        services = [str(service)] if service else row.services
        given = (view.waits_for or {}).get("given", [])
        known = counted(runs.approvals(conn, journal.run_id, step_id), given)
        for name in self._approvals.voided(conn, mode, known, services, self._progress.clock()):
            data = {"by": journal.named(name)}
            view = journal.step_event(step_id, view, StepEvent.APPROVAL_VOIDED, data)
        check_approver(actor, row.requested_by, (view.waits_for or {}).get("given", []))
        subject = hold_point(row.plan_digest, journal.run_id, step_id)
        return view, self._approvals.given(conn, mode, actor, services, subject, signed, comment)

    def reject(self, run_id: str, step_id: str, actor: str, reason: str) -> None:
        """Say no at a hold point: the step fails, and a person decides what follows."""
        _need_reason(reason)

        def decide(journal: RunJournal) -> None:
            view = journal.view(step_id)
            if view.state is not StepState.WAITING or (view.waits_for or {}).get("for") == "time":
                raise Conflict(f"{step_id} is {view.state.value} and waits for nobody's answer.")
            data = {"message": f"Rejected by {journal.named(actor)}: {reason}", "reason": reason}
            journal.step_event(step_id, view, StepEvent.REJECTED, data, actor=actor)

        self._change(run_id, decide)

    def retry(self, run_id: str, step_id: str, actor: str, *, accept_drift: bool = False) -> None:
        """Try a failed, held or unknown step again; during an undo, its undo. Raises IsHalted."""

        def decide(journal: RunJournal) -> None:
            require_free(journal.connection)
            view = journal.view(step_id)
            undoing = journal.run.state is RunState.UNDOING
            if undoing and view.state in (StepState.UNDO_FAILED, StepState.UNKNOWN):
                journal.undo_ready(step_id, view, actor=actor)
                return
            if journal.run.state is not RunState.RUNNING:
                raise Conflict(f"Run {run_id} is {journal.run.state.value}: its steps are not tried again.")
            data = {"accept_drift": accept_drift}
            journal.ready(step_id, view, StepEvent.RETRIED, actor=actor, data=data)

        self._change(run_id, decide)

    def skip(self, run_id: str, step_id: str, actor: str, reason: str) -> None:
        """Go on without a step, or leave its effect in place during an undo. The reason is kept."""
        _need_reason(reason)

        def decide(journal: RunJournal) -> None:
            row = journal.step(step_id)
            view = step_view(row)
            if row.uses == "human.approval" and journal.run.state is RunState.RUNNING:
                raise Denied(f"{step_id} is a hold point: it is approved, or asked again with retry, never skipped.")
            data = {"message": f"Skipped by {journal.named(actor)}: {reason}", "reason": reason}
            undoing = journal.run.state is RunState.UNDOING
            kind = StepEvent.LEFT if undoing else StepEvent.SKIPPED
            journal.step_event(step_id, view, kind, data, actor=actor)

        self._change(run_id, decide)

    def pause(self, run_id: str, actor: str, reason: str = "") -> None:
        """Start nothing new; attempts under way end by themselves."""
        require_short(reason)

        def decide(journal: RunJournal) -> None:
            if journal.run.paused:
                raise Conflict(f"Run {run_id} is paused already.")
            journal.run_event(RunEvent.PAUSED, actor, {"message": reason})

        self._change(run_id, decide)

    def resume(self, run_id: str, actor: str) -> None:
        """Let a paused run go on. Raises IsHalted."""

        def decide(journal: RunJournal) -> None:
            require_free(journal.connection)
            if not journal.run.paused:
                raise Conflict(f"Run {run_id} is not paused.")
            journal.run_event(RunEvent.RESUMED, actor)

        self._change(run_id, decide)
        self._progress.drain()

    def cancel(self, run_id: str, actor: str, reason: str) -> None:
        """Start nothing more and keep what was done. The run ends when its attempts have."""
        _need_reason(reason)

        def decide(journal: RunJournal) -> None:
            journal.run_event(RunEvent.CANCEL_REQUESTED, actor, {"message": reason})
            journal.cancel_unstarted()

        self._change(run_id, decide)

    def undo(self, run_id: str, actor: str, reason: str) -> None:
        """Take back the whole run, last step first. Raises IsHalted: an undo makes effects as well."""
        _need_reason(reason)

        def decide(journal: RunJournal) -> None:
            require_free(journal.connection)
            if journal.run.state in ENDED_RUN:
                self._hold_again(journal)
            journal.run_event(RunEvent.UNDO_REQUESTED, actor, {"message": reason})
            journal.cancel_unstarted()

        self._change(run_id, decide)

    def _hold_again(self, journal: RunJournal) -> None:
        document = runs.load_plan(journal.connection, journal.row.plan_digest)
        resources = Plan.model_validate(document).resources()
        taken = runs.take_holds(journal.connection, journal.row.scope, resources, journal.run_id)
        if taken:
            raise Conflict(f"Run {', '.join(sorted(set(taken.values())))} holds {', '.join(sorted(taken))} now.")

    def _change(self, run_id: str, decide: Callable[[RunJournal], None]) -> None:
        try:
            with self._progress.journal(run_id) as journal:
                decide(journal)
        except (RunNotFound, StepNotFound) as error:
            raise NotFound(str(error)) from error
        except IllegalTransition as error:
            raise Conflict(f"Not possible now: {error}.") from error


def hold_point(digest: str, run_id: str, step_id: str) -> str:
    """What a security key signs at a hold point."""
    return f"{digest} {run_id} {step_id}"


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise RequestError("Give a reason: it is kept in the journal.")
    require_short(reason)
