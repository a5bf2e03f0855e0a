"""The Scaleway driver's mends, over HTTP."""

import json
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests

from providers.base import ProviderError, Secret
from providers.compute.driver import Order
from providers.compute.scaleway import InstanceDriver
from providers.pace import Pace
from providers.simulator.faults import FaultTable
from providers.simulator.fleet_parts import ServerOrder
from providers.simulator.http_service import HttpService, Request, Response
from providers.vendor_http import Deadline, Endpoint, RefusedError, provider_errors
from tests.loopback import LOOPBACK
from tests.vendor_stand_ins import TOKEN, CloudStandIn, cloud_stand_in, listening


@pytest.fixture
def cloud() -> Iterator[CloudStandIn]:
    with cloud_stand_in() as stand_in:
        yield stand_in


def driver_at(url: str, project: str = "p", token: str = TOKEN, deadline: float = 10.0) -> InstanceDriver:
    return InstanceDriver(
        Secret(token), Endpoint.at(url, None), "fr-par-1", project, Deadline(deadline, reach=LOOPBACK)
    )


def driver_of(cloud: CloudStandIn, deadline: float = 10.0) -> InstanceDriver:
    return driver_at(cloud.url, cloud.fleet.catalogue.project, deadline=deadline)


def add_server(cloud: CloudStandIn, name: str, zone: str = "fr-par-1") -> None:
    catalogue = cloud.fleet.catalogue
    image = catalogue.images[0]
    cloud.fleet.create(ServerOrder(name, zone, catalogue.project, catalogue.sizes["DEV1-S"], image, ["mine"], True, {}))


@contextmanager
def answering(handler: Callable[[Request], Response]) -> Iterator[tuple[InstanceDriver, list[Request]]]:
    """A driver at a server that answers as told, and the requests it got."""
    asked: list[Request] = []

    def handle(request: Request) -> Response:
        asked.append(request)
        return handler(request)

    with listening(HttpService("scaleway", handle, FaultTable())) as url:
        yield driver_at(url), asked


def in_turn(*answers: Response) -> Callable[[Request], Response]:
    """One answer after the other, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


NO_SERVERS = Response(200, b'{"servers": []}', {"X-Total-Count": "0"})


def test_lists_of_more_than_a_page_are_whole(cloud: CloudStandIn) -> None:
    catalogue = cloud.fleet.catalogue
    size = catalogue.sizes["DEV1-S"]
    catalogue.sizes.update({f"X-{n}": replace(size, name=f"X-{n}") for n in range(230)})
    cloud.fleet.catalogue = replace(catalogue, quotas={})
    for n in range(201):
        add_server(cloud, f"server-{n}")
    assert len(driver_of(cloud).list_sizes()) == len(catalogue.sizes)  # type: ignore[no-untyped-call]
    assert len(driver_of(cloud).list_nodes()) == 201


def test_names_and_tags_are_compared_whole(cloud: CloudStandIn) -> None:
    for name in ("portal", "portal-2", "old-portal"):
        add_server(cloud, name)
    driver = driver_of(cloud)
    assert [node.name for node in driver.list_nodes(ex_name="portal")] == ["portal"]
    assert len(driver.list_nodes(ex_tags=["mine"])) == 3
    assert driver.list_nodes(ex_tags=["mine", "bascule"]) == []


def test_a_region_holds_for_one_call(cloud: CloudStandIn) -> None:
    add_server(cloud, "here")
    add_server(cloud, "there", zone="nl-ams-1")
    driver = driver_of(cloud)
    assert [node.name for node in driver.list_nodes(region="nl-ams-1")] == ["there"]
    assert [node.name for node in driver.list_nodes()] == ["here"]


@pytest.mark.parametrize(
    "passing",
    [
        Response(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
        Response(200, b"<html>maintenance</html>", {"Content-Type": "text/html"}),
        Response(503, b""),
    ],
)
def test_reads_are_repeated(passing: Response) -> None:
    with answering(in_turn(passing, NO_SERVERS)) as (driver, asked):
        assert driver.list_nodes() == []
        assert len(asked) == 2


def test_a_read_waits_as_long_as_it_is_asked_to() -> None:
    with answering(in_turn(Response(429, b"{}", {"Retry-After": "1"}), NO_SERVERS)) as (driver, _):
        begun = time.monotonic()
        driver.list_nodes()
        assert time.monotonic() - begun >= 1.0


def test_a_wait_beyond_the_deadline_is_handed_on() -> None:
    with answering(in_turn(Response(429, b"{}", {"Retry-After": "120"}))) as (driver, asked):
        with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, "Scaleway"):
            driver.list_nodes()
        assert (caught.value.permanent, caught.value.retry_after) == (False, 120.0)
        assert len(asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_write_is_never_repeated(status: int) -> None:
    with answering(in_turn(Response(status, b"{}"))) as (driver, asked):
        with pytest.raises(RefusedError):
            driver.ex_create(Order("a", "S", "i", frozenset()))
        assert len(asked) == 1
        assert driver.connection.wrote is (status == 500)


def test_a_creation_names_project_and_tags_at_once() -> None:
    made = {"server": {"id": "1", "name": "a", "tags": ["t"], "state": "stopped"}}
    with answering(in_turn(Response(201, json.dumps(made).encode()))) as (driver, asked):
        node = driver.ex_create(Order("a", "S", "i", frozenset({"t"})))
    assert node.id == "1"
    assert [(request.method, request.path) for request in asked] == [("POST", "/instance/v1/zones/fr-par-1/servers")]
    body = json.loads(asked[0].body)
    assert (body["project"], body["tags"], body["image"], body["commercial_type"]) == ("p", ["t"], "i", "S")


def test_a_redirect_does_not_carry_the_token_away() -> None:
    with answering(in_turn(NO_SERVERS)) as (other, elsewhere):
        moved = Response(302, b"", {"Location": f"{other.endpoint.base}/instance/v1/zones/fr-par-1/servers"})
        with answering(in_turn(moved)) as (driver, _), pytest.raises(RefusedError):
            driver.list_nodes()
        assert elsewhere == []


def test_silence_ends_with_the_deadline(cloud: CloudStandIn) -> None:
    with cloud.faulty({"kind": "hang", "times": None}):
        begun = time.monotonic()
        driver = driver_of(cloud, deadline=0.5)
        with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, "Scaleway"):
            driver.list_nodes()
    assert time.monotonic() - begun < 3
    assert not caught.value.permanent


@pytest.mark.parametrize("token", ["tok\nen-1234", "tok€n-1234"])
def test_a_credential_that_http_cannot_carry_is_not_quoted(token: str) -> None:
    with answering(in_turn(NO_SERVERS)) as (good, _):
        driver = driver_at(good.endpoint.base, token=token)
        with pytest.raises(ProviderError) as caught, provider_errors(driver.connection, "Scaleway"):
            driver.list_nodes()
    assert caught.value.permanent
    assert "1234" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("url", ["ftp://a", "api.example.eu", "https://user:secret@a.example.eu", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ProviderError) as caught:
        Endpoint.at(url, None)
    assert caught.value.permanent
    assert "secret" not in caught.value.message


def test_everybody_keeps_to_the_pace_of_a_cloud() -> None:
    """A 429 holds all drivers of the place; a turn that comes too late counts as never sent."""
    pace = Pace()
    busy = Response(429, b"{}", {"Retry-After": "30"})
    with answering(in_turn(busy, NO_SERVERS)) as (driver, asked):
        other = driver_at(driver.endpoint.base, deadline=1.0)
        for each in (driver, other):
            each.connection.connection.deadline = each.deadline = each.deadline.at_pace(pace)
        with pytest.raises(RefusedError):
            driver.ex_create(Order("a", "S", "i", frozenset()))
        with pytest.raises(requests.ConnectTimeout):
            other.ex_create(Order("b", "S", "i", frozenset()))
        assert len(asked) == 1
        assert not other.connection.wrote
