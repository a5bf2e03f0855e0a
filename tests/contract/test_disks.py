"""`compute.volume` and `compute.snapshot` at every cloud: the contract, and what is special to disks or to a cloud."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.compute.proof import tags_of
from providers.compute.volume import ComputeSnapshot, ComputeVolume
from providers.wants import Snapshot, Volume
from tests.contract.disk_clouds import CLOUDS, OTHER, DiskCloud
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.vendor_stand_ins import CloudStandIn

TAG = Tag("r-20261125-abcdef", "data/volume")


@dataclass
class Site:
    """A cloud with somebody else's server and volume, and the context that leads to it."""

    at: DiskCloud
    cloud: CloudStandIn
    context: Context
    server: str
    other: str

    def volume(self, **more: Any) -> Case:
        """A volume attached to the server: made and attached are two effects, and tags a third where they come last."""
        want = Volume(provider=self.at.name, name="data", size=20, server=self.server, **more)
        return self._case(ComputeVolume, want, self.at.writes[0])

    def snapshot(self) -> Case:
        want = Snapshot(provider=self.at.name, name="before", volume=self.other)
        return self._case(ComputeSnapshot, want, self.at.writes[1])

    def ours(self, name: str = "data") -> list[Any]:
        """The volumes and snapshots of this name, however the cloud marks them."""
        made: list[Any] = [*self.cloud.fleet.volumes.values(), *self.cloud.fleet.snapshots.values()]
        return [one for one in made if one.name.startswith(name)]

    def _case(self, make: Any, want: Any, writes: int) -> Case:
        cloud = self.cloud
        lost = self.at.lost.format(kind=type(want).__name__)

        @contextmanager
        def crash() -> Iterator[None]:
            with cloud.faulty({"route": lost, "kind": "lose_answer"}):
                yield

        def handed_over() -> None:
            with cloud.fleet.lock:
                for one in self.ours(want.name):
                    self.at.hand_over(one)

        cloud.effects.clear()
        return Case(
            want=want,
            tag=TAG,
            context=self.context,
            make=make,
            world=cloud.fleet.state,
            crash_after_write=crash,
            break_permanently=lambda: cloud.faulty({"kind": "status", "status": self.at.denial, "times": None}),
            break_briefly=lambda: cloud.faulty({"kind": "status", "status": 503, "times": None}),
            foreign_change=handed_over,
            effects=lambda: len(cloud.written()),
            effects_once=writes,
            atomic=writes == 1,
            secrets=self.at.secrets,
        )


@pytest.fixture(params=CLOUDS)
def site(request: pytest.FixtureRequest, make_context: Callable[[Mapping[str, Any]], Context]) -> Iterator[Site]:
    at = CLOUDS[request.param]
    with at.stand_in() as cloud:
        context = replace(make_context({"compute": {at.name: cloud.block}}), reveal=at.reveal)
        yield Site(at, cloud, context, at.others_server(cloud), at.others_volume(cloud))


def only_at(*clouds: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("site", clouds, indirect=True)


@pytest.mark.core("scaleway")
class TestVolume(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, site: Site) -> Case:
        return site.volume()


@pytest.mark.core("scaleway")
class TestSnapshot(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, site: Site) -> Case:
        return site.snapshot()


@pytest.mark.every_day("scaleway", "openstack")
def test_a_volume_of_that_name_from_another_run_is_refused(site: Site) -> None:
    site.at.others_volume(site.cloud, "data")
    (theirs,) = site.ours()
    site.at.hand_over(theirs)
    case = site.volume()
    with refused() as caught:
        case.apply(case.before())
    assert caught.value.permanent
    assert f"run={OTHER.run}" in caught.value.message


@pytest.mark.every_day("scaleway", "openstack")
def test_a_volume_that_another_server_holds_is_left_alone(site: Site) -> None:
    case = site.volume()
    effect = case.apply(case.before()).effect
    site.at.others_server(site.cloud)
    *_, other = site.cloud.fleet.servers.values()
    (held,) = site.ours()
    site.cloud.fleet.detach(held)
    site.cloud.fleet.attach(held, other)
    world = case.world()
    assert case.undo(effect).presence is Presence.CONFLICT
    assert case.world() == world


@pytest.mark.parametrize(
    ("site", "said"),
    [("scaleway", "quota of volume_gb"), ("ovhcloud", "the quota of volume space (GB) (20 of 25)")],
    indirect=["site"],
)
def test_a_quota_of_volumes_is_named(site: Site, said: str) -> None:
    site.cloud.fleet.catalogue.quotas["volume_gb"] = 25
    case = site.volume()
    with refused() as caught:
        case.apply(case.before())
    assert caught.value.permanent
    assert said in caught.value.message
    assert site.ours() == []


@only_at("scaleway")
def test_a_volume_is_attached_and_begins_from_a_snapshot(site: Site) -> None:
    taken = site.snapshot()
    snapshot = taken.apply(taken.before()).outputs["id"]
    made = site.volume(snapshot=snapshot)
    done = made.apply(made.before())
    volume = site.cloud.fleet.volumes[done.outputs["id"]]
    assert (volume.server, volume.facts["parent_snapshot_id"]) == (site.server, snapshot)
    assert sorted(volume.tags) == sorted(tags_of(TAG))


@only_at("ovhcloud")
def test_a_step_that_is_too_long_for_a_name_is_undone_all_the_same(site: Site) -> None:
    case = site.volume()
    world = case.world()
    long = replace(case, tag=Tag(TAG.run, "nested/" * 40 + "volume"))
    done = long.apply(long.before())
    assert done.presence is Presence.OURS
    assert long.undo(done.effect).presence is Presence.ABSENT
    assert case.world() == world


@only_at("outscale")
@pytest.mark.every_day("CreateVolume-drop-outscale", "LinkVolume-lose_answer-outscale")
@pytest.mark.parametrize("kind", ["drop", "lose_answer"])
@pytest.mark.parametrize("action", ["CreateVolume", "CreateTags", "LinkVolume"])
def test_a_volume_that_was_cut_off_is_finished_once(site: Site, action: str, kind: str) -> None:
    case = site.volume()
    before = case.before()
    with site.cloud.faulty({"route": f"POST */{action}", "kind": kind}):
        case.crash(lambda: case.provider().apply(case.want, TAG, before, quiet))
    (case.context.workspace / "create-sent").unlink(missing_ok=True)
    done = case.apply(before)
    assert done.presence is Presence.OURS
    assert [sorted(one.tags) for one in site.ours()] == [sorted(["Name=data", *tags_of(TAG)])]
    assert case.undo(done.effect).presence is Presence.ABSENT


@only_at("outscale")
def test_a_volume_without_tags_is_undone(site: Site) -> None:
    case = site.volume()
    before, volumes = case.before(), len(site.cloud.fleet.volumes)
    with site.cloud.faulty({"route": "POST */CreateTags", "kind": "drop", "times": None}):
        case.crash(lambda: case.provider().apply(case.want, TAG, before, quiet))
    found = case.observe(before)
    assert (found.presence, bool(found.effect)) == (Presence.ABSENT, True)
    assert case.undo(found.effect).presence is Presence.ABSENT
    assert len(site.cloud.fleet.volumes) == volumes
