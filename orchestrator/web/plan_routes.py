"""Plans: made, read, and compared with what is there now."""

from fastapi import APIRouter

from orchestrator.domain.plan import Plan
from orchestrator.web.answers import Moved
from orchestrator.web.orders import PlanDigest, PlanOrder
from orchestrator.web.parts import Given

router = APIRouter(prefix="/plans", tags=["plans"])


@router.post("")
def make_plan(order: PlanOrder, given: Given) -> Plan:
    """Compile a plan at the newest estate commit and look at everything it would change. Changes nothing outside."""
    return given.service.plans.make(order.services, order.scope, order.direction, order.parameters)


@router.get("/{digest}")
def read_plan(digest: PlanDigest, given: Given) -> Plan:
    return given.service.plans.get(digest)


@router.get("/{digest}/moved")
def what_moved(digest: PlanDigest, given: Given) -> Moved:
    """What has changed outside since the plan was made."""
    plans = given.service.plans
    return Moved(moved=plans.moved(plans.get(digest)))
