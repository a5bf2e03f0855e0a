"""Fault 27: the secrets backend is gone. The sealed local copy serves, or what people would release does not begin."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.app import Bascule, Settings
from orchestrator.domain.model import RunState
from orchestrator.domain.people.role import Role
from orchestrator.operations.request import SecretsMissing
from orchestrator.store import runs
from providers import openbao as client
from providers.openbao import OpenBao, OpenBaoSettings
from tests.integration.service_fixture import ESTATE, commit, until
from tests.known_people import enrol
from tests.openbao_server import Bao, openbao

DRILL = "drill: {mode: drill, prefix: drill-, networks: [127.0.0.0/8]}"
CHANNEL = "notify: {duty: {driver: apprise, url: secret://duty}}, smtp: {helo: b.trial.example}"
TELL = """
runbook: desk-failover
service: desk
title: {fr: Essai, en: Trial}
steps:
  told:
    uses: notify.send
    with: {channel: duty, title: {fr: Exercice, en: Drill}, body: {fr: Un mot, en: A word}}
"""
TOKEN = "token-of-the-duty-channel"


@pytest.fixture
def bao(tmp_path: Path) -> Iterator[Bao]:
    with openbao(tmp_path) as made:
        yield made


@pytest.fixture
def told() -> Iterator[tuple[int, list[str]]]:
    """A channel: its port, and the paths that were posted to."""
    paths: list[str] = []

    class Channel(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Channel)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_address[1], paths
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def service(directory: Path, bao: Bao) -> Iterator[Bascule]:
    """With a backend that is given half a second to answer."""
    estate = directory / "estate"
    if not estate.exists():
        sheet = ESTATE.replace(DRILL, f"{DRILL[:-1]}, {CHANNEL}}}")
        sheet = sheet.replace("    failover: phone-failover\n", "    failover: desk-failover\n")
        sheet = sheet[: sheet.index("  phone:")] + sheet[sheet.index("scopes:") :]
        commit(estate, {"bascule.yaml": sheet, "runbooks/desk-failover.yaml": TELL})
    token = directory / "bao-token"
    token.write_text(bao.token)
    backend = OpenBao(OpenBaoSettings(bao.url, token_file=token, ca=bao.ca))
    bascule = Bascule(Settings(directory / "data", str(estate), secrets_backend=backend))
    bascule.start()
    enrol(bascule.database, "anne", Role.APPROVER)
    try:
        yield bascule
    finally:
        bascule.stop()


def drill(bascule: Bascule, reason: str) -> RunState:
    plan = bascule.plans.make(["desk"], "drill")
    run_id = bascule.runs.start(plan.digest, "olga", reason).run_id
    bascule.runs.release(run_id, plan.digest, "anne")

    def ended() -> RunState | None:
        with bascule.database.read() as conn:
            state = RunState(runs.get_run(conn, run_id).state)
        return state if state not in (RunState.RUNNING, RunState.AWAITING_RELEASE) else None

    return until(ended, 15, lambda: f"{run_id} does not end")


def test_the_sealed_copy_serves_when_the_backend_is_gone(
    bao: Bao,
    told: tuple[int, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(client, "ANSWER_WITHIN", 0.5)
    port, paths = told
    bao.put("drill/duty", value=f"json://127.0.0.1:{port}/{TOKEN}")
    with service(tmp_path, bao) as bascule:
        assert drill(bascule, "while it answers") is RunState.SUCCEEDED
        bao.hangs = True
        assert drill(bascule, "while it hangs") is RunState.SUCCEEDED
    with service(tmp_path, bao) as bascule:
        assert drill(bascule, "after a restart") is RunState.SUCCEEDED
    assert paths == [f"/{TOKEN}"] * 3
    assert "its sealed copy is used" in caplog.text
    assert "does not answer" in caplog.text
    everything = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert TOKEN.encode() not in everything


def test_without_a_copy_nothing_begins(
    bao: Bao, told: tuple[int, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_WITHIN", 0.5)
    port, paths = told
    bao.put("drill/duty", value=f"json://127.0.0.1:{port}/{TOKEN}")
    bao.sealed = True
    with service(tmp_path, bao) as bascule:
        plan = bascule.plans.make(["desk"], "drill")
        with pytest.raises(SecretsMissing, match=r"secret://duty.*bascule doctor"):
            bascule.runs.start(plan.digest, "olga")
        (secrets,) = [one for one in bascule.doctor.examine("drill").examinations if one.kind == "secrets"]
        assert "OpenBao" in secrets.rights[0].advice
        bao.sealed = False
        assert isinstance(bascule.secret_store.backend, OpenBao)
        bascule.secret_store.backend.now = lambda: 1e12
        assert drill(bascule, "it is back") is RunState.SUCCEEDED
    assert paths == [f"/{TOKEN}"]
