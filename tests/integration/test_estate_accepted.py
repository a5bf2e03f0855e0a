"""Who signed the estate, what was refused and what a person let in, over HTTP and by the command, in a real service."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from orchestrator.cli import main
from tests.integration.service_fixture import RunningService, commit, estate_files, running_service
from tests.signing_people import vouched


def told(service: RunningService, code: int, *arguments: str) -> str:
    """What the command says, on one line."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out), pytest.raises(SystemExit) as ended:
        main(["--data", str(service.bascule.settings.data), "estate", *arguments])
    assert ended.value.code == code, out.getvalue()
    return " ".join(out.getvalue().split())


def test_a_rewritten_history_is_refused_let_in_and_signed(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        first = service.http.get("/api/v1/estate").json()
        assert (first["signed"], first["policy_signed"], first["refused"], first["reason"]) == (None, [], None, "")
        assert "unsigned: nothing proves who wrote it" in told(service, 0, "show")

        (service.estate / ".git").rename(tmp_path / "old.git")
        other = commit(service.estate, {**estate_files(service.listening_port), "docs/sheet.md": "# Anew\n"})
        answer = service.http.post("/api/v1/estate/sync", json={"as": "olga"})
        assert (answer.status_code, answer.json()["code"]) == (403, "untrusted")
        assert "rewritten history" in told(service, 4, "sync", "--as", "olga")
        said = service.http.get("/api/v1/estate").json()
        assert (said["commit"], said["refused"]["commit"]) == (first["commit"], other)
        assert f"bascule estate accept {other} --reason" in told(service, 0, "show")

        told(service, 2, "accept", other, "--as", "olga")
        order = {"as": "olga", "commit": first["commit"], "reason": "wrong one"}
        assert service.http.post("/api/v1/estate/accept", json=order).status_code == 409
        assert service.http.post("/api/v1/estate/accept", json={**order, "commit": "main"}).status_code == 422
        assert "accepted now" in told(service, 0, "accept", other, "--as", "olga", "--reason", "a new forge")
        said = service.http.get("/api/v1/estate").json()
        assert (said["commit"], said["accepted_by"], said["reason"], said["refused"]) == (
            other,
            "olga",
            "a new forge",
            None,
        )

        vouched(service.estate, service.bascule.settings.data)
        assert "known already" in told(service, 0, "sync", "--as", "olga")
        said = service.http.get("/api/v1/estate").json()
        assert said["signed"]["principals"] == ["alice@valbourg.example"]
        assert len(said["policy_signed"]) == 2
        shown = told(service, 0, "show")
        assert f"signed by alice@valbourg.example ({said['signed']['key']}); its policy by" in shown
        assert "by a person's word: a new forge" in shown
