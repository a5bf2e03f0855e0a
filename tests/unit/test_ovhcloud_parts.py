"""What belongs to OVHcloud's servers, and what OVHcloud has: volumes, snapshots, sizes, images, quotas, refusals."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from libcloud.compute.base import Node

from providers.base import ProviderError
from providers.compute.driver import Order, Part, PartKind, Quota, Resource, Rule, VolumeOrder
from providers.compute.ovhcloud import NativeDriver
from providers.simulator.fleet_catalogue import Image
from providers.vendor_http import RefusedError
from tests.ovhcloud_stand_in import OvhStandIn, names, ovhcloud_stand_in, settled, tags, unknown_id

STEP = tags(step="portal/data")


@pytest.fixture
def cloud() -> Iterator[OvhStandIn]:
    with ovhcloud_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def driver(cloud: OvhStandIn) -> NativeDriver:
    return cloud.driver()


def server(driver: NativeDriver) -> Node:
    made = driver.ex_create(Order("portal", "d2-2", driver.ex_image("debian-12"), tags()))
    found: Node = settled(lambda: driver.ex_get_node(str(made.id)), lambda node: node.extra["state"] == "ACTIVE")
    return found


def part(driver: NativeDriver, made: Part, state: str) -> Part:
    """The part once it has this state."""
    found: Part = settled(
        lambda: driver.ex_part(made.kind, made.id), lambda seen: seen is not None and seen.state == state
    )
    return found


def volume(driver: NativeDriver, **more: Any) -> Part:
    return part(driver, driver.ex_create_volume(VolumeOrder("data", 20, STEP, **more)), "available")


# Volumes and snapshots


def test_a_volume_is_ours_from_the_create_request_on(cloud: OvhStandIn, driver: NativeDriver) -> None:
    made = driver.ex_create_volume(VolumeOrder("data", 19.5, STEP))
    assert (made.name, made.tags, made.size, made.state) == ("data", STEP, 20.0, "creating")
    asked = next(json.loads(one.body) for one in cloud.asked if one.method == "POST")
    assert asked["name"] == "data--bascule--r-20261125-abcdef--portal--data"
    assert (asked["size"], asked["type"]) == (20, "classic")
    assert part(driver, made, "available").flavour == "classic"


def test_a_volume_is_attached_outlives_its_server_and_is_deleted(cloud: OvhStandIn, driver: NativeDriver) -> None:
    node, data = server(driver), volume(driver, more={"type": "high-speed"})
    driver.ex_attach(data, node)
    data = part(driver, data, "in-use")
    assert (data.holders, data.flavour) == (frozenset({str(node.id)}), "high-speed")
    again = driver.ex_get_node(str(node.id))
    assert again is not None
    assert again.extra["volumes"] == {}, "what is attached by another step does not go with the server"
    driver.destroy_node(node)
    data = part(driver, data, "available")
    assert data.holders == frozenset()
    driver.ex_delete_part(data)
    assert driver.ex_part(PartKind.VOLUME, data.id) is None
    with pytest.raises(RefusedError) as caught:
        driver.ex_delete_part(data)
    assert caught.value.code == 404


def test_a_volume_that_is_in_use_or_changing_is_not_deleted(driver: NativeDriver) -> None:
    node, data = server(driver), volume(driver)
    driver.ex_attach(data, node)
    refuses_passing(driver, lambda: driver.ex_delete_part(data))
    data = part(driver, data, "in-use")
    refuses_passing(driver, lambda: driver.ex_delete_part(data))
    driver.ex_detach(data, node)
    refuses_passing(driver, lambda: driver.ex_delete_part(data))
    driver.ex_delete_part(part(driver, data, "available"))


def refuses_passing(driver: NativeDriver, act: Callable[[], None]) -> None:
    with pytest.raises(RefusedError) as caught:
        act()
    assert driver.ex_is_passing(caught.value)


def test_a_snapshot_is_taken_and_begun_from(driver: NativeDriver) -> None:
    data = volume(driver)
    taken = driver.ex_create_snapshot(data, "before", tags(step="portal/snapshot"))
    assert (taken.name, taken.state, taken.tags) == ("before", "creating", tags(step="portal/snapshot"))
    taken = part(driver, taken, "available")
    copy = part(driver, driver.ex_create_volume(VolumeOrder("copy", 30, STEP, snapshot=taken.id)), "available")
    assert copy.size == 30
    refuses_passing(driver, lambda: driver.ex_delete_part(data))
    driver.ex_delete_part(taken)
    assert driver.ex_part(PartKind.SNAPSHOT, taken.id) is None
    driver.ex_delete_part(data)


def test_parts_are_listed_by_their_tags(cloud: OvhStandIn, driver: NativeDriver) -> None:
    data = volume(driver)
    driver.ex_create_snapshot(data, "before", STEP)
    driver.ex_create_volume(VolumeOrder("other", 10, tags(step="other")))
    driver.ex_create_volume(VolumeOrder("plain", 10, frozenset()))
    found = cloud.driver().ex_parts(STEP)
    assert [(one.kind, one.name) for one in found] == [(PartKind.VOLUME, "data"), (PartKind.SNAPSHOT, "before")]
    assert len(driver.ex_parts(["bascule"])) == 3


@pytest.mark.parametrize("kind", ["volume", "snapshot"])
def test_a_part_whose_answer_is_lost_is_found_by_its_tags(cloud: OvhStandIn, driver: NativeDriver, kind: str) -> None:
    data = volume(driver)
    mine = tags(step="lost")
    make: Callable[[], Part] = {
        "volume": lambda: driver.ex_create_volume(VolumeOrder("lost", 10, mine)),
        "snapshot": lambda: driver.ex_create_snapshot(data, "lost", mine),
    }[kind]
    losing = cloud.faulty({"route": f"POST */{kind}", "kind": "lose_answer"})
    with losing, pytest.raises(requests.ConnectionError):
        make()
    assert names(cloud.driver().ex_parts(mine)) == ["lost"]


@pytest.mark.parametrize("more", [{"type": "fast"}, {"iops": 5}])
def test_a_volume_that_the_vendor_does_not_know_is_refused(driver: NativeDriver, more: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match="classic, high-speed") as caught:
        driver.ex_create_volume(VolumeOrder("data", 10, STEP, more=more))
    assert caught.value.permanent


def test_firewalls_are_openstacks(driver: NativeDriver) -> None:
    with pytest.raises(ProviderError, match="driver openstack") as caught:
        driver.ex_create_firewall("web", STEP, [Rule("tcp", 443, 443)])
    assert caught.value.permanent
    assert driver.ex_part(PartKind.FIREWALL, unknown_id()) is None
    with pytest.raises(RefusedError):
        driver.ex_delete_part(Part(PartKind.FIREWALL, unknown_id()))


def test_a_failover_address_is_not_ours_to_end(driver: NativeDriver) -> None:
    assert driver.ex_part(PartKind.ADDRESS, unknown_id()) is None
    with pytest.raises(ProviderError, match="control panel"):
        driver.ex_delete_part(Part(PartKind.ADDRESS, unknown_id()))


# What there is


def test_sizes_are_those_of_the_region_for_linux(cloud: OvhStandIn, driver: NativeDriver) -> None:
    cloud.fleet.catalogue.stock["b3-8"] = 0
    offers = {offer.name: offer for offer in driver.ex_offers()}
    assert sorted(offers) == ["b3-16", "b3-8", "c3-8", "d2-2", "d2-4"]
    b3 = offers["b3-8"]
    assert (b3.cpu, b3.memory, b3.disk, b3.architecture, b3.available) == (2, 8.0, 50.0, "x86_64", False)


def test_images_have_neutral_names(cloud: OvhStandIn, driver: NativeDriver) -> None:
    ids = {name: driver.ex_image(name) for name in ("debian-12", "debian-13", "ubuntu-24.04")}
    assert len(set(ids.values())) == 3
    assert driver.ex_image("Debian 12") == driver.ex_image(ids["debian-12"]) == ids["debian-12"]
    assert driver.ex_image("Debian 12 - UEFI - deprecated - 2023-06-20") != ids["debian-12"]
    assert cloud.driver(region="SBG5").ex_image("debian-12") != ids["debian-12"], "ids are the region's"
    assert cloud.driver(images={"town": "Debian 13"}).ex_image("town") == ids["debian-13"]


def test_an_image_that_replaces_the_plain_one_is_found(cloud: OvhStandIn) -> None:
    images = tuple(image for image in cloud.fleet.catalogue.images if image.name != "Debian 12")
    cloud.fleet.catalogue = replace(
        cloud.fleet.catalogue, images=(*images, Image("new", "debian-12", "Debian 12 - UEFI"))
    )
    driver = cloud.driver()
    assert driver.ex_image("debian-12") == driver.ex_image("Debian 12 - UEFI")


def test_an_image_that_is_missing_is_answered_with_what_is_near(driver: NativeDriver) -> None:
    with pytest.raises(ProviderError, match=r"near are: Debian 12, Debian 12 - UEFI.*, Debian 13") as caught:
        driver.ex_image("debian-99")
    assert caught.value.permanent


def test_quotas_count_what_is_used(driver: NativeDriver) -> None:
    server(driver)
    volume(driver)
    assert driver.ex_quotas() == [
        Quota(Resource.SERVERS, 1, 20),
        Quota(Resource.CPU, 1, 60),
        Quota(Resource.MEMORY, 2, 400),
        Quota(Resource.VOLUMES, 1, 40),
        Quota(Resource.VOLUME_GB, 20, 4000),
    ]


# What refusals mean


def refused(act: Callable[[], Any]) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        act()
    return caught.value


def order(driver: NativeDriver, size: str = "d2-2") -> Order:
    return Order("portal", size, driver.ex_image("debian-12"), tags())


@pytest.mark.parametrize(
    ("resource", "limit", "said"),
    [("servers", 1, "the quota of servers (1 of 1)"), ("cpu", 2, "the quota of processors (1 of 2)")],
)
def test_a_quota_that_is_used_up_is_named(
    cloud: OvhStandIn, driver: NativeDriver, resource: str, limit: int, said: str
) -> None:
    server(driver)
    cloud.fleet.catalogue.quotas[resource] = limit
    error = refused(lambda: driver.ex_create(order(driver, "d2-4")))
    assert driver.ex_no_capacity(error) == said
    assert not driver.connection.wrote or error.code < 500
    assert len(cloud.fleet.servers) == 1


@pytest.mark.parametrize(
    ("resource", "limit", "said"),
    [("volumes", 1, "the quota of volumes (1 of 1)"), ("volume_gb", 30, "the quota of volume space (GB) (20 of 30)")],
)
def test_a_quota_of_volumes_is_named(
    cloud: OvhStandIn, driver: NativeDriver, resource: str, limit: int, said: str
) -> None:
    volume(driver)
    cloud.fleet.catalogue.quotas[resource] = limit
    error = refused(lambda: driver.ex_create_volume(VolumeOrder("more", 20, STEP)))
    assert driver.ex_no_capacity(error) == said


def test_a_size_that_is_out_of_stock_is_named(cloud: OvhStandIn, driver: NativeDriver) -> None:
    cloud.fleet.catalogue.stock["b3-8"] = 0
    error = refused(lambda: driver.ex_create(order(driver, "b3-8")))
    assert driver.ex_no_capacity(error) == "size b3-8 in stock"
    assert cloud.fleet.servers == {}


@pytest.mark.parametrize("status", [None, 403])
def test_a_quota_is_known_by_the_sentence_when_the_numbers_say_nothing(
    cloud: OvhStandIn, driver: NativeDriver, status: int | None
) -> None:
    asked = order(driver)
    with cloud.faulty({"route": "POST */instance", "kind": "quota"}):
        error = refused(lambda: driver.ex_create(asked))
    if status is None:
        assert driver.ex_no_capacity(error) == "the quota of instances"
    else:
        with cloud.faulty({"route": "GET *", "kind": "status", "status": status, "times": None}):
            assert driver.ex_no_capacity(error) == "the quota of instances"


def test_what_is_no_want_of_room_is_none(cloud: OvhStandIn, driver: NativeDriver) -> None:
    asked = order(driver)
    with cloud.faulty({"route": "POST */instance", "kind": "status", "status": 403}):
        not_granted = refused(lambda: driver.ex_create(asked))
    assert not_granted.kind == "NOT_GRANTED_CALL"
    wrong = refused(lambda: driver.ex_create(replace(asked, image=unknown_id())))
    with cloud.faulty({"route": "POST */instance", "kind": "status", "status": 409}):
        busy = refused(lambda: driver.ex_create(asked))
    assert [driver.ex_no_capacity(error) for error in (not_granted, wrong, busy)] == [None, None, None]
