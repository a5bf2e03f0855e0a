"""CryptPad: the configuration that both of its origins serve, and its websocket.

The module around the JSON is written as in cryptpad/cryptpad, `lib/http-worker.js` (serveConfig); its websocket is
`/cryptpad_websocket` (`lib/env.js`, and the example configuration for nginx).
"""

import json
from dataclasses import dataclass

from providers.simulator.condition import unavailable
from providers.simulator.http_service import Request, Response
from providers.simulator.websocket import accepted, is_opening

VERSION = "2025.9.0"
WEBSOCKET = "/cryptpad_websocket"


@dataclass(slots=True)
class CryptPad:
    """`url` and `safe_url` are what it was configured with, right or wrong; one object serves both origins."""

    url: str
    safe_url: str | None

    def handle(self, request: Request) -> Response:
        if request.path == "/api/config":
            return self._config()
        if request.path == WEBSOCKET:
            return accepted(request) if is_opening(request) else _page(426, "Upgrade Required")
        if request.path == "/":
            return _page(200, "CryptPad")
        return _page(404, "404")

    def in_maintenance(self, request: Request) -> Response:
        return unavailable(request)

    def read_only(self, request: Request) -> Response:
        """Its pages are served, but whoever opens its websocket is refused: pads can't be edited."""
        return _page(403, "Forbidden") if request.path == WEBSOCKET else self.handle(request)

    def _config(self) -> Response:
        told = {
            "requireConf": {"waitSeconds": 600, "urlArgs": f"ver={VERSION}-1764100000000"},
            "removeDonateButton": True,
            "allowSubscriptions": False,
            "websocketPath": WEBSOCKET,
            "httpUnsafeOrigin": self.url,
            "adminEmail": "pads@valbourg.example",
            "adminKeys": [],
            "inactiveTime": 90,
            "defaultStorageLimit": 52428800,
            "maxUploadSize": 20971520,
            "restrictRegistration": False,
            "httpSafeOrigin": self.safe_url,
            "enableEmbedding": False,
            "sso": False,
        }
        text = ";\n".join(["define(function(){", f"return {json.dumps(told, indent=1)}", "});"])
        return Response(200, text.encode(), {"Content-Type": "text/javascript; charset=utf-8"})


def _page(status: int, title: str) -> Response:
    return Response(status, f"<!DOCTYPE html><title>{title}</title>\n".encode(), {"Content-Type": "text/html"})
