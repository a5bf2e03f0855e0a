"""Errors as RFC 9457 problem details: one sentence for people, one stable code for programs, never a stack trace."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.responses import JSONResponse

from orchestrator.domain.journal import IllegalTransition
from orchestrator.domain.sovereignty import Verdict
from orchestrator.estate_git import EstateGitError
from orchestrator.operations.estate import InvalidEstate
from orchestrator.operations.gate import BelowPolicy
from orchestrator.operations.request import RequestError
from orchestrator.store.journal import RunNotFound, StepNotFound
from providers.redaction import redact

MEDIA_TYPE = "application/problem+json"

_STATUS = {"invalid": 422, "invalid_estate": 422, "not_found": 404, "conflict": 409, "refused": 403}
_STATUS |= {"sign_in_needed": 403, "second_factor_needed": 403, "proof_too_old": 403, "too_many": 429}
_STATUS |= {"below_policy": 403, "untrusted": 403, "containment_missing": 403, "secrets_missing": 403}
_STATUS |= {"halted": 423, "unauthenticated": 401, "estate_unreachable": 502, "busy": 503}
"""The status of each `RequestError.code`."""

_CODES = {400: "bad_request", 401: "unauthenticated", 403: "refused", 404: "not_found", 405: "method_not_allowed"}
_CODES |= {408: "too_slow", 409: "conflict", 413: "too_large", 415: "not_json", 421: "wrong_host", 422: "invalid"}
_CODES |= {423: "halted", 429: "too_many", 500: "internal", 502: "estate_unreachable", 503: "busy"}

_TITLES = {
    "invalid": "The request is not valid",
    "invalid_estate": "The estate is not valid",
    "not_found": "There is no such thing",
    "conflict": "It contradicts what is there",
    "refused": "A gate is closed",
    "sign_in_needed": "A person must sign in",
    "second_factor_needed": "A second factor is needed",
    "proof_too_old": "The second factor must be shown again",
    "too_many": "Too often",
    "forged": "It comes from another site",
    "below_policy": "The policy refuses a place",
    "untrusted": "The estate's commit is not trusted",
    "containment_missing": "Plays can't be contained here",
    "secrets_missing": "Secrets can't be had",
    "halted": "The kill switch is engaged",
    "unauthenticated": "The token is missing or wrong",
    "estate_unreachable": "The estate can't be reached",
    "busy": "Too many at once",
    "internal": "The service failed",
}

ANSWERABLE = (RequestError, RunNotFound, StepNotFound, IllegalTransition, EstateGitError)
"""What use cases and queries raise, and `problem_of` puts into words."""


class WrongPlace(BaseModel):
    """What is wrong with one value of a request; `where` is its dotted path."""

    where: str
    message: str


class Problem(BaseModel):
    """RFC 9457. `problems` lists an estate's problems, `errors` what is wrong with a request's values.

    `verdicts`: the places of a plan that the policy refuses, each with its reasons and the records that show them.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    problems: list[dict[str, str | int]] | None = None
    errors: list[WrongPlace] | None = None
    verdicts: list[Verdict] | None = None


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> ProblemResponse:
    return ProblemResponse(jsonable_encoder(problem, exclude_none=True), problem.status, dict(headers or {}))


def problem(status: int, detail: str, code: str = "", **more: Any) -> Problem:
    """A problem of this status; without `code`, the status's own."""
    detail = redact(detail)
    code = code or _CODES.get(status, "error")
    title = _TITLES.get(code) or HTTPStatus(status).phrase
    return Problem(type=f"urn:bascule:problem:{code}", title=title, status=status, detail=detail, code=code, **more)


def problem_of(error: Exception) -> Problem:
    """The problem of an exception in ANSWERABLE."""
    if isinstance(error, InvalidEstate):
        problems = [one.as_json() for one in error.problems]
        return problem(422, str(error), error.code, problems=problems)
    if isinstance(error, BelowPolicy):
        return problem(403, str(error), error.code, verdicts=list(error.verdicts))
    if isinstance(error, RequestError):
        return problem(_STATUS.get(error.code, 422), str(error), error.code)
    if isinstance(error, RunNotFound | StepNotFound):
        return problem(404, str(error))
    if isinstance(error, IllegalTransition):
        return problem(409, f"Not possible now: {error}.")
    return problem(502, str(error))


def invalid_request(error: RequestValidationError) -> Problem:
    """Every wrong value with its place. The values themselves are left out: they might be secrets."""
    wrong = [
        WrongPlace(where=".".join(str(part) for part in one["loc"]), message=str(one["msg"])) for one in error.errors()
    ]
    first = wrong[0]
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return problem(422, f"{first.where}: {first.message}{more}", errors=wrong)
