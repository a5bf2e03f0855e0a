"""Whether a scope is ready: its credentials and all else that it needs, examined now."""

from fastapi import APIRouter

from orchestrator.web.answers import CheckUpAnswer
from orchestrator.web.orders import DoctorOrder
from orchestrator.web.parts import Given

router = APIRouter(prefix="/doctor", tags=["estate"])


@router.post("")
def examine_scope(order: DoctorOrder, given: Given) -> CheckUpAnswer:
    """Ask harmless questions of everything that the scope names; which rights are missing, and which needless."""
    return CheckUpAnswer.of(given.service.doctor.examine(order.scope))
