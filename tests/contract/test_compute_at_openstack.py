"""`compute.server` at an OpenStack cloud: the contract, as each kind of cloud connects and roots its servers."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from providers.base import Context, Finding, Presence, ProviderError, Tag
from providers.compute import sent
from providers.compute.server import ComputeServer
from providers.simulator.fleet_parts import ServerOrder
from providers.wants import FirewallRule, Resources, Server
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.openstack_stand_in import SECRETS, OpenStackStandIn, openstack_stand_in, reveal

MakeContext = Callable[[Mapping[str, Any]], Context]

TAG = Tag("r-20261125-abcdef", "portal/server.main")
OURS = ["bascule", "bascule-run=r-20261125-abcdef", "bascule-step=portal/server.main"]
PORTAL = Server(provider="cloud", name="portal", size="b3-8", image="debian-12", user_data="cloud-init/portal.yaml")
GUARDED = PORTAL.model_copy(update={"firewall": [FirewallRule(port=22), FirewallRule(port=443)]})
FLOATING = {"network": "private", "floating_network": "Ext-Net"}


@pytest.fixture
def cloud() -> Iterator[OpenStackStandIn]:
    with openstack_stand_in() as stand_in:
        yield stand_in


def case_of(cloud: OpenStackStandIn, make_context: MakeContext, want: Server, effects: int, **block: Any) -> Case:
    context = make_context({"compute": {"cloud": {**cloud.block, **block}}})
    context = replace(context, reveal=reveal)
    (context.estate / "cloud-init").mkdir()
    (context.estate / "cloud-init/portal.yaml").write_text("#cloud-config\n")
    foreign(cloud, name="portal-2")
    cloud.effects.clear()

    @contextmanager
    def crash() -> Iterator[None]:
        with cloud.faulty(
            {"route": "POST /compute/*", "kind": "lose_answer"}, {"route": "POST /network/*", "kind": "lose_answer"}
        ):
            yield

    def retagged() -> None:
        with cloud.fleet.lock:
            server = next(server for server in cloud.fleet.servers.values() if server.name == "portal")
            server.facts["metadata"] = {"theirs": ""}

    return Case(
        want=want,
        tag=TAG,
        context=context,
        make=ComputeServer,
        world=cloud.fleet.state,
        crash_after_write=crash,
        break_permanently=lambda: cloud.faulty({"kind": "status", "status": 403, "times": None}),
        break_briefly=lambda: cloud.faulty({"kind": "status", "status": 503, "times": None}),
        foreign_change=retagged,
        effects=lambda: len(cloud.written()),
        effects_once=effects,
        atomic=effects == 1,
        secrets=list(SECRETS.values()),
    )


def foreign(cloud: OpenStackStandIn, name: str = "portal", **metadata: str) -> None:
    """A server that this step did not make."""
    catalogue = cloud.fleet.catalogue
    facts = {"metadata": metadata, "network": "Ext-Net"}
    size = catalogue.sizes["b3-8"]
    cloud.fleet.create(ServerOrder(name, "RegionOne", catalogue.project, size, catalogue.images[0], [], facts=facts))


class TestOnAPublicNetwork(ProviderContract, ForeignChangeContract):
    """One request is the whole effect: Nova boots what it makes."""

    @pytest.fixture
    def case(self, cloud: OpenStackStandIn, make_context: MakeContext) -> Case:
        return case_of(cloud, make_context, PORTAL, 1)


@pytest.mark.core
class TestWithAFloatingAddress(ProviderContract, ForeignChangeContract):
    @pytest.fixture
    def case(self, cloud: OpenStackStandIn, make_context: MakeContext) -> Case:
        return case_of(cloud, make_context, PORTAL, 2, **FLOATING)


@pytest.mark.core
class TestRootedInAVolumeBehindAFirewall(ProviderContract, ForeignChangeContract):
    """The group, its two rules, and the server."""

    @pytest.fixture
    def case(self, cloud: OpenStackStandIn, make_context: MakeContext) -> Case:
        return case_of(cloud, make_context, GUARDED.model_copy(update={"size": "SCS-1V-2"}), 4)


@pytest.fixture
def case(cloud: OpenStackStandIn, make_context: MakeContext) -> Case:
    """With all that can be had: a floating address, a firewall, a root volume."""
    return case_of(cloud, make_context, GUARDED.model_copy(update={"size": "SCS-1V-2"}), 5, **FLOATING)


def test_a_server_comes_up_with_all_that_is_its(case: Case, cloud: OpenStackStandIn) -> None:
    made = case.apply(case.before())
    server = cloud.fleet.servers[made.outputs["id"]]
    assert sorted(server.tags) == OURS
    assert server.user_data == {"cloud-init": b"#cloud-config\n"}
    assert made.outputs["address"] == cloud.fleet.address(server)
    assert [rule["port_range_min"] for rule in cloud.fleet.firewalls[server.firewall or ""].rules] == [22, 443]
    recorded = made.effect["servers"][0]
    assert [len(recorded[kind]) for kind in ("volumes", "ips", "firewalls")] == [1, 1, 1]


@pytest.mark.faults
def test_a_death_after_each_write_leaves_nothing_twice_and_nothing_behind(
    cloud: OpenStackStandIn, make_context: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to the n-th write is lost, for each n; then the step goes on, and is undone."""
    monkeypatch.setattr(sent, "IN_FLIGHT_SECONDS", 1.0)  # what was done shows at once here
    case = case_of(cloud, make_context, GUARDED.model_copy(update={"size": "SCS-1V-2"}), 5, **FLOATING)
    world = case.world()
    for lost in range(4):
        fresh = replace(case, tag=Tag("r-20261125-abcdef", f"portal/{lost}"))
        before, effects = fresh.before(), fresh.effects()
        rule = {"route": "POST /[cn]*", "kind": "lose_answer", "skip": lost}
        with cloud.faulty(rule), refused_or_pending():
            fresh.provider().apply(fresh.want, fresh.tag, before, quiet)
        made = until_ours(fresh, before)
        assert fresh.effects() - effects == 5, f"answer {lost}"
        assert fresh.undo(made.effect).presence is Presence.ABSENT
        assert fresh.world() == world


def refused_or_pending() -> AbstractContextManager[None]:
    """Whatever becomes of a request whose answer is lost."""
    return suppress(ProviderError)


def until_ours(case: Case, before: Mapping[str, Any]) -> Finding:
    """Observe and apply, as the engine does after a crash."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = case.observe(before)
        if found.presence is Presence.OURS:
            return found
        if found.presence is Presence.ABSENT:
            case.provider().apply(case.want, case.tag, before, quiet)
        time.sleep(0.05)
    raise AssertionError(found)


def test_no_host_is_no_room_and_leaves_nothing(case: Case, cloud: OpenStackStandIn) -> None:
    """Nova says so only after it took the server on."""
    world, before = case.world(), case.before()
    cloud.fleet.catalogue.stock["SCS-1V-2"] = 0
    first = case.provider().apply(case.want, case.tag, before, quiet)
    assert first.presence in {Presence.PENDING, Presence.ABSENT}
    end = time.monotonic() + 10
    while case.observe(before).presence is Presence.PENDING:
        assert time.monotonic() < end
    with refused() as caught:
        case.provider().apply(case.want, case.tag, before, quiet)
    assert caught.value.permanent
    assert "No valid host was found" in caught.value.message
    assert case.world() == world


def test_a_quota_that_is_used_up_is_no_room(case: Case, cloud: OpenStackStandIn) -> None:
    world, before = case.world(), case.before()
    with cloud.faulty({"route": "POST /compute/*", "kind": "quota"}), refused() as caught:
        case.provider().apply(case.want, case.tag, before, quiet)
    assert "Quota exceeded for instances" in caught.value.message
    assert case.world() == world


def test_no_address_left_is_no_room_and_releases_the_server(case: Case, cloud: OpenStackStandIn) -> None:
    world, before = case.world(), case.before()
    cloud.fleet.catalogue.quotas["addresses"] = 0
    with refused() as caught:
        case.apply(before)
    assert "Quota exceeded for resources: ['floatingip']" in caught.value.message
    assert case.world() == world


def test_a_server_whose_boot_failed_is_shown_and_can_be_undone(case: Case, cloud: OpenStackStandIn) -> None:
    world, before = case.world(), case.before()
    with cloud.faulty({"route": "BOOT portal", "kind": "status"}), refused_or_pending():
        case.provider().apply(case.want, case.tag, before, quiet)
    end = time.monotonic() + 10
    while (found := case.observe(before)).presence is Presence.PENDING:
        assert time.monotonic() < end
    assert found.presence is Presence.CONFLICT
    assert "ERROR" in found.message
    assert case.undo(found.effect).presence is Presence.ABSENT
    assert case.world() == world


def test_a_size_by_need(case: Case, cloud: OpenStackStandIn) -> None:
    need = Resources(cpu=2, memory=4, disk=30)
    want = case.want.model_copy(update={"size": None, "resources": need})
    made = replace(case, want=want).apply(case.before())
    assert cloud.fleet.servers[made.outputs["id"]].size.name == "SCS-2V-4"
    assert [volume.size // 10**9 for volume in cloud.fleet.servers[made.outputs["id"]].volumes.values()] == [30]


def test_a_release_takes_all_along(case: Case) -> None:
    world = case.world()
    case.apply(case.before())
    release = replace(case, want=Server(provider="cloud", name="portal", state="absent"), tag=Tag("r-2", "end"))
    assert release.apply(release.before()).presence is Presence.OURS
    assert case.world() == world


def test_a_volume_of_another_step_outlives_the_server(case: Case, cloud: OpenStackStandIn) -> None:
    made = case.apply(case.before())
    server = cloud.fleet.servers[made.outputs["id"]]
    data = next(iter(server.volumes.values()))
    with cloud.fleet.lock:
        other = replace(data, id="data", name="data", server=None, goes_with_server=False, facts={})
        cloud.fleet.add_volume(other)
        cloud.fleet.attach(other, server)
    found = case.observe(None)
    assert case.undo(found.effect).presence is Presence.ABSENT
    assert cloud.fleet.volumes["data"].server is None
    assert data.id not in cloud.fleet.volumes
