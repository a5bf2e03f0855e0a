"""The opening of a websocket (RFC 6455 §4): whether a server takes it, without a word said in it."""

import base64
import hashlib
import secrets

import httpx

from providers.base import Secret
from providers.probes.check import Attempt, DoesNotHoldError
from providers.probes.web_answer import Answer
from providers.probes.web_call import call

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def opening(attempt: Attempt, url: str | httpx.URL, *, headers: dict[str, str | Secret] | None = None) -> Answer:
    """What the server answers to the opening; `url` begins with http or https (`place.over_http`)."""
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    asked = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    answer = call(attempt, "GET", url, headers={**asked, **(headers or {})})
    if answer.status == httpx.codes.SWITCHING_PROTOCOLS:
        _accepted(answer, key)
    return answer


def _accepted(answer: Answer, key: str) -> None:
    """Raises DoesNotHoldError when the server took the upgrade without having understood it."""
    expected = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()).decode()
    if answer.headers.get("sec-websocket-accept") != expected:
        raise DoesNotHoldError(f"{answer.at} switched protocols without accepting the websocket; expected RFC 6455.")
