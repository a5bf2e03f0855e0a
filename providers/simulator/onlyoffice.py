"""ONLYOFFICE Docs: its health, and its command service behind a JSON Web Token.

The answers are those of ONLYOFFICE/server, `DocService/sources/DocsCoServer.js` (healthCheck, getRequestParams,
commandFromServer) and `Common/sources/commondefines.js` (the error numbers): a token in the body counts before one in
the header, and what the token says counts before what stands beside it.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from providers.simulator.condition import unavailable
from providers.simulator.http_service import Request, Response
from providers.simulator.token import TokenError, claims_of

NO_ERROR, NO_DOCUMENT, UNKNOWN_COMMAND, WRONG_TOKEN, EXPIRED_TOKEN = 0, 1, 5, 6, 7
OLD_PATH = "/coauthoring/CommandService.ashx"


@dataclass(slots=True)
class OnlyOffice:
    """`checks_tokens`: whether it was configured to. `old`: from before 8.2, without `/command`."""

    secret: str = field(repr=False)
    checks_tokens: bool = True
    old: bool = False
    version: str = "9.0.4.50"
    clock: Callable[[], float] = time.time

    def handle(self, request: Request) -> Response:
        if request.path == "/healthcheck" and request.method == "GET":
            return _text(200, "true")
        if self._takes_commands(request):
            return _json(self._command(request))
        return _text(404, "Not Found")

    def in_maintenance(self, request: Request) -> Response:
        """A part behind it (database, queue, storage) is stopped: it answers, and says that it is not healthy."""
        return _text(200, "false") if request.path == "/healthcheck" else unavailable(request)

    def read_only(self, request: Request) -> Response:
        """Its reverse proxy shows it, and lets no command through."""
        return _text(403, "Forbidden") if request.method == "POST" else self.handle(request)

    def _takes_commands(self, request: Request) -> bool:
        return request.method == "POST" and (request.path == OLD_PATH or (request.path == "/command" and not self.old))

    def _command(self, request: Request) -> dict[str, Any]:
        try:
            params = self._trusted(request)
        except TokenError as error:
            return {"error": EXPIRED_TOKEN if error.expired else WRONG_TOKEN}
        match params.get("c"):
            case "version":
                return {"error": NO_ERROR, "version": self.version}
            case "info" | "drop" | "forcesave" | "meta":
                return {"key": params.get("key"), "error": NO_DOCUMENT}
        return {"error": UNKNOWN_COMMAND}

    def _trusted(self, request: Request) -> dict[str, Any]:
        """The command, as far as it is signed. Raises TokenError."""
        try:
            params = json.loads(request.body or b"{}")
        except ValueError:
            params = {}
        if not self.checks_tokens:
            return dict(params)
        token = params.get("token") or request.headers.get("Authorization", "").removeprefix("Bearer ")
        claims = claims_of(token, self.secret, self.clock())
        payload = claims.get("payload")
        return {**params, **claims, **(payload if isinstance(payload, dict) else {})}


def _text(status: int, text: str) -> Response:
    return Response(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})


def _json(body: dict[str, Any]) -> Response:
    return Response(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
