"""Where an OpenStack token may go: what the catalogue says against what the scope allows."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from providers.base import ProviderError
from providers.compute.openstack import connect
from providers.compute.openstack_endpoints import Place, Service, endpoint_of, keystone_at
from providers.simulator.faults import FaultTable
from providers.simulator.http_service import HttpListener, HttpService, Request, Response
from providers.vendor_http import Deadline, RefusedError
from tests.loopback import LOOPBACK
from tests.openstack_stand_in import OpenStackStandIn, openstack_stand_in, reveal
from tests.probe_targets import Authority
from tests.vendor_stand_ins import listening

OVH = keystone_at("https://auth.cloud.ovh.net/v3", None)
INFOMANIAK = keystone_at("https://api.pub1.infomaniak.cloud/identity/v3/", None)


@pytest.fixture
def cloud() -> Iterator[OpenStackStandIn]:
    with openstack_stand_in() as stand_in:
        yield stand_in


def catalogue(url: str, kind: str = "compute", region: str = "GRA11", interface: str = "public") -> list[Any]:
    endpoints = [{"interface": interface, "region": region, "region_id": region, "url": url}]
    return [{"type": kind, "name": "x", "endpoints": endpoints}]


def found(place: Place, service: Service, told: list[Any]) -> str:
    endpoint = endpoint_of(place, service, told, "p1")
    return f"{endpoint.base}{endpoint.path}"


@pytest.mark.parametrize(
    ("service", "kind", "url", "asked"),
    [
        (Service.COMPUTE, "compute", "https://compute.gra11.cloud.ovh.net/v2.1", "/v2.1"),
        (Service.COMPUTE, "compute", "https://compute.gra11.cloud.ovh.net/v2/p1", "/v2/p1"),
        (Service.COMPUTE, "compute", "https://compute.gra11.cloud.ovh.net/", "/v2.1"),
        (Service.VOLUME, "volumev3", "https://volume.gra11.cloud.ovh.net/v3/p1", "/v3/p1"),
        (Service.VOLUME, "block-storage", "https://volume.gra11.cloud.ovh.net/v3", "/v3/p1"),
        (Service.VOLUME, "volume", "https://volume.gra11.cloud.ovh.net", "/v3/p1"),
        (Service.NETWORK, "network", "https://network.compute.gra11.cloud.ovh.net/v2.0/", ""),
        (Service.NETWORK, "network", "https://network.compute.gra11.cloud.ovh.net/networking", "/networking"),
        (Service.IMAGE, "image", "https://image.compute.gra11.cloud.ovh.net/v2", ""),
        (Service.IMAGE, "image", "https://cloud.ovh.net:9292/", ""),
    ],
)
def test_paths_have_their_version_once(service: Service, kind: str, url: str, asked: str) -> None:
    place = Place(OVH, "GRA11", domain="cloud.ovh.net")
    where = found(place, service, catalogue(url, kind))
    assert where.endswith(f"{':9292' if '9292' in url else ':443'}{asked}")


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v2.1",
        "https://cloud.ovh.net.evil.example/v2.1",
        "https://evilcloud.ovh.net/v2.1",
        "https://auth.cloud.ovh.net@evil.example/v2.1",
        "https://evil.example#auth.cloud.ovh.net",
        "https://evil.example\\.cloud.ovh.net/",
        "http://compute.gra11.cloud.ovh.net/v2.1",
        "https://compute.gra11.cloud.ovh.net:99999999/",
        "https://[::1/",
        "ftp://compute.gra11.cloud.ovh.net/",
        "//compute.gra11.cloud.ovh.net/",
        "https://compute.gra11.cloud.ovh.net/v2.1?x=https://evil.example",
        "https://10.0.0.1/v2.1",
        "",
    ],
)
def test_a_catalogue_cannot_send_the_token_elsewhere(url: str) -> None:
    with pytest.raises(ProviderError) as caught:
        found(Place(OVH, "GRA11", domain="cloud.ovh.net"), Service.COMPUTE, catalogue(url))
    assert caught.value.permanent
    assert "endpoints" in caught.value.message
    assert "\n" not in caught.value.message


def test_without_a_domain_only_keystones_host_is_allowed() -> None:
    place = Place(INFOMANIAK, "dc3-a")
    own = catalogue("https://API.pub1.infomaniak.cloud/compute/v2.1", region="dc3-a")
    assert found(place, Service.COMPUTE, own).lower() == "https://api.pub1.infomaniak.cloud:443/compute/v2.1"
    with pytest.raises(ProviderError) as caught:
        found(place, Service.COMPUTE, catalogue("https://other.pub1.infomaniak.cloud/", region="dc3-a"))
    assert "other.pub1.infomaniak.cloud" in caught.value.message


def test_the_scopes_own_endpoint_goes_before_the_catalogue() -> None:
    place = Place(OVH, "GRA11", endpoints={Service.COMPUTE: "https://nova.example.eu/v2.1"})
    assert found(place, Service.COMPUTE, catalogue("https://evil.example/")) == "https://nova.example.eu:443/v2.1"
    assert found(place, Service.COMPUTE, []) == "https://nova.example.eu:443/v2.1"


@pytest.mark.parametrize(
    "told",
    [[], [None, {"type": "compute"}, {"type": "compute", "endpoints": [None]}], catalogue("https://x", region="SBG5")],
)
def test_a_catalogue_without_the_service_is_said(told: list[Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        found(Place(OVH, "GRA11"), Service.COMPUTE, told)
    assert "no public compute service" in caught.value.message


def test_another_interface_is_taken_only_when_asked_for() -> None:
    internal = catalogue("https://auth.cloud.ovh.net/v2.1", interface="internal")
    assert found(Place(OVH, "GRA11", "internal"), Service.COMPUTE, internal)
    with pytest.raises(ProviderError):
        found(Place(OVH, "GRA11"), Service.COMPUTE, internal)


@contextmanager
def stranger() -> Iterator[tuple[str, list[Request]]]:
    """Another host, and what it gets."""
    got: list[Request] = []

    def handle(request: Request) -> Response:
        got.append(request)
        return Response(200, b'{"servers": []}', {"Content-Type": "application/json"})

    with listening(HttpService("openstack", handle, FaultTable())) as url:
        yield url.replace("127.0.0.1", "localhost"), got


def test_a_stranger_in_the_catalogue_gets_no_request(cloud: OpenStackStandIn) -> None:
    with stranger() as (url, got):
        cloud.keystone.places["compute"] = f"{url}/v2.1"
        with pytest.raises(ProviderError) as caught:
            connect(cloud.block, reveal, Deadline(5.0, reach=LOOPBACK)).list_nodes()
        assert "localhost" in caught.value.message
        assert got == []
        allowed = {**cloud.block, "endpoints": {"compute": f"{url}/v2.1"}}
        assert connect(allowed, reveal, Deadline(5.0, reach=LOOPBACK)).list_nodes() == []
        assert got[0].headers["X-Auth-Token"]


@pytest.mark.parametrize("route", ["/identity/v3/auth/tokens", "/compute/v2.1/servers/detail"])
def test_a_redirect_is_not_followed(cloud: OpenStackStandIn, route: str) -> None:
    with stranger() as (url, got):

        def handle(request: Request) -> Response:
            moved = Response(307, b"", {"Location": f"{url}{request.path}"})
            return moved if request.path == route else cloud.api.handle(request)

        with listening(HttpService("openstack", handle, FaultTable())) as front:
            cloud.keystone.base = front
            with pytest.raises(RefusedError) as caught:
                connect({**cloud.block, "url": f"{front}/identity"}, reveal, Deadline(5.0, reach=LOOPBACK)).list_nodes()
    assert caught.value.code == 307
    assert got == []


def test_an_endpoint_of_an_unknown_service_is_named(cloud: OpenStackStandIn) -> None:
    with pytest.raises(ProviderError) as caught:
        connect({**cloud.block, "endpoints": {"cinder": "https://a.example"}}, reveal, Deadline(5.0, reach=LOOPBACK))
    assert "cinder" in caught.value.message


class TlsListener(HttpListener):
    """The same listener behind TLS."""

    def __init__(self, service: HttpService, authority: Authority, *names: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        super().__init__(service, "127.0.0.1", self.port)
        server: ThreadingHTTPServer = self._server
        plain = server.socket
        server.socket = authority.server_context(*names).wrap_socket(plain, server_side=True)


@contextmanager
def names_lead_to(port: int, monkeypatch: pytest.MonkeyPatch, *names: str) -> Iterator[list[str]]:
    """These hosts' port 443 is here; the names that were looked up."""
    asked: list[str] = []
    true = socket.getaddrinfo

    def look(host: Any, at: Any, *args: Any, **kwargs: Any) -> Any:
        asked.append(str(host))
        return true("127.0.0.1", port, *args, **kwargs) if host in names else true(host, at, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look)
        yield asked


def test_ovhclouds_hosts_are_reached_over_tls_under_their_own_names(
    cloud: OpenStackStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = {
        "identity": "auth.cloud.ovh.net",
        "compute": "compute.gra11.cloud.ovh.net",
        "network": "network.compute.gra11.cloud.ovh.net",
    }
    names = list(hosts.values())
    roots = {f"{host}:443": f"/{service}" for service, host in hosts.items()}
    authority = Authority(tmp_path)

    def handle(request: Request) -> Response:
        """Each host is one service: no path before the version."""
        host = request.headers["Host"].removesuffix(":443")
        service = roots[f"{host}:443"]
        inner = Request(request.method, f"{service}{request.path}", request.raw_query, request.headers, request.body)
        return cloud.api.handle(inner)

    cloud.keystone.places |= {"compute": f"https://{hosts['compute']}/v2.1", "network": f"https://{hosts['network']}"}
    listener = TlsListener(HttpService("openstack", handle, FaultTable()), authority, *names)
    block = {
        **cloud.block,
        "url": "https://auth.cloud.ovh.net/v3",
        "domain": "cloud.ovh.net",
        "ca": str(authority.file),
    }
    try:
        with names_lead_to(listener.port, monkeypatch, *names) as asked:
            driver = connect(block, reveal, Deadline(10.0, reach=LOOPBACK))
            assert driver.list_nodes() == []
            assert driver.ex_create_firewall("fw", frozenset({"bascule"}), []).name == "fw"
    finally:
        listener.stop()
    assert list(dict.fromkeys(asked)) == names
