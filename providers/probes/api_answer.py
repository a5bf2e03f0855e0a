"""What an API's answer says when it is not the one that was asked for: a refusal, a wait, or another's page."""

import json
from dataclasses import replace
from typing import Any

from providers.base import ProviderError, Said
from providers.probes.check import DoesNotHoldError
from providers.probes.web_answer import MOST_WORDS, Answer
from providers.retry_after import asked_wait

TOO_MANY = 429
REFUSALS = frozenset({401, 403})

NO_TOKEN = frozenset({"invalid_client", "invalid_grant", "unauthorized_client", "access_denied"})
"""Errors by which a token endpoint refuses who asks, and not how it was asked (RFC 6749 §5.2, §4.1.2.1)."""

_WORDS = ("error_description", "message", "detail", "error", "description")
"""Where APIs put what is wrong for a person, the most telling first."""


def require(answer: Answer, what: str, *statuses: int, remedy: str) -> Answer:
    """The answer, when its status is one of these.

    `what`: who answers, for a person. `remedy`: what to do when the credential is refused.
    Raises ProviderError(permanent) for 401 and 403, ProviderError with the wait for 429, and
    DoesNotHoldError for any other status.
    """
    if answer.status in statuses:
        return answer
    if answer.status in REFUSALS:
        raise ProviderError(
            f"{what} at {answer.url.host} refuses the credential ({answer.status}: {said(answer)}); {remedy}.",
            permanent=True,
            said=answer.said,
        )
    if answer.status == TOO_MANY:
        raise ProviderError(
            f"{what} at {answer.url.host} asks to come less often (429: {said(answer)}); try again later.",
            permanent=False,
            retry_after=asked_wait(answer.headers.get("retry-after", "")),
            said=answer.said,
        )
    expected = " or ".join(str(status) for status in statuses)
    told = f"{what}: {answer.at} answered {answer.status} ({said(answer)}); expected {expected}."
    raise DoesNotHoldError(told, said=answer.said)


def said(answer: Answer) -> str:
    """The API's own words on one line; of anything that is no JSON object, how it begins."""
    body = parsed(answer)
    if not isinstance(body, dict):
        return answer.words
    for name in _WORDS:
        inner = body.get(name)
        if isinstance(inner, dict):
            inner = next((inner[key] for key in _WORDS if isinstance(inner.get(key), str)), None)
        if isinstance(inner, str) and inner:
            return _clean(inner, answer)
    return answer.words


def refusal(answer: Answer) -> Said:
    """What a token endpoint answered: `refused` where it says so in the words of its protocol."""
    body = parsed(answer)
    error = body.get("error") if isinstance(body, dict) else None
    return replace(answer.said, refused=isinstance(error, str) and error in NO_TOKEN)


def parsed(answer: Answer) -> Any:
    """What the body is in JSON; None when it is none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _clean(text: str, answer: Answer) -> str:
    for hidden in answer.hidden:
        text = text.replace(hidden, "…")
    line = " ".join(text.split())
    return line if len(line) <= MOST_WORDS else f"{line[:MOST_WORDS]}…"
