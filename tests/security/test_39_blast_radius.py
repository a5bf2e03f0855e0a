"""Row 39: a run that would make or touch more than the policy lets it is refused before its first effect."""

import json
import secrets
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.cli import main
from orchestrator.domain.people.role import Role
from orchestrator.operations.request import Conflict, RequestError
from orchestrator.operations.runs import Approval
from orchestrator.store import runs
from tests.integration.service_fixture import ESTATE, RunningService, commit, running_service

LIMITS = """
policy:
  limits:
    default: {services: 1, servers: 3, zones: 1}
    scopes: {drill: {services: 2, servers: 1}}
    prices: {scaleway: {DEV1-S: 0.5}}
"""
CLOUD = (
    '{mode: rehearsal, networks: [127.0.0.0/8], compute: {scaleway: {driver: scaleway, url: "http://127.0.0.1:1", '
    "zone: fr-par-1, project: 7a1b0c5e-0000-4000-8000-000000000001, token: 'secret://token'}}, "
    "dns: {zones: {a.example: {driver: rfc2136, servers: ['127.0.0.1:1'], key_name: k, key: 'secret://k'}, "
    "b.example: {driver: rfc2136, servers: ['127.0.0.1:1'], key_name: k, key: 'secret://k'}}}, "
    "social: {town: {driver: mastodon, url: 'https://127.0.0.1:1', token: 'secret://t'}}}"
)
FARM = """
  {name}:
    title: {{fr: "{name}", en: "{name}"}}
    vendor: aws
    target: scaleway
    failover: {name}-failover
"""
RUNBOOK = """
runbook: {name}
service: {service}
title: {{fr: "{name}", en: "{name}"}}
steps:
"""
SERVER = "  {id}: {{uses: compute.server, with: {{provider: scaleway, name: {id}, size: DEV1-S, image: debian-12}}}}\n"
NAMES = (
    "  {id}: {{uses: dns.records, with: {{zone: {zone}, records: [{{name: www, type: A, ttl: 60, "
    "values: [192.0.2.1]}}]}}}}\n"
)
PROFILE = (
    "  {id}: {{uses: social.profile, with: {{account: town, fields: [{{name: Site, value: https://a.example}}]}}}}\n"
)
NESTED = "  {id}: {{uses: runbook.run, with: {{runbook: rack}}}}\n"
STEPS = {
    "farm": NESTED.format(id="one") + NESTED.format(id="two"),
    "names": NAMES.format(id="a", zone="a.example") + NAMES.format(id="b", zone="b.example"),
    "site": NAMES.format(id="a", zone="a.example"),
    "page": NAMES.format(id="a", zone="a.example"),
    "voice": PROFILE.format(id="a"),
    "herald": PROFILE.format(id="a"),
}


def estate(limits: str = LIMITS) -> dict[str, str]:
    sheet = ESTATE.replace("{mode: rehearsal, networks: [127.0.0.0/8]}", CLOUD)
    sheet = sheet.replace("scopes:", "".join(FARM.format(name=name) for name in STEPS)[1:] + "scopes:")
    files = {
        f"runbooks/{name}-failover.yaml": RUNBOOK.format(name=f"{name}-failover", service=name) + steps
        for name, steps in STEPS.items()
    }
    rack = RUNBOOK.format(name="rack", service="farm") + SERVER.format(id="left") + SERVER.format(id="right")
    return {"bascule.yaml": sheet + limits, "runbooks/rack.yaml": rack, **files}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("limits")) as found:
        yield found


@pytest.fixture
def service(running: RunningService) -> RunningService:
    set_limits(running, LIMITS)
    return running


def set_limits(service: RunningService, limits: str, **more: str) -> None:
    """A new commit each time, also where nothing else changed."""
    commit(service.estate, {**estate(limits), **more, "docs/mark.md": secrets.token_hex(8)})
    service.bascule.estates.sync("test")


def nothing_began(service: RunningService, digest: str) -> bool:
    with service.bascule.database.read() as conn:
        return digest not in {row.plan_digest for row in runs.list_runs(conn, 100)}


@pytest.mark.parametrize(
    ("services", "measure", "counted", "limit"),
    [(("desk", "phone"), "services", 2, 1), (("farm",), "servers", 4, 3), (("names",), "zones", 2, 1)],
)
def test_a_plan_over_a_limit_says_so_and_is_not_started(
    service: RunningService, services: tuple[str, ...], measure: str, counted: int, limit: int
) -> None:
    plan = service.plan(*services)
    (excess,) = plan["blast_radius"]["excesses"]
    assert (excess["measure"], excess["counted"], excess["limit"]) == (measure, counted, limit)
    refused = service.http.post("/api/v1/runs", json={"digest": plan["digest"], "as": "olga", "reason": "test"})
    said = refused.json()
    assert (refused.status_code, said["code"]) == (403, "over_limit")
    assert said["excesses"] == [excess]
    assert excess["en"] in said["detail"]
    assert nothing_began(service, plan["digest"])


def test_what_is_within_its_limits_starts(service: RunningService) -> None:
    plan = service.plan("phone")
    assert plan["blast_radius"]["excesses"] == []
    assert plan["blast_radius"]["limits"]["services"] == 1
    service.wait(service.start(plan["digest"]), "succeeded")


def test_a_released_run_is_held_against_them_as_well(service: RunningService) -> None:
    plan = service.plan("desk", "phone")
    asked: list[str] = []
    with pytest.raises(RequestError, match="2 services, at most 1") as refused:
        service.bascule.runs.start_released(
            plan["digest"], "policy:rule", "", [Approval("anne")], lambda _conn, run_id: asked.append(run_id)
        )
    assert (refused.value.code, asked) == ("over_limit", [])
    assert nothing_began(service, plan["digest"])


def test_euros_are_counted_and_an_unknown_price_is_too_much(service: RunningService) -> None:
    set_limits(service, "\npolicy: {limits: {default: {euros_per_hour: 1.5}, prices: {scaleway: {DEV1-S: 0.5}}}}\n")
    (excess,) = service.plan("farm")["blast_radius"]["excesses"]
    assert (excess["measure"], excess["counted"]) == ("euros_per_hour", 2.0)
    unknown = "\npolicy: {limits: {default: {euros_per_hour: 9}}}\n"
    with_size = {"runbooks/rack.yaml": estate()["runbooks/rack.yaml"].replace("DEV1-S", "NEW-SIZE")}
    set_limits(service, unknown, **with_size)
    radius = service.plan("farm")["blast_radius"]
    assert len(radius["excesses"][0]["unpriced"]) == 4
    set_limits(service, unknown.replace("9}", "9, unknown_price: allow}"), **with_size)
    assert service.plan("farm")["blast_radius"]["excesses"] == []


def test_a_policy_that_was_tightened_since_holds_at_the_release(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.person("olga", Role.OPERATOR)
    service.person("anne", Role.APPROVER)
    plan = service.plan("desk", "phone", scope="drill")
    started = service.people["olga"].post("/api/v1/runs", json={"digest": plan["digest"], "reason": "test"})
    assert started.status_code == 201, started.text
    run_id = started.json()["id"]
    set_limits(service, LIMITS.replace("drill: {services: 2", "drill: {services: 1"))
    refused = service.decides(run_id, "release", "anne", digest=plan["digest"])
    assert (refused.status_code, refused.json()["code"]) == (403, "over_limit")
    assert service.run(run_id)["run"]["state"] == "awaiting_release"
    newest, real = service.bascule.estates.newest(), service.bascule.estates.bundle

    def cut_off(wanted: str) -> Any:
        if wanted == newest:
            raise RequestError("its commit is not in this mirror yet")
        return real(wanted)

    monkeypatch.setattr(service.bascule.estates, "bundle", cut_off)
    released = service.decides(run_id, "release", "anne", digest=plan["digest"])
    assert released.status_code == 200, "by the policy of the plan's own commit, which needs nothing from outside"
    monkeypatch.undo()
    service.people["olga"].post(f"/api/v1/runs/{run_id}/cancel", json={"reason": "test"})


def test_the_command_line_shows_it_and_ends_with_4(service: RunningService, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(service.bascule.settings.data)]

    def said(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([*data, *arguments])
        out, err = capsys.readouterr()
        return int(end.value.code or 0), " ".join((out + err).split())

    code, text = said("plan", "farm")
    assert code == 0
    assert "Makes and touches: 1 service (at most 1), 4 servers (at most 3)" in text
    assert "! Over the limit: 4 servers made, at most 3. It can’t be started." in text
    digest = json.loads(said("plan", "farm", "--json")[1])["digest"]
    assert said("run", "--plan", digest)[0] == 4


@pytest.mark.parametrize(
    ("one", "other", "what"), [("site", "page", "zone:a.example"), ("voice", "herald", "account:town")]
)
def test_two_runs_never_have_the_same_zone_or_account_at_once(
    service: RunningService, one: str, other: str, what: str
) -> None:
    """I1. What bounds runs side by side is what they hold; the limits are of each."""
    digests = [service.plan(name)["digest"] for name in (one, other)]
    together, said = threading.Barrier(2, timeout=20), list[object]()

    def start(digest: str) -> None:
        together.wait()
        try:
            said.append(service.bascule.runs.start(digest, "olga").run_id)
        except Conflict as error:
            said.append(error)

    people = [threading.Thread(target=start, args=(digest,)) for digest in digests]
    for person in people:
        person.start()
    for person in people:
        person.join(60)
    (run_id,) = (one for one in said if isinstance(one, str))
    (refused,) = (one for one in said if isinstance(one, Conflict))
    assert f"Run {run_id} is active and holds {what}" in str(refused)
    assert service.decide(run_id, "cancel", "olga", reason="test").status_code == 200
