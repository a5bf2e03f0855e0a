"""A proof that is too old: one shows the second factor, and goes on with what one was about to do, script or not."""

import json
from collections.abc import Iterator

import httpx
import pyotp
import pytest

from orchestrator.domain.people.actor import FRESH, Actor, Proof
from orchestrator.domain.people.role import Role
from orchestrator.store import people, runs
from orchestrator.web.pages.account_pages import PROOF
from orchestrator.web.words import say
from tests.integration.service_fixture import RunningService, running_service
from tests.known_people import enrol
from tests.page_visitor import Visitor, form_at, visiting, words_of
from tests.shifted_clock import ShiftedClock
from tests.software_key import SoftwareKey

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
OLD = FRESH + 5


@pytest.fixture(scope="module")
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, clock: ShiftedClock) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("proving"), clock=clock) as made:
        enrol(made.bascule.database, "ada", Role.ADMIN)
        enrol(made.bascule.database, "leo", Role.VIEWER)
        with made.bascule.database.write() as conn:
            sealed = made.bascule.people.sign_in._sealing.seal("totp:ada", SEED)
            people.change(conn, "ada", totp=sealed)
        yield made


@pytest.fixture
def ada(service: RunningService, clock: ShiftedClock) -> Iterator[Visitor]:
    """Signed in just now, with a code that was not used before."""
    clock.forward(OLD)
    if service.bascule.people.register.get("leo").disabled:
        service.bascule.people.register.enable("leo", "local", "for the next test")
    with visiting(service.bascule, service.url, "ada") as visitor:
        yield visitor


def code(clock: ShiftedClock) -> str:
    return pyotp.TOTP(SEED).at(int(clock()))


def test_a_page_is_shown_once_the_factor_was(ada: Visitor, clock: ShiftedClock) -> None:
    assert ada.get("/settings/secrets/set?scope=drill&name=api").status_code == 200
    clock.forward(OLD)
    page = ada.get("/settings/secrets/set?scope=drill&name=api")
    assert (page.status_code, say("en", "account.prove") in words_of(page)) == (403, True)
    wrong = ada.send(page, proof_code="000000")
    assert (wrong.status_code, say("en", "sign.wrong") in words_of(wrong)) == (422, True)
    shown = ada.send(wrong, proof_code=code(clock))
    assert (shown.status_code, shown.url.path) == (200, "/settings/secrets/set")
    assert (form_at(shown).fields["scope"], form_at(shown).fields["name"]) == ("drill", "api")


def test_what_was_asked_for_is_done_once_the_factor_was_shown(
    service: RunningService, ada: Visitor, clock: ShiftedClock
) -> None:
    """The form was open for longer than the proof counts: what was typed is not lost, and is sent by the proof."""
    page = ada.get("/settings/people/leo/disable")
    clock.forward(OLD)
    asked = ada.send(page, reason="left <b>the</b> town", confirm="leo")
    assert (asked.status_code, say("en", "account.prove.again") in words_of(asked)) == (403, True)
    assert not service.bascule.people.register.get("leo").disabled
    wrong = ada.send(asked, proof_code="000000")
    assert not service.bascule.people.register.get("leo").disabled
    done = ada.send(wrong, proof_code=code(clock))
    assert (done.status_code, done.url.path) == (200, "/settings/people/leo")
    assert say("en", "did.person-disabled") in words_of(done)
    assert service.bascule.people.register.get("leo").disabled


def test_the_proof_does_not_forgive_what_was_not_confirmed(
    service: RunningService, ada: Visitor, clock: ShiftedClock
) -> None:
    page = ada.get("/settings/people/leo/disable")
    clock.forward(OLD)
    refused = ada.send(ada.send(page, reason="left", confirm="lea"), proof_code=code(clock))
    assert (refused.status_code, form_at(refused).fields["reason"]) == (422, "left")
    assert not service.bascule.people.register.get("leo").disabled


def test_a_secret_is_typed_again(service: RunningService, ada: Visitor, clock: ShiftedClock) -> None:
    """No page gives it back, not even to who typed it."""
    page = ada.get("/settings/secrets/set")
    clock.forward(OLD)
    asked = ada.send(page, scope="drill", name="api", value="not-to-be-echoed")
    assert (asked.status_code, say("en", "account.prove.typed") in words_of(asked)) == (403, True)
    assert "not-to-be-echoed" not in asked.text
    form = ada.send(asked, proof_code=code(clock))
    assert form.url.path == "/settings/secrets/set"
    assert service.bascule.secrets.listed() == []


def test_a_security_key_does_it_as_well(service: RunningService, ada: Visitor, clock: ShiftedClock) -> None:
    """As static/keys.js does: the challenge is asked for, and its answer is a field of the form."""
    actor = Actor("ada", Proof.TOTP, clock(), session="none")
    key = SoftwareKey()
    begun = service.bascule.people.enrolment.begin_key(actor)
    service.bascule.people.enrolment.add_key(actor, begun.challenge, key.create(begun.options), "blue")
    page = ada.get("/settings/people/leo/disable")
    clock.forward(OLD)
    asked = ada.send(page, reason="left", confirm="leo")
    assert touched(ada, asked, key).status_code == 200
    assert service.bascule.people.register.get("leo").disabled
    spoilt = {**form_at(asked, "/account/prove").fields, "proof_challenge": "x" * 43, "proof_answer": "[]"}
    said = ada.http.post("/account/prove", data=spoilt, headers={"Origin": service.url})
    assert (said.status_code, "can't be read" in said.text or "can&#39;t be read" in said.text) == (422, True)


def signed(
    visitor: Visitor, page: httpx.Response, key: SoftwareKey, path: str, about: dict[str, str], prefix: str = ""
) -> httpx.Response:
    """The page's form, with what the key answers to the challenge of this path."""
    form = form_at(page, page.url.path if not prefix else "/account/prove")
    assert {f"{prefix}challenge", f"{prefix}answer"} <= set(form.fields)
    origin = f"{page.url.scheme}://{page.url.netloc.decode()}"
    headers = {"X-Page-Token": form.fields["page_token"], "Origin": origin}
    found = visitor.http.post(path, json=about, headers=headers).json()
    answer = {f"{prefix}challenge": found["challenge"], f"{prefix}answer": json.dumps(key.get(found["options"]))}
    data = {**form.fields, **answer}
    return visitor.http.post(form.action, data=data, headers={"Origin": origin}, follow_redirects=True)


def touched(visitor: Visitor, page: httpx.Response, key: SoftwareKey) -> httpx.Response:
    return signed(visitor, page, key, "/api/v1/session/challenge", {}, PROOF)


@pytest.fixture
def drill(service: RunningService) -> Iterator[tuple[str, str]]:
    """A drill that waits for its release: its run, and the page of that."""
    digest = service.plan("desk", scope="drill")["digest"]
    made = service.person("olga", Role.OPERATOR).post("/api/v1/runs", json={"digest": digest}).json()["id"]
    yield made, f"/approve/run/{made}"
    service.bascule.decisions.cancel(made, "olga", "test ends")
    service.wait(made, "cancelled")


def releases(service: RunningService, run_id: str) -> list[str]:
    with service.bascule.database.read() as conn:
        return list(runs.get_run(conn, run_id).releases)


def test_who_has_a_key_alone_shows_it_and_approves_with_it(
    service: RunningService, clock: ShiftedClock, drill: tuple[str, str]
) -> None:
    run_id, path = drill
    enrol(service.bascule.database, "kim", Role.APPROVER)
    key, actor = SoftwareKey(), Actor("kim", Proof.PASSWORD, clock(), session="none")
    begun = service.bascule.people.enrolment.begin_key(actor)
    service.bascule.people.enrolment.add_key(actor, begun.challenge, key.create(begun.options), "blue")
    with visiting(service.bascule, service.url, "kim", Proof.KEY) as kim:
        clock.forward(OLD)
        page = kim.get(path)
        assert "code" not in form_at(page, path).asked, "of an app that kim does not have"
        asked = kim.send(page, path, comment="the town needs it")
        assert (asked.status_code, say("en", "account.prove.again") in words_of(asked)) == (403, True)
        again = touched(kim, asked, key)
        assert (again.url.path, form_at(again, path).fields["comment"]) == (path, "the town needs it")
        assert releases(service, run_id) == [], "the key was shown, and signed no plan yet"
        done = signed(kim, again, key, "/api/v1/approvals/challenge", {"digest": form_at(again, path).fields["digest"]})
        assert (done.status_code, done.url.path) == (200, f"/runs/{run_id}")
    assert releases(service, run_id) == ["kim"]


def test_whom_the_organisation_vouches_for_shows_a_factor_and_approves(
    service: RunningService, clock: ShiftedClock, drill: tuple[str, str]
) -> None:
    run_id, path = drill
    enrol(service.bascule.database, "odile", Role.APPROVER)
    with service.bascule.database.write() as conn:
        people.change(conn, "odile", totp=service.bascule.people.sign_in._sealing.seal("totp:odile", SEED))
    with visiting(service.bascule, service.url, "odile", Proof.OIDC) as odile:
        asked = odile.send(odile.get(path), path, comment="the town needs it")
        assert (asked.status_code, say("en", "account.prove.idp") in words_of(asked)) == (403, True)
        done = odile.send(asked, proof_code=code(clock))
        assert (done.status_code, done.url.path) == (200, f"/runs/{run_id}")
        clock.forward(OLD)
        assert "code" in form_at(odile.get(path), path).asked
    assert releases(service, run_id) == ["odile"]


def test_whom_the_organisation_vouches_for_shows_a_factor_and_goes_on(
    service: RunningService, clock: ShiftedClock
) -> None:
    clock.forward(OLD)
    with visiting(service.bascule, service.url, "ada", Proof.OIDC, "fr") as ada:
        page = ada.get("/settings/people")
        assert (page.status_code, say("fr", "account.prove.idp") in words_of(page)) == (403, True)
        shown = ada.send(page, proof_code=code(clock))
        assert (shown.status_code, shown.url.path) == (200, "/settings/people")


def test_who_has_no_factor_is_told_to_enrol_one(service: RunningService) -> None:
    enrol(service.bascule.database, "otto", Role.ADMIN)
    with visiting(service.bascule, service.url, "otto", Proof.OIDC) as otto:
        page = otto.get("/settings/people")
    assert page.status_code == 403
    assert say("en", "account.prove.none") in words_of(page)
    assert "proof_code" not in page.text


@pytest.mark.parametrize("where", ["//evil.example/", "https://evil.example/", "/\\evil.example"])
def test_the_proof_leads_nowhere_else(ada: Visitor, clock: ShiftedClock, where: str) -> None:
    form = form_at(ada.get("/account/prove"), "/account/prove")
    sent = {**form.fields, "proof_code": code(clock), "proof_again": where, "proof_next": where}
    headers = {"Origin": str(ada.http.base_url).rstrip("/")}
    said = ada.http.post("/account/prove", data=sent, headers=headers)
    assert (said.status_code, said.headers["Location"]) == (307, "/")


def test_the_form_that_is_sent_on_needs_its_pages_token(
    service: RunningService, ada: Visitor, clock: ShiftedClock
) -> None:
    """The proof opens no way around it: without the token nothing is taken, neither the proof nor the form."""
    form = form_at(ada.get("/account/prove"), "/account/prove")
    sent = {"proof_code": code(clock), "proof_again": "/settings/people/leo/disable", "reason": "x", "confirm": "leo"}
    said = ada.http.post("/account/prove", data=sent, headers={"Origin": service.url}, follow_redirects=True)
    assert said.status_code == 403
    sent["page_token"] = form.fields["page_token"]
    foreign = ada.http.post("/account/prove", data=sent, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert not service.bascule.people.register.get("leo").disabled
