"""`compute.volume` and `compute.snapshot` against OVHcloud's stand-in, whose names carry the tags."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.compute.name_marks import marked
from providers.compute.proof import tags_of
from providers.compute.volume import ComputeSnapshot, ComputeVolume
from providers.simulator.fleet_catalogue import GB
from providers.simulator.fleet_parts import Volume as SimulatedVolume
from providers.wants import Snapshot, Volume
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, refused
from tests.ovhcloud_stand_in import REGION, SECRETS, OvhStandIn, ovhcloud_stand_in, reveal

MakeContext = Callable[[Mapping[str, Any]], Context]
TAG = Tag("r-20261125-abcdef", "data/volume")


@pytest.fixture
def cloud() -> Iterator[OvhStandIn]:
    with ovhcloud_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def context(cloud: OvhStandIn, make_context: MakeContext) -> Context:
    return replace(make_context({"compute": {"ovhcloud": cloud.block}}), reveal=reveal)


def a_volume(cloud: OvhStandIn, name: str) -> SimulatedVolume:
    return cloud.fleet.add_volume(SimulatedVolume(str(uuid.uuid4()), name, 20 * GB, "classic", REGION))


def a_server(cloud: OvhStandIn) -> str:
    server = cloud.add("web")
    cloud.fleet.settle()
    return server.id


def case_of(cloud: OvhStandIn, context: Context, make: Any, want: Any, once: int) -> Case:
    @contextmanager
    def crash() -> Iterator[None]:
        with cloud.faulty({"route": "POST *", "kind": "lose_answer"}):
            yield

    def renamed() -> None:
        with cloud.fleet.lock:
            theirs = marked("data", tags_of(Tag("other", "other")))
            for volume in cloud.fleet.volumes.values():
                volume.name = theirs if "--bascule--" in volume.name else volume.name
            for snapshot in cloud.fleet.snapshots.values():
                snapshot.name = theirs

    return Case(
        want=want,
        tag=TAG,
        context=context,
        make=make,
        world=cloud.fleet.state,
        crash_after_write=crash,
        break_permanently=lambda: cloud.faulty({"kind": "status", "status": 403, "times": None}),
        break_briefly=lambda: cloud.faulty({"kind": "status", "status": 503, "times": None}),
        foreign_change=renamed,
        effects=lambda: len(cloud.written()),
        effects_once=once,
        atomic=once == 1,
        secrets=list(SECRETS.values()),
    )


@pytest.fixture
def volume(cloud: OvhStandIn, context: Context) -> Case:
    want = Volume(provider="ovhcloud", name="data", size=20, server=a_server(cloud))
    a_volume(cloud, "other")
    return case_of(cloud, context, ComputeVolume, want, 2)


class TestVolume(ProviderContract, ForeignChangeContract):
    """Create and attach are two effects."""

    @pytest.fixture
    def case(self, volume: Case) -> Case:
        return volume


class TestSnapshot(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, cloud: OvhStandIn, context: Context) -> Case:
        want = Snapshot(provider="ovhcloud", name="before", volume=a_volume(cloud, "other").id)
        return case_of(cloud, context, ComputeSnapshot, want, 1)


def test_a_volume_of_that_name_from_another_run_is_refused(volume: Case, cloud: OvhStandIn) -> None:
    a_volume(cloud, marked("data", tags_of(Tag("old", "x"))))
    with refused() as caught:
        volume.apply(volume.before())
    assert caught.value.permanent
    assert "run=old" in caught.value.message


def test_a_quota_of_volumes_is_named(volume: Case, cloud: OvhStandIn) -> None:
    cloud.fleet.catalogue.quotas["volume_gb"] = 25
    with refused() as caught:
        volume.apply(volume.before())
    assert caught.value.permanent
    assert "the quota of volume space (GB) (20 of 25)" in caught.value.message


def test_a_step_that_is_too_long_for_a_name_is_undone_all_the_same(volume: Case, cloud: OvhStandIn) -> None:
    world = volume.world()
    long = replace(volume, tag=Tag(TAG.run, "nested/" * 40 + "volume"))
    done = long.apply(long.before())
    assert done.presence is Presence.OURS
    assert long.undo(done.effect).presence is Presence.ABSENT
    assert volume.world() == world
