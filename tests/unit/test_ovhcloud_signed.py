"""OVHcloud's signature, clock and rights as the driver meets them, and the vendor's real name over TLS."""

import re
import socket
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from providers.base import ProviderError, Secret
from providers.compute.driver import Order
from providers.compute.ovhcloud import connect
from providers.compute.ovhcloud_signed import CLOCKS, VENDOR_URL, VendorClocks, url_of
from providers.simulator.effects import EffectLog
from providers.simulator.faults import FaultTable
from providers.simulator.http_service import HttpService, Request, Response
from providers.vendor_http import Deadline, Endpoint, RefusedError, provider_errors
from tests.loopback import LOOPBACK
from tests.ovhcloud_stand_in import SECRETS, OvhStandIn, api_of, block_of, new_fleet, ovhcloud_stand_in, reveal, tags
from tests.vendor_names import at_vendor_name
from tests.vendor_stand_ins import SEED, listening

ROOT = Path(__file__).parents[2]
VENDOR_HOST = "eu.api.ovh.com"


@pytest.fixture
def cloud() -> Iterator[OvhStandIn]:
    with ovhcloud_stand_in() as stand_in:
        yield stand_in


def times_asked(cloud: OvhStandIn) -> int:
    return sum(request.path.endswith("/auth/time") for request in cloud.asked)


# The clock


def test_the_vendors_time_is_asked_for_once_a_process(cloud: OvhStandIn) -> None:
    """The stock connection asks before the first call of each driver, and before every call when the skew is 0."""
    for _ in range(3):
        driver = cloud.driver()
        driver.list_nodes()
        driver.ex_offers()
    assert times_asked(cloud) == 1


@pytest.mark.parametrize("ahead", [-86400.0 * 365, 86400.0 * 365])
def test_a_machine_whose_clock_is_wrong_is_let_in(cloud: OvhStandIn, ahead: float) -> None:
    cloud.clock = ahead
    assert cloud.driver().list_nodes() == []


def test_a_clock_that_moved_is_asked_for_again_and_nothing_happens_twice(cloud: OvhStandIn) -> None:
    driver = cloud.driver()
    order = Order("portal", "d2-2", driver.ex_image("debian-12"), tags())
    cloud.clock = 3600.0
    driver.ex_get_node("none")
    assert times_asked(cloud) == 2
    cloud.clock = 7200.0
    driver.ex_create(order)
    assert times_asked(cloud) == 3
    assert [action for action, _ in cloud.written()] == ["server.create"]


def test_a_clock_that_stays_wrong_is_an_error_in_the_end(cloud: OvhStandIn) -> None:
    driver = cloud.driver()
    driver.list_nodes()
    asked: list[None] = []

    def drifting(request: Request) -> Response:
        asked.append(None)
        cloud.clock += 3600.0
        return api.handle(request)

    api = api_of(cloud.fleet, lambda: cloud.clock)
    with listening(HttpService("ovhcloud", drifting, FaultTable())) as url:
        other = cloud.driver(url=f"{url}/1.0")
        with pytest.raises(ProviderError) as caught, provider_errors(other.connection, other.where):
            other.list_nodes()
    assert "Query out of time" in caught.value.message
    assert len(asked) == 4, "time, refused, time, refused"


def test_the_clock_is_kept_by_endpoint() -> None:
    now = 100.0
    clocks = VendorClocks(lambda: now)
    assert [clocks.time("a", lambda: 5000), clocks.time("b", lambda: 9000)] == [5000, 9000]
    now = 130.0
    assert [clocks.time("a", lambda: 0), clocks.time("b", lambda: 0)] == [5030, 9030]
    clocks.forget("a")
    assert clocks.time("a", lambda: 7000) == 7000


def test_a_write_does_not_count_as_sent_while_the_time_is_asked_for(cloud: OvhStandIn) -> None:
    driver = cloud.driver(deadline=1.0)
    CLOCKS.forget(driver.endpoint.base)
    silent = cloud.faulty({"route": "GET */auth/time", "kind": "hang", "times": None})
    with silent, pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
        driver._write("POST", "instance", {})
    assert not caught.value.effect_possible


# The signature


def test_parameters_and_letters_are_signed_as_they_are_sent(cloud: OvhStandIn) -> None:
    """The stock connection signs unencoded parameters and another host."""
    driver = cloud.driver()
    with pytest.raises(RefusedError) as caught:
        driver._read("instance", region="é & +/%")
    assert caught.value.code == 404, "the signature was right, the region is not known"
    driver.ex_create(Order("portal", "d2-2", driver.ex_image("debian-12"), tags(), user_data="#cloud-config é\n"))


@pytest.mark.parametrize(
    ("which", "code"),
    [
        ("application_key", "INVALID_KEY"),
        ("application_secret", "INVALID_SIGNATURE"),
        ("consumer_key", "INVALID_CREDENTIAL"),
    ],
)
def test_a_wrong_secret_is_refused_and_never_quoted(cloud: OvhStandIn, which: str, code: str) -> None:
    def wrong(reference: str) -> Secret:
        return Secret("wrong-secret-77") if reference == cloud.block[which] else reveal(reference)

    driver = connect(cloud.block, wrong, Deadline(5.0, reach=LOOPBACK))
    with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
        driver.list_nodes()
    assert caught.value.permanent
    cause = caught.value.__cause__
    assert isinstance(cause, RefusedError)
    assert cause.kind == code
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(driver)) + repr(vars(driver.connection))
    assert not any(secret in told for secret in ("wrong-secret-77", *SECRETS.values()))


def test_libcloud_is_never_given_the_secrets(cloud: OvhStandIn) -> None:
    driver = cloud.driver()
    assert not {driver.key, driver.secret, driver.connection.key, driver.connection.user_id} & set(SECRETS.values())


def test_errors_that_are_not_json_are_errors(cloud: OvhStandIn) -> None:
    page = Response(403, b"<html>blocked</html>", {"Content-Type": "text/html"})
    with listening(HttpService("ovhcloud", lambda _: page, FaultTable())) as url:
        driver = cloud.driver(url=url)
        with pytest.raises(RefusedError):
            driver.list_nodes()


# The rights


def test_the_rights_are_those_of_the_documentation() -> None:
    rules = yaml.safe_load((SEED / "ovhcloud.yaml").read_text())["access_rules"]
    text = (ROOT / "docs/credentials.md").read_text()
    documented = [line.strip() for line in text.splitlines() if re.match("[A-Z]+ /(auth|cloud)/", line)]
    assert documented == [rule.replace("{project}", "PROJECT") for rule in rules]


def test_what_is_not_granted_is_refused(cloud: OvhStandIn) -> None:
    """Rebooting is none of the rights that Bascule needs."""
    driver = cloud.driver()
    node = driver.ex_create(Order("portal", "d2-2", driver.ex_image("debian-12"), tags()))
    with pytest.raises(RefusedError) as caught:
        driver.reboot_node(node)
    assert caught.value.kind == "NOT_GRANTED_CALL"


# The vendor's own address


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        (VENDOR_URL, "https://eu.api.ovh.com/1.0"),
        ("https://eu.api.ovh.com:443/1.0/", "https://eu.api.ovh.com/1.0"),
        ("http://127.77.0.4:8080/1.0", "http://127.77.0.4:8080/1.0"),
        ("https://api.us.ovhcloud.com/1.0", "https://api.us.ovhcloud.com/1.0"),
    ],
)
def test_the_signed_address_is_the_vendors(url: str, signed: str) -> None:
    assert url_of(Endpoint.at(url, None)) == signed


def test_a_name_that_does_not_resolve_is_a_network_failure(cloud: OvhStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stock connection makes a ValueError of it."""

    def lost(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", lost)
    driver = connect(block_of(cloud.fleet.catalogue), reveal, Deadline(0.5, reach=LOOPBACK))
    with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, driver.where):
        driver.list_nodes()
    assert (caught.value.permanent, caught.value.effect_possible) == (False, False)


def test_the_vendors_own_address_is_reached_over_tls(tmp_path: Path) -> None:
    fleet, asked = new_fleet(EffectLog()), list[Request]()
    api = api_of(fleet, scheme="https")

    def handle(request: Request) -> Response:
        asked.append(request)
        return api.handle(request)

    CLOCKS.forget(Endpoint.at(VENDOR_URL, None).base)
    with at_vendor_name(HttpService("ovhcloud", handle, FaultTable()), VENDOR_HOST, tmp_path) as authority:
        driver = connect({**block_of(fleet.catalogue), "ca": str(authority)}, reveal, Deadline(10.0, reach=LOOPBACK))
        made = driver.ex_create(Order("portal", "d2-2", driver.ex_image("debian-12"), tags()))
        assert [node.id for node in driver.list_nodes(ex_tags=tags())] == [made.id]
    fleet.settle()
    assert {request.headers["Host"] for request in asked} == {VENDOR_HOST}
    assert all(request.path.startswith("/1.0/") for request in asked)
