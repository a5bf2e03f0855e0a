"""Row 37: nobody approves what they asked for, and nobody alone is two approvers, by whichever way they try."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from orchestrator.domain.authority import Refused, check_approver
from orchestrator.domain.people.actor import FRESH, Actor, Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.people.sign_in import TOKEN
from orchestrator.operations.request import Conflict, Denied, RequestError
from orchestrator.store import people, sessions
from orchestrator.store.tables import runs as runs_table
from tests.integration.service_fixture import RunningService, running_service
from tests.people_world import PASSWORD, Town, town

HOLD = "desk-failover/go"
APPROVER, ADMIN = Grant(Role.APPROVER), Grant(Role.ADMIN)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("self-approval")) as made:
        made.person("olga", Role.OPERATOR, Role.APPROVER)
        for name in ("anne", "bruno", "carla"):
            made.person(name, Role.APPROVER)
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Town]:
    with town(tmp_path) as made:
        yield made


@pytest.mark.parametrize("name", ["olga", "Olga", " olga ", "OLGA", "olga\t"])
def test_the_requester_is_the_requester_under_every_spelling(name: str) -> None:
    with pytest.raises(Refused, match="someone else"):
        check_approver(name, "olga", [])
    with pytest.raises(Refused, match="approved already"):
        check_approver(name, "paul", ["olga"])


def test_sealed_codes_are_one_person_whichever_bundle_they_are_of() -> None:
    with pytest.raises(Refused, match="approved already"):
        check_approver("break-glass-0000aaaa", "olga", ["break-glass-ffff0000"])


def drill(service: RunningService, what: str = "phone", releases: int = 1) -> tuple[str, str]:
    """A drill that olga asked for and that waits for so many releases; its id and digest."""
    digest = service.plan(what, scope="drill")["digest"]
    said = service.people["olga"].post("/api/v1/runs", json={"digest": digest})
    assert said.status_code == 201, said.text
    run_id = str(said.json()["id"])
    with service.bascule.database.write() as conn:  # as many as a live run has
        conn.execute(sa.update(runs_table).where(runs_table.c.id == run_id).values(releases_needed=releases))
    return run_id, digest


def ended(service: RunningService, run_id: str) -> None:
    service.decides(run_id, "cancel", "olga", reason="the test is over")
    service.wait(run_id, "cancelled")
    service.check_fold(run_id)


def releases(service: RunningService, run_id: str, digest: str, name: str, **more: Any) -> httpx.Response:
    return service.decides(run_id, "release", name, digest=digest, **more)


def test_who_asked_for_a_run_releases_it_under_no_name(service: RunningService) -> None:
    run_id, digest = drill(service)
    for said in ("olga", "OLGA", " olga", "anne", "bascule"):
        assert releases(service, run_id, digest, "olga", **{"as": said}).status_code in (403, 422), said
    assert service.run(run_id)["run"]["state"] == "awaiting_release"
    ended(service, run_id)


def test_a_role_that_was_taken_voids_the_release(service: RunningService) -> None:
    run_id, digest = drill(service, releases=2)
    assert releases(service, run_id, digest, "anne").status_code == 200
    service.bascule.people.register.revoke("anne", APPROVER, "local")
    service.bascule.people.register.grant("anne", Grant(Role.VIEWER), "local")
    said = releases(service, run_id, digest, "bruno")
    assert (said.status_code, said.json()["state"]) == (200, "awaiting_release")
    assert releases(service, run_id, digest, "anne").status_code == 403
    assert [one["kind"] for one in events(service, run_id)].count("run.release_voided") == 1
    ended(service, run_id)
    service.person("anne", Role.APPROVER)


def test_factors_that_were_reset_void_the_release_and_giving_the_role_back_does_not_revive_it(
    service: RunningService,
) -> None:
    run_id, digest = drill(service, releases=2)
    assert releases(service, run_id, digest, "anne").status_code == 200
    service.bascule.people.register.invite("anne", "local")
    service.person("anne", Role.APPROVER)
    said = releases(service, run_id, digest, "bruno")
    assert (said.status_code, said.json()["state"]) == (200, "awaiting_release")
    ended(service, run_id)


def test_at_a_hold_point_as_well(service: RunningService) -> None:
    run_id, digest = drill(service, "desk")
    assert releases(service, run_id, digest, "anne").status_code == 200
    service.wait(run_id, "waiting", "desk-failover/sheet")
    assert service.decides(run_id, "approve", "olga", "desk-failover/sheet").status_code == 200
    service.wait(run_id, "waiting", HOLD)
    assert service.decides(run_id, "approve", "olga", HOLD).status_code == 403
    assert service.decides(run_id, "approve", "anne", HOLD).status_code == 200
    assert service.decides(run_id, "approve", "anne", HOLD).status_code == 403
    service.bascule.people.register.revoke("anne", APPROVER, "local")
    said = service.decides(run_id, "approve", "bruno", HOLD)
    assert (said.status_code, said.json()["step_state"]) == (200, "waiting")
    service.bascule.people.register.disable("bruno", "local", "lost their phone")
    said = service.decides(run_id, "approve", "carla", HOLD)
    assert (said.status_code, said.json()["step_state"]) == (200, "waiting")
    assert [one["kind"] for one in events(service, run_id)].count("step.approval_voided") == 2
    ended(service, run_id)
    service.bascule.people.register.enable("bruno", "local", "has another one")
    for name in ("anne", "bruno"):
        service.person(name, Role.APPROVER)


def test_a_token_and_an_old_session_approve_nothing_not_even_where_an_operator_is_asked(
    service: RunningService,
) -> None:
    """The hold point names operators; it is an approval of a drill all the same."""
    run_id, digest = drill(service, "desk")
    assert releases(service, run_id, digest, "anne").status_code == 200
    service.wait(run_id, "waiting", "desk-failover/sheet")
    service.decides(run_id, "approve", "olga", "desk-failover/sheet")
    service.wait(run_id, "waiting", HOLD)
    with service.bascule.progress.journal(run_id) as journal:
        asked = {**(journal.view(HOLD).waits_for or {}), "role": "operator"}
    table = sa.table("steps", sa.column("run_id"), sa.column("step_id"), sa.column("waits_for", sa.JSON))
    with service.bascule.database.write() as conn:
        where = (table.c.run_id == run_id, table.c.step_id == HOLD)
        conn.execute(sa.update(table).where(*where).values(waits_for=asked))
    service.person("otto", Role.OPERATOR, Role.APPROVER)
    actor = Actor("otto", Proof.TOTP)
    token = service.bascule.people.tokens.make("otto", "script", [Grant(Role.OPERATOR)], 1, actor)
    assert token.secret.startswith(TOKEN)
    path = f"/api/v1/runs/{run_id}/steps/{HOLD}/approve"
    said = service.http.post(path, json={}, headers={"Authorization": f"Bearer {token.secret}"})
    assert (said.status_code, said.json()["code"]) == (403, "refused")
    with service.bascule.database.write() as conn:
        (one,) = sessions.sessions_of(conn, "otto")
        sessions.change_session(conn, one.id, proved_at=one.proved_at - FRESH - 60)
    said = service.decides(run_id, "approve", "otto", HOLD)
    assert (said.status_code, said.json()["code"]) == (403, "proof_too_old")
    assert service.run(run_id)["run"]["state"] == "running"
    with service.bascule.database.write() as conn:
        asked["role"] = "approver"
        conn.execute(sa.update(table).where(*where).values(waits_for=asked))
    ended(service, run_id)


def test_the_installations_token_confirms_releases_and_starts_nothing_outside_of_rehearsals(
    service: RunningService,
) -> None:
    run_id, digest = drill(service)
    bodies = {"release": {"digest": digest}, "cancel": {"reason": "x"}, "undo": {"reason": "x"}, "resume": {}}
    for verb, body in bodies.items():
        said = service.http.post(f"/api/v1/runs/{run_id}/{verb}", json={**body, "as": "anne"})
        assert (said.status_code, said.json()["code"]) == (403, "sign_in_needed"), verb
    said = service.http.post("/api/v1/runs", json={"digest": digest, "as": "anne"})
    assert (said.status_code, said.json()["code"]) == (403, "sign_in_needed")
    for path, body in (("people/anne/confirm", {"role": "approver"}), ("break-glass/confirm", {"bundle": "0a0a0a0a"})):
        said = service.http.post(f"/api/v1/{path}", json=body)
        assert (said.status_code, said.json()["code"]) == (403, "sign_in_needed"), path
    ended(service, run_id)


def events(service: RunningService, run_id: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = service.http.get(f"/api/v1/runs/{run_id}/events").json()["events"]
    return found


def test_a_guarded_role_waits_for_a_second_person_who_is_neither_giver_nor_taker(place: Town) -> None:
    register = place.people.register
    for name in ("ada", "xena"):
        place.enrolled(name, Role.ADMIN)
    place.enrolled("vera", Role.VIEWER)
    assert not register.grant("vera", APPROVER, "ada")
    assert place.grants_of("vera") == {Role.VIEWER}
    for by in ("ada", "vera", "nobody", "local"):
        with pytest.raises(Denied):
            register.confirm("vera", APPROVER, by)
    register.confirm("vera", APPROVER, "xena")
    assert place.grants_of("vera") == {Role.VIEWER, Role.APPROVER}


def test_an_admin_of_one_service_confirms_nothing(place: Town) -> None:
    place.enrolled("ada", Role.ADMIN)
    place.enrolled("desk", Grant(Role.ADMIN, "desk"), Grant(Role.APPROVER, "desk"))
    place.enrolled("xena", Role.APPROVER)
    assert not place.people.register.grant("desk", APPROVER, "ada")
    place.people.register.add("zoe", "", [APPROVER], "ada")
    with pytest.raises(Denied):
        place.people.register.confirm("zoe", APPROVER, "desk")


def test_whoever_is_alone_makes_one_approver_and_no_second(place: Town) -> None:
    """The first does not even have to have used their invitation."""
    place.enrolled("ada", Role.ADMIN)
    place.people.register.add("bob", "", [APPROVER], "ada")
    assert place.grants_of("bob") == {Role.APPROVER}
    place.people.register.add("cleo", "", [APPROVER], "ada")
    assert place.grants_of("cleo") == set()
    assert not place.people.register.grant("ada", APPROVER, "ada")


@pytest.mark.parametrize("way", ["disable", "invite", "revoke"])
def test_putting_the_others_out_makes_no_admin_alone(place: Town, way: str) -> None:
    register = place.people.register
    place.enrolled("ada", Role.ADMIN)
    for name in ("xena", "yves"):
        place.enrolled(name, Role.APPROVER)
    for name in ("xena", "yves"):
        if way == "disable":
            register.disable(name, "ada", "in my way")
        elif way == "invite":
            register.invite(name, "ada")
            assert place.grants_of(name) == set(), "whoever has the link would be them"
        elif name == "xena":
            register.revoke(name, APPROVER, "ada")
        else:
            with pytest.raises(Conflict, match="Nobody but you"):
                register.revoke(name, APPROVER, "ada")
    for name in ("mallory", "mallet"):
        register.add(name, "", [APPROVER], "ada")
        assert place.grants_of(name) == set()
    assert not register.grant("ada", APPROVER, "ada")


def test_who_takes_over_another_by_an_invitation_cannot_confirm_with_it(place: Town) -> None:
    register, enrolment = place.people.register, place.people.enrolment
    place.enrolled("ada", Role.ADMIN)
    place.enrolled("xena", Role.APPROVER)
    assert not register.grant("ada", APPROVER, "ada")
    made = enrolment.accept(register.invite("xena", "ada"), "", PASSWORD)
    enrolment.confirm_totp(made.actor, place.totp_secret, place.code())
    with pytest.raises(Denied):
        register.confirm("ada", APPROVER, "xena")


def test_codes_that_an_admin_sealed_alone_open_nothing_until_another_agrees(place: Town) -> None:
    """Whoever seals them sees them all: opened by the same person, they would be a second approver."""
    glass = place.people.break_glass
    place.enrolled("ada", Role.ADMIN)
    place.enrolled("xena", Role.APPROVER)
    former = glass.seal(3, 2, [ADMIN], 30, "local")
    glass.confirm("xena", waiting(place))
    codes = glass.seal(3, 2, [APPROVER], 30, "ada")
    with pytest.raises(RequestError):
        glass.open(codes[:2], "I am two")
    for by in ("ada", "local", "nobody"):
        with pytest.raises(Denied):
            glass.confirm(by, waiting(place))
    assert [one.counts for one in glass.sealed()] == [True, False]
    glass.confirm("xena", waiting(place))
    with pytest.raises(RequestError):
        glass.open(former[:2], "the former ones")
    assert glass.open(codes[:2], "a fire").actor.grants == (APPROVER,)


def waiting(place: Town) -> str:
    (bundle,) = [one.id for one in place.people.break_glass.sealed() if not one.counts]
    return bundle


def test_agreeing_to_sealed_codes_agrees_to_no_others_that_took_their_place(place: Town) -> None:
    """Harmless ones are sealed to be looked at, and others before the answer comes."""
    glass = place.people.break_glass
    place.enrolled("ada", Role.ADMIN)
    place.enrolled("xena", Role.APPROVER)
    glass.seal(5, 3, [Grant(Role.OPERATOR)], 1, "ada")
    looked_at = waiting(place)
    codes = glass.seal(2, 2, [APPROVER], 30, "ada")
    with pytest.raises(Conflict, match="look again"):
        glass.confirm("xena", looked_at)
    with pytest.raises(RequestError):
        glass.open(codes, "I am two")


def test_whoever_broke_the_glass_confirms_no_role_and_seals_no_codes_alone(place: Town) -> None:
    glass, register = place.people.break_glass, place.people.register
    codes = glass.seal(2, 2, [ADMIN], 30, "local")
    place.enrolled("xena", Role.ADMIN)
    opened = glass.open(codes, "a fire").actor
    register.add("mallory", "", [APPROVER], opened.name)
    assert place.grants_of("mallory") == set()
    with pytest.raises(Denied):
        register.confirm("mallory", APPROVER, opened.name)
    again = glass.seal(2, 2, [APPROVER], 30, opened.name)
    with pytest.raises(RequestError):
        glass.open(again, "and again")


def test_a_program_neither_approves_nor_manages(place: Town) -> None:
    for role in (Role.APPROVER, Role.ADMIN):
        with pytest.raises(RequestError):
            place.people.register.add("robot", "", [Grant(role)], "local", program=True)
    place.people.register.add("robot", "", [], "local", program=True)
    with pytest.raises(RequestError):
        place.people.register.grant("robot", APPROVER, "local")
    with place.database.write() as conn:
        people.give(conn, "robot", APPROVER, "sql", 0.0, confirmed=True)
        assert people.standings(conn, ["robot"]) == {}
