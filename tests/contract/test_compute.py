"""`compute.server` against the Scaleway stand-in: the contract, and what is special to servers."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.compute.sent import IN_FLIGHT_SECONDS
from providers.compute.server import ComputeServer
from providers.simulator.fleet_parts import Server as SimulatedServer
from providers.simulator.fleet_parts import ServerOrder
from providers.wants import Server
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.vendor_stand_ins import SECRETS, CloudStandIn

MakeContext = Callable[[Mapping[str, Any]], Context]

PORTAL = Server(
    provider="scaleway", name="portal", size="DEV1-S", image="debian_bookworm", user_data="cloud-init/portal.yaml"
)
TAG = Tag("run-1", "server")
OURS = ["bascule", "bascule-run=run-1", "bascule-step=server"]


def foreign(cloud: CloudStandIn, *tags: str, name: str = "portal") -> SimulatedServer:
    """A server that this step did not make."""
    catalogue = cloud.fleet.catalogue
    image = catalogue.image("debian_bookworm")
    assert image is not None
    order = ServerOrder(name, "fr-par-1", catalogue.project, catalogue.sizes["DEV1-S"], image, list(tags), True, {})
    return cloud.fleet.create(order)


def creations(cloud: CloudStandIn) -> int:
    return sum(action == "server.create" for action, _ in cloud.written())


@pytest.fixture
def case(cloud: CloudStandIn, make_context: MakeContext) -> Case:
    context = make_context({"compute": {"scaleway": cloud.block}})
    (context.estate / "cloud-init").mkdir()
    (context.estate / "cloud-init/portal.yaml").write_text("#cloud-config\n")
    foreign(cloud, "theirs", name="portal-2")
    cloud.effects.clear()

    @contextmanager
    def crash() -> Iterator[None]:
        with cloud.faulty({"route": "POST *", "kind": "lose_answer"}):
            yield

    def retagged() -> None:
        with cloud.fleet.lock:
            next(server for server in cloud.fleet.servers.values() if server.name == "portal").tags = ["theirs"]

    return Case(
        want=PORTAL,
        tag=TAG,
        context=context,
        make=ComputeServer,
        world=cloud.fleet.state,
        crash_after_write=crash,
        break_permanently=lambda: cloud.faulty({"kind": "status", "status": 403, "times": None}),
        break_briefly=lambda: cloud.faulty({"kind": "status", "status": 503, "times": None}),
        foreign_change=retagged,
        effects=lambda: len(cloud.written()),
        effects_once=3,
        atomic=False,
        secrets=list(SECRETS.values()),
    )


class TestComputeServer(ProviderContract, ForeignChangeContract):
    """Create, user data and power on are three effects."""


def test_a_server_comes_up_with_tags_user_data_and_address(case: Case, cloud: CloudStandIn) -> None:
    made = case.apply(case.before())
    server = cloud.fleet.servers[made.outputs["id"]]
    assert sorted(server.tags) == OURS
    assert server.user_data == {"cloud-init": b"#cloud-config\n"}
    assert made.outputs == {
        "id": server.id,
        "name": "portal",
        "address": cloud.fleet.address(server),
        "zone": "fr-par-1",
        "provider": "scaleway",
    }


def _has_sent(stand_in: CloudStandIn, sent: int) -> bool:
    return len(stand_in.written()) >= sent


def test_once_halted_a_cloud_is_asked_for_nothing_more_and_the_next_attempt_goes_on(
    case: Case, cloud: CloudStandIn
) -> None:
    """Create, user data, power on: after each of them, and while the server is taken back."""
    before = case.before()
    for sent in range(3):
        cloud.effects.clear()
        halted = replace(case.context, halted=partial(_has_sent, cloud, sent))
        with refused() as caught:
            ComputeServer(halted).apply(case.want, case.tag, before, quiet)
        assert "the kill switch was engaged" in caught.value.message
        assert (caught.value.permanent, caught.value.effect_possible) == (False, sent > 0)
        assert len(cloud.written()) == sent
        made = case.apply(before)
        sent_once = [action for action, _ in cloud.written() if action != "server.user_data"]
        assert sent_once == ["server.create", "server.poweron"]
        written = cloud.written()
        with refused():
            ComputeServer(replace(case.context, halted=lambda: True)).undo(case.want, case.tag, made.effect, quiet)
        assert cloud.written() == written
        assert case.undo(made.effect).presence is not Presence.CONFLICT


def test_a_server_made_by_a_process_that_died_is_brought_up(case: Case, cloud: CloudStandIn) -> None:
    before = case.before()
    left = foreign(cloud, *OURS)
    found = case.observe(before)
    assert found.presence is Presence.ABSENT, "apply must go on"
    assert found.effect["servers"][0]["id"] == left.id
    assert case.apply(before).outputs["id"] == left.id
    assert creations(cloud) == 1


def test_a_creation_in_flight_is_waited_for_before_another_is_asked_for(case: Case, cloud: CloudStandIn) -> None:
    before = case.before()
    sent = case.context.workspace / "create-sent-scaleway"
    with cloud.faulty({"route": "POST */servers", "kind": "drop"}):
        first = case.provider(deadline=2.0).apply(case.want, case.tag, before, quiet)
    assert first.presence is Presence.PENDING
    assert case.observe(before).presence is Presence.PENDING
    assert case.provider().apply(case.want, case.tag, before, quiet).presence is Presence.PENDING
    assert creations(cloud) == 0
    long_ago = time.time() - IN_FLIGHT_SECONDS - 1
    os.utime(sent, (long_ago, long_ago))
    assert case.observe(before).presence is Presence.ABSENT
    assert case.apply(before).presence is Presence.OURS
    assert creations(cloud) == 1


@pytest.mark.parametrize(("tags", "said"), [((), "did not make"), (("bascule", "bascule-run=old"), "run=old")])
def test_a_name_that_is_taken_is_left_alone(case: Case, cloud: CloudStandIn, tags: tuple[str], said: str) -> None:
    foreign(cloud, *tags)
    found = case.observe(None)
    assert found.presence is Presence.CONFLICT
    with refused() as caught:
        case.apply(found.values)
    assert caught.value.permanent
    assert said in caught.value.message
    assert creations(cloud) == 1


def test_a_quota_that_is_used_up_is_named(case: Case, cloud: CloudStandIn) -> None:
    with cloud.faulty({"route": "POST */servers", "kind": "quota"}), refused() as caught:
        case.apply(case.before())
    assert caught.value.permanent
    assert not caught.value.effect_possible
    assert "the quota of InstanceServers (20 of 20) is used up" in caught.value.message
    assert creations(cloud) == 0


def test_a_refused_power_on_keeps_the_server(case: Case, cloud: CloudStandIn) -> None:
    before = case.before()
    with cloud.faulty({"route": "POST */action", "kind": "status", "status": 500}), refused() as caught:
        case.apply(before)
    assert not caught.value.permanent
    assert caught.value.effect_possible
    assert case.apply(before).presence is Presence.OURS
    assert creations(cloud) == 1


def on_block_storage(cloud: CloudStandIn) -> None:
    """Volumes that `terminate` only detaches."""
    sizes = cloud.fleet.catalogue.sizes
    sizes["DEV1-S"] = replace(sizes["DEV1-S"], storage="sbs_volume")


def test_user_data_that_is_missing_is_found_before_anything_is_made(case: Case, cloud: CloudStandIn) -> None:
    (case.context.estate / "cloud-init/portal.yaml").unlink()
    with refused() as caught:
        case.apply(case.before())
    assert caught.value.permanent
    assert cloud.written() == []


def test_a_volume_that_serves_another_server_by_now_is_left_alone(case: Case, cloud: CloudStandIn) -> None:
    effect = case.apply(case.before()).effect
    other = foreign(cloud, name="other")
    with cloud.fleet.lock:
        mine = cloud.fleet.servers.pop(effect["servers"][0]["id"])
        for volume in mine.volumes.values():
            volume.server = other.id
    world = case.world()
    found = case.undo(effect)
    assert found.presence is Presence.CONFLICT
    assert case.world() == world


def test_undo_takes_block_volumes_along(case: Case, cloud: CloudStandIn) -> None:
    world = case.world()
    on_block_storage(cloud)
    effect = case.apply(case.before()).effect
    assert [kind for server in effect["servers"] for kind in server["volumes"].values()] == ["sbs_volume"]
    assert case.undo(effect).presence is Presence.ABSENT
    assert case.world() == world


class TestRelease:
    """`state: absent` releases what an earlier run made."""

    @pytest.fixture
    def release(self, case: Case) -> Case:
        return replace(case, want=Server(provider="scaleway", name="portal", state="absent"), tag=Tag("run-2", "end"))

    @pytest.mark.parametrize("block", [False, True])
    def test_the_server_of_an_earlier_run_goes_with_its_volumes(
        self, case: Case, release: Case, cloud: CloudStandIn, block: bool
    ) -> None:
        world = case.world()
        if block:
            on_block_storage(cloud)
        case.apply(case.before())
        before = release.before()
        assert release.observe(before).presence is Presence.ABSENT
        assert release.apply(before).presence is Presence.OURS
        assert release.observe(before).presence is Presence.OURS
        assert case.world() == world

    def test_a_stopped_server_goes_with_its_volumes(self, case: Case, release: Case, cloud: CloudStandIn) -> None:
        world = case.world()
        foreign(cloud, "bascule", "bascule-run=old")
        assert release.apply(release.before()).presence is Presence.OURS
        assert case.world() == world

    def test_a_lost_answer_releases_once(self, case: Case, release: Case, cloud: CloudStandIn) -> None:
        case.apply(case.before())
        before = release.before()
        release.crash(lambda: release.provider().apply(release.want, release.tag, before, quiet))
        assert release.apply(before).presence is Presence.OURS
        assert [action for action, _ in cloud.written()].count("server.terminate") == 1

    def test_volumes_left_by_a_release_that_was_cut_off_go_too(
        self, case: Case, release: Case, cloud: CloudStandIn
    ) -> None:
        world = case.world()
        on_block_storage(cloud)
        made = case.apply(case.before())
        before = release.before()
        with cloud.faulty({"route": "DELETE */volumes/*", "kind": "drop"}), refused() as caught:
            release.apply(before)
        assert caught.value.effect_possible
        assert made.outputs["id"] not in cloud.fleet.servers
        found = release.observe(before)
        assert found.presence is Presence.ABSENT
        assert release.apply(found.values).presence is Presence.OURS
        assert case.world() == world

    def test_nothing_to_release_is_already_so(self, release: Case) -> None:
        assert release.apply(release.before()).presence is Presence.ALREADY

    def test_a_server_that_is_not_bascules_is_never_released(self, release: Case, cloud: CloudStandIn) -> None:
        foreign(cloud, "theirs")
        world = release.world()
        assert release.observe(None).presence is Presence.CONFLICT
        with refused() as caught:
            release.apply(release.before())
        assert caught.value.permanent
        assert release.world() == world


class TestExisting:
    """`state: existing` finds what an earlier run made."""

    @pytest.fixture
    def existing(self, case: Case) -> Case:
        return replace(
            case, want=Server(provider="scaleway", name="portal", state="existing"), tag=Tag("run-2", "find")
        )

    def test_it_is_found_and_never_undone(self, case: Case, existing: Case) -> None:
        made = case.apply(case.before())
        found = existing.apply(existing.before())
        assert (found.presence, found.outputs, found.effect) == (Presence.ALREADY, made.outputs, {})

    def test_one_that_is_missing_is_refused(self, existing: Case) -> None:
        with refused() as caught:
            existing.apply(existing.before())
        assert caught.value.permanent
