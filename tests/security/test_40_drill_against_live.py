"""Fault 40: a drill's credentials against the live scope, and the other way round: refused, each way that there is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrator.domain.people.role import Role
from orchestrator.operations.secrets import Shared
from orchestrator.store import sealed_secrets
from orchestrator.store.tables import sealed_secrets as table
from providers.base import ProviderError
from tests.integration.service_fixture import RunningService, commit, estate_files, running_service

LIVE, DRILL = "the-credential-of-the-real-thing", "the-credential-of-the-drill"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with running_service(tmp_path) as made:
        made.bascule.secrets.set("live", "cloud", LIVE, "olga")
        made.bascule.secrets.set("drill", "cloud", DRILL, "olga")
        yield made


def test_a_drill_is_given_its_own_secret_and_no_other(service: RunningService) -> None:
    bascule = service.bascule
    reveal = bascule.secret_store.of("drill")
    assert reveal("secret://cloud").reveal() == DRILL
    bascule.secrets.set("live", "only-live", "another-real-credential", "olga")
    for reference in ("secret://only-live", "secret://live/cloud", "secret://../live/cloud", "secret://live%2Fcloud"):
        with pytest.raises(ProviderError):
            reveal(reference)


def test_rows_of_the_database_are_moved_in_vain(service: RunningService) -> None:
    """Who can write the database, and has no key."""
    bascule = service.bascule
    with bascule.database.write() as conn:
        row = sealed_secrets.get(conn, "live", "cloud")
        assert row is not None
        sealed_secrets.put(conn, replace(row, scope="drill", kind="drill"))
    with pytest.raises(ProviderError, match="was not sealed for it: the row was moved"):
        bascule.secret_store.of("drill")("secret://cloud")
    with bascule.database.write() as conn:
        conn.execute(sa.update(table).where(table.c.scope == "live").values(kind="drill"))
    with pytest.raises(ProviderError, match="that scope's mode was drill; now it is live"):
        bascule.secret_store.of("live")("secret://cloud")


def test_one_value_for_two_modes_is_not_stored(service: RunningService) -> None:
    secrets = service.bascule.secrets
    for scope, value in (("drill", LIVE), ("rehearsal", LIVE), ("live", DRILL), ("signals", LIVE)):
        with pytest.raises(Shared, match="a credential is of one mode alone") as refused:
            secrets.set(scope, "borrowed", f"{value}\n", "olga")
        assert value not in str(refused.value)
    secrets.rotate("olga", drop_old=True)
    with pytest.raises(Shared):
        secrets.set("drill", "borrowed", LIVE, "olga")
    secrets.set("live", "same-mode", LIVE, "olga")


def test_a_plain_file_with_a_live_value_is_neither_sealed_nor_handed_out(service: RunningService) -> None:
    bascule = service.bascule
    file = bascule.paths.secrets / "drill" / "borrowed"
    file.parent.mkdir(exist_ok=True)
    file.write_text(LIVE)
    file.chmod(0o600)
    with pytest.raises(ProviderError, match="a scope of another mode"):
        bascule.secret_store.of("drill")("secret://borrowed")
    assert [one.name for one in bascule.secrets.seal("olga").left] == ["borrowed"]
    assert file.exists()


def test_a_live_scope_that_is_called_a_drill_has_no_live_secret(service: RunningService) -> None:
    """An author who changes the mode of the live scope would have it released by one person."""
    sheet = (service.estate / "bascule.yaml").read_text()
    commit(service.estate, {"bascule.yaml": sheet.replace("live: {mode: live,", "live: {mode: drill,")})
    service.bascule.estates.sync("olga")
    with pytest.raises(ProviderError, match="stored while that scope's mode was live; now it is drill"):
        service.bascule.secret_store.of("live")("secret://cloud")


def test_a_drill_does_not_reach_an_address_that_its_networks_do_not_list(tmp_path: Path) -> None:
    """The right credential and the wrong address: nothing is sent there."""
    with running_service(tmp_path) as service:
        sheet = (service.estate / "bascule.yaml").read_text()
        closed = sheet.replace("prefix: drill-, networks: [127.0.0.0/8]", "prefix: drill-, networks: [192.0.2.0/24]")
        commit(service.estate, {**estate_files(service.listening_port), "bascule.yaml": closed})
        service.bascule.estates.sync("olga")
        plan = service.plan("phone", scope="drill")
        olga = service.person("olga", Role.OPERATOR)
        service.person("anne", Role.APPROVER)
        run_id = olga.post("/api/v1/runs", json={"digest": plan["digest"], "reason": "test"}).json()["id"]
        assert service.decides(run_id, "release", "anne", digest=plan["digest"]).status_code == 200
        found = service.wait(run_id, "failed", "phone-failover/rings")
    (step,) = found["steps"]
    assert "networks" in step["message"]
