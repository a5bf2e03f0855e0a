"""Visio, La Suite's Meet: its heartbeats and the configuration that its pages load.

The heartbeats are dockerflow's; the configuration is suitenumerique/meet's `core/api/__init__.py`
(get_frontend_configuration). Any other path is the page, as its front end's nginx serves it.
"""

import json
from dataclasses import dataclass

from providers.simulator.condition import unavailable
from providers.simulator.http_service import Request, Response

_JSON = {"Content-Type": "application/json"}


@dataclass(slots=True)
class Meet:
    """`livekit_url`: what browsers are told; empty when it was never configured."""

    livekit_url: str

    def handle(self, request: Request) -> Response:
        match request.path:
            case "/__heartbeat__":
                return Response(200, b'{"status": "ok"}', dict(_JSON))
            case "/__lbheartbeat__":
                return Response(200, b"", {"Content-Type": "text/html; charset=utf-8"})
            case "/api/v1.0/config/":
                return Response(200, json.dumps(self._config()).encode(), dict(_JSON))
        if request.path.startswith("/api/"):
            return Response(404, b'{"detail": "Not found."}', dict(_JSON))
        return Response(200, b"<!doctype html><title>Visio</title><div id=root></div>", {"Content-Type": "text/html"})

    def in_maintenance(self, request: Request) -> Response:
        return unavailable(request)

    def read_only(self, request: Request) -> Response:
        """Its database takes no writes: its heartbeat says so."""
        if request.path == "/__heartbeat__":
            return Response(500, b'{"status": "error"}', dict(_JSON))
        return self.handle(request)

    def _config(self) -> dict[str, object]:
        return {
            "LANGUAGE_CODE": "fr",
            "recording": {"is_enabled": False, "available_modes": [], "expiration_days": None, "max_duration": None},
            "telephony": {"enabled": False},
            "resource": {"default_access_level": "public"},
            "subtitle": {"enabled": False},
            "diagnostics": {"connection_test_enabled": False},
            "livekit": {
                "url": self.livekit_url,
                "force_wss_protocol": False,
                "enable_firefox_proxy_workaround": False,
                "default_sources": ["camera", "microphone", "screen_share"],
            },
        }
