"""The page of the moment: what it says first, and whom it says it to."""

import html
import re
import time
from collections.abc import Iterator

import httpx
import pytest

from orchestrator.domain.people.role import Grant, Role
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.store import people, verdicts
from tests.integration.service_fixture import RunningService, answering, running_service
from tests.integration.test_proposals import Opened, Town, channel, opened
from tests.known_people import enrol, signed_in

__all__ = ["channel", "opened"]

SHEET, GO, CHECK = "desk-failover/sheet", "desk-failover/go", "desk-failover/check"
BUDGET = 150_000
"""Bytes of the page and of all that it loads, uncompressed."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("now")) as made:
        made.person("olga", Role.OPERATOR)
        made.person("anne", Role.APPROVER)
        made.person("vera", Grant(Role.VIEWER, "phone"))
        yield made


def page(client: httpx.Client, path: str = "/?lang=en") -> str:
    """The page's text, a space for each tag."""
    found = client.get(path)
    assert found.status_code == 200, found.text
    main = found.text[found.text.index("<main") : found.text.index("</main>")]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main)).split())


def headline(client: httpx.Client, path: str = "/?lang=en") -> str:
    found = re.search(r"<h1>(.*?)</h1>", client.get(path).text, re.DOTALL)
    assert found is not None
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found[1])).split())


def section(text: str, begin: str, end: str) -> str:
    assert begin in text, text
    return text[text.index(begin) : text.index(end)]


def test_where_nothing_ever_ran_the_next_step_is_taught(service: RunningService) -> None:
    text = page(service.people["olga"])
    assert headline(service.people["olga"]) == "Nothing happens, but nobody looks at 2 vendors"
    assert "First steps" in text
    assert 'href="/plans/new"' in service.people["olga"].get("/").text
    assert 'href="/plans/new"' not in service.people["vera"].get("/").text
    assert "Pour commencer" in page(service.people["olga"], "/?lang=fr")


def test_what_waits_for_me_comes_before_what_waits_for_others(service: RunningService) -> None:
    olga, anne = service.people["olga"], service.people["anne"]
    run = service.start(service.plan("desk")["digest"])
    try:
        service.wait(run, "waiting", SHEET)
        text = page(olga)
        assert "An operator must do the task Failover: Front desk" in section(text, "Waits for you", "Active runs")
        assert f'href="/approve/step/{run}/desk-failover/sheet"' in olga.get("/").text
        text = page(anne)
        assert "An operator must do the task" in section(text, "Waits for others", "Active runs")
        assert f'href="/approve/step/{run}' not in anne.get("/").text
        assert "2 of 5 steps done" in text
        assert "Front desk" not in page(service.people["vera"]).partition("Vendors and jurisdictions")[0]

        assert service.decide(run, "approve", "paul", SHEET).status_code == 200
        service.wait(run, "waiting", GO)
        assert "2 approvers must say yes" in section(page(anne), "Waits for you", "Active runs")
        assert "2 approbateurs" in section(page(olga, "/?lang=fr"), "D’autres sont attendus", "Exécutions en cours")
        assert service.decide(run, "approve", "anne", GO).status_code == 200
        assert "Waits for you" not in page(anne), "who said yes waits for the others"

        assert service.decide(run, "reject", "bruno", GO, reason="<b>the line is dead").status_code == 200
        service.wait(run, "failed", GO)
        assert headline(olga) == "1 step needs a decision"
        said = olga.get("/api/v1/now").json()
        assert said["headline"] == {"fr": "1 étape attend une décision", "en": "1 step needs a decision"}
        (waits,) = said["waits"]
        assert (waits["kind"], waits["mine"], waits["about"], waits["step"]) == ("failed", True, run, GO)
        found = olga.get("/?lang=en").text
        assert "&lt;b&gt;the line is dead" in found
        assert f'href="/runs/{run}#waits"' in found
    finally:
        service.decide(run, "cancel", "olga", reason="test ends")
    service.wait(run, "cancelled")
    assert "Ended within 24 h" in page(olga)


def test_the_installation_s_token_is_nobody_and_is_told_to_sign_in(service: RunningService) -> None:
    run = service.start(service.plan("desk")["digest"])
    try:
        service.wait(run, "waiting", SHEET)
        text = page(service.http)
        assert "Waits for people" in text
        assert "which is nobody’s" in text
    finally:
        service.decide(run, "cancel", "olga", reason="test ends")


def test_a_role_waits_for_another_person_than_who_gave_it(service: RunningService) -> None:
    enrol(service.bascule.database, "carla", Role.APPROVER)
    given = [signed_in(service.bascule, service.url, name) for name in ("carla", "anne", "olga")]
    with service.bascule.database.write() as conn:
        people.insert(conn, "zoe", "", "carla", 0.0, program=False)
        people.give(conn, "zoe", Grant(Role.APPROVER), "carla", 0.0, confirmed=False)
        people.change(conn, "anne", totp="of some app")
    carla, anne, olga = (page(client) for client in given)
    for client in given:
        client.close()
    assert "zoe is to have the role approver" in anne.partition("Waits for others")[0]
    assert "zoe is to have the role approver" in section(carla, "Waits for others", "Vendors and jurisdictions")
    assert "zoe" not in olga, "who can't agree is not told"


def test_verdicts_are_told_by_how_bad_they_are_and_clocks_run(service: RunningService) -> None:
    lost = time.time() - 11 * 3600
    words = {"fr": "Amazon Web Services : coupé depuis 01:00", "en": "Amazon Web Services: cut since 01:00"}
    with service.bascule.database.write() as conn:
        verdicts.record(conn, Change(lost, "aws", Verdict.CUT, Verdict.UNKNOWN, lost, (), words), lost)
        law = {"fr": "Juridiction US : s’érode", "en": "Jurisdiction US: eroding since 02:00"}
        verdicts.record(conn, Change(lost, "jurisdiction:US", Verdict.ERODING, Verdict.UNKNOWN, lost, (), law), lost)
    text = page(service.people["olga"])
    assert headline(service.people["olga"]) == "2 vendors or jurisdictions are cut or eroding"
    told = section(text, "Vendors and jurisdictions", "What runs out soon")
    assert "Amazon Web Services cut since 01:00 Services that depend on it: Front desk" in told
    assert told.index("Amazon Web Services") < told.index("Jurisdiction US eroding since 02:00")
    assert "1 unknown: nobody looks at it" in told
    assert "Session tokens · Front desk, Switchboard" in text.partition("What runs out soon")[2]
    assert re.search(r'<span class="left" data-ends="[0-9.]+" data-over="out">', service.people["olga"].get("/").text)


def test_while_everything_is_halted_that_is_said_first(service: RunningService) -> None:
    assert service.people["olga"].post("/api/v1/halt", json={"reason": "drill"}).is_success
    try:
        assert headline(service.people["olga"]) == "Everything is halted"
    finally:
        assert service.people["olga"].post("/api/v1/halt/lift", json={"reason": "over"}).is_success


def test_the_page_and_all_that_it_loads_are_within_the_budget(service: RunningService) -> None:
    found = service.http.get("/").text
    assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//""", found), "nothing is asked of anybody else"
    static = sorted(set(re.findall(r'(?:src|href)="(/static/[^"]+)"', found)))
    assert [path for path in static if path.endswith((".css", ".js"))], "it has a style and scripts"
    sizes = {path: len(service.http.get(path).content) for path in static} | {"/": len(found.encode())}
    assert sum(sizes.values()) < BUDGET, sizes


def visit(town: Town, url: str, name: str, path: str = "/?lang=en") -> tuple[str, str]:
    with signed_in(town.bascule, url, name) as client:
        return page(client, path), client.get(path).text


def test_a_proposal_counts_down_for_who_may_release_it_and_for_others(opened: Opened) -> None:
    town = opened()
    enrol(town.bascule.database, "olga", Role.OPERATOR)
    row = town.lose()
    with answering(town.bascule) as url:
        text, source = visit(town, url, "anne")
        assert text.startswith("1 failover is proposed and counting down")
        mine = section(text, "Waits for you", "Vendors and jurisdictions")
        assert "Drill Proposed: move Switchboard" in mine
        assert "2 people must release it" in mine
        assert f'data-ends="{row.armed_until}"' in source
        assert f'href="/approve/proposal/{row.id}"' in source
        text, source = visit(town, url, "olga", "/?lang=fr")
        assert "Waits for you" not in text
        assert "Proposé : basculer Standard" in section(text, "Bascules proposées", "Fournisseurs et juridictions")
        assert f'data-ends="{row.armed_until}"' in source
        assert f'href="/approve/proposal/{row.id}"' not in source
