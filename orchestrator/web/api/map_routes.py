"""The dependency map: made now, or as it was last seen."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from orchestrator.web.api.orders import MapOrder, Name
from orchestrator.web.parts import Given

router = APIRouter(prefix="/map", tags=["map"])


class HolderAnswer(BaseModel):
    """A product of the catalogue, or (`known` false) a third party by the host where it was seen.

    `exposed`: somebody outside Europe decides over it, or nobody knows who does.
    """

    name: str
    known: bool
    title: dict[str, str]
    company: str
    jurisdiction: str
    owner: str
    country: str
    exposed: bool


class SignAnswer(BaseModel):
    domain: str
    kind: str
    at: str
    value: str
    evidence: str
    through: list[str]


class DependencyAnswer(BaseModel):
    """`row`: a service of the estate, or a use that it has no service for. `standing`: confirmed, target,
    undeclared, elsewhere, unknown, dead or unrecognisable."""

    row: str
    in_estate: bool
    holder: HolderAnswer
    standing: str
    signs: list[SignAnswer]
    runbook: bool
    tested: bool
    fresh: bool
    only_marks: bool
    domains: list[str]


class SinglePointAnswer(BaseModel):
    role: str
    holder: str
    rows: list[str]
    domains: list[str]


class BreakingAnswer(BaseModel):
    """`after`: seconds without contact."""

    after: float
    holder: str
    clock: str
    title: dict[str, str]
    rows: list[str]


class CoverageAnswer(BaseModel):
    exposed: int
    runbook: int
    tested: int
    fresh: int


class UnreadAnswer(BaseModel):
    domain: str
    kind: str
    what: str
    message: str


class MapAnswer(BaseModel):
    """`read_at`: seconds since the epoch, UTC. `unread`: what could not be looked at, and why."""

    scope: str
    domains: list[str]
    read_at: float
    services: dict[str, dict[str, str]]
    dependencies: list[DependencyAnswer]
    single_points: list[SinglePointAnswer]
    breaking: list[BreakingAnswer]
    coverage: CoverageAnswer
    unread: list[UnreadAnswer]

    @classmethod
    def of(cls, found: dict[str, Any]) -> "MapAnswer":
        return cls.model_validate(found)


@router.post("")
def make_map(order: MapOrder, given: Given) -> MapAnswer:
    """Look at the domains now, from outside, and keep what was seen. Changes nothing outside."""
    return MapAnswer.of(given.service.maps.make(order.scope, order.domains).as_json())


@router.get("")
def read_last_map(given: Given, scope: Annotated[Name, Query()] = "live") -> MapAnswer:
    """What was seen last, held against the estate as it is now."""
    return MapAnswer.of(given.service.maps.last(scope).as_json())
