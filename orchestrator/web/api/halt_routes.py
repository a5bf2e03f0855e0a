"""The kill switch over HTTP: whether it is engaged, engaging and lifting it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from orchestrator.domain.halt import Halted
from orchestrator.web.api.orders import HaltOrder
from orchestrator.web.edge.authority import Acting, name_of
from orchestrator.web.parts import Given

router = APIRouter(prefix="/halt", tags=["halt"])


class HaltedAnswer(BaseModel):
    """A halt in force. Times are seconds since the epoch, UTC."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: float
    by: str
    reason: str


class PastHalt(HaltedAnswer):
    """A line of the history; `lifted_…` are null while it is in force."""

    lifted_at: float | None
    lifted_by: str | None
    lift_reason: str | None


class HaltAnswer(BaseModel):
    """`in_force`: null while nothing is halted. `history`: the newest first."""

    in_force: HaltedAnswer | None
    history: list[PastHalt]


class EngagedAnswer(BaseModel):
    """`created` is false when everything was halted already. `paused`: the runs that this paused."""

    halt: HaltedAnswer
    created: bool
    paused: list[str]


@router.get("")
def read_halt(given: Given, limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> HaltAnswer:
    """Whether everything is halted, by whom and why; and what was halted before."""
    return HaltAnswer(
        in_force=answered(given.service.halt.in_force()),
        history=[PastHalt.model_validate(one) for one in given.service.halt.history(limit)],
    )


@router.post("", status_code=201, responses={200: {"model": EngagedAnswer, "description": "It was engaged already"}})
def engage(order: HaltOrder, given: Given, acting: Acting, response: Response) -> EngagedAnswer:
    """Halt everything: no run starts, no step begins, and what is in the middle of several effects stops at the next.

    Every run is paused. Needs a reason. Asked for again, the halt in force stays as it is.
    """
    engaged = given.service.halt.engage(name_of(acting, order.by), order.reason)
    response.status_code = 201 if engaged.created else 200
    return EngagedAnswer(
        halt=HaltedAnswer.model_validate(engaged.halted), created=engaged.created, paused=list(engaged.paused)
    )


@router.post("/lift")
def lift(order: HaltOrder, given: Given, acting: Acting) -> HaltedAnswer:
    """Lift the halt, with a reason. No run goes on by that alone: people resume what should."""
    return HaltedAnswer.model_validate(given.service.halt.lift(name_of(acting, order.by), order.reason))


def answered(halted: Halted | None) -> HaltedAnswer | None:
    return None if halted is None else HaltedAnswer.model_validate(halted)
