"""What handlers are given: the service, what reads it, and its live streams."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from orchestrator.web.edge.access import Access
from orchestrator.web.edge.limits import Limits
from orchestrator.web.edge.listening import Listening
from orchestrator.web.live import Live
from orchestrator.web.metrics import Metrics
from orchestrator.web.reading import Reading
from orchestrator.web.service import Service


@dataclass(frozen=True, slots=True)
class Parts:
    service: Service
    access: Access
    reading: Reading
    live: Live
    listening: Listening
    limits: Limits
    metrics: Metrics


async def _parts(request: Request) -> Parts:
    """Awaits nothing; a plain function would be given a thread of its own, for every request."""
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


Given = Annotated[Parts, Depends(_parts)]
