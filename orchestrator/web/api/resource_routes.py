"""What Bascule made outside, and what people say of that which no run stands behind."""

from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator.domain.people.role import Permission
from orchestrator.operations.resources import Held
from orchestrator.web.api.answers import Released, ResourceAnswer, ResourcesAnswer
from orchestrator.web.api.orders import KeepOrder, Name, ReleaseResource
from orchestrator.web.edge.authority import Acting, mode_of_scope, name_of, require
from orchestrator.web.parts import Given

router = APIRouter(prefix="/resources", tags=["resources"])


@router.get("")
def list_resources(given: Given, scope: Annotated[Name, Query()] = "live") -> ResourcesAnswer:
    """Ask every cloud of the scope. What has no run behind it is quarantined: noted, and asked about."""
    holdings = given.service.resources.listed(scope)
    return ResourcesAnswer(resources=[_answer(held) for held in holdings.found], unread=dict(holdings.unread))


@router.post("/keep")
def keep_resource(order: KeepOrder, given: Given, acting: Acting) -> ResourceAnswer:
    """A stray stays; it is not asked about again."""
    require(given, acting, Permission.TIDY, None, mode_of_scope(given, order.scope))
    return _answer(given.service.resources.keep(order.scope, order.id, name_of(acting, order.by), order.reason))


@router.post("/release")
def release_resource(order: ReleaseResource, given: Given, acting: Acting) -> Released:
    """A stray goes. Its name must be given too; what a run stands behind is refused."""
    require(given, acting, Permission.TIDY, None, mode_of_scope(given, order.scope))
    gone = given.service.resources.release(order.scope, order.id, order.name, name_of(acting, order.by), order.reason)
    return Released(id=order.id, gone=gone)


def _answer(held: Held) -> ResourceAnswer:
    thing = held.thing
    return ResourceAnswer(
        provider=thing.provider,
        kind=thing.kind,
        id=thing.id,
        name=thing.name,
        run=thing.run,
        step=thing.step,
        state=thing.state,
        holders=list(thing.holders),
        standing=held.standing.value,
        quarantined=held.quarantined,
        first_seen=held.first_seen,
        decision=held.decision.value,
        decided_by=held.decided_by,
        reason=held.reason,
    )
