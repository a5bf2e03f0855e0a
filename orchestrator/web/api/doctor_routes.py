"""Whether a scope is ready, with its credentials and all else that it needs; and whom Bascule itself relies on."""

from fastapi import APIRouter

from orchestrator.web.api.answers import CheckUpAnswer, SelfMapAnswer
from orchestrator.web.api.orders import DoctorOrder
from orchestrator.web.parts import Given

router = APIRouter(prefix="/doctor", tags=["estate"])


@router.post("")
def examine_scope(order: DoctorOrder, given: Given) -> CheckUpAnswer:
    """Ask harmless questions of everything that the scope names; which rights are missing, and which needless."""
    return CheckUpAnswer.of(given.service.doctor.examine(order.scope))


@router.post("/sovereignty")
def map_itself(order: DoctorOrder, given: Given) -> SelfMapAnswer:
    """Whom this installation relies on, traced through the scope's resolvers, and what the policy says of them."""
    return SelfMapAnswer.of(given.service.independence.map(order.scope))
