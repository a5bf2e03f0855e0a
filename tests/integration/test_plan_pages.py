"""The pages of plans over HTTP: made by the form, read, looked at again, and started, with no script anywhere."""

import re
import time
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlsplit

import httpx
import pytest

from orchestrator.domain.people.role import Grant, Role
from orchestrator.domain.plan import with_seen
from orchestrator.web.pages.plan_pages import since_planned
from tests.integration.service_fixture import RunningService, running_service
from tests.rich_plan import keep, rich_plan

FRENCH = {"Accept-Language": "fr"}
LIMITED = """
policy:
  limits:
    scopes:
      live: {services: 1}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("plans"), more=LIMITED) as made:
        made.person("olga", Role.OPERATOR, Role.APPROVER)
        made.person("anne", Role.APPROVER)
        made.person("vera", Role.VIEWER)
        made.person("paul", Grant(Role.OPERATOR, "phone"))
        yield made


def text(response: httpx.Response) -> str:
    """What is read on the page, its tags taken away."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.text)).split())


def send(client: httpx.Client, path: str, **fields: str | list[str]) -> httpx.Response:
    return client.post(path, data=fields, headers={"Origin": str(client.base_url).rstrip("/")})


def made(service: RunningService, *services: str, scope: str = "rehearsal") -> str:
    """A plan by the form; its page's path."""
    chosen: dict[str, str | list[str]] = {"service": list(services), "scope": scope, "direction": "failover"}
    response = send(service.people["olga"], "/plans/new", **chosen)
    assert response.status_code == 303, text(response)
    return str(response.headers["location"])


def key_of(response: httpx.Response) -> str:
    found = re.search(r'name="key" value="(\w+)"', response.text)
    assert found is not None
    return found[1]


def test_a_plan_is_made_read_and_started(service: RunningService) -> None:
    olga = service.people["olga"]
    form = olga.get("/plans/new?service=phone", headers=FRENCH)
    assert re.search(r'name="service" value="phone" checked', form.text)
    assert re.search(r'name="scope" value="rehearsal" required checked', form.text)
    assert "A besoin de Guichet." in text(form)
    assert "peut prendre une minute" in text(form)

    path = made(service, "phone", "desk")
    page = olga.get(path)
    digest = path.removeprefix("/plans/")
    assert f"bascule run --plan {digest}" in page.text
    assert "".join(re.findall(r"<span>([0-9a-f]{4})</span>", page.text.split("</code>")[0])) == digest[7:]
    assert "2 approvers say yes With docs/sheet.md" in text(page)
    assert "A rehearsal needs no release." in text(page)
    assert "No run was made of it." in text(olga.get("/plans"))

    ask = olga.get(f"{path}/start")
    assert 'name="confirm"' not in ask.text, "nothing is typed in a rehearsal"
    first = send(olga, f"{path}/start", key=key_of(ask))
    again = send(olga, f"{path}/start", key=key_of(ask))
    assert first.status_code == 303
    assert first.headers["location"] == again.headers["location"], "sent twice is done once"
    run_id = urlsplit(first.headers["location"]).path.removeprefix("/runs/")
    assert service.run(run_id)["run"]["requested_by"] == "olga"
    assert "The run has started." in text(olga.get(first.headers["location"]))
    assert f'href="/runs/{run_id}"' in olga.get(path).text
    assert f'href="/runs/{run_id}"' in olga.get("/plans").text


def test_a_drill_asks_for_a_reason_and_for_its_scope_and_waits_for_another_person(service: RunningService) -> None:
    olga, path = service.people["olga"], made(service, "desk", scope="drill")
    page = text(olga.get(path))
    assert "1 person releases it, and never the one who starts the run." in page
    assert "olga · you, unless you start it" in page
    key = key_of(olga.get(f"{path}/start"))
    for wrong in ({"reason": "", "confirm": "drill"}, {"reason": "we try", "confirm": "dril"}):
        refused = send(olga, f"{path}/start", key=key, **wrong)
        assert refused.status_code == 422
        assert f"{wrong['reason']}</textarea>" in refused.text, "what was typed is still there"
    started = send(olga, f"{path}/start", key=key, reason="we try", confirm="drill")
    run_id = urlsplit(started.headers["location"]).path.removeprefix("/runs/")
    assert service.run(run_id)["run"]["state"] == "awaiting_release"

    approve = service.people["anne"].get(f"/approve/run/{run_id}")
    assert f'href="{path}"' in approve.text
    assert "Front desk changes nothing by itself 1 hold point, 1 task of a person, 2 checks, 1 wait" in text(approve)


def test_errors_are_told_and_the_form_keeps_what_was_chosen(service: RunningService) -> None:
    olga = service.people["olga"]
    typed = "port=no\nhouse=3"
    wrong = send(olga, "/plans/new", service="desk", scope="drill", direction="failover", parameters=typed)
    assert wrong.status_code == 422
    assert "port" in text(wrong)
    assert re.search(r'name="service" value="desk" checked', wrong.text)
    assert re.search(r'name="scope" value="drill" required checked', wrong.text)
    assert f"{typed}</textarea>" in wrong.text
    for fields, said in (
        ({"scope": "rehearsal"}, "Choose at least one service."),
        ({"service": "desk", "scope": ""}, "Choose a scope."),
        ({"service": "desk", "scope": "rehearsal", "direction": "failback"}, "failback"),
        ({"service": "desk", "scope": "rehearsal", "direction": "sideways"}, "direction: "),
        ({"service": "desk", "scope": "nowhere", "direction": "failover"}, "has no scope 'nowhere'"),
        ({"service": "desk", "scope": "rehearsal", "direction": "failover", "parameters": "x"}, "is not NAME=VALUE"),
        ({"service": "desk", "scope": "rehearsal", "direction": "failover", "parameters": "port=NaN"}, "port"),
    ):
        refused = send(olga, "/plans/new", **fields)
        assert refused.status_code == 422, fields
        assert said in text(refused), fields
        assert "Look and make the plan" in text(refused)


def test_who_may_not_is_offered_nothing_and_refused(service: RunningService) -> None:
    path = made(service, "desk")
    vera, paul = service.people["vera"], service.people["paul"]
    seen = vera.get(path)
    assert f'href="{path}/start"' not in seen.text
    assert f'href="{path}/moved"' not in seen.text
    assert "You can read this plan, and not start it" in text(seen)
    assert vera.get(f"{path}/start").status_code == 403
    assert vera.get("/plans/new").status_code == 403
    for where in (path, f"{path}/start", f"{path}/moved"):
        assert paul.get(where).status_code == 404, where
    assert 'value="desk"' not in paul.get("/plans/new").text
    assert send(paul, "/plans/new", service="desk", scope="rehearsal", direction="failover").status_code == 403
    assert path not in paul.get("/plans").text


def test_the_world_is_looked_at_only_when_that_is_asked_for(service: RunningService) -> None:
    path = made(service, "desk")
    olga = service.people["olga"]
    assert "That may take a minute" in text(olga.get(f"{path}/moved"))
    looked = send(olga, f"{path}/moved")
    assert looked.status_code == 200
    assert "Nothing moved: what the plan was made on is still so" in text(looked)


def test_what_cannot_be_read_now_is_not_called_moved_nor_unmoved(service: RunningService) -> None:
    """The trial's estate has no providers: everything that this plan would change is out of reach."""
    plan = rich_plan(service.bascule.estates.newest(), time.time())
    keep(service.bascule.database, plan, time.time())
    looked = text(send(service.people["olga"], f"/plans/{plan.digest}/moved"))
    assert "What could be looked at has not moved; the rest is not known" in looked
    assert re.search(r"[1-9] steps could not be looked at now: desk-failover/copy", looked)
    assert "planned on what is no longer so" not in looked


def test_what_moved_since_is_shown_as_it_was_and_as_it_is(service: RunningService) -> None:
    plan = rich_plan(service.bascule.estates.newest(), time.time())
    first = plan.steps[6]
    assert first.seen is not None
    records = [{**one, "values": ["192.0.2.99"]} for one in first.seen.values["records"] if one["name"] == "www"]
    values = {"records": [*first.seen.values["records"][:3], *records]}
    seen = {step.id: step.seen for step in plan.steps if step.seen is not None and step.seen.at is not None}
    now = with_seen(plan, {**seen, first.id: first.seen.model_copy(update={"values": values})})
    found = since_planned("en", plan, now)
    assert [(one["step"], one["number"]) for one in found["steps"]] == [("desk-failover/point", 7)]
    (row,) = found["steps"][0]["tables"][0].rows
    assert (row.name, row.before.values, row.after.values) == (
        "www",
        (("192.0.2.80", False),),
        (("192.0.2.99", False),),
    )


def test_a_gate_that_is_closed_is_told_before_anybody_tries(service: RunningService) -> None:
    olga, path = service.people["olga"], made(service, "desk", "phone", scope="live")
    page = olga.get(path)
    assert "It can’t be started as it is" in text(page)
    assert "the accepted commit of the estate is unsigned" in text(page)
    assert "Services 2 / 1" in text(page)
    assert "2 over the limit" in text(page)
    assert f'href="{path}/start"' not in page.text
    ask = olga.get(f"{path}/start")
    refused = send(olga, f"{path}/start", key=key_of(ask), reason="now", confirm="live")
    assert refused.status_code == 403


def test_a_plan_shows_every_kind_of_change(service: RunningService) -> None:
    plan = rich_plan(service.bascule.estates.newest(), time.time())
    keep(service.bascule.database, plan, time.time())
    olga = service.people["olga"]
    shown = olga.get(f"/plans/{plan.digest}", headers=FRENCH)
    page = text(shown)
    assert "Créer le serveur desk-1 chez scaleway, sinon outscale" in page
    assert "10 mx1.mailo.com." in page
    assert "403 from the source: key refused." in page
    assert "1 étape prévue d’après un regard plus ancien" in page
    assert "Dérogation utilisée" in page
    assert "Le prix de 1 serveur est inconnu" in page.replace("\u202f", " ")
    assert 'class="later">address de server<' in shown.text


def test_two_thousand_steps_come_a_hundred_at_a_time(service: RunningService) -> None:
    plan = rich_plan(service.bascule.estates.newest(), time.time(), more=2000)
    keep(service.bascule.database, plan, time.time())
    olga = service.people["olga"]
    page = olga.get(f"/plans/{plan.digest}?page=3")
    assert len(re.findall(r'<li id="step-', page.text)) == 100
    assert 'id="step-201"' in page.text
    assert 'id="step-300"' in page.text
    assert len(page.content) < 150_000
    smaller = rich_plan(service.bascule.estates.newest(), time.time(), more=200)
    keep(service.bascule.database, smaller, time.time())
    whole = olga.get(f"/plans/{smaller.digest}?whole=yes")
    assert len(re.findall(r'<li id="step-', whole.text)) == len(smaller.steps)
    assert olga.get(f"/plans/{smaller.digest}?page=9999").status_code == 200


def test_no_such_plan_is_told_as_such(service: RunningService) -> None:
    assert service.people["olga"].get("/plans/sha256:0").status_code == 404
    assert service.people["olga"].get("/plans?page=900").status_code == 200
