"""Row 46: every route with every kind of caller, against one running service, compared with a table written by hand."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi.routing import iter_route_contexts

from orchestrator.domain.people.actor import Actor, Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.domain.proposals.standing_approval import Covered
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.store import people, proposals, sessions, standing_approvals, strays
from orchestrator.store.strays import StrayKey
from orchestrator.web import live
from orchestrator.web.application import create_app
from tests.integration.service_fixture import RunningService, running_service
from tests.known_people import enrol, session
from tests.sampling import sampled

TABLE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("role_matrix.yaml").read_text("utf-8"))
CALLERS: dict[str, str] = TABLE["callers"]
ROWS: list[dict[str, Any]] = TABLE["rows"]
ALL = "all"
"""Somebody with every role, whose answer shows that a request is not refused for another reason."""
REFUSED = (401, 403, 404, 409, 422)
"""A handler's own no is another answer than the one that was wanted."""
SHARES = 7
"""In which the callers are dealt out at each row: one share is tried every day."""
PROPOSAL, STANDING = "p-of-the-desk", "s-of-the-desk"
JSON = {"Content-Type": "application/json"}
STREAMS = ("/stream", "/live")


@dataclass
class Gathered:
    """The service, what the table's capital words stand for, and each caller's bearer, with two more to be ended.

    `wanted`: by the row's number, what those who are let through are answered; it is asked once.
    """

    service: RunningService
    words: dict[str, str]
    bearers: list[dict[str, str]]
    wanted: dict[int, int] = field(default_factory=dict)


@pytest.fixture
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gathered]:
    with running_service(tmp_path_factory.mktemp("matrix")) as service:
        yield Gathered(service, _words(service), _bearers(service))


def _words(service: RunningService) -> dict[str, str]:
    plan, drill = service.plan("desk")["digest"], service.plan("desk", scope="drill")["digest"]
    run = service.start(plan, "mia")
    service.wait(run, "waiting", "desk-failover/sheet")
    asked = service.person("olga", Role.OPERATOR).post("/api/v1/runs", json={"digest": drill})
    row = {
        "id": PROPOSAL, "rule": "r", "subject": "s", "episode": 0.0, "commit": "c", "scope": "drill", "notify": [],
        "services": ["desk"], "evidence": {"words": {"fr": "x", "en": "x"}}, "approvals_needed": 1,
    }  # fmt: skip
    with service.bascule.database.write() as conn:
        proposals.insert(conn, row, 0.0, "policy:r")
        covered = Covered(STANDING, "r", "s", ("desk",), "live", "c", Verdict.CUT, 0.0, "olga", time.time() + 3600)
        standing_approvals.insert(conn, covered, 2, "", time.time())
        strays.note(conn, StrayKey("drill", "cloud", "server", "s-1"), "portal", "r-1", "a/server", 0.0)
    known = service.bascule.people
    known.register.add("robot", "", [Grant(Role.VIEWER)], "local", program=True)
    token = known.tokens.make("robot", "test", [Grant(Role.VIEWER)], 1, Actor("local", Proof.MACHINE)).id
    return {
        "TOKEN": token,
        "STRAY": "s-1",
        "RUN": run,
        "DRILL": asked.json()["id"],
        "PLAN": plan,
        "DRILLPLAN": drill,
    } | {
        "PROPOSAL": PROPOSAL,
        "STANDING": STANDING,
    }


def _bearers(service: RunningService) -> list[dict[str, str]]:
    bascule = service.bascule
    roles: dict[str, list[Grant | Role]] = {role.value: [role] for role in Role}
    roles |= {f"other-{role.value}": [Grant(role, "phone")] for role in (Role.OPERATOR, Role.APPROVER, Role.ADMIN)}
    roles |= {ALL: list(Role), "password": list(Role), "token": list(Role)}
    for name, grants in roles.items():
        enrol(bascule.database, name, *grants)
    with bascule.database.write() as conn:
        for name in roles:
            if name != "password":
                people.change(conn, name, totp="of some app")
    shown = {"password": Proof.PASSWORD}

    def all_sessions() -> dict[str, str]:
        made = {name: session(bascule, name, shown.get(name, Proof.TOTP)) for name in roles}
        with bascule.database.write() as conn:
            grants = (Grant(Role.ADMIN),)
            made["glass"] = bascule.people.sign_in.open(conn, "break-glass-0a", Proof.BREAK_GLASS, "", grants).secret
        viewer = [Grant(Role.VIEWER)]
        made["token"] = bascule.people.tokens.make("token", "test", viewer, 1, Actor("token", Proof.TOTP)).secret
        return {**made, "machine": bascule.token, "nobody": ""}

    return [all_sessions() for _ in range(3)]


def members(said: str | list[str]) -> set[str]:
    """The callers that these words name, groups included."""
    found: set[str] = set()
    for one in [said] if isinstance(said, str) else said:
        found |= members(TABLE["groups"][one]) if one in TABLE["groups"] else {one}
    assert found <= set(CALLERS), f"no callers: {found - set(CALLERS)}"
    return found


def routes(service: RunningService) -> set[str]:
    """All routes of the application, and what it describes of itself, which must be among them."""
    app = create_app(service.bascule)
    served = {
        f"{method} {route.path_format}".replace(":path}", "}")
        for route in iter_route_contexts(app.routes)
        for method in (getattr(route, "methods", None) or getattr(route.original_route, "methods", None) or ())
        if method != "HEAD"
    }
    described = app.openapi()["paths"]
    told = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    assert told <= served
    return served


def test_the_table_speaks_of_every_route_and_of_no_other(gathered: Gathered) -> None:
    served, spoken_of = routes(gathered.service), {row["route"] for row in ROWS}
    assert served - spoken_of == set(), "routes that tests/security/role_matrix.yaml says nothing of"
    assert spoken_of - served == set(), "rows of tests/security/role_matrix.yaml whose route is gone"
    assert set(gathered.bearers[0]) - {ALL} == set(CALLERS)


@pytest.mark.attacks
@pytest.mark.parametrize("share", sampled(range(SHARES), lambda share: share == 0))
def test_every_caller_gets_through_where_the_table_says_so_and_nowhere_else(gathered: Gathered, share: int) -> None:
    wrong = []
    with ExitStack() as stack:
        http = stack.enter_context(httpx.Client(base_url=gathered.service.url, timeout=30, trust_env=False))
        for number, row in enumerate(ROWS):
            found = _wrong(http, gathered, number, _dealt(number, share))
            wrong += [f"{row['route']} {row.get('at', '')}: {one}" for one in found]
    assert not wrong, "\n".join(wrong)


def test_the_shares_are_all_callers_and_each_has_some_who_get_through_and_some_who_do_not() -> None:
    for number, row in enumerate(ROWS):
        dealt = [_dealt(number, share) for share in range(SHARES)]
        assert all(dealt), row
        assert sorted(name for share in dealt for name in share) == sorted(CALLERS)
        if not row.get("door"):
            assert set(dealt[0]) & members(row["through"]), row
            assert members(row["through"]) == set(CALLERS) or set(dealt[0]) - members(row["through"]), row


def _dealt(number: int, share: int) -> list[str]:
    """The callers of that share at a row: a part of those who get through, and of the others; others at each row."""
    row = ROWS[number]
    through = set(CALLERS) if row.get("door") else members(row["through"])
    found = []
    for group in ([name for name in CALLERS if name in through], [name for name in CALLERS if name not in through]):
        turned = number % max(1, len(group))
        found += (group[turned:] + group[:turned])[share::SHARES]
    return found


def _wrong(http: httpx.Client, gathered: Gathered, number: int, callers: Sequence[str]) -> Iterator[str]:
    row = ROWS[number]
    like = row.get("like", "nobody" if row.get("door") else ALL)
    if number not in gathered.wanted:
        gathered.wanted[number] = _ask(http, gathered, row, like)
    wanted = gathered.wanted[number]
    if row.get("door"):
        others = {name: _ask(http, gathered, row, name) for name in callers}
        if wanted == 403 or set(others.values()) != {wanted}:
            yield f"not everybody is answered alike: {wanted}, {others}"
        return
    if wanted in (401, 403) or wanted >= 500:
        yield f"{like} gets {wanted}, and the row shows nothing"
        return
    through = members(row["through"])
    for name in callers:
        if name == like:
            continue
        found = _ask(http, gathered, row, name)
        if name in through and found != wanted:
            yield f"{name} should get through ({wanted}), and gets {found}"
        elif name not in through and (found == wanted or found not in REFUSED):
            yield f"{name} should be refused, and gets {found} where {like} gets {wanted}"


def _ask(http: httpx.Client, gathered: Gathered, row: dict[str, Any], name: str) -> int:
    method, _, path = row["route"].partition(" ")
    query = {}
    for key, value in row.get("at", {}).items():
        if key.startswith("?"):
            query[key[1:]] = value
        path = path.replace(f"{{{key}}}", gathered.words.get(value, value))
    bearer = gathered.bearers[row.get("spare", 0)][name]
    headers = {"Origin": gathered.service.url, **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
    sent: dict[str, Any] = {"params": query, "headers": headers}
    if "send" in row:
        body = {key: gathered.words.get(value, value) if isinstance(value, str) else value
                for key, value in row["send"].items()}  # fmt: skip
        sent |= {"json": body} if path.startswith("/api/") else {"data": body}
    elif path.startswith("/api/"):
        headers["Content-Type"] = "application/json"
    if method == "POST" and not path.startswith(("/api/", "/webhooks/")):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    with http.stream(method, path, **sent) as response:
        if not path.endswith(STREAMS):
            response.read()
        return response.status_code


def test_what_belongs_to_one_person_is_nobody_elses(gathered: Gathered) -> None:
    """Ids of others' sessions, tokens and keys are as good as none; not even an admin has them."""
    service = gathered.service
    victim = service.person("victim", Role.VIEWER)
    token = victim.post("/api/v1/tokens", json={"label": "x", "roles": [{"role": "viewer"}]}).json()
    with service.bascule.database.write() as conn:
        own = sessions.sessions_of(conn, "victim")[0].id
        values = {"person": "victim", "label": "k", "data": b"k", "counter": 0, "created_at": 0.0}
        sessions.add_key(conn, {"id": "a-key", **values})
    for name in ("attacker", "root"):
        other = service.person(name, Role.ADMIN if name == "root" else Role.OPERATOR)
        with service.bascule.database.write() as conn:
            people.change(conn, name, totp="of some app")
        for path in (f"sessions/{own}/end", "account/keys/a-key/remove"):
            assert other.post(f"/api/v1/{path}", json={}).status_code == 404, path
        for listed, key in (("sessions", "sessions"), ("tokens", "tokens"), ("account/keys", "keys")):
            assert "victim" not in str(other.get(f"/api/v1/{listed}").json()[key])
            assert own not in str(other.get(f"/api/v1/{listed}").json()[key])
    assert service.people["attacker"].delete(f"/api/v1/tokens/{token['id']}", headers=JSON).status_code == 404
    assert victim.get("/api/v1/session").json()["has_key"]


@pytest.mark.every_day("role taken")
@pytest.mark.parametrize("how", ["shut out", "role taken", "signed out"])
def test_who_may_not_look_any_more_hears_no_more(gathered: Gathered, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that was opened in time goes on as long as its reader would be let in."""
    monkeypatch.setattr(live, "ASK_AGAIN", 0.2)
    service, name = gathered.service, f"listener-{how.replace(' ', '-')}"
    http = service.person(name, Role.VIEWER)
    with http.stream("GET", f"/api/v1/runs/{gathered.words['RUN']}/stream") as response:
        lines = response.iter_lines()
        assert next(lines)
        if how == "shut out":
            service.bascule.people.register.disable(name, "local", "left")
        elif how == "role taken":
            service.bascule.people.register.revoke(name, Grant(Role.VIEWER), "local")
        else:
            service.bascule.people.sign_in.sign_out_everywhere(Actor(name, Proof.TOTP))
        deadline = time.monotonic() + live.KEEP_ALIVE
        for _ in lines:  # it ends; else there is a sign of life now and then, and this does
            assert time.monotonic() < deadline, "it goes on"


@pytest.mark.parametrize("name", ["other-operator", "other-approver"])
def test_a_run_of_several_services_is_decided_on_by_who_has_the_role_for_all(gathered: Gathered, name: str) -> None:
    """The role for one of them is not enough: neither to start it nor to release it, nor to see it."""
    service, role = gathered.service, Role(name.removeprefix("other-"))
    both = service.plan("desk", "phone", scope="drill")["digest"]
    other = service.person(name, Grant(role, "phone"))
    assert other.post("/api/v1/runs", json={"digest": both}).status_code == 403
    assert other.get(f"/api/v1/plans/{both}").status_code == 404
    assert {one["id"] for one in other.get("/api/v1/runs").json()["runs"]} == set()
