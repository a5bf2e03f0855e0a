"""`compute.server` against OVHcloud's stand-in: the contract, and what a name that carries the tags makes special."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from providers.base import Context, Presence, ProviderError, Tag
from providers.compute.capacity import room_at
from providers.compute.driver import VolumeOrder
from providers.compute.made import made_at, release_made
from providers.compute.name_marks import marked
from providers.compute.proof import tags_of
from providers.compute.sent import IN_FLIGHT_SECONDS
from providers.compute.server import ComputeServer
from providers.simulator.fleet_parts import Server as SimulatedServer
from providers.wants import Server
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.ovhcloud_stand_in import SECRETS, OvhStandIn, ovhcloud_stand_in, reveal, settled

MakeContext = Callable[[Mapping[str, Any]], Context]

CLOUD_INIT = "#cloud-config\npackages: [nginx]\n"
PORTAL = Server(
    provider=["ovhcloud"], name="portal", size="d2-2", image="debian-12", user_data="cloud-init/portal.yaml"
)
TAG = Tag("r-20261125-abcdef", "portal/server.new")
NOTHING: dict[str, list[Any]] = {"servers": [], "volumes": [], "snapshots": [], "firewalls": [], "addresses": []}


@pytest.fixture
def cloud() -> Iterator[OvhStandIn]:
    with ovhcloud_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def case(cloud: OvhStandIn, make_context: MakeContext) -> Case:
    context = replace(make_context({"compute": {"ovhcloud": {**cloud.block, "ssh_key": "bascule"}}}), reveal=reveal)
    (context.estate / "cloud-init").mkdir()
    (context.estate / "cloud-init/portal.yaml").write_text(CLOUD_INIT)

    @contextmanager
    def crash() -> Iterator[None]:
        with cloud.faulty({"route": "POST */instance", "kind": "lose_answer"}):
            yield

    def renamed() -> None:
        with cloud.fleet.lock:
            only(cloud).name = "portal"

    return Case(
        want=PORTAL,
        tag=TAG,
        context=context,
        make=ComputeServer,
        world=cloud.fleet.state,
        crash_after_write=crash,
        break_permanently=lambda: cloud.faulty({"kind": "status", "status": 403, "times": None}),
        break_briefly=lambda: cloud.faulty({"kind": "status", "status": 503, "times": None}),
        foreign_change=renamed,
        effects=lambda: len(cloud.written()),
        effects_once=1,
        secrets=list(SECRETS.values()),
    )


def only(cloud: OvhStandIn) -> SimulatedServer:
    """The one instance there is."""
    (server,) = cloud.fleet.servers.values()
    return server


def creations(cloud: OvhStandIn) -> int:
    return sum(action == "server.create" for action, _ in cloud.written())


class TestComputeServer(ProviderContract, ForeignChangeContract):
    """One request makes a server with all of it, and boots it."""


def test_a_server_comes_up_with_its_mark_user_data_and_address(case: Case, cloud: OvhStandIn) -> None:
    made = case.apply(case.before())
    server = only(cloud)
    assert server.name == "portal--bascule--r-20261125-abcdef--portal--serverX2enew"
    assert server.user_data == {"cloud-init": CLOUD_INIT.encode()}
    assert server.facts["key"] == b"bascule".hex()
    assert made.outputs == {
        "id": server.id,
        "name": "portal",
        "address": cloud.fleet.address(server),
        "zone": "GRA11",
        "provider": "ovhcloud",
    }


def test_a_server_made_by_a_process_that_died_is_taken_on(case: Case, cloud: OvhStandIn) -> None:
    before = case.before()
    left = cloud.add(marked("portal", tags_of(TAG)))
    assert case.observe(before).presence in {Presence.OURS, Presence.PENDING}
    assert case.apply(before).outputs["id"] == left.id
    assert creations(cloud) == 1


def test_a_creation_in_flight_is_waited_for_before_another_is_asked_for(case: Case, cloud: OvhStandIn) -> None:
    before = case.before()
    with cloud.faulty({"route": "POST */instance", "kind": "drop"}):
        first = case.provider(deadline=2.0).apply(case.want, case.tag, before, quiet)
    assert first.presence is Presence.PENDING
    assert case.observe(before).presence is Presence.PENDING
    long_ago = time.time() - IN_FLIGHT_SECONDS - 1
    os.utime(case.context.workspace / "create-sent-ovhcloud", (long_ago, long_ago))
    assert case.apply(before).presence is Presence.OURS
    assert creations(cloud) == 1


@pytest.mark.parametrize(
    ("name", "said"), [("portal", "did not make"), ("portal--bascule--r-old--step", "bascule-run=r-old")]
)
def test_a_name_that_is_taken_is_left_alone(case: Case, cloud: OvhStandIn, name: str, said: str) -> None:
    cloud.add(name)
    found = case.observe(None)
    assert found.presence is Presence.CONFLICT
    with refused() as caught:
        case.apply(found.values)
    assert caught.value.permanent
    assert said in caught.value.message
    assert creations(cloud) == 1


@pytest.mark.parametrize("used_up", ["fault", "servers", "cpu"])
def test_a_quota_that_is_used_up_is_named_and_leaves_nothing(case: Case, cloud: OvhStandIn, used_up: str) -> None:
    before = case.before()
    rules = [{"route": "POST */instance", "kind": "quota"}] if used_up == "fault" else []
    if used_up != "fault":
        cloud.fleet.catalogue.quotas[used_up] = 0
    with cloud.faulty(*rules), refused() as caught:
        case.apply(before)
    assert caught.value.permanent
    assert not caught.value.effect_possible
    assert "the quota of" in caught.value.message
    assert case.world() == NOTHING


def test_a_size_out_of_stock_is_named_and_leaves_nothing(case: Case, cloud: OvhStandIn) -> None:
    cloud.fleet.catalogue.stock["d2-2"] = 0
    with refused() as caught:
        case.apply(case.before())
    assert caught.value.permanent
    assert "size d2-2 in stock" in caught.value.message
    assert case.world() == NOTHING


def test_a_server_that_no_host_had_room_for_is_released_and_another_cloud_may_be_asked(
    case: Case, cloud: OvhStandIn
) -> None:
    """OVHcloud may take the request on, and show only later that it cannot be built."""
    before = case.before()
    cloud.fleet.catalogue.stock["d2-2"] = 1
    with cloud.faulty({"route": "BOOT *", "kind": "status"}):
        first = case.provider().apply(case.want, case.tag, before, quiet)
        assert first.presence is Presence.PENDING
        found = settled(lambda: case.observe(before), lambda seen: seen.presence is not Presence.PENDING)
    assert found.presence is Presence.ABSENT, "apply goes on, and finds that there is no room"
    with refused() as caught:
        case.apply(before)
    assert "size d2-2 in stock" in caught.value.message
    assert case.world() == NOTHING


def test_a_server_that_failed_for_another_reason_is_undone(case: Case, cloud: OvhStandIn) -> None:
    before = case.before()
    with cloud.faulty({"route": "BOOT *", "kind": "status"}):
        with suppress(ProviderError):  # it may have failed before this call ends
            case.provider().apply(case.want, case.tag, before, quiet)
        found = settled(lambda: case.observe(before), lambda seen: seen.presence is not Presence.PENDING)
    assert found.presence is Presence.CONFLICT
    assert "ERROR" in found.message
    assert case.undo(found.effect).presence is Presence.ABSENT
    assert case.world() == NOTHING


def test_a_step_that_is_too_long_for_a_name_is_undone_all_the_same(case: Case, cloud: OvhStandIn) -> None:
    long = replace(case, tag=Tag("r-20261125-abcdef", "nested/" * 40 + "server"))
    done = long.apply(long.before())
    assert done.presence is Presence.OURS
    assert long.undo(done.effect).presence is Presence.ABSENT
    assert case.world() == NOTHING


def test_a_firewall_is_refused_before_anything_is_made(case: Case, cloud: OvhStandIn) -> None:
    wall = Server(provider=["ovhcloud"], name="portal", size="d2-2", image="debian-12", firewall=[{"port": 443}])
    walled = replace(case, want=wall)
    with refused() as caught:
        walled.apply(walled.before())
    assert caught.value.permanent
    assert "driver openstack" in caught.value.message
    assert cloud.written() == []


def test_the_smallest_size_that_serves_is_taken(case: Case, cloud: OvhStandIn) -> None:
    resources = {"cpu": 2, "memory": 8, "disk": 60}
    needed = replace(case, want=Server(provider=["ovhcloud"], name="portal", image="debian-12", resources=resources))
    assert needed.apply(needed.before()).presence is Presence.OURS
    assert only(cloud).size.name == "c3-8"


def test_what_there_is_room_for_can_be_planned(case: Case, cloud: OvhStandIn) -> None:
    room = room_at(case.context, "ovhcloud")
    assert not room.unknown
    assert {offer.name for offer in room.offers} >= {"d2-2", "b3-8"}
    assert {quota.resource.value for quota in room.quotas} >= {"servers", "cpu", "memory"}


def test_what_was_made_is_listed_and_released(case: Case, cloud: OvhStandIn) -> None:
    case.apply(case.before())
    (made,) = made_at(case.context, "ovhcloud")
    assert (made.name, made.run, made.step) == ("portal", TAG.run, TAG.step)
    assert release_made(case.context, made)
    assert case.world() == NOTHING


def test_a_released_server_is_gone_and_an_attached_volume_stays(case: Case, cloud: OvhStandIn) -> None:
    done = case.apply(case.before())
    driver = cloud.driver()
    node = driver.ex_get_node(done.outputs["id"])
    assert node is not None
    made = driver.ex_create_volume(VolumeOrder("data", 10, tags_of(Tag(TAG.run, "portal/data"))))
    free = settled(lambda: driver.ex_part(made.kind, made.id), lambda part: part.state == "available")
    driver.ex_attach(free, node)
    release = replace(case, want=Server(provider=["ovhcloud"], name="portal", state="absent"), tag=Tag("r-2", "end"))
    before = release.before()
    assert release.apply(before).presence is Presence.OURS
    assert release.observe(before).presence is Presence.OURS
    assert cloud.fleet.servers == {}
    assert list(cloud.fleet.volumes) == [made.id]


def test_an_earlier_runs_server_is_found_and_never_undone(case: Case, cloud: OvhStandIn) -> None:
    made = case.apply(case.before())
    want = Server(provider=["ovhcloud"], name="portal", state="existing")
    existing = replace(case, want=want, tag=Tag("r-2", "find"))
    found = existing.apply(existing.before())
    assert (found.presence, found.outputs, found.effect) == (Presence.ALREADY, made.outputs, {})
