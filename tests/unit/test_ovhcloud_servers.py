"""OVHcloud's servers through the driver, over HTTP against the stand-in: the mends, one by one, and a server's life."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from providers.base import ProviderError
from providers.compute.driver import CloudDriver, Order
from providers.compute.ovhcloud import NativeDriver, connect
from providers.vendor_http import Deadline, RefusedError, provider_errors
from tests.loopback import LOOPBACK
from tests.ovhcloud_stand_in import (
    REGION,
    OvhStandIn,
    names,
    ovhcloud_stand_in,
    reveal,
    settled,
    tags,
    unknown_id,
)


@pytest.fixture
def cloud() -> Iterator[OvhStandIn]:
    with ovhcloud_stand_in() as stand_in:
        yield stand_in


def order_of(driver: NativeDriver, **more: Any) -> Order:
    return Order("portal", "d2-2", driver.ex_image("debian-12"), tags(), **more)


def running(driver: NativeDriver, node: Node) -> Node:
    found: Node = settled(
        lambda: driver.ex_get_node(str(node.id)), lambda seen: seen is not None and seen.state == NodeState.RUNNING
    )
    return found


def bodies(cloud: OvhStandIn, path: str) -> list[dict[str, Any]]:
    return [
        json.loads(request.body) for request in cloud.asked if request.method == "POST" and request.path.endswith(path)
    ]


# A server's life


@pytest.fixture
def slow() -> Iterator[tuple[OvhStandIn, threading.Event]]:
    """Its servers have not booted until the event is set."""
    may_boot = threading.Event()

    def wait(_: float) -> None:
        may_boot.wait(30)

    with ovhcloud_stand_in(wait=wait) as stand_in:
        yield stand_in, may_boot
        may_boot.set()


def test_a_server_is_ours_from_the_create_request_on(slow: tuple[OvhStandIn, threading.Event]) -> None:
    cloud, may_boot = slow
    driver = cloud.driver()
    node = driver.ex_create(order_of(driver, user_data="#cloud-config\n", ssh_key="bascule"))
    assert cloud.paths("POST") == ["/instance"]
    body = bodies(cloud, "/instance")[0]
    assert body["name"] == "portal--bascule--r-20261125-abcdef--portal-failover--server"
    assert (body["region"], body["userData"], body["monthlyBilling"]) == (REGION, "#cloud-config\n", False)
    assert (node.name, node.state, node.extra["state"]) == ("portal", NodeState.STARTING, "BUILD")
    assert set(node.extra["tags"]) == tags()
    may_boot.set()
    driver.ex_complete(node, order_of(driver))
    found = running(driver, node)
    server = cloud.fleet.servers[str(node.id)]
    assert found.public_ips == [cloud.fleet.address(server)]
    assert (found.extra["zone"], found.extra["size"]) == (REGION, "d2-2")
    assert server.user_data == {"cloud-init": b"#cloud-config\n"}
    assert [action for action, _ in cloud.written()] == ["server.create"]


def test_the_host_name_begins_with_the_plain_name(cloud: OvhStandIn) -> None:
    driver = cloud.driver()
    node = driver.ex_create(replace(order_of(driver), tags=tags(step="Portal.Failover/" + "x" * 60)))
    assert (
        cloud.fleet.servers[str(node.id)].facts["hostname"].startswith("portal--bascule--r-20261125-abcdef--x50ortal")
    )
    assert len(cloud.fleet.servers[str(node.id)].facts["hostname"]) <= 63


def test_stop_start_and_end(cloud: OvhStandIn) -> None:
    driver = cloud.driver()
    node = running(driver, driver.ex_create(order_of(driver)))
    assert driver.stop_node(node)
    stopped = settled(lambda: driver.ex_get_node(str(node.id)), lambda seen: seen.state == NodeState.STOPPED)
    assert driver.start_node(stopped)
    node = running(driver, stopped)
    assert driver.ex_outlives(node) is False
    assert driver.destroy_node(node)
    settled(lambda: driver.ex_get_node(str(node.id)), lambda seen: seen is None)
    assert driver.list_nodes() == []
    with pytest.raises(RefusedError) as caught:
        driver.destroy_node(node)
    assert caught.value.code == 404
    assert driver.ex_is_passing(caught.value)


def test_a_stopped_server_can_be_ended(cloud: OvhStandIn) -> None:
    driver = cloud.driver()
    node = running(driver, driver.ex_create(order_of(driver)))
    driver.stop_node(node)
    settled(lambda: driver.ex_get_node(str(node.id)), lambda seen: seen.state == NodeState.STOPPED)
    driver.destroy_node(node)
    settled(lambda: driver.ex_get_node(str(node.id)), lambda seen: seen is None)


def test_a_server_that_could_not_be_built_can_be_ended(cloud: OvhStandIn) -> None:
    driver = cloud.driver()
    with cloud.faulty({"route": "BOOT *", "kind": "status"}):
        node = driver.ex_create(order_of(driver))
        failed = settled(lambda: driver.ex_get_node(str(node.id)), lambda seen: seen.extra["state"] == "ERROR")
    assert failed.state == NodeState.UNKNOWN, "ERROR would mean that only the vendor can do something"
    driver.destroy_node(failed)
    assert driver.list_nodes() == []


def test_an_action_that_the_state_forbids_is_passing(cloud: OvhStandIn) -> None:
    driver = cloud.driver()
    node = running(driver, driver.ex_create(order_of(driver)))
    with pytest.raises(RefusedError) as caught:
        driver.start_node(node)
    assert driver.ex_is_passing(caught.value)


def test_a_server_that_never_was_is_none(cloud: OvhStandIn) -> None:
    assert cloud.driver().ex_get_node(unknown_id()) is None


# Crash points


def test_a_creation_whose_answer_is_lost_is_found_by_its_tags(cloud: OvhStandIn) -> None:
    driver = cloud.driver()
    order = order_of(driver)
    with cloud.faulty({"route": "POST */instance", "kind": "lose_answer"}), pytest.raises(requests.ConnectionError):
        driver.ex_create(order)
    assert driver.connection.wrote
    again = cloud.driver()
    assert names(again.list_nodes(ex_tags=tags())) == ["portal"]
    assert cloud.paths("POST") == ["/instance"], "sent once"
    assert again.list_nodes(ex_tags=tags(run="r-20261125-other1")) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_write_is_never_repeated(cloud: OvhStandIn, status: int) -> None:
    driver = cloud.driver()
    order = order_of(driver)
    refusing = cloud.faulty({"route": "POST *", "kind": "status", "status": status, "times": None})
    with refusing, pytest.raises(RefusedError):
        driver.ex_create(order)
    assert cloud.written() == []
    assert driver.connection.wrote is (status == 500)


def test_reads_are_repeated(cloud: OvhStandIn) -> None:
    with cloud.faulty({"route": "GET */instance", "kind": "status", "status": 503, "times": 2}):
        assert cloud.driver().list_nodes() == []
    assert cloud.paths("GET").count("/instance") == 1, "the refused ones did not reach the API"


def test_silence_ends_with_the_deadline(cloud: OvhStandIn) -> None:
    cloud.driver().list_nodes()
    with cloud.faulty({"kind": "hang", "times": None}):
        driver = cloud.driver(deadline=0.5)
        with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
            driver.list_nodes()
    assert not caught.value.permanent


# Lists


def test_names_and_tags_are_compared_whole(cloud: OvhStandIn) -> None:
    for name in ("portal", "portal-2", "old-portal", "portal--bascule--r-1--step", "portal--bascule--r-2--step"):
        cloud.add(name)
    driver = cloud.driver()
    assert names(driver.list_nodes(ex_name="portal")) == ["portal"] * 3
    assert len(driver.list_nodes(ex_tags=["bascule"])) == 2
    assert len(driver.list_nodes(ex_tags=["bascule", "bascule-run=r-1"])) == 1
    ids = [str(node.id) for node in driver.list_nodes()]
    assert ids == sorted(ids)


def test_lists_hold_one_region(cloud: OvhStandIn) -> None:
    """The stock driver put the region into the body of a GET."""
    cloud.add("here")
    cloud.add("there", region="SBG5")
    assert names(cloud.driver().list_nodes()) == ["here"]
    assert names(cloud.driver(region="SBG5").list_nodes()) == ["there"]
    assert all(not request.body for request in cloud.asked)


def test_a_long_list_comes_whole(cloud: OvhStandIn) -> None:
    """The vendor does not page these lists."""
    cloud.fleet.catalogue = replace(
        cloud.fleet.catalogue, quotas={**cloud.fleet.catalogue.quotas, "servers": 999, "cpu": 999}
    )
    for n in range(230):
        cloud.add(f"server-{n}")
    assert len(cloud.driver().list_nodes()) == 230
    assert cloud.paths("GET").count("/instance") == 1


def test_a_long_step_is_known_by_its_tags(cloud: OvhStandIn) -> None:
    long = tags(step="deep/" * 60 + "server")
    driver = cloud.driver()
    node = driver.ex_create(replace(order_of(driver), tags=long))
    assert set(node.extra["tags"]) == long
    again = cloud.driver()
    found = again.list_nodes(ex_tags=long)
    assert [one.id for one in found] == [node.id]
    seen = again.ex_get_node(str(node.id))
    assert seen is not None
    assert set(seen.extra["tags"]) == long


def test_regions_that_libcloud_does_not_know_are_listed(cloud: OvhStandIn) -> None:
    """The stock driver fails with a KeyError."""
    locations = cloud.driver().list_locations()  # type: ignore[no-untyped-call]
    assert [location.id for location in locations] == list(cloud.fleet.catalogue.zones)
    assert [(location.name, location.country) for location in locations[-2:]] == [("DE1", ""), ("Warsaw 1", "PL")]


def test_stock_methods_go_to_the_scopes_address(cloud: OvhStandIn) -> None:
    """The stock driver has its host and version in the code."""
    driver = cloud.driver()
    assert len(driver.list_sizes()) == 6 * len(cloud.fleet.catalogue.zones)  # type: ignore[no-untyped-call]
    assert [key.name for key in driver.list_key_pairs()] == ["bascule"]  # type: ignore[no-untyped-call]
    assert driver.get_key_pair("bascule").public_key.startswith("ssh-ed25519")  # type: ignore[no-untyped-call]


# What cannot be had


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": "d2-3"}, "near are: d2-2, d2-4"),
        ({"size": "win-b3-8"}, "no size win-b3-8"),
        ({"ssh_key": "mine"}, "it has: bascule"),
        ({"firewall": "some-id"}, "driver openstack"),
        ({"disk": 26.0}, "has a disk of 25 GB"),
        ({"name": "portal--bascule--x"}, "choose another name"),
    ],
)
def test_what_the_native_api_cannot_do_is_said_before_anything_is_made(
    cloud: OvhStandIn, change: dict[str, Any], said: str
) -> None:
    driver = cloud.driver()
    with pytest.raises(ProviderError, match=said) as caught:
        driver.ex_create(replace(order_of(driver), **change))
    assert caught.value.permanent
    assert cloud.paths("POST") == []


@pytest.mark.parametrize("missing", ["region", "project", "application_key", "application_secret", "consumer_key"])
def test_a_block_that_lacks_something_is_refused(cloud: OvhStandIn, missing: str) -> None:
    block = {key: value for key, value in cloud.block.items() if key != missing}
    with pytest.raises(ProviderError, match=missing) as caught:
        connect(block, reveal, Deadline(1.0, reach=LOOPBACK))
    assert caught.value.permanent


def test_the_driver_is_a_cloud_driver(cloud: OvhStandIn) -> None:
    driver: CloudDriver = cloud.driver()
    assert driver.where == f"OVHcloud {REGION}"
