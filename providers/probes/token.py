"""A client that gets a token by its credentials, and an API that takes the token.

OAuth 2.0 client credentials (RFC 6749 §4.4): what programs of an organisation do at Microsoft, Google or Okta many
times a day, so its refusal is the first that a cutoff of one tenant shows.
"""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from providers.base import ProviderError, Secret
from providers.probes.api_answer import parsed, refusal, require, said
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.web_answer import Answer
from providers.probes.web_call import call, client
from providers.wants import TokenProbe

REMEDY = "check `client_id`, `client_secret` and the rights of this client"
_REFUSED = frozenset({400, 401, 403})


class TokenCheck(Check[TokenProbe]):
    """`probe.token`. Outputs: `expires_in` (seconds, 0 where it is not said), `newest` (UTC, or empty).

    Measures `age` where the API's answer tells when its newest content came.
    """

    def _look(self, want: TokenProbe, attempt: Attempt) -> Seen:
        granted = _granted(want, attempt)
        lasts = granted.get("expires_in")
        lasts = int(lasts) if isinstance(lasts, int | float | str) and str(lasts).isdigit() else 0
        outputs = {"expires_in": lasts, "newest": ""}
        told = f"{want.url} gives {want.client_id} a token"
        if want.api is None:
            return Seen(f"{told}.", outputs)
        answer = _asked(want.api, Secret(f"Bearer {granted['access_token']}"), attempt)
        if want.newest is None:
            return Seen(f"{told}, and {answer.url.host} takes it.", outputs)
        newest = _time_at(answer, want.newest)
        age = _require_fresh(answer, newest, want, attempt.context.clock())
        told = f"{told}; the newest at {answer.url.host} is of {newest.isoformat()}."
        return Seen(told, {**outputs, "newest": newest.isoformat()}, {"age": age})


def _granted(want: TokenProbe, attempt: Attempt) -> dict[str, Any]:
    """The endpoint's answer with its token. Raises ProviderError(permanent) when the client is refused."""
    form = {"grant_type": "client_credentials", **({"scope": want.scope} if want.scope else {})}
    headers: dict[str, str | Secret] = {
        "Authorization": client(attempt.context, want.client_id, want.client_secret),
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    answer = call(attempt, "POST", want.url, headers=headers, body=urlencode(form).encode())
    if answer.status in _REFUSED:
        raise ProviderError(
            f"{want.url} gives {want.client_id} no token ({answer.status}: {said(answer)}); {REMEDY}.",
            permanent=True,
            said=refusal(answer),
        )
    found = require(answer, "The token endpoint", 200, remedy=REMEDY).json()
    token = found.get("access_token")
    if not isinstance(token, str) or not token:
        raise DoesNotHoldError(f"{answer.at} answered without an `access_token`; expected a token.", said=answer.said)
    return found


def _asked(url: str, token: Secret, attempt: Attempt) -> Answer:
    answer = call(attempt, "GET", url, headers={"Authorization": token, "Accept": "application/json"})
    return require(answer, "The API", 200, remedy=REMEDY)


def _time_at(answer: Answer, path: str) -> datetime:
    """The time at a dotted path of the answer's JSON, such as value.0.receivedDateTime. Raises DoesNotHoldError."""
    found = parsed(answer)
    for part in path.split("."):
        if isinstance(found, list):
            found = found[int(part)] if part.isdigit() and int(part) < len(found) else None
        else:
            found = found.get(part) if isinstance(found, dict) else None
    try:
        read = datetime.fromisoformat(str(found))
    except ValueError:
        read = None
    if read is None:
        raise DoesNotHoldError(f"{answer.at} has no time at `{path}` ({answer.words}).", said=answer.said)
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _require_fresh(answer: Answer, newest: datetime, want: TokenProbe, now: float) -> float:
    age = max(0.0, now - newest.timestamp())
    if want.max_age is not None and age > want.max_age:
        raise DoesNotHoldError(
            f"The newest at {answer.at} is of {newest.isoformat()}, {age / 60:.0f} minutes old; expected at most "
            f"{want.max_age / 60:.0f}.",
            measured={"age": age},
        )
    return age
