"""Webhooks in, and what became of them. They add observations and start nothing."""

import asyncio
import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from starlette.responses import Response

from orchestrator.domain.catalogue import Aspect
from orchestrator.domain.signals.source import Source
from orchestrator.store import deliveries, observations
from orchestrator.store.database import DatabaseAwayError
from orchestrator.store.delivery_writer import NoRoom
from orchestrator.web.api.orders import Name
from orchestrator.web.parts import Given
from orchestrator.web.problem import Problem, answer, problem

router = APIRouter(prefix="/signals", tags=["signals"])
inbox = APIRouter(tags=["signals"])

SourceName = Annotated[str, Path(pattern=r"^[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?$")]
_EXCERPT = 2000
"""Characters of a raw body that are shown."""
_AGAIN = {"Retry-After": "5"}
_ORIGIN = re.compile(r"[A-Za-z0-9.\-]{1,253}")
_RATE = "600"
"""Deliveries a minute that a sender of CloudEvents is told it may send."""


class Accepted(BaseModel):
    """`repeated`: this delivery was here already, and nothing new came of it."""

    repeated: bool
    observations: int
    unmapped: int


class LeftAnswer(BaseModel):
    """Something that became no observation. `labels` are the sender's own words."""

    reason: str
    labels: dict[str, str]


class UnmappedDelivery(BaseModel):
    """`body`: how it begins, with what is no UTF-8 replaced; null where it was let go."""

    id: int
    source: str
    received_at: float
    last_at: float
    repeats: int
    content_type: str
    size: int
    observed: int
    unmapped: int
    left: list[LeftAnswer]
    body: str | None


class UnmappedAnswer(BaseModel):
    deliveries: list[UnmappedDelivery]


class ObservationAnswer(BaseModel):
    at: float
    received_at: float
    vendor: str
    aspect: Aspect
    sensor: str
    vantage: str
    trust_domain: str
    outcome: str
    value: float | None
    account: str | None
    source: str


class ObservationsAnswer(BaseModel):
    observations: list[ObservationAnswer]


class SourceAnswer(BaseModel):
    """A source of the estate, or one that it no longer has and that deliveries are kept of (`format` empty).

    `heard_at`: when it delivered last, as far as that is known (UTC seconds). `silent`: what it said holds no more,
    since it delivered nothing for longer than the estate lets it.
    """

    name: str
    format: str
    trust_domain: str
    rules: int
    deliveries: int
    repeated: int
    unmapped: int
    heard_at: float | None
    silent_after: float | None
    silent: bool


class SourcesAnswer(BaseModel):
    sources: list[SourceAnswer]


@inbox.post(
    "/webhooks/{source}",
    status_code=202,
    response_model=Accepted,
    responses={status: {"model": Problem} for status in (400, 401, 404, 408, 413, 422, 503)},
    openapi_extra={"security": [], "requestBody": {"content": {"*/*": {}}}},
)
async def receive_webhook(source: SourceName, request: Request, given: Given) -> Response:
    """Take a delivery of a monitoring system. Answered when it is committed; it carries no orders.

    The source and how it shows that it is itself stand in the estate's block `signals`. A body of unknown shape is
    kept and shown as unmapped. The wait for the commit holds no thread, so a storm leaves other requests theirs.
    """
    body = await request.body()
    headers = dict(request.headers)
    try:
        future = await run_in_threadpool(given.service.signals.receive, source, headers, body)
        kept = await asyncio.wrap_future(future)
    except NoRoom:
        return _later("More deliveries wait to be written than may.")
    except DatabaseAwayError:
        return _later("The database does not take this delivery now.")
    request.state.repeated = kept.repeated
    said = Accepted(repeated=kept.repeated, observations=kept.observed, unmapped=kept.unmapped)
    return Response(said.model_dump_json(), 202, media_type="application/json")


@inbox.options("/webhooks/{source}", include_in_schema=False)
def agree_to_events(source: SourceName, request: Request, given: Given) -> Response:
    """The handshake of CloudEvents' HTTP web hooks, section 4: a sender asks whether it may send."""
    origin = request.headers.get("webhook-request-origin", "")
    if not given.service.signals.speaks_cloudevents(source):
        return answer(problem(405, "Only a source of CloudEvents is asked in this way."), {"Allow": "POST"})
    if not _ORIGIN.fullmatch(origin):
        return answer(problem(400, "Webhook-Request-Origin is missing, or is no host name."))
    allowed = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": _RATE, "Allow": "POST"}
    return Response(status_code=200, headers=allowed)


@router.get("/unmapped")
def list_unmapped(
    given: Given,
    source: Annotated[Name | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> UnmappedAnswer:
    """Deliveries of which something became no observation, the newest first."""
    return UnmappedAnswer(deliveries=read_unmapped(given, limit, source or ""))


@router.get("/observations")
def list_observations(
    given: Given,
    vendor: Annotated[Name | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ObservationsAnswer:
    """Observations, the latest to arrive first."""
    with given.service.database.read() as conn:
        rows = observations.newest(conn, limit, vendor or "")
    return ObservationsAnswer(observations=[ObservationAnswer.model_validate(dict(row._mapping)) for row in rows])


@router.get("/sources")
def list_sources(given: Given) -> SourcesAnswer:
    """Who may post, how much of it arrived and is still known, and when it was heard last."""
    return SourcesAnswer(sources=read_sources(given))


def read_sources(given: Given) -> list[SourceAnswer]:
    configured = given.service.signals.sources()
    with given.service.database.read() as conn:
        counts, heard = deliveries.count_by_source(conn), deliveries.last_heard(conn)
    now = given.service.progress.clock()
    names = sorted({*configured, *counts})
    return [_source(name, configured.get(name), counts.get(name, (0, 0, 0)), heard.get(name), now) for name in names]


def _source(
    name: str, source: Source | None, counts: tuple[int, int, int], heard: float | None, now: float
) -> SourceAnswer:
    count, repeated, left = counts
    return SourceAnswer(
        name=name,
        format=source.format if source else "",
        trust_domain=source.trust_domain if source else "",
        rules=len(source.map) if source else 0,
        deliveries=count,
        repeated=repeated,
        unmapped=left,
        heard_at=heard,
        silent_after=source.silent_after if source else None,
        silent=source is not None and (heard is None or now - heard > source.silent_after),
    )


def read_unmapped(given: Given, limit: int, source: str = "") -> list[UnmappedDelivery]:
    with given.service.database.read() as conn:
        rows = deliveries.unmapped(conn, limit, source)
    return [_delivery(dict(row._mapping)) for row in rows]


def _delivery(row: Mapping[str, Any]) -> UnmappedDelivery:
    body = row["body"]
    excerpt = None if body is None else bytes(body)[: 4 * _EXCERPT].decode("utf-8", "replace")[:_EXCERPT]
    return UnmappedDelivery.model_validate({**row, "body": excerpt})


def _later(why: str) -> Response:
    """The sender keeps the delivery and comes again: nothing of it was acknowledged."""
    return answer(problem(503, f"{why} Send it again soon."), _AGAIN)
