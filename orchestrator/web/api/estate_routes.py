"""The estate as the service reads it, and the push webhook that hastens the next fetch."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from orchestrator.web.api.answers import (
    EstateAnswer,
    RefusedCommit,
    ScopeAnswer,
    ServiceAnswer,
    SignatureAnswer,
    Synced,
)
from orchestrator.web.api.orders import AcceptOrder, SyncOrder
from orchestrator.web.edge.authority import Acting, name_of
from orchestrator.web.parts import Given
from orchestrator.web.problem import answer, problem

router = APIRouter(tags=["estate"])


@router.get("/estate")
def read_estate(given: Given) -> EstateAnswer:
    """The newest accepted commit, with its services and scopes."""
    row = given.service.estates.accepted()
    estate = given.service.estates.bundle(row.commit).estate
    refusal = given.service.estates.refusal
    return EstateAnswer(
        name=estate.name,
        title=estate.title.model_dump(),
        url=_without_password(given.service.estates.url),
        branch=given.service.estates.branch,
        commit=row.commit,
        accepted_at=row.accepted_at,
        accepted_by=row.accepted_by,
        reason=row.reason,
        signed=SignatureAnswer.model_validate(row.voucher.signature) if row.voucher else None,
        policy_signed=[SignatureAnswer.model_validate(one) for one in row.voucher.policy] if row.voucher else [],
        refused=RefusedCommit(commit=refusal.commit, detail=refusal.why) if refusal else None,
        services=[
            ServiceAnswer.model_validate({"name": name, **service.model_dump(exclude={"origin"})})
            for name, service in estate.services.items()
        ],
        scopes=[ScopeAnswer(name=name, mode=scope.mode.value) for name, scope in estate.scopes.items()],
    )


@router.post("/estate/sync")
def sync_estate(order: SyncOrder, given: Given, acting: Acting) -> Synced:
    """Fetch the remote now and accept its newest commit, if it is signed by allowed people, newer, and valid."""
    commit, new = given.service.estates.sync(name_of(acting, order.by))
    return Synced(commit=commit, new=new)


@router.post("/estate/accept")
def accept_history(order: AcceptOrder, given: Given, acting: Acting) -> Synced:
    """Accept the branch's newest commit though its history was rewritten or wound back. Signatures count as ever."""
    commit, new = given.service.estates.accept(order.commit, name_of(acting, order.by), order.reason)
    return Synced(commit=commit, new=new)


async def _raw_body(request: Request) -> bytes:
    return await request.body()


@router.post("/webhooks/estate", status_code=202, response_class=Response)
def hasten_sync(request: Request, body: Annotated[bytes, Depends(_raw_body)], given: Given) -> Response:
    """A push: fetch a little sooner. Its body is authenticated and otherwise ignored.

    Takes the secret of `estate-hook` in the data directory: as a bearer, as `X-Gitlab-Token`, or as the key of
    `X-Hub-Signature-256`.
    """
    if not given.access.admits_webhook(request.headers, body):
        return answer(problem(401, "Give the forge the secret of the file `estate-hook` in the data directory."))
    given.service.hasten_sync()
    return JSONResponse({"accepted": True}, status_code=202)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if "://" not in url or "@" not in parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
