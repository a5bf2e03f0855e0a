"""What the stand-ins of JSON APIs share: fields of a request's body, and answers."""

import json
from typing import Any
from urllib.parse import parse_qsl

from providers.simulator.http_service import Request, Response

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


def json_answer(status: int, body: object, headers: dict[str, str] | None = None) -> Response:
    return Response(status, json.dumps(body, ensure_ascii=False).encode(), {"Content-Type": JSON, **(headers or {})})


def page(status: int, text: str) -> Response:
    return Response(status, text.encode(), {"Content-Type": HTML})


def fields(request: Request) -> dict[str, Any]:
    """The body as a form or as a JSON object; empty when it is neither."""
    if "json" in request.headers.get("Content-Type", ""):
        try:
            found = json.loads(request.body or b"{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
    return dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
