"""A published list that is downloaded: through redirects, and never out of encryption."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from providers.base import ProviderError
from providers.discovery.list_source import read_list
from tests.certificates import self_signed

LIST = b"192.0.2.0/24\n"


class Desk(BaseHTTPRequestHandler):
    leads_to = ""

    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/moved" else 200)
        if self.path == "/moved":
            self.send_header("Location", self.leads_to)
        self.send_header("Content-Length", str(len(LIST)))
        self.end_headers()
        self.wfile.write(LIST)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def desk(context: ssl.SSLContext | None = None, leads_to: str = "") -> Iterator[str]:
    handler = type("Led", (Desk,), {"leads_to": leads_to})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"{'https' if context else 'http'}://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def keys(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What the server shows, and what trusts it."""
    certificate, key = self_signed(["localhost"])
    (tmp_path / "pair.pem").write_text(key + certificate)
    shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown.load_cert_chain(tmp_path / "pair.pem")
    return shown, ssl.create_default_context(cadata=certificate)


def test_a_list_is_taken_through_a_redirect(keys: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    shown, trusted = keys
    with desk() as plain, desk(shown) as there, desk(shown, f"{there}/list") as at, desk(leads_to=f"{plain}/x") as old:
        assert read_list(f"{at}/moved", trusted) == LIST
        assert read_list(f"{old}/moved") == LIST


def test_no_redirect_leads_out_of_encryption(keys: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    shown, trusted = keys
    with desk() as plain, desk(shown, f"{plain}/list") as at, pytest.raises(ProviderError, match="not encrypted") as no:
        read_list(f"{at}/moved", trusted)
    assert no.value.permanent
    assert plain in no.value.message


def test_an_unknown_certificate_is_not_believed(keys: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with desk(keys[0]) as at, pytest.raises(ProviderError, match="can't be fetched"):
        read_list(f"{at}/list")


def test_no_proxy_of_the_environment_sees_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with desk() as at:
        assert read_list(f"{at}/list") == LIST
