"""Collabora Online: WOPI discovery and its capabilities.

The document is CollaboraOnline/online's `discovery.xml` with the `urlsrc` that the server adds to each action
(`wsd/ClientRequestDispatcher.cpp`); the capabilities are those that Nextcloud's richdocuments keeps of a 24.04.
"""

import json
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from providers.simulator.condition import unavailable
from providers.simulator.http_service import Request, Response

VERSION, HASH = "24.04.13.2", "d12ab86"

_OASIS = "application/vnd.oasis.opendocument."
_OOXML = "application/vnd.openxmlformats-officedocument."
_APPS = {
    "odt": f"{_OASIS}text",
    "ods": f"{_OASIS}spreadsheet",
    "odp": f"{_OASIS}presentation",
    "docx": f"{_OOXML}wordprocessingml.document",
    "xlsx": f"{_OOXML}spreadsheetml.sheet",
    "pptx": f"{_OOXML}presentationml.presentation",
}


@dataclass(slots=True)
class Collabora:
    """`told_as`: the origin that it sends browsers to; by default the one it was asked at, over `scheme`."""

    scheme: str = "https"
    told_as: str | None = None

    def handle(self, request: Request) -> Response:
        if request.path == "/hosting/discovery":
            return self._discovery(request, "edit")
        if request.path == "/hosting/capabilities":
            return self._capabilities()
        if request.path == "/":
            return Response(200, b"OK", {"Content-Type": "text/plain"})
        return Response(404, b"", {"Content-Type": "text/plain"})

    def in_maintenance(self, request: Request) -> Response:
        return unavailable(request)

    def read_only(self, request: Request) -> Response:
        """As it is when it was built or licensed for viewing only."""
        return self._discovery(request, "view") if request.path == "/hosting/discovery" else self.handle(request)

    def _discovery(self, request: Request, action: str) -> Response:
        origin = self.told_as or f"{self.scheme}://{request.headers['Host']}"
        page = quoteattr(f"{origin}/browser/{HASH}/cool.html?")
        apps = "".join(
            f'<app name="{name}"><action ext="{extension}" name="{action}" urlsrc={page}/></app>\n'
            for extension, name in _APPS.items()
        )
        asked = quoteattr(f"{origin}/hosting/capabilities")
        text = (
            f'<?xml version="1.0" encoding="utf-8"?>\n<wopi-discovery>\n<net-zone name="external-http">\n{apps}'
            f'<app name="Capabilities"><action ext="" name="getinfo" urlsrc={asked}/></app>\n'
            "</net-zone>\n</wopi-discovery>\n"
        )
        return Response(200, text.encode(), {"Content-Type": "text/xml"})

    def _capabilities(self) -> Response:
        told = {
            "convert-to": {"available": True, "endpoint": "/cool/convert-to"},
            "hasMobileSupport": True,
            "hasProxyPrefix": False,
            "hasTemplateSaveAs": False,
            "hasTemplateSource": True,
            "productName": "Collabora Online Development Edition",
            "productVersion": VERSION,
            "productVersionHash": HASH,
            "serverId": "8bee4df3",
        }
        return Response(200, json.dumps(told).encode(), {"Content-Type": "application/json"})
