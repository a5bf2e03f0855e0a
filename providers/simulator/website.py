"""The organisation's own page, which names its profiles on social networks by links with rel="me"."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from providers.simulator.condition import unavailable
from providers.simulator.http_service import Request, Response

_HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Website:
    """One page. `profiles`: the URLs that it names."""

    profiles: Sequence[str]

    def handle(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return Response(405, b"", {"Allow": "GET, HEAD"})
        links = "".join(f'<a rel="me" href="{escape(url)}">{escape(url)}</a>' for url in self.profiles)
        page = f"<!doctype html><html lang=fr><head><title>Valbourg</title></head><body>{links}</body></html>\n"
        return Response(200, page.encode(), _HTML)

    def in_maintenance(self, request: Request) -> Response:
        return unavailable(request)

    def read_only(self, request: Request) -> Response:
        return self.handle(request)
