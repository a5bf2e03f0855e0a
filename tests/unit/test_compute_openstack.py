"""The OpenStack driver over HTTP: what it mends of libcloud's, and each of its methods."""

import base64
import json
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from libcloud.compute.types import NodeState

from providers.base import ProviderError
from providers.compute.driver import (
    UNFINISHED,
    CloudDriver,
    NoCapacityError,
    Order,
    Part,
    PartKind,
    Resource,
    Rule,
    VolumeOrder,
)
from providers.compute.openstack import connect
from providers.compute.openstack_tags import metadata_of
from providers.simulator.faults import FaultTable
from providers.simulator.fleet_catalogue import Image
from providers.simulator.http_service import HttpService, Request, Response
from providers.vendor_http import Deadline, RefusedError, provider_errors
from tests.loopback import LOOPBACK
from tests.openstack_stand_in import SECRETS, OpenStackStandIn, openstack_stand_in, reveal
from tests.vendor_stand_ins import listening

TAGS = frozenset({"bascule", "bascule-run=r-20261125-abcdef", "bascule-step=portal/server.a"})
FLOATING: dict[str, Any] = {"network": "private", "floating_network": "Ext-Net"}
DEBIAN = "2f0c9b1e-5d64-4a53-8c10-6a7e5f300001"


@pytest.fixture
def cloud() -> Iterator[OpenStackStandIn]:
    with openstack_stand_in() as stand_in:
        yield stand_in


def driver_of(cloud: OpenStackStandIn, deadline: float = 10.0, **block: Any) -> CloudDriver:
    return connect({**cloud.block, **block}, reveal, Deadline(deadline, reach=LOOPBACK))


def order_of(name: str = "portal", size: str = "b3-8", **more: Any) -> Order:
    return Order(name, size, DEBIAN, TAGS, **more)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def state_of(driver: CloudDriver, node_id: str) -> NodeState | None:
    node = driver.ex_get_node(node_id)
    return node.state if node else None


# Authentication


def test_one_token_serves_all_services(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    driver.list_nodes()
    driver.ex_quotas()
    driver.ex_image("debian-12")
    driver.ex_parts(TAGS)
    assert cloud.keystone.given == 1


def test_a_token_that_ended_is_renewed_once_for_reads_and_writes(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    driver.list_nodes()
    cloud.keystone.expire()
    assert driver.list_nodes() == []
    cloud.keystone.expire()
    driver.ex_create_volume(VolumeOrder("data", 1, TAGS))
    assert cloud.keystone.given == 3
    assert cloud.written() == [("volume.create", "data")]


def test_a_token_that_is_refused_again_is_not_asked_for_for_ever(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    with (
        cloud.faulty({"route": "GET /compute/*", "kind": "status", "status": 401, "times": None}),
        pytest.raises(ProviderError) as caught,
        provider_errors(driver.connection, driver.where),
    ):
        driver.list_nodes()
    assert caught.value.permanent
    assert cloud.keystone.given == 2


def test_asking_for_a_token_is_repeated_and_is_no_effect(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    with cloud.faulty({"route": "POST /identity/*", "kind": "status", "status": 503, "times": 2}):
        driver.list_nodes()
    with cloud.faulty({"route": "POST /identity/*", "kind": "lose_answer"}):
        driver_of(cloud).list_nodes()
    assert not driver.connection.wrote


@pytest.mark.parametrize("status", [500, 401])
def test_a_refusal_of_keystone_is_one(cloud: OpenStackStandIn, status: int) -> None:
    """Libcloud takes both for good answers."""
    driver = driver_of(cloud, deadline=2.0)
    with (
        cloud.faulty({"route": "POST /identity/*", "kind": "status", "status": status, "times": None}),
        pytest.raises(RefusedError) as caught,
    ):
        driver.list_nodes()
    assert caught.value.code == status


def test_a_wrong_secret_is_said_and_not_shown(cloud: OpenStackStandIn) -> None:
    cloud.keystone.credential = replace(cloud.keystone.credential, secret="another")
    driver = driver_of(cloud)
    with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
        driver.list_nodes()
    assert caught.value.permanent
    assert "requires authentication" in caught.value.message
    said = "".join(traceback.format_exception(caught.value)) + repr(driver) + repr(vars(driver.connection))
    assert [secret for secret in SECRETS.values() if secret in said] == []


def test_no_token_in_what_a_driver_shows(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    driver.list_nodes()
    shown = repr(vars(driver)) + repr(vars(driver.connection)) + repr(vars(driver.keystone))  # type: ignore[attr-defined]
    assert "gAAAAA" not in shown
    assert [secret for secret in SECRETS.values() if secret in shown] == []


@pytest.mark.parametrize("missing", ["url", "region", "credential", "secret"])
def test_what_a_block_lacks_is_named(cloud: OpenStackStandIn, missing: str) -> None:
    with pytest.raises(ProviderError) as caught:
        connect({**cloud.block, missing: None}, reveal, Deadline(1.0, reach=LOOPBACK))
    assert caught.value.permanent
    assert missing in caught.value.message


def test_a_region_that_is_not_there_is_said_with_those_that_are(cloud: OpenStackStandIn) -> None:
    with pytest.raises(ProviderError) as caught:
        driver_of(cloud, region="GRA11").list_nodes()
    assert "RegionOne" in caught.value.message


# Waiting, repeating


def test_silence_ends_with_the_deadline(cloud: OpenStackStandIn) -> None:
    for route in ("POST /identity/*", "GET /compute/*"):
        with cloud.faulty({"route": route, "kind": "hang", "times": None}):
            begun = time.monotonic()
            driver = driver_of(cloud, deadline=0.5)
            with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
                driver.list_nodes()
        assert time.monotonic() - begun < 3
        assert not caught.value.permanent


def test_reads_are_repeated_and_writes_sent_once(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    with cloud.faulty({"route": "GET /compute/*", "kind": "status", "times": 2}):
        driver.list_nodes()
    before = driver.connection.wrote
    with cloud.faulty({"route": "POST /volume/*", "kind": "lose_answer"}), pytest.raises(requests.RequestException):
        driver.ex_create_volume(VolumeOrder("data", 1, TAGS))
    assert (before, driver.connection.wrote) == (False, True), "written at Cinder, told of the driver as a whole"
    assert cloud.written() == [("volume.create", "data")]


def test_a_page_that_is_no_json_is_read_again(cloud: OpenStackStandIn) -> None:
    answers = [Response(200, b"<html>maintenance</html>", {"Content-Type": "text/html"})]

    def handle(request: Request) -> Response:
        if request.path.startswith("/compute") and answers:
            return answers.pop()
        return cloud.api.handle(request)

    with listening(HttpService("openstack", handle, FaultTable())) as url:
        cloud.keystone.base = url
        assert driver_of(cloud, url=f"{url}/identity").list_nodes() == []
    assert answers == []


# Servers


def test_a_creation_carries_all_in_one_request(cloud: OpenStackStandIn) -> None:
    bodies: list[Any] = []

    def handle(request: Request) -> Response:
        if (request.method, request.path) == ("POST", "/compute/v2.1/servers"):
            bodies.append(json.loads(request.body))
        return cloud.api.handle(request)

    with listening(HttpService("openstack", handle, FaultTable())) as url:
        cloud.keystone.base = url
        driver = driver_of(cloud, url=f"{url}/identity", availability_zone="nova")
        firewall = driver.ex_create_firewall("fw", TAGS, [])
        node = driver.ex_create(order_of(user_data="#cloud-config\n", ssh_key="bascule", firewall=firewall.id))
    (body,) = bodies
    server = body["server"]
    assert server["metadata"] == {
        "bascule": "",
        "bascule-run": "r-20261125-abcdef",
        "bascule-step": "portal/server.a",
    }
    assert base64.b64decode(server["user_data"]) == b"#cloud-config\n"
    assert (server["key_name"], server["security_groups"]) == ("bascule", [{"name": firewall.id}])
    assert (server["imageRef"], server["availability_zone"]) == (DEBIAN, "nova")
    assert node.state == NodeState.STARTING
    assert set(node.extra["tags"]) == TAGS
    assert "adminPass" not in repr(vars(node)), "nobody needs it, so nobody keeps it"


def test_a_server_lives_and_ends(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    node_id = str(driver.ex_create(order_of()).id)
    wait_for(lambda: state_of(driver, node_id) == NodeState.RUNNING)
    node = driver.ex_get_node(node_id)
    assert node is not None
    assert node.public_ips == [cloud.fleet.address(cloud.fleet.servers[node_id])]
    assert driver.start_node(node), "one that runs is left as it is"
    assert driver.stop_node(node)
    assert state_of(driver, node_id) in {NodeState.STOPPING, NodeState.STOPPED}
    wait_for(lambda: state_of(driver, node_id) == NodeState.STOPPED)
    stopped = driver.ex_get_node(node_id)
    assert stopped is not None
    assert driver.start_node(stopped)
    assert state_of(driver, node_id) in {NodeState.STARTING, NodeState.RUNNING}
    wait_for(lambda: state_of(driver, node_id) == NodeState.RUNNING)
    assert driver.destroy_node(stopped)
    wait_for(lambda: driver.ex_get_node(node_id) is None)
    assert cloud.fleet.state()["volumes"] == []


def test_a_stopped_server_can_be_destroyed_with_its_disk(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    node_id = str(driver.ex_create(order_of(size="SCS-1V-2")).id)
    wait_for(lambda: state_of(driver, node_id) == NodeState.RUNNING)
    node = driver.ex_get_node(node_id)
    assert node is not None
    driver.stop_node(node)
    wait_for(lambda: state_of(driver, node_id) == NodeState.STOPPED)
    assert driver.ex_outlives(node)
    driver.destroy_node(node)
    assert cloud.fleet.state()["servers"] == cloud.fleet.state()["volumes"] == []


def test_lists_are_whole_whatever_a_page_holds(cloud: OpenStackStandIn) -> None:
    cloud.api.most = 3
    driver = driver_of(cloud)
    for n in range(8):
        driver.ex_create_volume(VolumeOrder(f"v{n}", 1, TAGS))
        driver.ex_create_firewall(f"f{n}", TAGS, [])
        driver.ex_create(order_of(f"server-{n}"))
    sizes = cloud.fleet.catalogue.sizes
    sizes |= {f"x-{n}": replace(sizes["b3-8"], name=f"x-{n}") for n in range(10)}
    assert len(driver.list_nodes(ex_tags=TAGS)) == 8
    assert len(driver.ex_offers()) == len(sizes)
    assert [part.kind for part in driver.ex_parts(TAGS)].count(PartKind.VOLUME) == 8
    assert [part.kind for part in driver.ex_parts(TAGS)].count(PartKind.FIREWALL) == 8
    assert driver.ex_image("Ubuntu 22.04") == "2f0c9b1e-5d64-4a53-8c10-6a7e5f300005"


def test_a_list_that_never_ends_does_end(cloud: OpenStackStandIn) -> None:
    server = {"id": "1", "name": "a", "status": "ACTIVE"}
    page = {"servers": [server], "servers_links": [{"rel": "next", "href": "https://evil.example/servers?marker=0"}]}

    def handle(request: Request) -> Response:
        if request.path.startswith("/compute"):
            return Response(200, json.dumps(page).encode(), {"Content-Type": "application/json"})
        return cloud.api.handle(request)

    with listening(HttpService("openstack", handle, FaultTable())) as url:
        cloud.keystone.base = url
        driver = driver_of(cloud, url=f"{url}/identity")
        with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
            driver.list_nodes()
    assert "never ends" in caught.value.message


def test_names_and_tags_are_compared_whole(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    for name in ("portal", "portal-2", "old-portal", "p.rtal"):
        driver.ex_create(order_of(name))
    assert [node.name for node in driver.list_nodes(ex_name="portal")] == ["portal"]
    assert [node.name for node in driver.list_nodes(ex_name="p.rtal")] == ["p.rtal"]
    assert len(driver.list_nodes(ex_tags=TAGS)) == 4
    assert driver.list_nodes(ex_tags=[*TAGS, "more"]) == []
    assert driver.list_nodes(ex_tags=["bascule-step=portal/server"]) == []


def test_a_lost_answer_is_found_by_its_tags(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    with cloud.faulty({"route": "POST /compute/*", "kind": "lose_answer"}), pytest.raises(requests.RequestException):
        driver.ex_create(order_of())
    assert driver.connection.wrote
    assert [node.name for node in driver_of(cloud).list_nodes(ex_tags=TAGS)] == ["portal"]


@pytest.mark.parametrize(
    ("size", "disk", "root"), [("b3-8", 0, None), ("b3-8", 50, None), ("b3-8", 80, 80), ("SCS-1V-2", 0, 20)]
)
def test_the_root_is_the_flavors_disk_or_a_volume(
    cloud: OpenStackStandIn, size: str, disk: float, root: int | None
) -> None:
    driver = driver_of(cloud)
    node_id = str(driver.ex_create(order_of(size=size, disk=disk)).id)
    node = driver.ex_get_node(node_id)
    assert node is not None
    volumes = [driver.ex_part(PartKind.VOLUME, volume) for volume in node.extra["volumes"]]
    assert [volume.size for volume in volumes if volume] == ([root] if root else [])


def test_a_mark_without_room_is_refused_before_anything_is_made(cloud: OpenStackStandIn) -> None:
    long = frozenset({"bascule", f"bascule-step={'a' * 300}"})
    driver = driver_of(cloud)
    acts: list[Callable[[], object]] = [
        lambda: driver.ex_create(replace(order_of(), tags=long)),
        lambda: driver.ex_create_volume(VolumeOrder("v", 1, long)),
        lambda: driver.ex_create_firewall("f", long, []),
    ]
    for act in acts:
        with pytest.raises(ProviderError) as caught:
            act()
        assert caught.value.permanent
    assert cloud.written() == []
    assert metadata_of(["a=b=c"]) == {"a": "b=c"}


# Floating addresses


def test_a_floating_address_is_given_once(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud, **FLOATING)
    order = order_of()
    node = driver.ex_create(order)
    driver.ex_complete(node, order)
    driver.ex_complete(node, order)
    assert [action for action, _ in cloud.written()] == ["server.create", "address.create"]
    wait_for(lambda: state_of(driver, str(node.id)) == NodeState.RUNNING)
    fresh = driver.ex_get_node(str(node.id))
    assert fresh is not None
    assert fresh.public_ips == [cloud.fleet.address(cloud.fleet.servers[str(node.id)])]
    assert len(fresh.private_ips) == 1
    assert driver.ex_outlives(fresh)
    (address,) = fresh.extra["ips"]
    part = driver.ex_part(PartKind.ADDRESS, address)
    assert part is not None
    assert part.holders == {str(node.id)}
    assert part.tags >= TAGS


def test_a_server_without_its_address_counts_as_not_brought_up(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud, **FLOATING)
    order = order_of()
    node_id = str(driver.ex_create(order).id)
    wait_for(lambda: state_of(driver, node_id) == NodeState.STOPPED)
    node = driver.ex_get_node(node_id)
    assert node is not None
    assert "without its public address" in node.extra["state"]
    driver.ex_complete(node, order)
    driver.start_node(node)
    assert state_of(driver, node_id) == NodeState.RUNNING


def test_a_free_address_of_this_step_is_used_again(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud, **FLOATING)
    order = order_of()
    node = driver.ex_create(order)
    driver.ex_complete(node, order)
    for floating in cloud.fleet.floating.values():
        cloud.fleet.move_floating(floating, None)
    driver.ex_complete(node, order)
    assert [action for action, _ in cloud.written()].count("address.create") == 1


def test_addresses_of_others_are_nobodys_here(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud, **FLOATING)
    order = order_of()
    first = driver.ex_create(order)
    driver.ex_complete(first, order)
    second = driver.ex_create(replace(order, name="other"))
    nodes = {node.name: node for node in driver.list_nodes(ex_tags=TAGS)}
    assert (len(nodes["portal"].extra["ips"]), nodes["other"].extra["ips"]) == (1, [])
    driver.ex_complete(second, replace(order, name="other"))
    assert len(cloud.fleet.floating) == 2


def test_no_address_left_is_no_capacity(cloud: OpenStackStandIn) -> None:
    cloud.fleet.catalogue.quotas["addresses"] = 0
    driver = driver_of(cloud, **FLOATING)
    order = order_of()
    with pytest.raises(NoCapacityError):
        driver.ex_complete(driver.ex_create(order), order)


@pytest.mark.parametrize("block", [{"network": "nowhere"}, {"network": "private", "floating_network": "private"}])
def test_a_network_that_is_not_there_is_named_before_anything_is_made(
    cloud: OpenStackStandIn, block: dict[str, Any]
) -> None:
    with pytest.raises(ProviderError) as caught:
        driver_of(cloud, **block).ex_create(order_of())
    assert caught.value.permanent
    assert "Ext-Net" in caught.value.message
    assert cloud.written() == []


# Parts


def test_volumes_and_snapshots(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    node = driver.ex_create(order_of())
    wait_for(lambda: state_of(driver, str(node.id)) == NodeState.RUNNING)
    volume = driver.ex_create_volume(VolumeOrder("data", 4.2, TAGS))
    assert (volume.size, volume.state, volume.tags) == (5, "creating", TAGS)
    with pytest.raises(RefusedError) as caught:
        driver.ex_attach(volume, node)
    assert driver.ex_is_passing(caught.value)

    def fresh(part: Part) -> Part:
        found = driver.ex_part(part.kind, part.id)
        assert found is not None
        return found

    wait_for(lambda: fresh(volume).state == "available")
    driver.ex_attach(volume, node)
    assert fresh(volume).holders == {str(node.id)}
    with pytest.raises(RefusedError) as caught:
        driver.ex_delete_part(volume)
    assert driver.ex_is_passing(caught.value)
    assert str(volume.id) not in driver.list_nodes()[0].extra["volumes"], "it does not end with the server"
    snapshot = driver.ex_create_snapshot(volume, "copy", TAGS)
    wait_for(lambda: fresh(snapshot).state == "available")
    copy = driver.ex_create_volume(VolumeOrder("copied", 5, TAGS, snapshot.id))
    assert {part.id for part in driver.ex_parts(TAGS)} == {volume.id, snapshot.id, copy.id}
    driver.ex_detach(volume, node)
    assert fresh(volume).holders == frozenset()
    wait_for(lambda: fresh(copy).state == "available")
    for part in (snapshot, copy, volume):
        driver.ex_delete_part(part)
        assert driver.ex_part(part.kind, part.id) is None
        with pytest.raises(RefusedError) as caught:
            driver.ex_delete_part(part)
        assert caught.value.code == 404


def test_a_firewall_and_its_rules(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    rules = [Rule("tcp", 22, 22), Rule("udp", 1, 9, "2001:db8::/32"), Rule("icmp"), Rule("icmp", source="::/0")]
    firewall = driver.ex_create_firewall("fw", TAGS, rules)
    assert (firewall.state, firewall.tags >= TAGS) == ("available", True)
    told = [
        (rule["ethertype"], rule["protocol"], rule["port_range_min"], rule["direction"])
        for rule in cloud.fleet.firewalls[firewall.id].rules
    ]
    assert told == [
        ("IPv4", "tcp", 22, "ingress"),
        ("IPv6", "udp", 1, "ingress"),
        ("IPv4", "icmp", None, "ingress"),
        ("IPv6", "ipv6-icmp", None, "ingress"),
    ]
    node = driver.ex_create(order_of(firewall=firewall.id))
    wait_for(lambda: state_of(driver, str(node.id)) == NodeState.RUNNING)
    held = driver.ex_part(PartKind.FIREWALL, firewall.id)
    assert held is not None
    assert held.holders == {str(node.id)}
    with pytest.raises(RefusedError) as caught:
        driver.ex_delete_part(held)
    assert driver.ex_is_passing(caught.value)
    driver.destroy_node(node)
    wait_for(lambda: driver.ex_get_node(str(node.id)) is None)
    driver.ex_delete_part(held)
    assert driver.ex_part(PartKind.FIREWALL, firewall.id) is None


def test_a_firewall_cut_off_before_its_rules_is_finished_by_the_same_call(cloud: OpenStackStandIn) -> None:
    rules = [Rule("tcp", 22, 22)]
    cut_off = cloud.faulty({"route": "POST /network/v2.0/security-group-rules", "kind": "drop"})
    with cut_off, pytest.raises(requests.RequestException):
        driver_of(cloud).ex_create_firewall("fw", TAGS, rules)
    driver = driver_of(cloud)
    (left,) = driver.ex_parts(TAGS)
    assert left.state == UNFINISHED
    done = driver.ex_create_firewall("fw", TAGS, rules)
    assert (done.id, done.state) == (left.id, "available")
    assert len(cloud.fleet.firewalls) == 1


def test_a_source_that_is_no_network_makes_nothing(cloud: OpenStackStandIn) -> None:
    with pytest.raises(ProviderError) as caught:
        driver_of(cloud).ex_create_firewall("fw", TAGS, [Rule("tcp", 22, 22, "everywhere")])
    assert caught.value.permanent
    assert cloud.written() == []


# What the cloud has


def test_offers_and_quotas_in_our_units(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud, **FLOATING)
    offers = {offer.name: offer for offer in driver.ex_offers()}
    assert (offers["b3-8"].cpu, offers["b3-8"].memory, offers["b3-8"].disk) == (2, 8.6, 50)
    assert offers["SCS-1V-2"].disk == 0
    order = order_of()
    driver.ex_complete(driver.ex_create(order), order)
    quotas = {quota.resource: (quota.used, quota.limit) for quota in driver.ex_quotas()}
    assert quotas[Resource.SERVERS] == (1, 20)
    assert quotas[Resource.CPU] == (2, 60)
    assert quotas[Resource.MEMORY] == (8.6, 137.4)
    assert quotas[Resource.ADDRESSES] == (1, 10)
    cloud.fleet.catalogue.quotas.clear()
    assert {quota.limit for quota in driver.ex_quotas()} == {None}


def test_quotas_that_neutron_keeps_to_itself_are_left_out(cloud: OpenStackStandIn) -> None:
    with cloud.faulty({"route": "GET /network/v2.0/quotas/*", "kind": "status", "status": 403}):
        assert Resource.ADDRESSES not in {quota.resource for quota in driver_of(cloud).ex_quotas()}


def test_images_by_neutral_name_own_name_and_id(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud, images={"debian-13": "Debian 12 - Docker"})
    assert driver.ex_image("debian-12") == driver.ex_image("Debian 12") == driver.ex_image(DEBIAN) == DEBIAN
    assert driver.ex_image("ubuntu-24.04") == "2f0c9b1e-5d64-4a53-8c10-6a7e5f300004"
    assert driver.ex_image("debian-13") == "2f0c9b1e-5d64-4a53-8c10-6a7e5f300002"
    with pytest.raises(ProviderError) as caught:
        driver.ex_image("debian-11")
    assert "Debian 12" in caught.value.message
    for unknown in ("debian-12.5.1", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(ProviderError):
            driver.ex_image(unknown)


def test_the_newest_plain_image_is_taken(cloud: OpenStackStandIn) -> None:
    catalogue = cloud.fleet.catalogue
    names = ["debian-12-genericcloud-amd64-20260101-2000", "Debian 12.9 bookworm", "Debian 12 Plesk", "debian 120"]
    catalogue.images += tuple(Image(f"id-{n}", f"label-{n}", name) for n, name in enumerate(names))
    assert driver_of(cloud).ex_image("debian-12") in {DEBIAN, "id-0", "id-1"}
    catalogue.images = tuple(image for image in catalogue.images if image.name in names[2:])
    with pytest.raises(ProviderError):
        driver_of(cloud).ex_image("debian-12")


def test_a_size_that_is_not_there_is_said_with_those_that_are(cloud: OpenStackStandIn) -> None:
    with pytest.raises(ProviderError) as caught:
        driver_of(cloud).ex_create(order_of(size="b3-9"))
    assert "b3-8" in caught.value.message


# What refusals mean


def test_used_up_quotas_are_no_capacity(cloud: OpenStackStandIn) -> None:
    quotas = cloud.fleet.catalogue.quotas
    driver = driver_of(cloud)
    volume = driver.ex_create_volume(VolumeOrder("v", 1, TAGS))
    wait_for(lambda: (driver.ex_part(PartKind.VOLUME, volume.id) or volume).state == "available")
    acts: dict[str, Callable[[], object]] = {
        "servers": lambda: driver.ex_create(order_of()),
        "cpu": lambda: driver.ex_create(order_of()),
        "volumes": lambda: driver.ex_create_volume(VolumeOrder("v", 1, TAGS)),
        "volume_gb": lambda: driver.ex_create_volume(VolumeOrder("v", 1, TAGS)),
        "snapshots": lambda: driver.ex_create_snapshot(volume, "s", TAGS),
        "firewalls": lambda: driver.ex_create_firewall("f", TAGS, []),
    }
    for resource, act in acts.items():
        kept, quotas[resource] = quotas[resource], 0
        with pytest.raises(RefusedError) as caught:
            act()
        quotas[resource] = kept
        assert driver.ex_no_capacity(caught.value), resource
        assert not driver.ex_is_passing(caught.value), resource


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"forbidden": {"code": 403, "message": "Policy doesn't allow os_compute_api:servers:create."}}),
        (409, {"conflictingRequest": {"code": 409, "message": "Multiple possible networks found, use a Network ID."}}),
        (409, {"conflictingRequest": {"code": 409, "message": "Instance a is locked"}}),
        (400, {"badRequest": {"code": 400, "message": "Invalid key_name provided."}}),
        (400, {"NeutronError": "Unrecognized attribute(s) 'x'"}),
    ],
)
def test_other_refusals_are_neither(cloud: OpenStackStandIn, status: int, body: dict[str, Any]) -> None:
    def handle(request: Request) -> Response:
        if request.method == "POST" and not request.path.startswith("/identity"):
            return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})
        return cloud.api.handle(request)

    with listening(HttpService("openstack", handle, FaultTable())) as url:
        cloud.keystone.base = url
        driver = driver_of(cloud, url=f"{url}/identity")
        with pytest.raises(RefusedError) as caught:
            driver.ex_create(order_of())
    assert driver.ex_no_capacity(caught.value) is None
    assert not driver.ex_is_passing(caught.value)
    assert "code" not in str(caught.value.message), "the sentence, not the body"


def test_a_stock_that_is_out_shows_later(cloud: OpenStackStandIn) -> None:
    cloud.fleet.catalogue.stock["b3-8"] = 0
    driver = driver_of(cloud)
    node = driver.ex_create(order_of())
    assert state_of(driver, str(node.id)) in {NodeState.STARTING, NodeState.ERROR}
    wait_for(lambda: state_of(driver, str(node.id)) == NodeState.ERROR)
    fresh = driver.ex_get_node(str(node.id))
    assert fresh is not None
    assert fresh.extra["no_capacity"] == "No valid host was found. There are not enough hosts available"
    assert driver.list_nodes(ex_tags=TAGS)[0].extra["no_capacity"]
    driver.destroy_node(fresh)
    assert driver.ex_get_node(str(node.id)) is None


def test_an_error_that_is_not_want_of_room_is_not_taken_for_it(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    with cloud.faulty({"route": "BOOT portal", "kind": "status"}):
        node = driver.ex_create(order_of())
        wait_for(lambda: state_of(driver, str(node.id)) == NodeState.UNKNOWN)
    fresh = driver.ex_get_node(str(node.id))
    assert fresh is not None
    assert fresh.extra["no_capacity"] is None
    assert "boot failed" in fresh.extra["state"]


def test_a_change_of_state_under_way_is_passing(cloud: OpenStackStandIn) -> None:
    driver = driver_of(cloud)
    with cloud.faulty({"route": "BOOT portal", "kind": "hang"}), pytest.raises(RefusedError) as caught:
        driver.stop_node(driver.ex_create(order_of()))
    assert caught.value.code == 409
    assert driver.ex_is_passing(caught.value)
