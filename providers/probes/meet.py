"""Visio (La Suite's Meet) that is healthy, and whose LiveKit answers; with a key, that lets a participant in.

Visio's paths are its backend's (dockerflow's heartbeats, `core/api`), LiveKit's are `pkg/service/rtcservice.go` and
`auth.go` of its server. No check without a browser sees media flow.
"""

import hashlib
import time
from collections.abc import Callable

import httpx

from providers.base import Context, Secret
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.place import below, led_to
from providers.probes.signed_token import signed
from providers.probes.web_answer import Answer
from providers.probes.web_call import call
from providers.probes.websocket import opening
from providers.wants import MeetProbe

TOKEN_SECONDS = 60
"""How long the canary's right to join is good."""


class MeetCheck(Check[MeetProbe]):
    """`probe.meet`. Outputs: `livekit` (its URL).

    Without a key, LiveKit must refuse a stranger in its own way. With one, `observe` asks whether
    the canary would be let in, and `apply` lets it in: hidden, in a room of its own that LiveKit
    closes when it has been empty for a while.
    """

    def __init__(self, context: Context, *, wall_clock: Callable[[], float] = time.time) -> None:
        super().__init__(context)
        self._wall_clock = wall_clock

    def _look(self, want: MeetProbe, attempt: Attempt) -> Seen:
        heart = call(attempt, "GET", below(want.url, "__heartbeat__")).expect(200)
        heart.json()
        call(attempt, "GET", below(want.url, "__lbheartbeat__")).expect(200)
        livekit = _livekit(call(attempt, "GET", f"{below(want.url, 'api', 'v1.0', 'config')}/").expect(200))
        if want.livekit_key is None or want.livekit_secret is None:
            told = _stranger_is_refused(livekit, attempt)
        else:
            told = _canary_is_let_in(livekit, self._right(want.livekit_key, want.livekit_secret, attempt), attempt)
        return Seen(f"{heart.at} is healthy, and LiveKit at {livekit} {told}.", {"livekit": livekit})

    def _right(self, key: str, secret: str, attempt: Attempt) -> Secret:
        """The `Authorization` of a participant who neither speaks, nor sees, nor is seen."""
        now = int(self._wall_clock())
        name = f"bascule-canary-{hashlib.sha256(str(attempt.tag).encode()).hexdigest()[:12]}"
        grant = {"roomJoin": True, "room": name, "canPublish": False, "canSubscribe": False, "hidden": True}
        claims = {"iss": attempt.context.reveal(key).reveal(), "sub": name, "video": grant}
        times = {"nbf": now - TOKEN_SECONDS, "exp": now + TOKEN_SECONDS}
        return Secret(f"Bearer {signed({**claims, **times}, attempt.context.reveal(secret)).reveal()}")


def _livekit(answer: Answer) -> str:
    """LiveKit's URL, as browsers are told it, over http or https."""
    livekit = answer.json().get("livekit")
    told = livekit.get("url") if isinstance(livekit, dict) else None
    if not told:
        raise DoesNotHoldError(f"{answer.at} names no LiveKit server; expected its URL.")
    url = led_to(answer, told)
    if answer.url.scheme == "https" and url.startswith("http:"):
        raise DoesNotHoldError(f"{answer.at} names LiveKit at {str(told)[:200]}; expected wss, browsers refuse others.")
    return url


def _stranger_is_refused(livekit: str, attempt: Attempt) -> str:
    """LiveKit answers a stranger's websocket with 401 and plain text, which shows that its signalling works."""
    answer = opening(attempt, below(livekit, "rtc"))
    if answer.status != 401 or "html" in answer.headers.get("content-type", ""):
        raise DoesNotHoldError(
            f"{answer.at} answered {answer.status}, {answer.words}, to a stranger; expected LiveKit's 401."
        )
    return "answers"


def _canary_is_let_in(livekit: str, right: Secret, attempt: Attempt) -> str:
    headers: dict[str, str | Secret] = {"Authorization": right}
    if not attempt.writing:
        answer = call(attempt, "GET", below(livekit, "rtc", "validate"), headers=headers)
        _taken(answer, httpx.codes.OK)
        if answer.body.strip() != b"success":
            raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected success.")
        return "would let a participant in"
    _taken(opening(attempt, below(livekit, "rtc"), headers=headers), httpx.codes.SWITCHING_PROTOCOLS)
    return "lets a participant in"


def _taken(answer: Answer, expected: int) -> None:
    if answer.status == 401:
        raise DoesNotHoldError(
            f"{answer.at} does not take our key (401, {answer.words}): it has another key or secret; "
            f"expected {int(expected)}."
        )
    answer.expect(int(expected))
