"""What keeps a page as things are: it is told that something moved, and looks anew."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import StreamingResponse

from orchestrator.web.api.run_routes import stream_slot
from orchestrator.web.edge.authority import Still
from orchestrator.web.parts import Given

router = APIRouter(include_in_schema=False)

_REVISION = r"^[0-9.]{0,200}$"


class Unmoved(Exception):
    """A page that looks anew has seen everything: it is answered nothing (204), and stays as it is."""


def as_of(request: Request, given: Given) -> None:
    """Put before every page: what moves while it is made is news to it afterwards. Raises Unmoved."""
    if request.method == "GET":
        request.state.revision = given.reading.revision()
        if request.headers.get("x-seen") == request.state.revision:
            raise Unmoved


@router.get("/live", dependencies=[Depends(stream_slot)])
def live(
    given: Given,
    still: Still,
    seen: Annotated[str, Query(pattern=_REVISION)] = "",
    last_event_id: Annotated[str | None, Header(pattern=_REVISION)] = None,
) -> StreamingResponse:
    """Server-sent events `moved`, whose id is what was seen then: a browser that comes back says how far it was."""
    return StreamingResponse(given.live.moves(last_event_id or seen, still), media_type="text/event-stream")
