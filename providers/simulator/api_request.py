"""What the stand-ins of JSON APIs share: fields of a request's body, and answers."""

import json
from email import message_from_bytes
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


def form_parts(request: Request) -> dict[str, tuple[str, bytes]]:
    """The body as a form with files (RFC 7578): name -> media type and content; empty when it is none."""
    head = f"Content-Type: {request.headers.get('Content-Type', '')}\r\n\r\n".encode()
    found: dict[str, tuple[str, bytes]] = {}
    for part in message_from_bytes(head + request.body).walk():
        name = part.get_param("name", header="Content-Disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            found[name] = part.get_content_type(), content
    return found
