"""Volumes, snapshots and security groups at Outscale, over HTTP, held against the vendor's own description."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import requests
import tenacity
from libcloud.compute.base import Node

from providers.base import Tag
from providers.compute.driver import UNFINISHED, Order, Part, PartKind, Rule, VolumeOrder
from providers.compute.proof import tags_of
from providers.vendor_http import RefusedError
from tests.outscale_stand_in import OutscaleStandIn, outscale_stand_in

RUN = "r-20261125-abcdef"
DATA, SERVER, WEB = (tags_of(Tag(RUN, step)) for step in ("portal/data", "portal/server", "portal/web"))
VOLUME = VolumeOrder("data", 20, DATA)
RULES = [Rule("tcp", 443, 443), Rule("udp", 1000, 2000, "192.0.2.0/24"), Rule("icmp")]


@pytest.fixture
def cloud() -> Iterator[OutscaleStandIn]:
    with outscale_stand_in() as stand_in:
        yield stand_in


def server(cloud: OutscaleStandIn, firewall: str | None = None) -> Node:
    """A machine that is made and stopped."""
    order = Order("portal", "tinav5.c1r1", "ami-0d0b1202", SERVER, firewall=firewall)
    node = cloud.driver().ex_create(order)
    cloud.driver().ex_complete(node, order)
    return node


def until(look: Callable[[], Part | None], state: str) -> Part:
    """The part once it is in this state, some seconds at most."""
    found = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda part: part is None or part.state != state),
        wait=tenacity.wait_fixed(0.02),
        stop=tenacity.stop_after_delay(5),
    )(look)
    assert found is not None
    return found


def volume_of(cloud: OutscaleStandIn, volume: Part, state: str = "available") -> Part:
    return until(lambda: cloud.driver().ex_part(PartKind.VOLUME, volume.id), state)


class TestVolumes:
    """Made once, tagged, attached, detached, copied and deleted."""

    def test_a_volumes_life(self, cloud: OutscaleStandIn) -> None:
        node = server(cloud)
        driver = cloud.driver()
        made = driver.ex_create_volume(VOLUME)
        assert (made.name, made.tags, made.flavour, made.holders) == ("data", DATA, "gp2", frozenset())
        assert made.size >= 20
        volume = volume_of(cloud, made)
        assert cloud.driver().ex_parts(DATA) == [volume]
        driver.ex_attach(volume, node)
        held = volume_of(cloud, made, "in-use")
        assert held.holders == {node.id}
        fresh = driver.ex_get_node(str(node.id))
        assert fresh is not None
        assert driver.ex_outlives(fresh)
        assert volume.id not in fresh.extra["volumes"], "a volume of another step does not go with the server"
        with pytest.raises(RefusedError) as caught:
            driver.ex_delete_part(held)
        assert driver.ex_is_passing(caught.value)
        driver.ex_detach(held, node)
        driver.ex_delete_part(volume_of(cloud, made))
        assert driver.ex_part(PartKind.VOLUME, made.id) is None
        with pytest.raises(RefusedError) as gone:
            driver.ex_delete_part(volume)
        assert gone.value.code == 404

    def test_a_data_volume_outlives_its_server(self, cloud: OutscaleStandIn) -> None:
        node = server(cloud)
        volume = volume_of(cloud, cloud.driver().ex_create_volume(VOLUME))
        cloud.driver().ex_attach(volume, node)
        cloud.driver().destroy_node(node)
        assert [part.id for part in cloud.driver().ex_parts(DATA)] == [volume.id]
        assert len(cloud.fleet.volumes) == 1

    def test_each_volume_gets_a_device_of_its_own(self, cloud: OutscaleStandIn) -> None:
        node = server(cloud)
        for step in ("a", "b"):
            made = cloud.driver().ex_create_volume(VolumeOrder(step, 1, tags_of(Tag(RUN, step))))
            cloud.driver().ex_attach(volume_of(cloud, made), node)
        devices = [asked["DeviceName"] for action, asked in cloud.asked if action == "LinkVolume"]
        assert devices == ["/dev/xvdb", "/dev/xvdc"]

    @pytest.mark.parametrize("action", ["CreateVolume", "CreateTags"])
    def test_a_lost_answer_makes_no_second_volume(self, cloud: OutscaleStandIn, action: str) -> None:
        with cloud.faulty({"route": f"POST */{action}", "kind": "lose_answer"}), suppress(requests.RequestException):
            cloud.driver().ex_create_volume(VOLUME)
        (found,) = cloud.driver().ex_parts(DATA)
        again = cloud.driver().ex_create_volume(VOLUME)
        assert again.id == found.id
        assert [each.tags for each in cloud.fleet.volumes.values()] == [
            ["Name=data", "bascule", f"bascule-run={RUN}", "bascule-step=portal/data"]
        ]

    def test_what_has_no_tags_yet_is_found_by_the_mark(self, cloud: OutscaleStandIn) -> None:
        makers: list[Callable[[], object]] = [
            lambda: cloud.driver().ex_create_volume(VOLUME),
            lambda: cloud.driver().ex_create_firewall("web", WEB, RULES),
            lambda: server(cloud),
        ]
        for make in makers:
            with cloud.faulty({"route": "POST */CreateTags", "kind": "drop"}), suppress(requests.RequestException):
                make()
        (node,) = cloud.driver().list_nodes(ex_tags=["bascule"])
        assert set(node.extra["tags"]) >= SERVER
        parts = {part.kind: part for part in cloud.driver().ex_parts(["bascule"])}
        assert len(parts) == 2
        assert parts[PartKind.VOLUME].tags == {"bascule"}
        assert (parts[PartKind.FIREWALL].tags, parts[PartKind.FIREWALL].state) == (WEB, UNFINISHED)
        for part in parts.values():
            assert cloud.driver().ex_part(part.kind, part.id) == part
            cloud.driver().ex_delete_part(part)

    def test_a_snapshot_and_a_volume_that_begins_as_its_copy(self, cloud: OutscaleStandIn) -> None:
        volume = volume_of(cloud, cloud.driver().ex_create_volume(VOLUME))
        made = cloud.driver().ex_create_snapshot(volume, "before the move", SERVER)
        snapshot = until(lambda: cloud.driver().ex_part(PartKind.SNAPSHOT, made.id), "completed")
        assert (snapshot.tags, snapshot.size, snapshot.name) == (SERVER, volume.size, "before the move")
        copy = cloud.driver().ex_create_volume(VolumeOrder("copy", 0, WEB, snapshot=snapshot.id))
        assert copy.size == volume.size
        assert {part.id for part in cloud.driver().ex_parts(["bascule"])} == {volume.id, snapshot.id, copy.id}
        cloud.driver().ex_delete_part(snapshot)
        assert cloud.driver().ex_part(PartKind.SNAPSHOT, made.id) is None

    def test_what_a_volume_needs_besides_is_passed_on(self, cloud: OutscaleStandIn) -> None:
        order = VolumeOrder("fast", 20, DATA, more={"VolumeType": "io1", "Iops": 500})
        assert cloud.driver().ex_create_volume(order).flavour == "io1"

    def test_a_quota_of_volumes_is_no_capacity(self, cloud: OutscaleStandIn) -> None:
        cloud.fleet.catalogue.quotas["volume_gb"] = 10
        with pytest.raises(RefusedError) as caught:
            cloud.driver().ex_create_volume(VOLUME)
        assert cloud.driver().ex_no_capacity(caught.value) == "the quota of volume size"

    def test_addresses_that_are_not_there(self, cloud: OutscaleStandIn) -> None:
        assert cloud.driver().ex_part(PartKind.ADDRESS, "eipalloc-00000000") is None
        with pytest.raises(RefusedError) as caught:
            cloud.driver().ex_delete_part(Part(PartKind.ADDRESS, "eipalloc-00000000"))
        assert caught.value.code == 404


class TestFirewalls:
    """A security group is three requests: whatever is cut off, the next call finishes it."""

    def test_a_firewall_lets_in_what_its_rules_say(self, cloud: OutscaleStandIn) -> None:
        made = cloud.driver().ex_create_firewall("web", WEB, RULES)
        (group,) = cloud.fleet.firewalls.values()
        assert group.rules == [
            {"IpProtocol": "tcp", "FromPortRange": 443, "ToPortRange": 443, "IpRanges": ["0.0.0.0/0"]},
            {"IpProtocol": "udp", "FromPortRange": 1000, "ToPortRange": 2000, "IpRanges": ["192.0.2.0/24"]},
            {"IpProtocol": "icmp", "FromPortRange": -1, "ToPortRange": -1, "IpRanges": ["0.0.0.0/0"]},
        ]
        assert cloud.driver().ex_parts(WEB) == [made]
        assert (made.name, made.state) == ("web", "")

    def test_again_changes_nothing(self, cloud: OutscaleStandIn) -> None:
        first = cloud.driver().ex_create_firewall("web", WEB, RULES)
        done = cloud.actions()
        assert cloud.driver().ex_create_firewall("web", WEB, RULES) == first
        assert cloud.actions() == done

    @pytest.mark.parametrize("kind", ["drop", "lose_answer"])
    @pytest.mark.parametrize("action", ["CreateSecurityGroup", "CreateSecurityGroupRule", "CreateTags"])
    def test_one_that_is_cut_off_is_known_as_unfinished(self, cloud: OutscaleStandIn, action: str, kind: str) -> None:
        with cloud.faulty({"route": f"POST */{action}", "kind": kind}), suppress(requests.RequestException):
            cloud.driver().ex_create_firewall("web", WEB, RULES)
        for part in cloud.driver().ex_parts(WEB):
            complete = action == "CreateTags" and kind == "lose_answer"
            assert part.state == ("" if complete else UNFINISHED)
        made = cloud.driver().ex_create_firewall("web", WEB, RULES)
        assert cloud.driver().ex_parts(WEB) == [made]
        (group,) = cloud.fleet.firewalls.values()
        assert len(group.rules) == 3

    def test_one_in_use_stays(self, cloud: OutscaleStandIn) -> None:
        made = cloud.driver().ex_create_firewall("web", WEB, RULES)
        node = server(cloud, made.id)
        held = cloud.driver().ex_part(PartKind.FIREWALL, made.id)
        assert held is not None
        assert held.holders == {node.id}
        with pytest.raises(RefusedError) as caught:
            cloud.driver().ex_delete_part(held)
        assert cloud.driver().ex_is_passing(caught.value)
        cloud.driver().destroy_node(node)
        cloud.driver().ex_delete_part(made)
        assert cloud.driver().ex_parts(WEB) == []
