"""Who asks, behind a proxy: declared proxies are believed, and nobody else."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from orchestrator.operations.request import RequestError
from orchestrator.web.edge.forwarded import Forwarded
from orchestrator.web.edge.listening import Listening, PublicUrl, proxies_of, tls_files

PUBLIC = PublicUrl.of("https://bascule.example")
LISTENING = Listening(host="0.0.0.0", public=PUBLIC, proxies=proxies_of("192.0.2.7, 2001:db8::/64,127.0.0.1"))
OURS = {"x-forwarded-proto": "https", "x-forwarded-host": "bascule.example"}
FOR = "x-forwarded-for"

Header = tuple[str, str]


def seen(peer: str, *headers: Header, listening: Listening = LISTENING) -> dict[str, Any]:
    """What the application behind is given; `refused`: the status that was answered in its place."""
    found: dict[str, Any] = {}

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        found.update(client=scope["client"][0], scheme=scope["scheme"], headers=scope["headers"])

    async def send(message: Message) -> None:
        found.setdefault("refused", message.get("status"))

    async def receive() -> Message:
        return {"type": "http.request"}

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "client": (peer, 4711), "headers": raw}
    asyncio.run(Forwarded(app, listening)(scope, receive, send))
    return found


def through(peer: str, *more: Header, **instead: str) -> dict[str, Any]:
    said = {**OURS, **{name.replace("_", "-"): value for name, value in instead.items()}}
    return seen(peer, ("host", "127.0.0.1:8700"), *((name, value) for name, value in said.items() if value), *more)


@pytest.mark.parametrize(
    ("entries", "client"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9:51234"], "203.0.113.9"),
        (["[2001:db8:1::5]:51234"], "2001:db8:1::5"),
        (["[2001:db8:1::5]"], "2001:db8:1::5"),
        (["2001:db8:1::5"], "2001:db8:1::5"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 192.0.2.7"], "203.0.113.9"),
        (["203.0.113.9, 192.0.2.7, 2001:db8::3"], "203.0.113.9"),
        (["203.0.113.9", "192.0.2.7"], "203.0.113.9"),
        (["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (["10.0.0.1, 1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (["<script>, unknown, 203.0.113.9"], "203.0.113.9"),
        (["192.0.2.7"], "192.0.2.7"),
        ([], "192.0.2.7"),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(entries: list[str], client: str) -> None:
    found = through("192.0.2.7", *((FOR, one) for one in entries))
    assert (found["client"], found["scheme"]) == (client, "https")
    names = [name for name, _ in found["headers"]]
    assert not any(name.startswith(b"x-forwarded") for name in names)
    assert [value for name, value in found["headers"] if name == b"host"] == [b"bascule.example"]


@pytest.mark.parametrize(
    "entry", ["unknown", "_hidden", "", "203.0.113.9, ", "203.0.113.256", "a.example", "203.0.113.9:", "[::1", "[::1]x"]
)
def test_what_a_proxy_can_not_have_seen_is_refused(entry: str) -> None:
    assert through("192.0.2.7", (FOR, entry))["refused"] == 400


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"x_forwarded_host": "evil.example"}, 421),
        ({"x_forwarded_host": "bascule.example.evil.example"}, 421),
        ({"x_forwarded_host": "bascule.example, evil.example"}, 421),
        ({"x_forwarded_host": "evil.example@bascule.example"}, 421),
        ({"x_forwarded_host": "bascule.example:8443"}, 421),
        ({"x_forwarded_host": ""}, 421),
        ({"x_forwarded_proto": "http"}, 421),
        ({"x_forwarded_proto": "ftp"}, 400),
        ({"x_forwarded_proto": "https, http"}, 400),
    ],
)
def test_the_public_address_is_pinned(more: dict[str, str], status: int) -> None:
    assert through("192.0.2.7", (FOR, "203.0.113.9"), **more)["refused"] == status


@pytest.mark.parametrize("host", ["bascule.example", "BASCULE.example", "bascule.example:443", "bascule.example."])
def test_the_public_name_may_be_written_in_its_ways(host: str) -> None:
    assert through("192.0.2.7", (FOR, "203.0.113.9"), x_forwarded_host=host)["client"] == "203.0.113.9"


def test_two_hosts_or_two_protocols_are_refused() -> None:
    assert through("192.0.2.7", ("x-forwarded-host", "bascule.example"))["refused"] == 421
    assert through("192.0.2.7", ("x-forwarded-proto", "https"))["refused"] == 400


@pytest.mark.parametrize("peer", ["203.0.113.66", "192.0.2.8", "10.0.0.1", "::1", "", "not an address"])
def test_nobody_elses_word_is_taken(peer: str) -> None:
    said = (*OURS.items(), (FOR, "127.0.0.1"), ("forwarded", "for=127.0.0.1;proto=https"), ("x-real-ip", "127.0.0.1"))
    found = seen(peer, ("host", "bascule.example"), *said)
    assert (found["client"], found["scheme"]) == (peer, "http")
    assert found["headers"] == [(b"host", b"bascule.example")]


def test_a_program_of_the_proxys_machine_asks_for_itself() -> None:
    found = seen("127.0.0.1", ("host", "127.0.0.1:8700"))
    assert (found["client"], found["scheme"]) == ("127.0.0.1", "http")
    assert found["headers"] == [(b"host", b"127.0.0.1:8700")]


def test_without_proxies_everything_said_is_thrown_away() -> None:
    plain = Listening()
    found = seen("127.0.0.1", ("host", "localhost"), (FOR, "203.0.113.9"), *OURS.items(), listening=plain)
    assert (found["client"], found["scheme"], found["headers"]) == ("127.0.0.1", "http", [(b"host", b"localhost")])


@pytest.mark.parametrize(
    ("header", "ours"),
    [
        ("bascule.example", True),
        ("bascule.example:443", True),
        ("bascule.example:80", False),
        ("evil.example", False),
        ("192.0.2.7", False),
        ("0.0.0.0", False),
        ("localhost:8700", True),
        ("127.0.0.1", True),
        (None, False),
        ("", False),
        ("bascule.example/evil", False),
    ],
)
def test_names_that_are_answered_to(header: str | None, ours: bool) -> None:
    assert Listening(host="0.0.0.0", public=PUBLIC).answers_to(header) is ours


@pytest.mark.parametrize(
    "text",
    [
        "bascule.example",
        "ftp://a.example",
        "https://",
        "https://a.example/x",
        "https://u:p@a.example",
        "https://a?b",
        "https://a:x",
    ],
)
def test_what_is_no_public_url(text: str) -> None:
    with pytest.raises(RequestError, match="--public-url"):
        PublicUrl.of(text)


def test_settings_that_can_not_be_meant() -> None:
    with pytest.raises(RequestError, match="--proxy"):
        proxies_of("proxy.example")
    with pytest.raises(RequestError, match="--tls-cert"):
        tls_files(None, __import__("pathlib").Path("key.pem"))
    assert PublicUrl.of("https://bascule.example:8443/").netloc == "bascule.example:8443"
    assert PublicUrl.of("https://[2001:db8::1]").netloc == "[2001:db8::1]"
