"""The Outscale driver's mends and methods, over HTTP, held against the vendor's own description."""

import base64
import json
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from libcloud.compute.base import Node
from libcloud.compute.types import NodeState
from pydantic import TypeAdapter

from orchestrator.domain.scope import Compute, OutscaleCompute
from providers.base import ProviderError, Secret, Tag
from providers.compute.driver import CloudDriver, Order
from providers.compute.outscale import OutscaleDriver, connect
from providers.compute.outscale_connection import AccessKey
from providers.compute.outscale_marks import GENERATIONS, tokens_of
from providers.compute.proof import tags_of
from providers.simulator.faults import FaultTable
from providers.simulator.fleet_parts import ServerOrder
from providers.simulator.http_service import HttpService, Request, Response
from providers.vendor_http import Deadline, Endpoint, RefusedError, provider_errors
from tests.loopback import LOOPBACK
from tests.outscale_stand_in import ACCESS, REGION, SECRET, OutscaleStandIn, outscale_stand_in, reveal
from tests.vendor_names import at_vendor_name
from tests.vendor_stand_ins import listening

TAGS = tags_of(Tag("r-20261125-abcdef", "portal/server.new"))
DEBIAN = "ami-0d0b1202"
ORDER = Order("portal", "tinav5.c2r4p2", DEBIAN, TAGS, user_data="#cloud-config\n", disk=20)
NO_VMS = Response(200, b'{"Vms": []}')


@pytest.fixture
def cloud() -> Iterator[OutscaleStandIn]:
    with outscale_stand_in() as stand_in:
        yield stand_in


@contextmanager
def answering(
    handler: Callable[[Request], Response], secret: str = SECRET
) -> Iterator[tuple[OutscaleDriver, list[Request]]]:
    """A driver at a server that answers as told, and the requests it got."""
    asked: list[Request] = []

    def handle(request: Request) -> Response:
        asked.append(request)
        return handler(request)

    with listening(HttpService("outscale", handle, FaultTable())) as url:
        yield driver_at(f"{url}/api/v1", secret), asked


def driver_at(url: str, secret: str = SECRET) -> OutscaleDriver:
    key = AccessKey(Secret(ACCESS), Secret(secret), REGION)
    return OutscaleDriver(key, Endpoint.at(url, None), "eu-west-2a", Deadline(10.0, reach=LOOPBACK))


def in_turn(*answers: Response) -> Callable[[Request], Response]:
    """One answer after the other, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def add_machine(cloud: OutscaleStandIn, name: str, *tags: str, user_data: str = "") -> None:
    """A machine that this driver did not make."""
    catalogue = cloud.fleet.catalogue
    named = [f"Name={name}"] if name else []
    facts: dict[str, Any] = {
        "client_token": None, "keypair": None, "user_data": user_data, "vm_type": "t2.small",
        "reservation": "r-00000000", "wish": {}, "made_at": 0.0,
    }  # fmt: skip
    image = catalogue.images[0]
    order = ServerOrder(
        name, "eu-west-2a", catalogue.project, catalogue.sizes["t2.small"], image, [*named, *tags], facts=facts
    )
    cloud.fleet.create(order)


def brought_up(cloud: OutscaleStandIn, order: Order = ORDER) -> Node:
    """A running machine."""
    driver = cloud.driver()
    node = driver.ex_create(order)
    driver.ex_complete(node, order)
    assert driver.start_node(node)
    cloud.fleet.settle()
    running = driver.ex_get_node(str(node.id))
    assert running is not None
    return running


def test_it_is_a_cloud_driver(cloud: OutscaleStandIn) -> None:
    driver: CloudDriver = cloud.driver()
    assert driver.where == "Outscale eu-west-2a"


class TestMends:
    """What is wrong with the stock driver."""

    def test_errors_are_raised_and_never_answered(self, cloud: OutscaleStandIn) -> None:
        with pytest.raises(RefusedError) as caught:
            cloud.driver().ex_create(replace(ORDER, image="ami-ffffffff"))
        assert (caught.value.code, caught.value.kind, caught.value.details["type"]) == (400, "5023", "InvalidResource")

    def test_the_stock_methods_raise_as_well(self) -> None:
        refusal = {"Errors": [{"Code": "4", "Type": "AccessDenied", "Details": ""}], "ResponseContext": {}}
        with answering(in_turn(Response(401, json.dumps(refusal).encode()))) as (driver, asked):
            with pytest.raises(RefusedError):
                driver.ex_list_regions()
            assert asked[0].headers["Authorization"].startswith("OSC4-HMAC-SHA256 ")

    def test_ids_and_tags_are_lists(self, cloud: OutscaleStandIn) -> None:
        node = brought_up(cloud)
        assert cloud.driver().stop_node(node)
        cloud.fleet.settle()
        assert cloud.driver().destroy_node(node)
        sent = dict(cloud.asked)
        assert sent["DeleteVms"] == sent["StopVms"] == sent["StartVms"] == {"VmIds": [node.id]}
        assert {"Key": "bascule-run", "Value": "r-20261125-abcdef"} in sent["CreateTags"]["Tags"]
        assert cloud.fleet.servers == {}

    def test_the_end_of_a_machine_that_is_refused_is_not_a_success(self, cloud: OutscaleStandIn) -> None:
        node = brought_up(cloud)
        with cloud.faulty({"route": "POST */DeleteVms", "kind": "status", "status": 409}), pytest.raises(RefusedError):
            cloud.driver().destroy_node(node)

    def test_silence_ends_with_the_deadline(self, cloud: OutscaleStandIn) -> None:
        with cloud.faulty({"kind": "hang", "times": None}):
            begun = time.monotonic()
            driver = cloud.driver(deadline=0.5)
            with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
                driver.list_nodes()
        assert time.monotonic() - begun < 3
        assert not caught.value.permanent

    def test_sizes_are_known(self, cloud: OutscaleStandIn) -> None:
        sizes = {size.name: size for size in cloud.driver().list_sizes()}
        assert (sizes["t2.medium"].ram, sizes["t2.medium"].price) == (4300, 0.072)

    def test_keys_are_in_nobodys_sight(self, cloud: OutscaleStandIn) -> None:
        driver = cloud.driver()
        driver.list_nodes()
        shown = repr(vars(driver)) + repr(vars(driver.connection)) + repr(driver.key_pair)
        assert SECRET not in shown
        assert ACCESS not in shown


class TestRequests:
    """Reads are POSTs and repeated all the same; writes are sent once."""

    @pytest.mark.parametrize(
        "passing",
        [
            Response(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
            Response(200, b"<html>maintenance</html>", {"Content-Type": "text/html"}),
            Response(503, b'{"Errors": [{"Code": "11000", "Type": "RequestLimitExceeded", "Details": ""}]}'),
        ],
    )
    def test_reads_are_repeated(self, passing: Response) -> None:
        with answering(in_turn(passing, NO_VMS)) as (driver, asked):
            assert driver.list_nodes() == []
            assert len(asked) == 2
            assert not driver.connection.wrote

    def test_a_read_waits_as_long_as_it_is_asked_to(self) -> None:
        with answering(in_turn(Response(429, b"{}", {"Retry-After": "1"}), NO_VMS)) as (driver, _):
            begun = time.monotonic()
            driver.list_nodes()
            assert time.monotonic() - begun >= 1.0

    @pytest.mark.parametrize(("status", "wrote"), [(429, False), (500, True), (503, False), (400, False)])
    def test_a_write_is_never_repeated(self, status: int, wrote: bool) -> None:
        with answering(in_turn(Response(status, b"{}"))) as (driver, asked):
            with pytest.raises(RefusedError):
                driver.start_node(Node("i-0", "a", NodeState.STOPPED, [], [], driver))
            assert len(asked) == 1
            assert driver.connection.wrote is wrote

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"Errors": []}', b'{"Errors": [null]}', b"\xff", b'"x"'])
    def test_errors_of_any_form_are_refusals(self, body: bytes) -> None:
        with answering(in_turn(Response(400, body))) as (driver, _):
            with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
                driver.list_nodes()
            assert caught.value.permanent

    def test_an_answer_that_is_no_object_is_not_understood(self) -> None:
        with answering(in_turn(Response(200, b"[]"))) as (driver, _):
            with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
                driver.start_node(Node("i-0", "a", NodeState.STOPPED, [], [], driver))
            assert not caught.value.permanent

    def test_a_redirect_does_not_carry_the_signature_away(self) -> None:
        with answering(in_turn(NO_VMS)) as (other, elsewhere):
            moved = Response(307, b"", {"Location": f"{other.endpoint.base}/api/v1/ReadVms"})
            with answering(in_turn(moved)) as (driver, _), pytest.raises(RefusedError):
                driver.list_nodes()
            assert elsewhere == []

    def test_a_credential_that_is_refused_is_permanent_and_not_shown(self, cloud: OutscaleStandIn) -> None:
        driver = driver_at(cloud.block["url"], secret="wrong-secret")
        with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
            driver.list_nodes()
        assert caught.value.permanent
        told = "".join(traceback.format_exception(caught.value))
        assert "refused the credential" in told
        assert "wrong-secret" not in told
        assert len(cloud.asked) == 1, "four failures in a row lock the key"

    def test_lists_of_more_than_a_page_are_whole(self, cloud: OutscaleStandIn) -> None:
        cloud.fleet.catalogue = replace(cloud.fleet.catalogue, quotas={})
        for n in range(401):
            add_machine(cloud, f"server-{n}", "bascule")
        assert len(cloud.driver().list_nodes(ex_tags=["bascule"])) == 401
        assert [action for action, _ in cloud.asked] == ["ReadVms"] * 3

    def test_what_a_block_lacks_is_named(self) -> None:
        with pytest.raises(ProviderError, match="no access_key, secret_key") as caught:
            connect({"driver": "outscale", "region": REGION}, reveal, Deadline(1.0, reach=LOOPBACK))
        assert caught.value.permanent


class TestServers:
    """From the create request to the end."""

    def test_names_and_tags_are_compared_whole(self, cloud: OutscaleStandIn) -> None:
        for name in ("portal", "portal-2", "old-portal"):
            add_machine(cloud, name, "bascule", "bascule-run=a")
        driver = cloud.driver()
        assert [node.name for node in driver.list_nodes(ex_name="portal")] == ["portal"]
        assert len(driver.list_nodes(ex_tags=["bascule"])) == 3
        assert driver.list_nodes(ex_tags=["bascule", "bascule-run=b"]) == []
        assert driver.list_nodes(ex_name="portal", ex_tags=["bascule-run=b"]) == []

    def test_one_request_makes_a_machine_that_is_ours_and_does_not_run(self, cloud: OutscaleStandIn) -> None:
        node = cloud.driver().ex_create(ORDER)
        assert cloud.actions() == ["CreateVms"]
        fresh = cloud.driver()
        assert [found.id for found in fresh.list_nodes(ex_tags=TAGS)] == [node.id]
        found = fresh.ex_get_node(str(node.id))
        assert found is not None
        assert (found.name, set(found.extra["tags"])) == ("portal", set(TAGS))
        assert found.state in {NodeState.STARTING, NodeState.STOPPED}
        assert fresh.list_nodes(ex_tags=tags_of(Tag("r-20261125-abcdef", "portal/other"))) == []

    def test_the_same_order_again_makes_nothing(self, cloud: OutscaleStandIn) -> None:
        first, second = cloud.driver().ex_create(ORDER), cloud.driver().ex_create(ORDER)
        assert first.id == second.id
        assert len(cloud.fleet.servers) == 1

    def test_a_completed_machine_has_its_tags_and_only_its_own_user_data(self, cloud: OutscaleStandIn) -> None:
        node = cloud.driver().ex_create(ORDER)
        cloud.driver().ex_complete(node, ORDER)
        assert node.state == NodeState.STOPPED
        (server,) = cloud.fleet.servers.values()
        assert sorted(server.tags) == sorted(["Name=portal", *TAGS])
        assert base64.b64decode(server.facts["user_data"]) == b"#cloud-config\n"
        done = cloud.actions()
        cloud.driver().ex_complete(node, ORDER)
        assert cloud.actions() == done, "nothing was left to do"

    def test_a_machine_without_user_data_gets_none(self, cloud: OutscaleStandIn) -> None:
        order = replace(ORDER, user_data=None)
        node = cloud.driver().ex_create(order)
        cloud.driver().ex_complete(node, order)
        (server,) = cloud.fleet.servers.values()
        assert server.user_data == {"cloud-init": b"#cloud-config\n{}\n"}

    def test_it_starts_stops_and_ends(self, cloud: OutscaleStandIn) -> None:
        node = brought_up(cloud)
        driver = cloud.driver()
        assert node.state == NodeState.RUNNING
        assert node.public_ips
        assert node.extra["size"] == "tinav5.c2r4p2"
        assert not driver.ex_outlives(node)
        assert driver.stop_node(node)
        cloud.fleet.settle()
        stopped = driver.ex_get_node(str(node.id))
        assert stopped is not None
        assert stopped.state == NodeState.STOPPED
        assert driver.destroy_node(stopped)
        assert driver.destroy_node(stopped), "the vendor takes it twice"
        assert driver.ex_get_node(str(node.id)) is None
        assert driver.list_nodes() == driver.list_nodes(ex_tags=TAGS) == []
        assert cloud.fleet.volumes == {}

    def test_the_token_of_a_machine_that_ended_is_spent(self, cloud: OutscaleStandIn) -> None:
        made = []
        for _ in range(GENERATIONS):
            node = cloud.driver().ex_create(ORDER)
            cloud.driver().ex_complete(node, ORDER)
            cloud.driver().destroy_node(node)
            made.append(node.id)
        assert len(set(made)) == GENERATIONS
        with pytest.raises(ProviderError, match="begin a new run") as caught:
            cloud.driver().ex_create(ORDER)
        assert caught.value.permanent

    def test_what_the_vendor_forgot_in_its_list_is_known_by_the_token(self, cloud: OutscaleStandIn) -> None:
        """The list of machines is empty, and the token still answers one that ended."""
        gone = {"VmId": "i-00000001", "State": "terminated", "Tags": []}
        new = {"VmId": "i-00000002", "State": "pending", "Tags": []}
        answers = [NO_VMS, *(Response(200, json.dumps({"Vms": [vm]}).encode()) for vm in (gone, new))]
        with answering(in_turn(*answers)) as (driver, asked):
            assert driver.ex_create(ORDER).id == "i-00000002"
        tokens = [json.loads(request.body)["ClientToken"] for request in asked[1:]]
        assert tokens == tokens_of("server", TAGS)[:2]

    def test_a_token_used_for_something_else_is_refused(self, cloud: OutscaleStandIn) -> None:
        cloud.driver().ex_create(ORDER)
        with pytest.raises(RefusedError) as caught:
            cloud.driver().ex_create(replace(ORDER, disk=50))
        assert caught.value.kind == "4091"

    @pytest.mark.parametrize(
        ("state", "means"),
        [
            ("pending", NodeState.STARTING),
            ("running", NodeState.RUNNING),
            ("stopping", NodeState.STOPPING),
            ("shutting-down", NodeState.STOPPING),
            ("stopped", NodeState.STOPPED),
            ("quarantine", NodeState.ERROR),
            ("something-new", NodeState.UNKNOWN),
        ],
    )
    def test_states(self, state: str, means: NodeState) -> None:
        vms = {"Vms": [{"VmId": "i-00000001", "State": state, "Tags": []}]}
        with answering(in_turn(Response(200, json.dumps(vms).encode()))) as (driver, _):
            (node,) = driver.list_nodes()
        assert node.state == means

    @pytest.mark.parametrize("user_data", ["", base64.b64encode(b"\xff\xfe").decode(), "%%%"])
    def test_other_peoples_user_data_may_be_anything(self, cloud: OutscaleStandIn, user_data: str) -> None:
        add_machine(cloud, "theirs", user_data=user_data)
        assert [node.extra["tags"] for node in cloud.driver().list_nodes()] == [[]]

    def test_a_key_a_firewall_and_the_scopes_group_are_asked_for(self, cloud: OutscaleStandIn) -> None:
        group = cloud.driver().ex_create_firewall("web", TAGS, []).id
        cloud.driver(security_group=group).ex_create(replace(ORDER, ssh_key="ops"))
        asked = dict(cloud.asked)["CreateVms"]
        assert (asked["KeypairName"], asked["SecurityGroupIds"]) == ("ops", [group])
        assert asked["BlockDeviceMappings"][0]["Bsu"]["VolumeSize"] == 19, "20 GB are 18.6 GiB"


class TestRefusals:
    """What the vendor's codes mean."""

    def error(self, status: int, code: str, kind: str) -> RefusedError:
        return RefusedError(status, f"{kind} {code}", {}, kind=code, details={"type": kind, "says": ""})

    def test_a_size_out_of_stock(self, cloud: OutscaleStandIn) -> None:
        driver = cloud.driver()
        cloud.fleet.catalogue.stock[ORDER.size] = 0
        node = driver.ex_create(ORDER)
        driver.ex_complete(node, ORDER)
        with pytest.raises(RefusedError) as caught:
            driver.start_node(node)
        assert driver.ex_no_capacity(caught.value) == "the size in stock in eu-west-2a"

    def test_a_quota_used_up(self, cloud: OutscaleStandIn) -> None:
        cloud.fleet.catalogue.quotas["servers"] = 0
        driver = cloud.driver()
        with pytest.raises(RefusedError) as caught:
            driver.ex_create(ORDER)
        assert driver.ex_no_capacity(caught.value) == "the quota of servers"
        assert not driver.connection.wrote

    def test_other_quotas_are_told_as_they_are(self, cloud: OutscaleStandIn) -> None:
        told = cloud.driver().ex_no_capacity(self.error(400, "10046", "TooManyResources (QuotaExceded)"))
        assert told is not None
        assert "10046" in told

    @pytest.mark.parametrize(
        ("status", "code", "kind", "passing"),
        [
            (409, "6003", "InvalidState", True),
            (409, "9085", "ResourceConflict", True),
            (409, "9008", "ResourceConflict", False),
            (400, "5063", "InvalidResource", False),
            (401, "4", "AccessDenied", False),
        ],
    )
    def test_what_passes(self, cloud: OutscaleStandIn, status: int, code: str, kind: str, passing: bool) -> None:
        error = self.error(status, code, kind)
        assert cloud.driver().ex_is_passing(error) is passing
        assert cloud.driver().ex_no_capacity(error) is None


def test_the_scope_has_what_the_driver_takes(cloud: OutscaleStandIn) -> None:
    block = {**cloud.block, "security_group": "sg-0123abcd", "images": {"hardened": "ami-0c090101"}}
    checked: Any = TypeAdapter(Compute).validate_python(block)
    assert isinstance(checked, OutscaleCompute)
    driver = connect(checked.model_dump(), reveal, Deadline(1.0, reach=LOOPBACK))
    assert (driver.zone, driver.security_group, driver.images) == (
        "eu-west-2a",
        "sg-0123abcd",
        {"hardened": "ami-0c090101"},
    )


def test_the_default_address_is_the_vendors(cloud: OutscaleStandIn, tmp_path: Path) -> None:
    """The real driver at the vendor's real name, over TLS with a certificate that is checked."""
    service = HttpService("outscale", cloud.api.handle, FaultTable())
    with at_vendor_name(service, f"api.{REGION}.outscale.com", tmp_path) as authority:
        block = {name: value for name, value in cloud.block.items() if name != "url"}
        driver = connect({**block, "ca": str(authority)}, reveal, Deadline(10.0, reach=LOOPBACK))
        assert driver.ex_image("debian-12") == DEBIAN
        with pytest.raises(requests.exceptions.SSLError):
            connect(block, reveal, Deadline(2.0, reach=LOOPBACK)).list_nodes()
        with pytest.raises(requests.ConnectionError):
            connect({**block, "region": "us-east-2"}, reveal, Deadline(1.0, reach=LOOPBACK)).start_node(
                Node("i-0", "a", NodeState.STOPPED, [], [], driver)
            )
