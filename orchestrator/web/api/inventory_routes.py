"""What the sources of a scope have: read now, or as it was last known."""

from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator.operations.inventories import last_inventories
from orchestrator.web.api.answers import InventoriesAnswer
from orchestrator.web.api.orders import InventoryOrder, Name
from orchestrator.web.parts import Given

router = APIRouter(prefix="/inventories", tags=["inventories"])


@router.post("")
def take_inventories(order: InventoryOrder, given: Given) -> InventoriesAnswer:
    """Read the sources now and keep what they say. Changes nothing at them; what could not be read is in `troubles`."""
    return InventoriesAnswer(inventories=given.service.inventories.take(order.scope, order.source))


@router.get("")
def read_last_inventories(
    given: Given, scope: Annotated[Name, Query()], source: Annotated[Name | None, Query()] = None
) -> InventoriesAnswer:
    """What was last known of them, each part with its own date."""
    return InventoriesAnswer(inventories=last_inventories(given.service.paths.inventories, scope, source))
