"""`compute.volume` and `compute.snapshot` against the Outscale stand-in, whose create requests take no tags."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.compute.driver import Order, VolumeOrder
from providers.compute.proof import tags_of
from providers.compute.volume import ComputeSnapshot, ComputeVolume
from providers.wants import Snapshot, Volume
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet
from tests.outscale_stand_in import SECRETS, OutscaleStandIn, outscale_stand_in, reveal

TAG = Tag("run-1", "data/volume")


@pytest.fixture
def cloud() -> Iterator[OutscaleStandIn]:
    with outscale_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def context(cloud: OutscaleStandIn, make_context: Callable[[Mapping[str, Any]], Context]) -> Context:
    return replace(make_context({"compute": {"outscale": cloud.block}}), reveal=reveal)


def case_of(cloud: OutscaleStandIn, context: Context, make: Any, want: Any, once: int) -> Case:
    cloud.effects.clear()

    @contextmanager
    def crash() -> Iterator[None]:
        with cloud.faulty({"route": f"POST */Create{make.__name__.removeprefix('Compute')}", "kind": "lose_answer"}):
            yield

    def retagged() -> None:
        with cloud.fleet.lock:
            tags = [volume.tags for volume in cloud.fleet.volumes.values()]
            tags += [snapshot.tags for snapshot in cloud.fleet.snapshots.values()]
            for each in tags:
                if "bascule-step=data/volume" in each:
                    each[:] = ["bascule", "bascule-run=other", "bascule-step=other"]

    return Case(
        want=want,
        tag=TAG,
        context=context,
        make=make,
        world=cloud.fleet.state,
        crash_after_write=crash,
        break_permanently=lambda: cloud.faulty({"kind": "status", "status": 401, "times": None}),
        break_briefly=lambda: cloud.faulty({"kind": "status", "status": 503, "times": None}),
        foreign_change=retagged,
        effects=lambda: len(cloud.written()),
        effects_once=once,
        atomic=False,
        secrets=list(SECRETS.values()),
    )


@pytest.fixture
def volume(cloud: OutscaleStandIn, context: Context) -> Case:
    order = Order("web", "t2.small", "ami-0d0b1202", tags_of(Tag("run-1", "server")))
    node = cloud.driver().ex_create(order)
    cloud.driver().ex_complete(node, order)
    return case_of(
        cloud, context, ComputeVolume, Volume(provider="outscale", name="data", size=20, server=str(node.id)), 3
    )


class TestVolume(ProviderContract, ForeignChangeContract):
    """Create, tags and attach are three effects."""

    @pytest.fixture
    def case(self, volume: Case) -> Case:
        return volume


class TestSnapshot(ProviderContract, ForeignChangeContract):
    """Create and tags are two."""

    @pytest.fixture
    def case(self, cloud: OutscaleStandIn, context: Context) -> Case:
        source = cloud.driver().ex_create_volume(VolumeOrder("other", 20, tags_of(Tag("run-1", "other"))))
        return case_of(
            cloud, context, ComputeSnapshot, Snapshot(provider="outscale", name="before", volume=source.id), 2
        )


@pytest.mark.parametrize("kind", ["drop", "lose_answer"])
@pytest.mark.parametrize("action", ["CreateVolume", "CreateTags", "LinkVolume"])
def test_a_volume_that_was_cut_off_is_finished_once(
    volume: Case, cloud: OutscaleStandIn, action: str, kind: str
) -> None:
    before = volume.before()
    with cloud.faulty({"route": f"POST */{action}", "kind": kind}):
        volume.crash(lambda: volume.provider().apply(volume.want, TAG, before, quiet))
    (volume.context.workspace / "create-sent").unlink(missing_ok=True)
    done = volume.apply(before)
    assert done.presence is Presence.OURS
    made = [each for each in cloud.fleet.volumes.values() if each.name == "data"]
    assert [sorted(each.tags) for each in made] == [sorted(["Name=data", *tags_of(TAG)])]
    assert volume.undo(done.effect).presence is Presence.ABSENT


def test_a_volume_without_tags_is_undone(volume: Case, cloud: OutscaleStandIn) -> None:
    before = volume.before()
    with cloud.faulty({"route": "POST */CreateTags", "kind": "drop", "times": None}):
        volume.crash(lambda: volume.provider().apply(volume.want, TAG, before, quiet))
    found = volume.observe(before)
    assert (found.presence, bool(found.effect)) == (Presence.ABSENT, True)
    assert volume.undo(found.effect).presence is Presence.ABSENT
    assert len(cloud.fleet.volumes) == 1, "the server's own"
