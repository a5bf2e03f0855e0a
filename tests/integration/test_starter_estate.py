"""The starter estate, whole: failover and undo leave the world as it was; failback brings home what came since."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from orchestrator.domain.model import RunState, StepState
from orchestrator.engine.spec import ActionSpec
from providers.base import Tag
from providers.wants import Record, Records
from tests.simulator_fixture import Simulator
from tests.town_hall import TownHall, commit_all

SERVICES = ["identity", "portal", "mail", "office", "visio", "social"]
MX_STEP = "mail-failover/cutover/cutover-mx"


@pytest.fixture
def town_hall(fresh_simulator: Simulator, tmp_path: Path) -> Iterator[TownHall]:
    made = TownHall(fresh_simulator, tmp_path)
    yield made
    made.stop()


def world(simulator: Simulator) -> dict[str, Any]:
    """Zones without SOA serial, servers, volumes, buckets; messages that were sent stay sent."""
    state = simulator.state()
    return {name: part for name, part in state.items() if name != "mailboxes"}


def endpoints(simulator: Simulator) -> Any:
    return simulator.state()["zones"]


def leading(simulator: Simulator) -> list[str]:
    """The town's records without its texts: proofs and keys lead nobody anywhere."""
    return [record for record in endpoints(simulator)["valbourg.example"] if " TXT " not in record]


@pytest.mark.faults  # every day two tests undo as much: of identity and the portal at two clouds, and of mail here
def test_failover_then_undo_leaves_the_world_as_it_was(town_hall: TownHall) -> None:
    before = world(town_hall.simulator)
    run_id = town_hall.run(SERVICES)
    during = world(town_hall.simulator)
    assert {server["name"] for server in during["servers"]} == {"identity", "portal"}
    assert during["zones"] != before["zones"]
    town_hall.undo(run_id)
    assert world(town_hall.simulator) == before
    town_hall.check_fold(run_id)


@pytest.mark.faults
def test_failover_then_failback_brings_home_what_was_written_meanwhile(town_hall: TownHall) -> None:
    simulator = town_hall.simulator
    before = endpoints(simulator)
    run_id = town_hall.run(SERVICES)
    address = town_hall.steps(run_id)["portal-failover/server"].outputs["address"]
    write_on_server(town_hall, run_id, address, "/srv/portal/depot/plainte.txt", "La rue du Moulin est dans le noir.")
    for service in reversed(SERVICES):
        back = town_hall.run([service], "failback")
        town_hall.check_fold(back)
    assert endpoints(simulator) == before
    assert simulator.state()["servers"] == []
    assert "depot/plainte.txt" in simulator.state()["buckets"]["s3-source"]["valbourg-portal"]


@pytest.mark.faults
def test_the_old_provider_leaves_spf_later_and_comes_back_with_the_mail(town_hall: TownHall) -> None:
    simulator = town_hall.simulator
    other = Record(name="@", type="TXT", add=['"another=proof"'])
    change(town_hall, other)
    before = endpoints(simulator)
    town_hall.undo(town_hall.run(["mail", "mail-settle"], queues="1s"))
    assert endpoints(simulator) == before
    town_hall.run(["mail"])
    assert spf(simulator) == "v=spf1 include:spf.protection.outlook.com include:mailo.com -all"
    settled = town_hall.run(["mail-settle"], queues="1s")
    assert spf(simulator) == "v=spf1 include:mailo.com -all"
    town_hall.check_fold(settled)
    town_hall.run(["mail-settle"], "failback")
    assert spf(simulator) == "v=spf1 include:mailo.com include:spf.protection.outlook.com -all"
    town_hall.run(["mail-settle"], queues="1s")
    town_hall.run(["mail"], "failback")
    assert endpoints(simulator) == before


def spf(simulator: Simulator) -> str:
    """The town's SPF record."""
    texts = [record for record in endpoints(simulator)["valbourg.example"] if "v=spf1" in record]
    assert len(texts) == 1
    return str(texts[0]).partition(" TXT ")[2].strip('"')


def test_the_same_inputs_give_the_same_digest_and_a_change_outside_another(town_hall: TownHall) -> None:
    plans = town_hall.bascule.plans
    first = plans.make(SERVICES, "rehearsal")
    assert plans.make(list(reversed(SERVICES)), "rehearsal").digest == first.digest
    assert plans.moved(first) == []
    change_mx(town_hall, "20 backup.outlook.test.")
    moved = plans.moved(first)
    assert [entry["step"] for entry in moved] == [MX_STEP, "mail-failover/prepare/prepare-short-ttl"]
    assert plans.make(SERVICES, "rehearsal").digest != first.digest


@pytest.mark.faults
def test_a_change_since_the_plan_holds_the_step_that_it_concerns(town_hall: TownHall) -> None:
    plan = town_hall.bascule.plans.make(["mail"], "rehearsal")
    change_mx(town_hall, "20 backup.outlook.test.")
    before, leading_before = endpoints(town_hall.simulator), leading(town_hall.simulator)
    run_id = town_hall.bascule.runs.start(plan.digest, "olga").run_id

    def held() -> bool:
        steps = town_hall.steps(run_id)
        for step_id, person in (("mailboxes", "alice"), ("go", "alice"), ("go", "bob")):
            row = steps[f"mail-failover/{step_id}"]
            if row.state == StepState.WAITING.value and person not in row.waits_for["given"]:
                town_hall.bascule.decisions.approve(run_id, f"mail-failover/{step_id}", person)
        return bool(steps[MX_STEP].state == StepState.HELD.value)

    town_hall.until(held, "the cutover to be held")
    assert leading(town_hall.simulator) == leading_before
    town_hall.bascule.decisions.undo(run_id, "olga", "not today")
    assert town_hall.end(run_id) is RunState.UNDONE
    assert endpoints(town_hall.simulator) == before


@pytest.mark.faults
def test_a_run_stays_on_its_commit_and_a_gone_remote_changes_nothing(town_hall: TownHall) -> None:
    before = world(town_hall.simulator)
    estates = town_hall.bascule.estates
    first = estates.newest()
    plan = town_hall.bascule.plans.make(["mail"], "rehearsal")
    runbook = town_hall.estate / "runbooks" / "mail-failover.yaml"
    runbook.write_text(runbook.read_text().replace("mx.mailo.com", "mx.other.example"))
    second = commit_all(town_hall.estate, "another target")
    assert estates.sync("test") == (second, True)
    run_id = town_hall.bascule.runs.start(plan.digest, "olga").run_id
    town_hall.estate.rename(town_hall.estate.with_name("gone"))
    town_hall.bascule.hasten_sync()
    assert town_hall.end(run_id) is RunState.SUCCEEDED
    assert first != second
    moved = endpoints(town_hall.simulator)
    mx = [record for record in moved["valbourg.example"] if "MX" in str(record)]
    assert "mx.mailo.com" in str(mx)
    town_hall.undo(run_id)
    assert world(town_hall.simulator) == before


def change_mx(town_hall: TownHall, value: str) -> None:
    """Somebody else changes the zone, by the same protocol."""
    change(town_hall, Record(name="@", type="MX", values=[value]))


def change(town_hall: TownHall, record: Record) -> None:
    want = Records(zone="valbourg.example", records=[record])
    provider = dns_provider(town_hall, want)
    seen = provider.observe(want, Tag("other", "hand"), None)
    provider.apply(want, Tag("other", "hand"), seen.values, lambda _: None)


def dns_provider(town_hall: TownHall, want: Any) -> Any:
    run = type("Run", (), {"id": "hand", "commit": town_hall.bascule.estates.newest(), "scope": "rehearsal"})
    spec = ActionSpec.model_validate({"uses": "dns.records", "with": want.model_dump(mode="json", exclude_unset=True)})
    return town_hall.bascule.workshop.action(run, "hand", spec, {}, 20.0).provider


def write_on_server(town_hall: TownHall, run_id: str, address: str, path: str, text: str) -> None:
    key = town_hall.bascule.paths.secrets / "rehearsal" / "ssh-key"
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    command = ["ssh", "-i", str(key), *options, f"root@{address}", f"cat > {path}"]
    subprocess.run(command, input=text, text=True, check=True, timeout=20)


def test_undo_does_not_point_back_to_a_dead_place(town_hall: TownHall) -> None:
    """Meetings' old place counts as alive when the old web page answers: that one can be put out of order."""
    simulator = town_hall.simulator
    sheet = town_hall.estate / "bascule.yaml"
    tcp = 'uses: probe.tcp, with: {host: "${{ parameters.visio_home }}", port: "${{ parameters.home_port }}"}'
    old = urlsplit(simulator.addresses["portal-old"]).hostname
    page = f'uses: probe.http, with: {{url: "http://portal.valbourg.example/", address: {old}}}'
    assert sheet.read_text().count(tcp) == 1
    sheet.write_text(sheet.read_text().replace(tcp, page))
    commit_all(town_hall.estate, "another origin")
    town_hall.bascule.estates.sync("test")
    run_id = town_hall.run(["visio"])
    moved = endpoints(simulator)
    simulator.faults({"service": "portal-old", "route": "GET *", "kind": "status", "status": 503, "times": None})
    town_hall.bascule.decisions.undo(run_id, "olga", "try to go back")

    def stopped() -> list[str]:
        return [name for name, row in town_hall.steps(run_id).items() if row.state == StepState.UNDO_FAILED.value]

    town_hall.until(lambda: bool(stopped()), "the undo to stop")
    (step_id,) = stopped()
    assert endpoints(simulator) == moved
    assert "does not show that it is alive" in town_hall.steps(run_id)[step_id].message
    simulator.faults()
    town_hall.bascule.decisions.retry(run_id, step_id, "olga")
    assert town_hall.end(run_id) is RunState.UNDONE
