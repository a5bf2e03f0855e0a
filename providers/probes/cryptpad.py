"""A CryptPad whose two origins answer and name each other, and whose websocket opens.

`/api/config` is JavaScript around one JSON object (CryptPad's lib/http-worker.js); its checkup page tests the rest, in
a browser.
"""

import json
import re
from typing import Any

import httpx

from providers.base import ProviderError
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.place import below, over_http, same_origin
from providers.probes.web_answer import Answer
from providers.probes.web_call import call, parsed
from providers.probes.websocket import opening
from providers.wants import CryptpadProbe

_MODULE = re.compile(r"\s*define\(\s*function\s*\(\)\s*\{[\s;]*return\s*(?=\{)")
_VERSION = re.compile(r"\bver=([0-9][0-9A-Za-z.]*)")


class CryptpadCheck(Check[CryptpadProbe]):
    """`probe.cryptpad`. Outputs: `version`, `websocket` (where browsers are sent)."""

    def _look(self, want: CryptpadProbe, attempt: Attempt) -> Seen:
        settings = _named_at(want.url, want, attempt)
        _named_at(want.safe_url, want, attempt)
        version, websocket = _version(settings), _websocket(want.url, settings)
        _opens(websocket, want.url.rstrip("/"), attempt)
        return Seen(
            f"CryptPad {version} answers at {want.url} and {want.safe_url}, and its websocket opens.",
            {"version": version, "websocket": websocket},
        )


def _named_at(base: str, want: CryptpadProbe, attempt: Attempt) -> dict[str, Any]:
    """The settings that are served at one of the origins. Raises DoesNotHoldError unless they name both."""
    answer = call(attempt, "GET", below(base, "api", "config")).expect(200)
    settings = _settings(answer)
    for key, expected in (("httpUnsafeOrigin", want.url), ("httpSafeOrigin", want.safe_url)):
        if not same_origin(expected, settings.get(key)):
            told = str(settings.get(key))[:200]
            raise DoesNotHoldError(
                f"{answer.at} says {key} {told!r}; expected {expected}: browsers would refuse the sandbox."
            )
    return settings


def _settings(answer: Answer) -> dict[str, Any]:
    """The JSON object in the module, without running it."""
    text = answer.text
    begin = _MODULE.match(text)
    try:
        found, _ = json.JSONDecoder().raw_decode(text, begin.end()) if begin else (None, 0)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected CryptPad's configuration.")
    return found


def _websocket(base: str, settings: dict[str, Any]) -> str:
    """Where pads are edited: a path at the main origin, or a URL of its own."""
    path = str(settings.get("websocketPath") or "/cryptpad_websocket")
    try:
        return str(parsed(over_http(path) if "://" in path else parsed(base).join(path)))
    except (ProviderError, httpx.InvalidURL) as error:
        raise DoesNotHoldError(f"{base} names the websocket {path[:200]!r}; expected a path or a URL.") from error


def _opens(websocket: str, page: str, attempt: Attempt) -> None:
    """Raises DoesNotHoldError unless a page of the main origin can open the websocket."""
    answer = opening(attempt, websocket, headers={"Origin": page})
    if answer.status != 101:
        raise DoesNotHoldError(
            f"{answer.at} answered {answer.status} to a websocket; expected 101: pads could be opened, but not edited."
        )


def _version(settings: dict[str, Any]) -> str:
    module = settings.get("requireConf")
    found = _VERSION.search(str(module.get("urlArgs", ""))) if isinstance(module, dict) else None
    return found[1] if found else "of an unknown version"
