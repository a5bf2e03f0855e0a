"""Mistral's API as far as a check asks for it: the list of models, and a chat completion.

Paths, fields and the form of errors: https://docs.mistral.ai/api/ and the models of the vendor's own client
(github.com/mistralai/client-python). The client mistralai 3.7.0 lists models and completes a chat here.
"""

import hmac
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from providers.simulator.api_request import fields, json_answer
from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault
from providers.simulator.http_service import Request, Response

MODELS = ("mistral-small-latest", "mistral-medium-latest", "mistral-large-latest")
OTHERS = ("mistral-embed",)
"""Models that complete nothing."""
WORDS = ["Bonjour", "!", "Comment", "puis-je", "vous", "aider", "?"]


@dataclass
class Mistral:
    """Answers requests that carry the right key, below `/v1`. `effects`: every completion, because it is paid for."""

    key: str
    effects: EffectLog
    models: tuple[str, ...] = MODELS
    clock: Callable[[], float] = field(default=time.time)

    def handle(self, request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {self.key}".encode()):
            return error(401, "Unauthorized", "unauthorized", "1101")
        match request.method, request.path:
            case "GET", "/v1/models":
                cards = [_card(name, name in self.models) for name in (*self.models, *OTHERS)]
                return json_answer(200, {"object": "list", "data": cards})
            case "POST", "/v1/chat/completions":
                return self._complete(fields(request))
        return error(404, "no Route matched with those values", "not_found", None)

    def refusal(self, fault: Fault, _request: Request) -> Response:
        if fault.kind == "quota" or fault.status == 429:
            return error(429, "Requests rate limit exceeded", "rate_limited", "1300")
        return error(fault.status, "Service unavailable.", "internal_server_error", None)

    def in_maintenance(self, _request: Request) -> Response:
        return error(503, "Service unavailable.", "internal_server_error", "1000")

    def read_only(self, request: Request) -> Response:
        """A key that may look and not complete."""
        if request.method != "GET":
            return error(403, "You do not have permission to perform this action", "forbidden", None)
        return self.handle(request)

    def _complete(self, asked: dict[str, Any]) -> Response:
        messages, most = asked.get("messages"), asked.get("max_tokens")
        if not isinstance(messages, list) or not messages:
            return _unprocessable("messages", "Field required")
        if most is not None and (not isinstance(most, int) or most < 0):
            return _unprocessable("max_tokens", "Input should be greater than or equal to 0")
        if asked.get("model") not in self.models:
            return error(400, f"Invalid model: {asked.get('model')}", "invalid_model", "1500")
        said = WORDS if most is None else WORDS[:most]
        read = sum(len(str(message.get("content", "")).split()) for message in messages) + 3
        self.effects.add("mistral", "chat.completion", str(asked["model"]))
        return json_answer(
            200,
            {
                "id": uuid.uuid4().hex,
                "object": "chat.completion",
                "created": int(self.clock()),
                "model": asked["model"],
                "usage": {
                    "prompt_tokens": read,
                    "completion_tokens": len(said),
                    "total_tokens": read + len(said),
                },
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": " ".join(said), "tool_calls": None},
                        "finish_reason": "stop" if len(said) == len(WORDS) else "length",
                    }
                ],
            },
        )


def error(status: int, message: object, kind: str, code: str | None) -> Response:
    return json_answer(status, {"object": "error", "message": message, "type": kind, "param": None, "code": code})


def _unprocessable(name: str, message: str) -> Response:
    return error(422, {"detail": [{"loc": ["body", name], "msg": message}]}, "invalid_request_error", None)


def _card(name: str, completes: bool) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": 1_760_000_000,
        "owned_by": "mistralai",
        "capabilities": {
            "completion_chat": completes,
            "completion_fim": False,
            "function_calling": completes,
            "fine_tuning": False,
            "vision": False,
            "classification": False,
        },
        "name": name,
        "description": f"Official {name} Mistral AI model",
        "max_context_length": 131_072,
        "aliases": [name.removesuffix("-latest") + "-2506"] if completes else [],
        "deprecation": None,
        "type": "base",
    }
