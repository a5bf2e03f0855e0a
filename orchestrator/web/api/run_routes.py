"""Runs: started, watched, and decided on."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from starlette.responses import StreamingResponse

from orchestrator.domain.model import Mode, StepState
from orchestrator.domain.people.actor import Actor
from orchestrator.domain.people.role import Permission, Role
from orchestrator.operations.people.approvals import Signed
from orchestrator.store import runs
from orchestrator.store.journal import StepNotFound
from orchestrator.web.api.answers import (
    Decided,
    EventAnswer,
    EventList,
    LogLine,
    LogLines,
    RunList,
    RunWithSteps,
    Started,
)
from orchestrator.web.api.orders import KeyAnswer, ReleaseOrder, RunDecision, RunId, RunOrder, StepDecision, StepId
from orchestrator.web.edge.authority import Acting, Still, name_of, require, require_role, sees
from orchestrator.web.live import as_json
from orchestrator.web.parts import Given, Parts
from orchestrator.web.reading import Cursor

router = APIRouter(prefix="/runs", tags=["runs"])

_LAST = 2**31 - 1
"""The highest number that an event or a line can have: what an integer of PostgreSQL holds."""

After = Annotated[int, Query(ge=0, le=_LAST)]
Position = Annotated[str, Query(pattern=r"^\d{1,15}\.\d{1,15}$", max_length=40)]
LastEventId = Annotated[str | None, Header(pattern=r"^\d{1,15}\.\d{1,15}$", max_length=40)]


def stream_slot(given: Given, acting: Acting) -> Iterator[None]:
    yield from given.live.slot(acting.name)


def cursor_of(last_event_id: LastEventId = None, after: Position = "0.0") -> Cursor:
    """Where a stream begins: a browser's own `Last-Event-ID` is newer than the address it was opened with."""
    event, _, line = (last_event_id or after).partition(".")
    return Cursor(min(int(event), _LAST), min(int(line), _LAST))


From = Annotated[Cursor, Depends(cursor_of)]


@router.post("", status_code=201, responses={200: {"model": Started, "description": "It was there already"}})
def start_run(
    order: RunOrder,
    given: Given,
    acting: Acting,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200, pattern=r"^[!-~]+$")] = None,
) -> Started:
    """Create the run of a plan. Asked for again, with the same key or while it is active, it is the same run."""
    plan = given.service.plans.get(order.digest)
    require(given, acting, Permission.START, plan.services, Mode(plan.mode))
    started = given.service.runs.start(order.digest, name_of(acting, order.by), order.reason, idempotency_key)
    response.status_code = 201 if started.created else 200
    response.headers["Location"] = f"/api/v1/runs/{started.run_id}"
    return Started(id=started.run_id, created=started.created)


@router.get("")
def list_runs(
    given: Given, acting: Acting, limit: Annotated[int, Query(ge=1, le=1000)] = 50, active: bool = False
) -> RunList:
    """Runs, the newest first."""
    listed = given.reading.listed(limit, active_only=active)
    return RunList(runs=[run for run in listed if sees(acting, run.services)])


@router.get("/{run_id}")
def read_run(run_id: RunId, given: Given) -> RunWithSteps:
    return given.reading.with_steps(run_id)


@router.get("/{run_id}/events")
def read_events(
    run_id: RunId, given: Given, after: After = 0, limit: Annotated[int, Query(ge=1, le=100_000)] = 100_000
) -> EventList:
    """The run's journal."""
    with given.service.database.read() as conn:
        runs.get_run(conn, run_id)
        found = runs.list_events(conn, run_id, after, limit)
    return EventList(events=[EventAnswer.model_validate(event) for event in found])


@router.get("/{run_id}/logs")
def read_logs(
    run_id: RunId,
    given: Given,
    step: Annotated[str | None, Query(max_length=200)] = None,
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 5000,
    latest: Annotated[int | None, Query(ge=1, le=500)] = None,
) -> LogLines:
    """What the steps wrote while they ran; ask again after the last line for more. `latest`: the newest alone."""
    if latest is not None:
        given.reading.run(run_id)
        return LogLines(lines=given.reading.latest_lines(run_id, latest))
    with given.service.database.read() as conn:
        runs.get_run(conn, run_id)
        found = runs.list_output(conn, run_id, step_id=step, after=after, limit=limit)
    return LogLines(lines=[LogLine.of(row) for row in found])


@router.get(
    "/{run_id}/stream",
    dependencies=[Depends(stream_slot)],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events `log`, `step`, `run` and `end`"}},
)
def stream_run(run_id: RunId, given: Given, cursor: From, still: Still) -> StreamingResponse:
    """Live events. `step` and `run` hold what changed, as it stands; ids are `EVENT.LINE` for `Last-Event-ID`."""
    given.reading.run(run_id)
    return StreamingResponse(given.live.stream(run_id, cursor, as_json, still), media_type="text/event-stream")


@router.post("/{run_id}/release")
def release(run_id: RunId, order: ReleaseOrder, given: Given, acting: Acting) -> Decided:
    """One person's yes to exactly this plan, before its first effect."""
    signed = signed_of(order.key)
    given.service.runs.release(run_id, order.digest, name_of(acting, order.by), order.comment, signed)
    return _decided(given, run_id)


@router.post("/{run_id}/pause")
def pause(run_id: RunId, order: RunDecision, given: Given, acting: Acting) -> Decided:
    """Start nothing new; what is under way ends by itself."""
    given.service.decisions.pause(run_id, name_of(acting, order.by), order.reason)
    return _decided(given, run_id)


@router.post("/{run_id}/resume")
def resume(run_id: RunId, order: RunDecision, given: Given, acting: Acting) -> Decided:
    given.service.decisions.resume(run_id, name_of(acting, order.by))
    return _decided(given, run_id)


@router.post("/{run_id}/cancel")
def cancel(run_id: RunId, order: RunDecision, given: Given, acting: Acting) -> Decided:
    """End the run and keep what it did. Needs a reason."""
    given.service.decisions.cancel(run_id, name_of(acting, order.by), order.reason)
    return _decided(given, run_id)


@router.post("/{run_id}/undo")
def undo(run_id: RunId, order: RunDecision, given: Given, acting: Acting) -> Decided:
    """Take back everything that the run did, the last step first. Needs a reason."""
    given.service.decisions.undo(run_id, name_of(acting, order.by), order.reason)
    return _decided(given, run_id)


@router.post("/{run_id}/steps/{step_id:path}/approve")
def approve(run_id: RunId, step_id: StepId, order: StepDecision, given: Given, acting: Acting) -> Decided:
    """Say yes at a hold point, or acknowledge that a task is done."""
    _may_answer(given, acting, run_id, step_id)
    who, signed = name_of(acting, order.by), signed_of(order.key)
    given.service.decisions.approve(run_id, step_id, who, order.remark, signed)
    return _decided(given, run_id, step_id)


@router.post("/{run_id}/steps/{step_id:path}/reject")
def reject(run_id: RunId, step_id: StepId, order: StepDecision, given: Given, acting: Acting) -> Decided:
    """Say no at a hold point: the step fails, and a person decides what follows. Needs a reason."""
    _may_answer(given, acting, run_id, step_id)
    given.service.decisions.reject(run_id, step_id, name_of(acting, order.by), order.remark)
    return _decided(given, run_id, step_id)


@router.post("/{run_id}/steps/{step_id:path}/retry")
def retry(run_id: RunId, step_id: StepId, order: StepDecision, given: Given, acting: Acting) -> Decided:
    """Try a failed, held or unknown step again; during an undo, its undo."""
    given.service.decisions.retry(run_id, step_id, name_of(acting, order.by), accept_drift=order.accept_drift)
    return _decided(given, run_id, step_id)


@router.post("/{run_id}/steps/{step_id:path}/skip")
def skip(run_id: RunId, step_id: StepId, order: StepDecision, given: Given, acting: Acting) -> Decided:
    """Go on without a step; during an undo, leave its effect in place. Needs a reason."""
    given.service.decisions.skip(run_id, step_id, name_of(acting, order.by), order.remark)
    return _decided(given, run_id, step_id)


def signed_of(key: KeyAnswer | None) -> Signed | None:
    return None if key is None else Signed(key.challenge, key.answer)


def _may_answer(given: Parts, acting: Actor, run_id: str, step_id: str) -> None:
    """A hold point names the role of those who answer. Raises Denied, StepNotFound."""
    with given.service.database.read() as conn:
        run = runs.get_run(conn, run_id)
        step = runs.get_step(conn, run_id, step_id)
    if step is None:
        raise StepNotFound(f"Run {run_id} has no step {step_id}. `bascule status {run_id}` lists them.")
    is_hold = step.uses == "human.approval"
    role = (step.waits_for or {}).get("role") or (Role.APPROVER if is_hold else Role.OPERATOR).value
    service = step.spec.get("service")
    services, mode = [service] if service else list(run.services), Mode(run.mode)
    require_role(given, acting, role, services, mode, approves=is_hold)


def _decided(given: Parts, run_id: str, step_id: str | None = None) -> Decided:
    with given.service.database.read() as conn:
        run = runs.get_run(conn, run_id)
        step = runs.get_step(conn, run_id, step_id) if step_id else None
    state = StepState(step.state) if step is not None else None
    return Decided(id=run_id, state=run.state, paused=run.paused, step=step_id, step_state=state)
