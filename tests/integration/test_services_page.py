"""The pages of services: how well each is prepared, by a real estate and a real journal."""

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from orchestrator.domain.model import Mode
from orchestrator.domain.people.role import Grant, Role
from orchestrator.domain.preparedness import Lack
from tests.integration.service_fixture import RunningService, commit, running_service

CHECK = "desk-failover/check"
OF_THE_PHONE = Grant(Role.OPERATOR, "phone")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("services")) as made:
        made.person("olga", Role.OPERATOR)
        made.person("vera", Grant(Role.VIEWER, "phone"))
        yield made


def page(client: httpx.Client, path: str, status: int = 200) -> str:
    found = client.get(path)
    assert found.status_code == status, found.text
    main = found.text[found.text.index("<main") : found.text.index("</main>")]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main)).split())


def lacks(service: RunningService, name: str) -> tuple[Lack, ...]:
    (found,) = [one for one in service.bascule.preparedness.board().services if one.name == name]
    return found.lacks


def test_services_stand_in_the_order_of_their_needs_with_what_is_missing(service: RunningService) -> None:
    olga = service.people["olga"]
    text = page(olga, "/services?lang=en")
    assert text.index("Front desk critical") < text.index("Switchboard normal needs Front desk")
    assert "Amazon Web Services unknown Falls back to Scaleway" in text
    assert "Its failover never succeeded, not even in a rehearsal" in text
    assert "Not proven: 2" in text
    source = olga.get("/services").text
    assert 'href="/plans/new?service=desk"' in source
    assert 'href="/services/phone"' in source
    assert "Jamais" in page(olga, "/services?lang=fr")


def test_a_run_that_succeeded_proves_its_services_even_when_it_was_undone(service: RunningService) -> None:
    run = service.start(service.plan("desk")["digest"])
    ended = service.finish(run)["run"]
    (desk,) = [one for one in service.bascule.preparedness.board().services if one.name == "desk"]
    trial = desk.trials[Mode.REHEARSAL]
    assert (trial.run_id, trial.outcome) == (run, "succeeded")
    assert trial.took == pytest.approx(ended["ended_at"] - ended["started_at"], abs=1)
    assert Lack.UNTESTED not in desk.lacks
    assert service.decide(run, "undo", "paul", reason="they are back").is_success
    service.wait(run, "undone")
    (desk,) = [one for one in service.bascule.preparedness.board().services if one.name == "desk"]
    assert desk.trials[Mode.REHEARSAL].took == pytest.approx(trial.took, abs=1)
    assert desk.trials[Mode.REHEARSAL].ended_at == pytest.approx(ended["ended_at"], abs=1)
    assert Lack.UNTESTED not in desk.lacks
    (told,) = [one for one in service.http.get("/api/v1/services").json()["services"] if one["name"] == "desk"]
    assert told["trials"][0]["within_rto"] is None
    assert (told["readiness"], told["lacks"]) == ("gaps", ["unwatched", "rto", "rpo", "failback"])
    text = page(service.people["olga"], "/services?lang=en")
    assert "Rehearsal Undone" in text
    assert "Ready, with gaps: 1" in text

    cut_short = service.start(service.plan("desk")["digest"])
    service.wait(cut_short, "waiting", "desk-failover/sheet")
    assert service.decide(cut_short, "cancel", "olga", reason="test ends").is_success
    service.wait(cut_short, "cancelled")
    assert Lack.FAILED in lacks(service, "desk")


def test_a_service_s_page_has_its_runbook_its_runs_and_its_clocks(service: RunningService) -> None:
    run = service.start(service.plan("phone")["digest"])
    service.wait(run, "succeeded")
    olga = service.people["olga"]
    text = page(olga, "/services/phone?lang=en")
    assert "Failover: Move the switchboard 1 step runbooks/phone-failover.yaml" in text
    assert "needs Front desk" in text
    assert "after the loss Entra access tokens" in text
    assert "No RTO is set Write rto in bascule.yaml" in text
    assert f'href="/runs/{run}"' in olga.get("/services/phone").text
    assert "5 étapes runbooks/desk-failover.yaml · Fiches : docs/sheet.md" in page(olga, "/services/desk?lang=fr")


def test_who_has_no_role_for_a_service_sees_nothing_of_it(service: RunningService) -> None:
    vera = service.people["vera"]
    text = page(vera, "/services?lang=en")
    assert "Switchboard" in text
    assert "Make a plan" not in text
    assert "Not proven" not in text or "Front desk critical" not in text
    assert vera.get("/services/phone").status_code == 200
    assert vera.get("/services/desk").status_code == 404
    assert service.people["olga"].get("/services/nothing").status_code == 404


def test_a_run_that_moves_another_service_as_well_is_named_to_nobody_who_may_not_see_it(
    service: RunningService,
) -> None:
    """As at the API: whoever has a role for one of its services alone finds no such run."""
    vera, olga, omar = service.people["vera"], service.people["olga"], service.person("omar", OF_THE_PHONE)
    run = service.start(service.plan("phone", "desk")["digest"])
    assert run not in [one["id"] for one in omar.get("/api/v1/runs").json()["runs"]]
    for path in ("/services/phone", "/halt"):
        assert run in olga.get(path).text, path
        assert run not in omar.get(path).text, path
    assert "and 1 other run" in page(omar, "/halt?lang=en")
    assert "et 1 autre exécution" in page(omar, "/halt?lang=fr")
    assert "other run" not in page(olga, "/halt?lang=en")
    service.finish(run)
    for path in ("/services/phone", "/services"):
        assert f'href="/runs/{run}"' in olga.get(path).text, path
        assert run not in vera.get(path).text, path
        assert "Rehearsal Done" in page(vera, f"{path}?lang=en"), "that it went well is the service's own"


def test_a_commit_that_is_not_accepted_is_said_and_the_one_before_shown(service: RunningService) -> None:
    whole = (service.estate / "bascule.yaml").read_text()
    commit(service.estate, {"bascule.yaml": whole.replace("needs: [desk]", "needs: [nobody]")})
    assert not service.http.post("/api/v1/estate/sync", json={"as": "olga"}).is_success
    text = page(service.people["olga"], "/services?lang=en")
    assert "was not accepted" in text
    assert "There is no service `nobody`" in text
    assert "Front desk" in text
    assert "The estate’s newest commit was not accepted" in page(service.people["olga"], "/?lang=en")
    commit(service.estate, {"bascule.yaml": whole})
    assert service.http.post("/api/v1/estate/sync", json={"as": "olga"}).is_success
    assert "was not accepted" not in page(service.people["olga"], "/services?lang=en")


def test_an_older_commit_stands_in_where_the_newest_can_t_be_read(service: RunningService) -> None:
    older = service.bascule.estates.newest()
    whole = (service.estate / "bascule.yaml").read_text()
    packs = service.bascule.paths.mirror / "objects" / "pack"
    before = set(packs.iterdir())
    newer = commit(service.estate, {"bascule.yaml": whole + "\n# newer\n"})
    assert service.http.post("/api/v1/estate/sync", json={"as": "olga"}).is_success
    lost = [(path, path.rename(path.with_name(f"{path.name}.kept"))) for path in set(packs.iterdir()) - before]
    assert lost, "git kept the new commit in a pack of its own"
    service.bascule.estates.bundle.cache_clear()
    try:
        board = service.bascule.preparedness.board()
        assert newer[:12] in board.trouble
        assert board.accepted is not None
        assert board.accepted.commit == older
        text = page(service.people["olga"], "/services?lang=en")
        assert "The accepted estate can’t be read" in text
        assert f"What follows is of an older commit, {older[:12]}." in text
        assert "Front desk" in text
    finally:
        for path, kept in lost:
            kept.rename(path)


def test_an_estate_that_can_t_be_read_hides_nothing_else(service: RunningService) -> None:
    mirror = service.bascule.paths.mirror
    kept = mirror.rename(mirror.with_name("kept.git"))
    service.bascule.estates.bundle.cache_clear()
    olga = service.people["olga"]
    try:
        text = page(olga, "/services?lang=en")
        assert "The accepted estate can’t be read" in text
        assert "bascule estate sync" in text
        assert "Services that the journal knows desk Rehearsal" in text
        assert "phone Rehearsal Done" in text
        assert "Rehearsal Failover: phone Done" in page(olga, "/services/phone?lang=en")
        assert "Failover: phone" in page(olga, "/?lang=en")
        assert "phone" in page(service.people["vera"], "/services?lang=en")
        assert "desk" not in page(service.people["vera"], "/services?lang=en")
    finally:
        kept.rename(mirror)
