"""What shows of a product's own hosts: name servers, mail servers, aliases, addresses and issuers, and nothing else."""

import time
from pathlib import Path

import pytest

from providers.base import Context, Secret
from providers.probes import authorities
from providers.probes.standing import look
from providers.probes.trace import trace
from tests.probe_targets import Authority, web_server
from tests.sovereign_estate import resolving

POST = """
@ NS ns1.names.example.
@ NS ns2.names.example.
@ MX 10 mx.letters.example.
www CNAME edge.delivery.example.
direct A 127.0.0.1
"""
EDGE = "@ NS ns1.delivery.example.\nedge A 127.0.0.1"
REVERSE = "@ NS ns1.loopback.example.\n1 PTR host.delivery.example."


def context(folder: Path, resolver: str, ca: str | None = None, deadline: float = 10.0) -> Context:
    scope = {"networks": ["127.0.0.0/8"], "dns": {"resolvers": [resolver]}, "tls": {"ca": ca}}
    return Context(scope, lambda _: Secret("x"), folder, folder, deadline)


def test_every_sign_is_seen_from_the_zone_that_the_host_is_in(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with (
        resolving(post_example=POST, delivery_example=EDGE) as world,
        web_server(authority.server_context("direct.post.example")) as web,
    ):
        asked = ["www.post.example", "direct.post.example"]
        found = look(context(tmp_path, world.resolver, str(authority.file)), asked, port=web.port)
    assert [(one.part, one.words) for one in found] == [
        ("certificates", "certificate of direct.post.example issued by Test CA"),
        ("delivery", "CNAME edge.delivery.example. of www.post.example"),
        ("hosting", "address 127.0.0.1 of direct.post.example"),
        ("hosting", "address 127.0.0.1 of www.post.example"),
        ("mail-servers", "MX mx.letters.example. of post.example"),
        ("name-servers", "NS ns1.names.example. of post.example"),
        ("name-servers", "NS ns2.names.example. of post.example"),
    ]


def test_a_certificate_that_is_not_valid_says_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with (
        resolving(post_example=POST) as world,
        web_server(authority.server_context("other.post.example")) as web,
    ):
        found = look(context(tmp_path, world.resolver, str(authority.file)), ["direct.post.example"], port=web.port)
    assert [one for one in found if one.part == "certificates"] == []


@pytest.mark.parametrize("resolver", ["127.0.0.1:9", None])
def test_where_nothing_answers_nothing_is_seen_within_the_deadline(tmp_path: Path, resolver: str | None) -> None:
    began = time.monotonic()
    here = context(tmp_path, resolver or "127.0.0.1:9", deadline=1.0)
    if resolver is None:
        here.scope["dns"]["resolvers"].clear()
    assert look(here, [f"www{number}.post.example" for number in range(6)]) == []
    assert time.monotonic() - began < 4.0


def test_a_trace_follows_aliases_addresses_and_their_names(tmp_path: Path) -> None:
    zones = {"post_example": POST, "delivery_example": EDGE, "0_0_127_in-addr_arpa": REVERSE}
    with resolving(**zones) as world:
        here = context(tmp_path, world.resolver)
        found = trace(here, "www.post.example")
        assert (found.aliases, found.addresses) == (("edge.delivery.example",), ("127.0.0.1",))
        assert found.names == ("host.delivery.example",)
        assert trace(here, "127.0.0.1").names == ("host.delivery.example",)
        lost = trace(here, "nobody.post.example")
    assert (lost.aliases, lost.addresses, lost.message) == ((), (), "nobody.post.example has no address in DNS")


def test_the_authorities_of_a_file_are_named(tmp_path: Path) -> None:
    assert authorities.organisations(Authority(tmp_path).file) == ["Test CA"]
