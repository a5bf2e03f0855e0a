"""An ONLYOFFICE Docs that is healthy, and that takes commands from who has its secret and from nobody else.

Its answers are those of "Health check", "Command service" and "Token in body" in the ONLYOFFICE API documentation.
"""

import json
import time
from collections.abc import Callable

from providers.base import Context, Secret
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.place import below
from providers.probes.signed_token import signed
from providers.probes.web_answer import Answer
from providers.probes.web_call import call
from providers.wants import OnlyofficeProbe

COMMAND = {"c": "version"}
"""The only command that needs no document and changes nothing."""

COMMAND_PATHS = (("command",), ("coauthoring", "CommandService.ashx"))
"""Where commands are taken: since version 8.2, and before."""

NO_ERROR, WRONG_TOKEN, EXPIRED_TOKEN = 0, 6, 7
TOKEN_SECONDS = 300
"""How long the token of one call is good, and how far apart the clocks may be."""


class OnlyofficeCheck(Check[OnlyofficeProbe]):
    """`probe.onlyoffice`. Outputs: `version`."""

    def __init__(self, context: Context, *, wall_clock: Callable[[], float] = time.time) -> None:
        super().__init__(context)
        self._wall_clock = wall_clock

    def _look(self, want: OnlyofficeProbe, attempt: Attempt) -> Seen:
        healthy = call(attempt, "GET", below(want.url, "healthcheck")).expect(200)
        if healthy.body.strip() != b"true":
            raise DoesNotHoldError(f"{healthy.at} answered {healthy.words}; expected true.")
        claims = {**COMMAND, "exp": int(self._wall_clock()) + TOKEN_SECONDS}
        answer, version = _version(want.url, signed(claims, attempt.context.reveal(want.secret)), attempt)
        _refuses_strangers(want.url, attempt)
        return Seen(f"{answer.at} is ONLYOFFICE Docs {version} and takes our signature.", {"version": version})


def _version(base: str, token: Secret, attempt: Attempt) -> tuple[Answer, str]:
    """What it says when it is asked with the token. Raises DoesNotHoldError when it takes another secret's only."""
    answer = _command(base, attempt, token)
    error = answer.json().get("error")
    if error == WRONG_TOKEN:
        raise DoesNotHoldError(
            f"{answer.at} does not take our signature (error 6): it has another JWT secret; expected error 0."
        )
    if error == EXPIRED_TOKEN:
        raise DoesNotHoldError(
            f"{answer.at} says that a token of this moment has expired (error 7): its clock is wrong, or ours; "
            "expected error 0."
        )
    version = answer.json().get("version")
    if error != NO_ERROR or not version:
        raise DoesNotHoldError(f"{answer.at} answered error {error!r} to the command `version`; expected error 0.")
    return answer, str(version)


def _refuses_strangers(base: str, attempt: Attempt) -> None:
    """Raises DoesNotHoldError when anybody may command it: then no document in it is safe."""
    answer = _command(base, attempt, None)
    if answer.json().get("error") == NO_ERROR:
        raise DoesNotHoldError(
            f"{answer.at} takes commands without a token; expected error 6: its JWT check must be on."
        )


def _command(base: str, attempt: Attempt, token: Secret | None) -> Answer:
    """The answer of the newer path, or of the older one where the newer does not exist."""
    body = COMMAND if token is None else {**COMMAND, "token": token.reveal()}
    headers: dict[str, str | Secret] = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = Secret(f"Bearer {token.reveal()}")
    for path in COMMAND_PATHS:
        answer = call(attempt, "POST", below(base, *path), headers=headers, body=json.dumps(body).encode())
        if answer.status not in (404, 405):
            break
    return answer.expect(200)
