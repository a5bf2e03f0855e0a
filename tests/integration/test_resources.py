"""What Bascule made and no run stands behind: found, quarantined, never deleted by itself, released by a person."""

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from orchestrator.cli import main
from orchestrator.domain.people.role import Role
from orchestrator.store import runs
from orchestrator.store.runs import NewStep
from orchestrator.store.tables import steps
from providers.simulator.fleet_parts import Server, ServerOrder
from tests.integration.service_fixture import RunningService, commit, running_service, until
from tests.known_people import enrol, token_of
from tests.page_visitor import visiting, words_of
from tests.vendor_stand_ins import TOKEN, CloudStandIn, cloud_stand_in


@dataclass
class Yard:
    """A service, and a cloud with servers of every standing."""

    service: RunningService
    cloud: CloudStandIn

    def add(self, name: str, *tags: str) -> Server:
        catalogue = self.cloud.fleet.catalogue
        size, image = catalogue.sizes["DEV1-S"], catalogue.images[0]
        return self.cloud.fleet.create(ServerOrder(name, "fr-par-1", catalogue.project, size, image, list(tags)))

    def of_run(self, run_id: str, step: str, *, effect: list[str], state: str = "succeeded") -> None:
        """A run in the database whose step has these servers on record."""
        values = {"id": run_id, "plan_digest": "d", "commit": "c", "scope": "drill", "mode": "drill"}
        values |= {"direction": "failover", "requested_by": "olga", "reason": ""}
        more: dict[str, Any] = {"services": [], "releases_needed": 0, "created_at": 0.0}
        new = NewStep(step, "compute.server", {"uses": "compute.server", "service": "s", "runbook": "r"}, ())
        row = {"state": state, "effect": {"servers": [{"id": server} for server in effect]}}
        with self.service.bascule.database.write() as conn:
            runs.save_plan(conn, "d", "c", 0.0, {})
            runs.insert_run(conn, {**values, **more}, [new])
            conn.execute(sa.update(steps).where(steps.c.run_id == run_id).values(row))

    def listed(self) -> dict[str, tuple[str, bool]]:
        found = self.service.http.get("/api/v1/resources", params={"scope": "drill"}).json()
        assert found["unread"] == {}
        return {one["name"]: (one["standing"], one["quarantined"]) for one in found["resources"]}

    def cli(self, *arguments: str) -> tuple[int, str]:
        said = io.StringIO()
        with redirect_stdout(said), pytest.raises(SystemExit) as ended:
            main(["--data", str(self.service.bascule.paths.data), *arguments])
        return int(str(ended.value.code or 0)), said.getvalue()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    with running_service(tmp_path) as service, cloud_stand_in() as cloud:
        head = (service.estate / "bascule.yaml").read_text()
        block = json.dumps({"cloud": cloud.block})
        changed = head.replace("prefix: drill-,", f"prefix: drill-, compute: {block},")
        commit(service.estate, {"bascule.yaml": changed})
        secret = service.bascule.paths.secrets / "drill" / "scaleway-token"
        secret.parent.mkdir(parents=True, mode=0o700)
        secret.write_text(TOKEN)
        secret.chmod(0o600)
        assert service.http.post("/api/v1/estate/sync", json={"as": "olga"}).status_code == 200
        yield Yard(service, cloud)


def filled(yard: Yard) -> dict[str, Server]:
    """One server of each standing, and one that is not Bascule's."""
    made = {
        "used": yard.add("used", "bascule", "bascule-run=r-1", "bascule-step=a/server"),
        "twin": yard.add("twin", "bascule", "bascule-run=r-1", "bascule-step=a/server"),
        "lost": yard.add("lost", "bascule", "bascule-run=r-lost", "bascule-step=a/server"),
        "undone": yard.add("undone", "bascule", "bascule-run=r-2", "bascule-step=a/server"),
        "foreign": yard.add("foreign", "theirs"),
    }
    yard.of_run("r-1", "a/server", effect=[made["used"].id])
    yard.of_run("r-2", "a/server", effect=[made["undone"].id], state="undone")
    return made


def test_standings_are_told_and_the_sweep_deletes_nothing(yard: Yard) -> None:
    filled(yard)
    assert yard.listed() == {
        "used": ("in use", False),
        "twin": ("left behind", True),
        "lost": ("of no run", True),
        "undone": ("left behind", True),
    }
    assert yard.service.bascule.resources.sweep() == 3
    assert yard.service.bascule.resources.sweep() == 3
    assert len(yard.cloud.fleet.servers) == 5


def test_a_person_keeps_or_releases(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    made = filled(yard)
    code, shown = yard.cli("resources", "--scope", "drill")
    assert code == 3
    assert f"bascule resources release {made['lost'].id} lost -s drill" in shown
    assert max(len(line) for line in shown.splitlines() if "bascule resources" not in line) <= 80
    code, _ = yard.cli("resources", "release", made["lost"].id, "lost", "--as", "anne", "--scope", "drill")
    assert code == 4, "the token of the installation releases nothing outside of rehearsals"
    monkeypatch.setenv("BASCULE_TOKEN", token_of(yard.service.person("anne", Role.OPERATOR)))
    code, _ = yard.cli("resources", "keep", made["twin"].id, "--reason", "spare", "--scope", "drill")
    assert code == 0
    code, _ = yard.cli("resources", "release", made["lost"].id, "lost", "--scope", "drill")
    assert code == 0
    monkeypatch.delenv("BASCULE_TOKEN")
    assert yard.listed() == {
        "used": ("in use", False),
        "twin": ("left behind", False),
        "undone": ("left behind", True),
    }
    assert set(yard.cloud.fleet.servers) == {made[name].id for name in ("used", "twin", "undone", "foreign")}


def test_a_person_keeps_or_releases_from_the_page(yard: Yard) -> None:
    """Looked for in the background; released by the name that is typed, and not by another one."""
    made = filled(yard)
    enrol(yard.service.bascule.database, "anne", Role.OPERATOR)
    with visiting(yard.service.bascule, yard.service.url, "anne") as anne:
        page = anne.get("/settings/resources")
        assert "Nothing waits for a decision" in words_of(page)
        anne.send(page, "/settings/resources/look")

        def found() -> str | None:
            said = words_of(anne.get("/settings/resources"))
            return said if "4 things that Bascule made are there, 1 of them in use" in said else None

        assert "3 wait for a decision" in until(found, 20, lambda: "the look does not end")
        release = f"/settings/resources/release?scope=drill&id={made['lost'].id}"
        wrong = anne.do(release, reason="nobody knows it", confirm="used")
        assert (wrong.status_code, len(yard.cloud.fleet.servers)) == (422, 5)
        anne.do(release, reason="nobody knows it", confirm="lost")
        anne.do(f"/settings/resources/keep?scope=drill&id={made['twin'].id}", reason="spare")
        assert "1 waits for a decision" in words_of(anne.get("/settings/resources"))
    assert set(yard.cloud.fleet.servers) == {made[name].id for name in ("used", "twin", "undone", "foreign")}


@pytest.mark.every_day("foreign-foreign-404-Nothing that Bascule made")
@pytest.mark.parametrize(
    ("thing", "name", "status", "said"),
    [
        ("used", "used", 409, "belongs to run r-1"),
        ("lost", "used", 422, "is named 'lost'"),
        ("foreign", "foreign", 404, "Nothing that Bascule made"),
    ],
)
def test_nothing_is_released_by_mistake(yard: Yard, thing: str, name: str, status: int, said: str) -> None:
    made = filled(yard)
    order = {"scope": "drill", "id": made[thing].id, "name": name}
    answer = yard.service.person("anne", Role.OPERATOR).post("/api/v1/resources/release", json=order)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True)
    assert len(yard.cloud.fleet.servers) == 5


def test_a_cloud_that_cannot_be_asked_is_said_and_forgets_nothing(yard: Yard) -> None:
    filled(yard)
    yard.listed()
    with yard.cloud.faulty({"kind": "status", "status": 403, "times": None}):
        code, shown = yard.cli("resources", "--scope", "drill")
    assert code == 1
    assert "cloud could not be asked" in shown
    with yard.service.bascule.database.read() as conn:
        rows = conn.execute(sa.text("SELECT count(*) FROM strays")).scalar_one()
    assert rows == 3
