"""Clocks: what runs out, or would once a vendor is lost."""

from fastapi import APIRouter
from pydantic import BaseModel

from orchestrator.domain.signals.clock_board import ClockLine, ClockStanding
from orchestrator.web.parts import Given

router = APIRouter(prefix="/clocks", tags=["signals"])


class ClockAnswer(BaseModel):
    """`lasts`: seconds from the loss on. `since`, `at`: null while the vendor is not lost; `breaks` may be empty."""

    vendor: str
    clock: str
    title: dict[str, str]
    breaks: dict[str, str]
    services: list[str]
    lasts: float
    since: float | None
    at: float | None
    standing: ClockStanding


class ClocksAnswer(BaseModel):
    """`running` is false while no vendor erodes or is cut: then they are the clocks that would run."""

    running: bool
    clocks: list[ClockAnswer]


@router.get("")
def read_clocks(given: Given) -> ClocksAnswer:
    """What runs out, the first in front: for which services, when, and what stops then."""
    board = given.service.clocks.board()
    return ClocksAnswer(running=board.running, clocks=[_answer(line) for line in board.lines])


def _answer(line: ClockLine) -> ClockAnswer:
    return ClockAnswer(
        vendor=line.vendor,
        clock=line.clock,
        title={"fr": line.title[0], "en": line.title[1]},
        breaks={"fr": line.breaks[0], "en": line.breaks[1]},
        services=list(line.services),
        lasts=line.lasts,
        since=line.since,
        at=line.at,
        standing=line.standing,
    )
