"""Halting on the service's own machine works whatever the service says of whoever is signed in."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.app import Bascule, Settings
from orchestrator.cli import credential, main
from orchestrator.cli.exits import CommandError
from tests.integration.service_fixture import answering


@pytest.fixture
def bascule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bascule]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("BASCULE_URL", "BASCULE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    made = Bascule(Settings(tmp_path / "data", ""))
    yield made
    made.stop()


@contextmanager
def refusing(status: int, shown: list[str]) -> Iterator[str]:
    """Something that listens and refuses everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            shown.append(self.headers["Authorization"])
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_said: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def halted(bascule: Bascule, code: int = 0) -> str:
    """What `bascule halt` says; a session is kept that the service does not know."""
    data, said = bascule.settings.data, io.StringIO()
    credential.keep("", data, {"token": "bss_old", "name": "anne", "expires_at": 9e9})
    with redirect_stdout(said), redirect_stderr(said), pytest.raises(SystemExit) as end:
        main(["--data", str(data), "halt", "--reason", "wrong zone"])
    assert end.value.code == code, said.getvalue()
    return said.getvalue()


def test_a_session_that_ended_halts_with_the_installation_s_token(bascule: Bascule) -> None:
    with answering(bascule) as url:
        bascule.announce_address(url)
        said = halted(bascule)
    assert "It is tried another way" in said
    assert "written into the database" not in said
    assert bascule.halt.in_force() is not None


@pytest.mark.every_day("401", "503")
@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_service_that_refuses_whoever_it_is_is_passed_by(bascule: Bascule, status: int) -> None:
    shown: list[str] = []
    with refusing(status, shown) as url:
        bascule.announce_address(url)
        assert "written into the database" in halted(bascule)
    assert shown == ["Bearer bss_old", f"Bearer {bascule.token}"]
    assert bascule.halt.in_force() is not None


def test_who_may_not_halt_is_refused(bascule: Bascule) -> None:
    shown: list[str] = []
    with refusing(403, shown) as url:
        bascule.announce_address(url)
        halted(bascule, 1)
    assert len(shown) == 1
    assert bascule.halt.in_force() is None


def test_the_installation_s_token_goes_to_no_other_service(bascule: Bascule, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    with refusing(401, shown) as url:
        monkeypatch.setenv("BASCULE_URL", url)
        monkeypatch.setenv("BASCULE_TOKEN", "bst_other")
        halted(bascule, 1)
    assert shown == ["Bearer bst_other"]
    assert bascule.halt.in_force() is None


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("http://localhost:8700", True),
        ("http://127.0.0.1:8700/", True),
        ("http://[::1]:8700", True),
        ("https://bascule.town.example", True),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://localhost@evil.example", False),
        ("http://evil.example\\@localhost", False),
        ("http://bascule.town.example", False),
        ("http://[::1", False),
        ("localhost:8700", False),
    ],
)
def test_only_loopback_goes_without_tls(url: str, taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASCULE_URL", url)
    if taken:
        assert credential.address_of(tmp_path) == url.rstrip("/")
        return
    with pytest.raises(CommandError, match="https://"):
        credential.address_of(tmp_path)
