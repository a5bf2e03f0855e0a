"""Plans: made, read, and compared with what is there now."""

from fastapi import APIRouter

from orchestrator.domain.people.role import Permission
from orchestrator.domain.plan import Plan
from orchestrator.operations.request import NotFound
from orchestrator.web.api.answers import Moved
from orchestrator.web.api.orders import PlanDigest, PlanOrder
from orchestrator.web.edge.authority import Acting, require, sees
from orchestrator.web.parts import Given

router = APIRouter(prefix="/plans", tags=["plans"])


@router.post("")
def make_plan(order: PlanOrder, given: Given, acting: Acting) -> Plan:
    """Compile a plan at the newest estate commit and look at everything it would change. Changes nothing outside."""
    require(given, acting, Permission.PLAN, order.services)
    return given.service.plans.make(order.services, order.scope, order.direction, order.parameters)


@router.get("/{digest}")
def read_plan(digest: PlanDigest, given: Given, acting: Acting) -> Plan:
    plan = given.service.plans.get(digest)
    if not sees(acting, plan.services):
        raise NotFound("There is no such plan, or you have no role for all of its services.")
    return plan


@router.get("/{digest}/moved")
def what_moved(digest: PlanDigest, given: Given, acting: Acting) -> Moved:
    """What has changed outside since the plan was made."""
    plans = given.service.plans
    plan = plans.get(digest)
    require(given, acting, Permission.PLAN, plan.services)
    return Moved(moved=plans.moved(plan))
