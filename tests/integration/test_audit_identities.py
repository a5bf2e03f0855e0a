"""Chains hold pseudonyms, people see names, and a person can be forgotten without breaking a chain."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrator.cli import main
from orchestrator.operations.audit_check import verify
from orchestrator.operations.forgetting import forget
from orchestrator.operations.request import Conflict, NotFound, RequestError
from orchestrator.store.audit_reading import export_lines, open_database
from tests.databases import new_postgres_database
from tests.integration.service_fixture import RunningService, running_service


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    url = new_postgres_database(request.getfixturevalue("postgres")) if request.param == "postgresql" else ""
    with running_service(tmp_path_factory.mktemp("identities"), url) as made:
        yield made


def test_a_person_is_shown_everywhere_then_forgotten_and_every_chain_verifies(service: RunningService) -> None:
    database, url = service.bascule.database, service.bascule.settings.database
    run_id = service.start(service.plan("desk")["digest"])
    service.wait(run_id, "waiting", "desk-failover/sheet")
    assert service.decide(run_id, "approve", "paul", "desk-failover/sheet").status_code == 200
    service.wait(run_id, "waiting", "desk-failover/go")
    assert service.decide(run_id, "approve", "paula", "desk-failover/go").status_code == 200
    assert service.decide(run_id, "approve", "paula", "desk-failover/go").status_code == 403
    assert service.decide(run_id, "approve", "olga", "desk-failover/go").status_code == 403
    for name in ("paul", "olga"):
        with pytest.raises(Conflict, match=run_id):
            forget(database, lambda: 1.0, name, "anne", "asked for it")
    assert service.decide(run_id, "reject", "paul", "desk-failover/go", reason="not now").status_code == 200
    assert service.decide(run_id, "cancel", "anne", reason="enough").status_code == 200
    service.wait(run_id, "cancelled")
    service.bascule.halt.engage("paul", "a test")
    service.bascule.halt.lift("paul", "over")
    service.check_fold(run_id)

    shown = service.http.get(f"/api/v1/runs/{run_id}/events").text + str(service.run(run_id))
    assert "Rejected by paul: not now" in shown
    assert '"actor":"paul"' in shown.replace(": ", ":")
    assert "person-" not in shown
    with open_database(url) as source:
        chains = "\n".join(line for line in export_lines(source, 1.0) if '"chain"' in line)
    assert not any(f'"{name}"' in chains or f"by {name}" in chains for name in ("paul", "paula", "olga", "anne"))

    done = forget(database, lambda: 2.0, "paul", "anne", "left the town")
    assert done.runs == (run_id,)
    service.check_fold(run_id)
    shown = service.http.get(f"/api/v1/runs/{run_id}/events").text + str(service.run(run_id))
    assert f"Rejected by {done.pseudonyms[0]}: not now" in shown
    assert "paula" in shown
    assert "paul" not in shown.replace("paula", "")
    assert [one.by for one in service.bascule.halt.history()] == [done.pseudonyms[0]]
    with open_database(url) as source:
        found = verify(source, [], frozenset())
    assert found.whole, list(found.findings)
    with database.read() as conn:
        told = conn.execute(sa.text("SELECT data FROM audit_entries WHERE kind = 'identity.forgotten'")).scalar_one()
    assert done.pseudonyms[0] in str(told)


def test_what_cannot_be_forgotten_is_refused(service: RunningService) -> None:
    database = service.bascule.database
    with pytest.raises(NotFound):
        forget(database, lambda: 1.0, "nobody", "anne", "because")
    with pytest.raises(RequestError, match="somebody else"):
        forget(database, lambda: 1.0, "anne", "anne", "because")
    with pytest.raises(RequestError, match="reason"):
        forget(database, lambda: 1.0, "anne", "olga", " ")


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--data", str(tmp_path), "audit", "forget", "paul", "--reason", "x", "--as", "anne"])
    assert ended.value.code == 1
    assert "Nothing has ever run" in capsys.readouterr().err
