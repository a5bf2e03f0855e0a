"""`compute.server` against the Outscale stand-in: the contract, and what Outscale's two-step creation makes special."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.compute.sent import IN_FLIGHT_SECONDS
from providers.compute.server import ComputeServer
from providers.simulator.fleet_parts import Server as SimulatedServer
from providers.wants import Server
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.outscale_stand_in import SECRETS, OutscaleStandIn, outscale_stand_in, reveal

MakeContext = Callable[[Mapping[str, Any]], Context]

SIZE = "tinav5.c2r4p2"
CLOUD_INIT = "#cloud-config\npackages: [nginx]\n"
PORTAL = Server(
    provider=["outscale"],
    name="portal",
    size=SIZE,
    image="debian-12",
    user_data="cloud-init/portal.yaml",
    firewall=[{"port": 22}, {"port": 443}, {"protocol": "icmp"}],
)
TAG = Tag("r-20261125-abcdef", "portal/server.new")
OURS = ["Name=portal", "bascule", "bascule-run=r-20261125-abcdef", "bascule-step=portal/server.new"]

NOTHING: dict[str, list[object]] = {"servers": [], "volumes": [], "snapshots": [], "firewalls": [], "addresses": []}
"""A cloud where nothing is."""


@pytest.fixture
def cloud() -> Iterator[OutscaleStandIn]:
    with outscale_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def case(cloud: OutscaleStandIn, make_context: MakeContext) -> Case:
    context = replace(make_context({"compute": {"outscale": cloud.block}}), reveal=reveal)
    (context.estate / "cloud-init").mkdir()
    (context.estate / "cloud-init/portal.yaml").write_text(CLOUD_INIT)

    @contextmanager
    def crash() -> Iterator[None]:
        with cloud.faulty({"route": "POST */CreateVms", "kind": "lose_answer"}):
            yield

    def retagged() -> None:
        with cloud.fleet.lock:
            only(cloud).tags = ["theirs"]

    return Case(
        want=PORTAL,
        tag=TAG,
        context=context,
        make=ComputeServer,
        world=cloud.fleet.state,
        crash_after_write=crash,
        break_permanently=lambda: cloud.faulty({"kind": "status", "status": 401, "times": None}),
        break_briefly=lambda: cloud.faulty({"kind": "status", "status": 503, "times": None}),
        foreign_change=retagged,
        effects=lambda: len(cloud.written()),
        effects_once=7,
        atomic=False,
        secrets=list(SECRETS.values()),
    )


def only(cloud: OutscaleStandIn) -> SimulatedServer:
    """The one machine there is."""
    (server,) = cloud.fleet.servers.values()
    return server


def creations(cloud: OutscaleStandIn) -> int:
    return sum(action == "server.create" for action, _ in cloud.written())


@pytest.mark.core
class TestComputeServer(ProviderContract, ForeignChangeContract):
    """A firewall with its rules and tags, then a machine, its tags, its user data and power on."""


def test_a_server_comes_up_with_tags_user_data_firewall_and_address(case: Case, cloud: OutscaleStandIn) -> None:
    made = case.apply(case.before())
    server = only(cloud)
    assert sorted(server.tags) == OURS
    assert server.user_data == {"cloud-init": CLOUD_INIT.encode()}
    assert made.outputs["address"] == cloud.fleet.address(server)
    assert (made.outputs["name"], made.outputs["zone"]) == ("portal", "eu-west-2a")
    (firewall,) = cloud.fleet.firewalls.values()
    assert server.firewall == firewall.id
    assert [(rule["IpProtocol"], rule["FromPortRange"]) for rule in firewall.rules] == [
        ("tcp", 22),
        ("tcp", 443),
        ("icmp", -1),
    ]


@pytest.mark.every_day("0-CreateSecurityGroup", "0-CreateVms", "1-CreateTags", "0-StartVms")
@pytest.mark.parametrize(
    "action", ["CreateSecurityGroup", "CreateSecurityGroupRule", "CreateVms", "CreateTags", "UpdateVm", "StartVms"]
)
@pytest.mark.parametrize("skip", [0, 1])
def test_every_answer_may_be_lost(case: Case, cloud: OutscaleStandIn, action: str, skip: int) -> None:
    """What was made is found and gone on with: one server, one firewall with all its rules."""
    before = case.before()
    rule = {"route": f"POST */{action}", "kind": "lose_answer", "skip": skip}
    with cloud.faulty(rule):
        case.crash(lambda: case.provider().apply(case.want, case.tag, before, quiet))
    done = case.apply(before)
    assert done.presence is Presence.OURS
    assert (creations(cloud), len(cloud.fleet.servers), len(cloud.fleet.firewalls)) == (1, 1, 1)
    assert sorted(only(cloud).tags) == OURS
    assert only(cloud).user_data == {"cloud-init": CLOUD_INIT.encode()}
    assert len(next(iter(cloud.fleet.firewalls.values())).rules) == 3
    assert case.undo(done.effect).presence is Presence.ABSENT
    assert cloud.fleet.state() == NOTHING


def test_a_machine_that_has_no_tags_yet_is_ours_and_is_undone(case: Case, cloud: OutscaleStandIn) -> None:
    before = case.before()
    with cloud.faulty({"route": "POST */CreateTags", "kind": "drop", "times": None, "skip": 1}), refused():
        case.apply(before)
    assert only(cloud).tags == []
    found = case.observe(before)
    assert len(found.effect["servers"]) == 1
    assert case.undo(found.effect).presence is Presence.ABSENT
    assert cloud.fleet.servers == {}


def test_a_step_that_was_undone_can_make_its_server_again(case: Case, cloud: OutscaleStandIn) -> None:
    first = case.apply(case.before())
    assert case.undo(first.effect).presence is Presence.ABSENT
    second = case.apply(case.before())
    assert second.presence is Presence.OURS
    assert second.outputs["id"] != first.outputs["id"]


def test_a_creation_in_flight_is_waited_for_before_another_is_asked_for(case: Case, cloud: OutscaleStandIn) -> None:
    before = case.before()
    with cloud.faulty({"route": "POST */CreateVms", "kind": "drop"}):
        first = case.provider(deadline=2.0).apply(case.want, case.tag, before, quiet)
    assert first.presence is Presence.PENDING
    assert case.observe(before).presence is Presence.PENDING
    long_ago = time.time() - IN_FLIGHT_SECONDS - 1
    os.utime(case.context.workspace / "create-sent-outscale", (long_ago, long_ago))
    assert case.apply(before).presence is Presence.OURS
    assert creations(cloud) == 1


def test_a_quota_that_is_used_up_is_named_and_leaves_nothing(case: Case, cloud: OutscaleStandIn) -> None:
    with cloud.faulty({"route": "POST */CreateVms", "kind": "quota"}), refused() as caught:
        case.apply(case.before())
    assert caught.value.permanent
    assert "the quota of servers" in caught.value.message
    assert cloud.fleet.state() == NOTHING


def test_a_size_out_of_stock_is_named_and_leaves_nothing(case: Case, cloud: OutscaleStandIn) -> None:
    cloud.fleet.catalogue.stock[SIZE] = 0
    with refused() as caught:
        case.apply(case.before())
    assert caught.value.permanent
    assert "in stock" in caught.value.message
    assert cloud.fleet.state() == NOTHING


def test_the_cheapest_size_that_serves_is_taken(case: Case, cloud: OutscaleStandIn) -> None:
    want = Server(
        provider=["outscale"], name="portal", image="debian-12", resources={"cpu": 2, "memory": 4, "disk": 30}
    )
    needed = replace(case, want=want)
    assert needed.apply(needed.before()).presence is Presence.OURS
    assert only(cloud).size.name == "t2.medium"
    (volume,) = cloud.fleet.volumes.values()
    assert volume.size >= 30 * 1000**3


def test_a_released_server_is_gone_with_its_volume_and_firewall(case: Case, cloud: OutscaleStandIn) -> None:
    case.apply(case.before())
    release = replace(case, want=Server(provider=["outscale"], name="portal", state="absent"), tag=Tag("r-2", "end"))
    before = release.before()
    assert release.apply(before).presence is Presence.OURS
    assert release.observe(before).presence is Presence.OURS
    assert cloud.fleet.state() == NOTHING


def test_an_earlier_runs_server_is_found_and_never_undone(case: Case, cloud: OutscaleStandIn) -> None:
    made = case.apply(case.before())
    existing = replace(
        case, want=Server(provider=["outscale"], name="portal", state="existing"), tag=Tag("r-2", "find")
    )
    found = existing.apply(existing.before())
    assert (found.presence, found.outputs, found.effect) == (Presence.ALREADY, made.outputs, {})
