"""What people do from the page of a run, by its forms alone: what is offered, who may, what must be typed."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx
import pytest

from orchestrator.domain.journal import StepEvent
from orchestrator.domain.people.role import Role
from orchestrator.operations.request import MOST_SAID, RequestError
from orchestrator.store import runs
from orchestrator.store.runs import OutputLine
from orchestrator.web.edge.access import Access
from orchestrator.web.pages.run_pages import LINES_OF_A_STEP
from orchestrator.web.words import Language, say
from tests.integration.service_fixture import ESTATE, RunningService, commit, running_service
from tests.known_people import enrol, session

SAID = r'<p class="did" id="did" role="status">(.*?)</p>'
SHEET, GO, CHECK = "desk-failover/sheet", "desk-failover/go", "desk-failover/check"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as made:
        text = ESTATE.replace("    failover: desk-failover", "    rto: 1h\n    failover: desk-failover")
        commit(made.estate, {"bascule.yaml": text})
        assert made.http.post("/api/v1/estate/sync", json={}).status_code == 200
        yield made


@dataclass
class Person:
    """Somebody's browser without a script."""

    http: httpx.Client
    token: str
    language: Language

    def page(self, path: str) -> str:
        found = self.http.get(path)
        assert found.status_code == 200, found.text
        return unescape(found.text)

    def send(self, path: str, **fields: str) -> httpx.Response:
        """A form as it stands on its page now, with these fields."""
        seen = re.search(r'name="as_of" value="([^"]+)"', self.http.get(path).text)
        shown = {"as_of": seen[1]} if seen else {}
        return self.http.post(path, data={"page_token": self.token, **shown, **fields})

    def does(self, path: str, did: str, **fields: str) -> str:
        """Send the form and go where it leads; that page says what was done."""
        answer = self.send(path, **fields)
        assert answer.status_code == 303, answer.text
        assert "?" not in answer.headers["location"]
        page = self.page(answer.headers["location"])
        assert say(self.language, f"did.{did}") in unescape(re.findall(SAID, page, re.DOTALL)[0])
        return page


@pytest.fixture(scope="module")
def person(service: RunningService) -> Iterator[dict[str, Person]]:
    access = Access(service.bascule.token, service.bascule.people.sign_in)
    made = {}
    for name, roles in {"olga": [Role.OPERATOR], "anne": [Role.APPROVER], "vera": [Role.VIEWER]}.items():
        enrol(service.bascule.database, name, *roles)
        secret = session(service.bascule, name)
        language: Language = "fr" if name == "anne" else "en"
        headers = {"Origin": service.url, "Accept-Language": language}
        http = httpx.Client(
            base_url=service.url, cookies={access.cookie_name: secret}, headers=headers, timeout=30, trust_env=False
        )
        made[name] = Person(http, access.page_token(secret), language)
    yield made
    for one in made.values():
        one.http.close()


@pytest.fixture
def run_id(service: RunningService) -> Iterator[str]:
    """A rehearsal that waits for a person to do the task."""
    made = service.start(service.plan("desk")["digest"], "mia")
    service.wait(made, "waiting", SHEET)
    yield made
    if service.run(made)["run"]["ended_at"] is None:
        service.decide(made, "cancel", "olga", reason="test ends")
        service.wait(made, "cancelled")


def test_what_was_done_is_said_once_where_one_arrives_and_in_no_address(person: dict[str, Person], run_id: str) -> None:
    """A link that says so would make whoever it is sent to believe that they did it."""
    olga, at = person["olga"], f"/runs/{run_id}"
    for did in ("approve", "pause"):
        assert re.findall(SAID, olga.page(f"{at}?did={did}")) == []
    sent = olga.send(f"{at}/do/pause", reason="lunch")
    assert (sent.status_code, sent.headers["location"]) == (303, at)
    cookie = sent.headers["set-cookie"].casefold()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/", "max-age=30"))
    again = olga.http.get(at, headers={"HX-Request": "true"})
    assert re.findall(SAID, again.text) == [], "a page that looks anew did nothing, and takes no word from another"
    first = olga.http.get(at)
    assert len(re.findall(SAID, first.text, re.DOTALL)) == 1
    assert "max-age=0" in first.headers["set-cookie"].casefold()
    assert re.findall(SAID, olga.page(at)) == []
    name = cookie.partition("=")[0]
    olga.http.cookies.set(name, "nothing-that-is-known")
    assert re.findall(SAID, olga.page(at)) == []
    olga.http.cookies.delete(name)
    olga.does(f"{at}/do/resume", "resume")


def offered(page: str) -> list[str]:
    """The actions of a page that are not hidden."""
    return re.findall(r'<li data-do="([a-z]+)">', page)


def test_a_run_is_paused_goes_on_and_is_cancelled(
    service: RunningService, person: dict[str, Person], run_id: str
) -> None:
    olga, at = person["olga"], f"/runs/{run_id}"
    assert offered(olga.page(at)) == ["pause", "cancel", "undo"]
    assert "No further step begins" in olga.page(f"{at}/do/pause")
    page = olga.does(f"{at}/do/pause", "pause", reason="lunch")
    assert offered(page) == ["resume", "cancel", "undo"]
    assert f'href="{at}/do/resume"' in page
    again = olga.send(f"{at}/do/pause")
    assert again.status_code == 409
    assert "paused already" in again.text
    assert "Not possible now" in olga.page(f"{at}/do/pause")
    assert offered(olga.does(f"{at}/do/resume", "resume")) == ["pause", "cancel", "undo"]
    unsaid = olga.send(f"{at}/do/cancel")
    assert unsaid.status_code == 422
    assert "nothing was done" in unsaid.text
    assert service.run(run_id)["run"]["state"] == "running"
    olga.does(f"{at}/do/cancel", "cancel", reason="not today")
    service.wait(run_id, "cancelled")
    assert offered(olga.page(at)) == ["undo"]
    service.check_fold(run_id)


def test_who_may_not_is_offered_nothing_and_refused(person: dict[str, Person], run_id: str) -> None:
    vera, anne, at = person["vera"], person["anne"], f"/runs/{run_id}"
    page = vera.page(at)
    assert offered(page) == []
    assert "/do/" not in page
    assert 'data-may="look"' in page
    assert offered(anne.page(at)) == ["pause"]
    for path in ("do/pause", "do/cancel", f"steps/{SHEET}/do/skip"):
        assert vera.http.get(f"{at}/{path}").status_code == 403
        assert vera.send(f"{at}/{path}", reason="x").status_code == 403
    assert anne.send(f"{at}/do/cancel", reason="x").status_code == 403


def test_a_failed_step_is_tried_again_or_left_out(
    service: RunningService, person: dict[str, Person], run_id: str
) -> None:
    olga, at = person["olga"], f"/runs/{run_id}"
    step = f"{at}/steps/{SHEET}"
    assert offered(olga.page(step)) == ["answer", "skip"]
    page = olga.does(f"/approve/step/{run_id}/{SHEET}", "reject", answer_is="no", comment="the line is dead")
    assert f'href="{step}/do/retry"' in page
    assert offered(olga.page(step)) == ["retry", "skip"]
    assert "the line is dead" in olga.page(f"{step}/do/retry")
    olga.does(f"{step}/do/retry", "retry")
    service.wait(run_id, "waiting", SHEET)
    assert "These go on without it: go" in olga.page(f"{step}/do/skip")
    olga.does(f"{step}/do/skip", "skip", reason="done by phone")
    found = service.wait(run_id, "skipped", SHEET)
    assert next(one for one in found["steps"] if one["id"] == SHEET)["message"] == "Skipped by olga: done by phone"
    service.wait(run_id, "waiting", GO)
    assert offered(olga.page(f"{at}/steps/{GO}")) == ["answer"]
    assert "Not possible now" in olga.page(f"{at}/steps/{GO}/do/skip")
    service.check_fold(run_id)


@pytest.mark.parametrize("verb", ["skip", "retry"])
def test_a_form_means_what_was_shown_and_nothing_that_came_of_it_since(
    service: RunningService, person: dict[str, Person], run_id: str, verb: str
) -> None:
    """During an undo, what went on without a step would leave its effect; another drift would be accepted unseen."""
    olga, path = person["olga"], f"/runs/{run_id}/steps/{SHEET}/do/{verb}"
    service.decide(run_id, "reject", "paul", SHEET, reason="no")
    shown = re.search(r'name="as_of" value="([^"]+)"', olga.page(path))
    assert shown is not None
    assert shown[1].split("/") == ["running", "failed", "1", "0"]
    service.decide(run_id, "retry", "paul", SHEET)
    service.wait(run_id, "waiting", SHEET)
    service.decide(run_id, "reject", "paul", SHEET, reason="no again")
    for as_of in (shown[1], shown[1].replace("running", "undoing"), ""):
        refused = olga.send(path, reason="done by phone", as_of=as_of)
        assert refused.status_code == 409, as_of
        assert "It has moved on since you looked" in refused.text
        assert "no again" in refused.text, "the page says how it is now"
    found = service.run(run_id)
    assert next(one for one in found["steps"] if one["id"] == SHEET)["state"] == "failed"
    olga.does(path, verb, reason="done by phone")


def test_a_task_is_reported_and_a_hold_point_answered_in_french(
    service: RunningService, person: dict[str, Person], run_id: str
) -> None:
    olga, anne = person["olga"], person["anne"]
    page = olga.page(f"/approve/step/{run_id}/{SHEET}")
    assert "Is this task done?" in page
    assert "Tell the front desk." in page
    olga.does(f"/approve/step/{run_id}/{SHEET}", "task", comment="told them")
    service.wait(run_id, "waiting", GO)
    page = anne.page(f"/approve/step/{run_id}/{GO}")
    assert "Refuser exactement ceci" in page
    unsaid = anne.send(f"/approve/step/{run_id}/{GO}", answer_is="no", comment="")
    assert unsaid.status_code == 422
    anne.does(f"/approve/step/{run_id}/{GO}", "reject", answer_is="no", comment="trop <tôt>")
    found = service.wait(run_id, "failed", GO)
    assert next(one for one in found["steps"] if one["id"] == GO)["message"] == "Rejected by anne: trop <tôt>"
    assert "trop <tôt>" not in anne.http.get(f"/runs/{run_id}").text


def test_what_goes_with_an_answer_is_text_and_not_without_end(
    service: RunningService, person: dict[str, Person], run_id: str
) -> None:
    """It stands in the journal for good, on every page of the run and in each stream."""
    olga, path = person["olga"], f"/approve/step/{run_id}/{SHEET}"
    for answer in ({"answer_is": "no"}, {}):
        for comment in ("x" * (MOST_SAID + 1), "\x1b[2J", "a\x9bb"):
            assert olga.send(path, comment=comment, **answer).status_code == 422, comment[:9]
    with pytest.raises(RequestError, match="4000 characters"):
        service.bascule.decisions.approve(run_id, SHEET, "olga", "x" * (MOST_SAID + 1))
    with pytest.raises(RequestError, match="4000 characters"):
        service.bascule.runs.release(run_id, "sha256:any", "olga", "x" * (MOST_SAID + 1))
    service.wait(run_id, "waiting", SHEET)
    olga.does(path, "reject", answer_is="no", comment="first\r\nsecond" + "x" * (MOST_SAID - 12))
    (said,) = [one["data"]["reason"] for one in events(service, run_id) if one["kind"] == StepEvent.REJECTED]
    assert said.startswith("first\nsecond")


def events(service: RunningService, run_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.http.get(f"/api/v1/runs/{run_id}/events").json()["events"]
    return found


def test_outside_of_rehearsals_what_is_touched_is_typed(service: RunningService, person: dict[str, Person]) -> None:
    olga = person["olga"]
    drill = service.plan("desk", scope="drill")["digest"]
    made = service.person("olga", Role.OPERATOR).post("/api/v1/runs", json={"digest": drill}).json()["id"]
    at = f"/runs/{made}"
    page = olga.page(at)
    assert offered(page) == ["cancel"]
    assert f'href="/approve/run/{made}"' not in page
    assert f'href="/approve/run/{made}"' in person["anne"].page(at)
    assert "type desk" in olga.page(f"{at}/do/cancel")
    for typed in ("", "Desk", "phone"):
        refused = olga.send(f"{at}/do/cancel", reason="not today", confirm=typed)
        assert refused.status_code == 422
        assert "not today" in refused.text
        assert service.run(made)["run"]["state"] == "awaiting_release"
    olga.does(f"{at}/do/cancel", "cancel", reason="not today", confirm="desk")
    service.wait(made, "cancelled")


def test_an_undo_names_what_it_takes_back(service: RunningService, person: dict[str, Person], run_id: str) -> None:
    olga, at = person["olga"], f"/runs/{run_id}"
    page = olga.page(f"{at}/do/undo")
    assert "No step has changed anything so far." in page  # what was done so far only looked
    service.finish(run_id)
    olga.does(f"{at}/do/undo", "undo", reason="they are back")
    service.wait(run_id, "undone")
    assert offered(olga.page(at)) == []


def test_while_everything_is_halted_nothing_that_begins_is_offered(
    service: RunningService, person: dict[str, Person], run_id: str
) -> None:
    olga, at = person["olga"], f"/runs/{run_id}"
    service.decide(run_id, "reject", "paul", SHEET, reason="no")
    assert service.http.post("/api/v1/halt", json={"reason": "test"}).status_code == 201
    try:
        assert offered(olga.page(at)) == ["cancel"]
        assert offered(olga.page(f"{at}/steps/{SHEET}")) == ["skip"]
        assert olga.send(f"{at}/do/resume").status_code == 423
        assert olga.send(f"{at}/steps/{SHEET}/do/retry").status_code == 423
    finally:
        assert service.http.post("/api/v1/halt/lift", json={"reason": "test"}).status_code == 200


def test_the_page_of_a_run_is_told_of_a_halt_and_of_its_end(
    service: RunningService, person: dict[str, Person], run_id: str
) -> None:
    """None of the run's own events says that a halt was lifted, and the page may be open through both."""
    olga, anne, at = person["olga"], person["anne"], f"/runs/{run_id}"
    for page in (anne.page(at), anne.page(f"{at}/steps/{SHEET}")):
        assert '<section class="halted" aria-labelledby="halted" hidden>' in page
    with anne.http.stream("GET", f"{at}/live", params={"lang": "fr"}) as response:
        told = halts_told(response.iter_lines())
        assert next(told) == {"halted": False, "why": ""}
        assert service.http.post("/api/v1/halt", json={"as": "olga", "reason": "<fumée>"}).status_code == 201
        try:
            engaged = next(told)
            assert engaged["halted"]
            assert re.fullmatch(r"par olga, .* UTC\)?\s*: <fumée>", engaged["why"])
            page = anne.page(at)
            assert '<section class="halted" aria-labelledby="halted">' in page
            assert '<a id="stop" class="button stop" href="/halt" hidden>' in olga.page(at)
            assert 'href="/halt">' in olga.page(f"{at}/paper"), "who is not told of the end has the switch"
        finally:
            assert service.http.post("/api/v1/halt/lift", json={"reason": "test"}).status_code == 200
        assert next(told) == {"halted": False, "why": ""}
    assert '<a id="stop" class="button stop" href="/halt">' in olga.page(at)


def halts_told(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    name = ""
    for line in lines:
        name = line.removeprefix("event: ") if line.startswith("event: ") else name
        if line.startswith("data: ") and name == "halt":
            yield json.loads(line.removeprefix("data: "))


def test_the_page_shows_the_time_left_the_plan_and_the_graph(
    service: RunningService, person: dict[str, Person], run_id: str
) -> None:
    olga, at = person["olga"], f"/runs/{run_id}"
    run = service.run(run_id)["run"]
    page = olga.page(at)
    assert f'data-ends="{run["started_at"] + 3600}"' in page
    assert "left of 1 h" in page
    assert f'href="/plans/{run["plan_digest"]}"' in page
    assert len(re.findall(r'<a class="node" href="#step-\d"', page)) == 5
    closed = olga.page(f"{at}?open=-&sort=state")
    assert 'data-lane="desk"' in closed
    assert 'class="node"' not in closed
    assert re.findall(r'<tr id="step-(\d)"', closed) == ["3", "1", "2", "4", "5"]
    assert f'href="{at}?open=desk&sort=state#graph"' in closed
    assert olga.http.get(f"{at}?sort=colour").status_code == 422


def test_on_paper_each_step_has_its_number_its_box_and_what_to_do(person: dict[str, Person], run_id: str) -> None:
    page = person["anne"].page(f"/runs/{run_id}/paper")
    assert re.findall(r'<li value="(\d)">', page) == ["1", "2", "3", "4", "5"]
    assert page.count('<span class="box"') == 5
    assert "Tell the front desk." in page
    assert "après 3" in page
    assert "2 personnes" in page


def test_the_output_of_one_step_is_paged(service: RunningService, person: dict[str, Person], run_id: str) -> None:
    olga, at = person["olga"], f"/runs/{run_id}/steps/{CHECK}"
    count = 2 * LINES_OF_A_STEP + 7
    lines = [OutputLine(run_id, CHECK, 1, 0.0, f"line <{number}>") for number in range(count)]
    others = [OutputLine(run_id, GO, 1, 0.0, "of another step")] * 3
    with service.bascule.database.write() as conn:
        runs.add_output(conn, [*lines, *others])

    def shown(page: str) -> list[int]:
        assert "of another step" not in page
        return [int(number) for number in re.findall(r'class="line-text">line <(\d+)>', page)]

    def link(page: str, which: str) -> str:
        found = re.search(rf'href="([^"]+)"[^>]*>{which}<', page)
        assert found is not None, which
        return found[1].partition("#")[0]

    last = olga.page(at)
    assert shown(last) == list(range(count - LINES_OF_A_STEP, count))
    assert "Later lines" not in last
    seen = shown(last)
    page = last
    while "Earlier lines" in page:
        page = olga.page(link(page, "Earlier lines"))
        seen = shown(page) + seen
    assert seen == list(range(count))
    first = olga.page(link(last, "First lines"))
    assert shown(first) == list(range(LINES_OF_A_STEP))
    assert shown(olga.page(link(first, "Later lines")))[0] == LINES_OF_A_STEP
    assert olga.http.get(f"/runs/{run_id}/steps/nothing").status_code == 404
