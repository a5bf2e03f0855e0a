"""`compute.volume` and `compute.snapshot` against the Scaleway stand-in: the contract, and what is special to disks."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.compute.volume import ComputeSnapshot, ComputeVolume
from providers.simulator.fleet_catalogue import GB
from providers.simulator.fleet_parts import Server, ServerOrder
from providers.simulator.fleet_parts import Volume as SimulatedVolume
from providers.wants import Snapshot, Volume
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, refused
from tests.vendor_stand_ins import SECRETS, CloudStandIn

MakeContext = Callable[[Mapping[str, Any]], Context]


def a_server(cloud: CloudStandIn) -> Server:
    catalogue = cloud.fleet.catalogue
    size, image = catalogue.sizes["DEV1-S"], catalogue.images[0]
    return cloud.fleet.create(ServerOrder("web", "fr-par-1", catalogue.project, size, image, ["theirs"]))


def a_volume(cloud: CloudStandIn, name: str, *tags: str) -> SimulatedVolume:
    volume = SimulatedVolume(str(uuid.uuid4()), name, 20 * GB, "sbs_volume", "fr-par-1", tags=list(tags))
    return cloud.fleet.add_volume(volume)


def case_of(cloud: CloudStandIn, context: Context, make: Any, want: Any, once: int) -> Case:
    @contextmanager
    def crash() -> Iterator[None]:
        with cloud.faulty({"route": "POST *", "kind": "lose_answer"}):
            yield

    def retagged() -> None:
        with cloud.fleet.lock:
            tags = [volume.tags for volume in cloud.fleet.volumes.values()]
            tags += [snapshot.tags for snapshot in cloud.fleet.snapshots.values()]
            for each in tags:
                if "bascule" in each:
                    each[:] = ["bascule", "bascule-run=other", "bascule-step=other"]

    return Case(
        want=want,
        tag=Tag("run-1", "data/volume"),
        context=context,
        make=make,
        world=cloud.fleet.state,
        crash_after_write=crash,
        break_permanently=lambda: cloud.faulty({"kind": "status", "status": 403, "times": None}),
        break_briefly=lambda: cloud.faulty({"kind": "status", "status": 503, "times": None}),
        foreign_change=retagged,
        effects=lambda: len(cloud.written()),
        effects_once=once,
        atomic=False,
        secrets=list(SECRETS.values()),
    )


@pytest.fixture
def context(cloud: CloudStandIn, make_context: MakeContext) -> Context:
    return make_context({"compute": {"scaleway": cloud.block}})


@pytest.fixture
def volume(cloud: CloudStandIn, context: Context) -> Case:
    want = Volume(provider="scaleway", name="data", size=20, server=a_server(cloud).id)
    a_volume(cloud, "other", "theirs")
    return case_of(cloud, context, ComputeVolume, want, 2)


class TestVolume(ProviderContract, ForeignChangeContract):
    """Create and attach are two effects."""

    @pytest.fixture
    def case(self, volume: Case) -> Case:
        return volume


class TestSnapshot(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, cloud: CloudStandIn, context: Context) -> Case:
        want = Snapshot(provider="scaleway", name="before", volume=a_volume(cloud, "other", "theirs").id)
        return replace(case_of(cloud, context, ComputeSnapshot, want, 1), atomic=True)


def test_a_volume_is_attached_and_begins_from_a_snapshot(cloud: CloudStandIn, context: Context) -> None:
    taken = case_of(
        cloud, context, ComputeSnapshot, Snapshot(provider="scaleway", name="s", volume=a_volume(cloud, "o").id), 1
    )
    snapshot = taken.apply(taken.before()).outputs["id"]
    server = a_server(cloud)
    want = Volume(provider="scaleway", name="data", size=20, server=server.id, snapshot=snapshot)
    made = case_of(cloud, context, ComputeVolume, want, 2)
    done = made.apply(made.before())
    volume = cloud.fleet.volumes[done.outputs["id"]]
    assert (volume.server, volume.facts["parent_snapshot_id"]) == (server.id, snapshot)
    assert sorted(volume.tags) == ["bascule", "bascule-run=run-1", "bascule-step=data/volume"]


def test_a_volume_that_another_server_holds_is_left_alone(volume: Case, cloud: CloudStandIn) -> None:
    effect = volume.apply(volume.before()).effect
    other = a_server(cloud)
    held = cloud.fleet.volumes[effect["id"]]
    cloud.fleet.detach(held)
    cloud.fleet.attach(held, other)
    world = volume.world()
    assert volume.undo(effect).presence is Presence.CONFLICT
    assert volume.world() == world


def test_a_volume_of_that_name_from_another_run_is_refused(volume: Case, cloud: CloudStandIn) -> None:
    a_volume(cloud, "data", "bascule", "bascule-run=old", "bascule-step=x")
    with refused() as caught:
        volume.apply(volume.before())
    assert caught.value.permanent
    assert "run=old" in caught.value.message


def test_a_quota_of_volumes_is_named(volume: Case, cloud: CloudStandIn) -> None:
    cloud.fleet.catalogue.quotas["volume_gb"] = 25
    with refused() as caught:
        volume.apply(volume.before())
    assert caught.value.permanent
    assert "quota of volume_gb" in caught.value.message
    assert [each.name for each in cloud.fleet.volumes.values()].count("data") == 0
