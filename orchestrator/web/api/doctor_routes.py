"""Whether a scope is ready, with its credentials and all else that it needs; and whom Bascule itself relies on."""

from fastapi import APIRouter

from orchestrator.operations.examinations import Kind
from orchestrator.web.api.answers import CheckUpAnswer, SelfMapAnswer
from orchestrator.web.api.orders import DoctorOrder
from orchestrator.web.edge.authority import Acting, name_of
from orchestrator.web.parts import Given

router = APIRouter(prefix="/doctor", tags=["estate"])


@router.post("")
def examine_scope(order: DoctorOrder, given: Given, acting: Acting) -> CheckUpAnswer:
    """Ask harmless questions of everything that the scope names; which rights are missing, and which needless."""
    found = given.service.doctor.examine(order.scope)
    given.service.examinations.keep(Kind.CREDENTIALS, order.scope, name_of(acting, None), found.as_json())
    return CheckUpAnswer.of(found)


@router.post("/sovereignty")
def map_itself(order: DoctorOrder, given: Given, acting: Acting) -> SelfMapAnswer:
    """Whom this installation relies on, traced through the scope's resolvers, and what the policy says of them."""
    found = given.service.independence.map(order.scope)
    given.service.examinations.keep(Kind.ITSELF, order.scope, name_of(acting, None), found.as_json())
    return SelfMapAnswer.of(found)
