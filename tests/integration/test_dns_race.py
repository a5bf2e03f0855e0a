"""Two writers and one zone, on real servers: what is expected is a condition, and nothing is lost."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from providers.base import Context, Presence, ProviderError, Secret, Tag
from providers.dns.rfc2136 import Rfc2136Records
from providers.wants import Record, Records
from tests.contract.suite import quiet, refused
from tests.contract.test_dns import SWAP, TAG, World, before, world
from tests.dns_servers import KEY, KEY_NAME, ZONE, Server, bind
from tests.loopback import within
from tests.sampling import sampled

ROUNDS = 50

FOREIGN = ("delete @ MX", "add @ 60 MX 5 mx.third.example.")


@pytest.fixture(params=sampled(["bind", "powerdns-update", "powerdns-api"], lambda kind: kind == "bind"))
def dns_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield world(stack, tmp_path, request.param)


def test_a_foreign_change_between_observe_and_apply_makes_ours_refuse(dns_world: World) -> None:
    planned = before(dns_world, SWAP)
    dns_world.server.change(*FOREIGN)
    there = dns_world.server.records()
    with refused() as caught:
        dns_world.provider().apply(SWAP, TAG, planned, quiet)
    assert caught.value.permanent
    assert "5 mx.third.example." in caught.value.message
    assert dns_world.server.records() == there


@pytest.mark.parametrize("kind", ["bind", "powerdns-update"])
def test_a_foreign_change_that_overtakes_our_message_makes_it_fail(tmp_path: Path, kind: str) -> None:
    """Our last reading has seen the old state, the message is on its way: only the prerequisite can notice."""
    with ExitStack() as stack:
        at = world(stack, tmp_path, kind)
        planned, rest = before(at, SWAP), set(at.server.records())
        with at.relay.interrupted_by(lambda: at.server.change(*FOREIGN)), refused() as caught:
            at.provider().apply(SWAP, TAG, planned, quiet)
        assert caught.value.permanent
        assert "5 mx.third.example." in caught.value.message
        assert set(at.server.records()) ^ rest == {"@ 3600 MX 10 mx.old.example.", "@ 60 MX 5 mx.third.example."}


@pytest.mark.parametrize("kind", ["bind", "powerdns-update"])
def test_a_foreign_change_that_overtakes_our_undo_is_left_alone(tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        at = world(stack, tmp_path, kind)
        done = at.provider().apply(SWAP, TAG, before(at, SWAP), quiet)
        with at.relay.interrupted_by(lambda: at.server.change(*FOREIGN)):
            found = at.provider().undo(SWAP, TAG, done.effect, quiet)
        assert found.presence is Presence.CONFLICT
        assert "5 mx.third.example." in found.message
        assert "autodiscover 300 A 198.51.100.9" in at.server.records()


@pytest.mark.parametrize("kind", ["bind", "powerdns-update", "powerdns-api"])
def test_a_foreign_cname_that_overtakes_our_message_leaves_nothing_half_done(tmp_path: Path, kind: str) -> None:
    with ExitStack() as stack:
        at = world(stack, tmp_path, kind)
        planned, rest = before(at, SWAP), set(at.server.records())
        foreign = "add mail 60 CNAME mx.third.example."
        with at.relay.interrupted_by(lambda: at.server.change(foreign)), refused() as caught:
            at.provider().apply(SWAP, TAG, planned, quiet)
        assert caught.value.permanent
        assert set(at.server.records()) ^ rest == {"mail 60 CNAME mx.third.example."}


def test_powerdns_compares_right_before_it_writes(tmp_path: Path) -> None:
    """The change comes after our reading of the DNS servers, before octoDNS reads the API."""
    with ExitStack() as stack:
        at = world(stack, tmp_path, "powerdns-api", lambda sent: sent.startswith(b"GET "))
        planned, rest = before(at, SWAP), set(at.server.records())
        with at.relay.interrupted_by(lambda: at.server.change(*FOREIGN)), refused() as caught:
            at.provider().apply(SWAP, TAG, planned, quiet)
        assert caught.value.permanent
        assert "5 mx.third.example." in caught.value.message
        assert set(at.server.records()) ^ rest == {"@ 3600 MX 10 mx.old.example.", "@ 60 MX 5 mx.third.example."}


def test_powerdns_keeps_what_others_change_elsewhere_in_the_zone(tmp_path: Path) -> None:
    """The change comes between octoDNS's two readings: of what shall stay, and of what is there."""
    zone_read = iter([False, True])
    with ExitStack() as stack:
        at = world(
            stack,
            tmp_path,
            "powerdns-api",
            lambda sent: b"/zones/" in sent.split(b"\r\n")[0] and next(zone_read, False),
        )
        planned = before(at, SWAP)
        with at.relay.interrupted_by(lambda: at.server.change("add unrelated2 60 A 192.0.2.99")):
            assert at.provider().apply(SWAP, TAG, planned, quiet).presence is Presence.OURS
        assert "unrelated2 60 A 192.0.2.99" in at.server.records()


def test_two_writers_lose_no_update(tmp_path: Path) -> None:
    """Each adds its own values to one record set, from what it read: a lost update would lack a value."""
    with bind(tmp_path) as server:
        collisions = _race(server, tmp_path)
        held = {text.split(" ")[-1] for text in server.records() if text.startswith("race ")}
    assert held == {f'"{writer}-{n}"' for writer in "ab" for n in range(ROUNDS // 2)}
    assert collisions, "the writers never met: the race proved nothing"


def _race(server: Server, tmp_path: Path) -> list[ProviderError]:
    """50 rounds, shared by two writers that start each of theirs together; returns who came second."""
    settings = {"servers": [server.address], "key_name": KEY_NAME, "key": "secret://tsig"}
    context = Context(within({"dns": {"zones": {ZONE: settings}}}), lambda _: Secret(KEY), tmp_path, tmp_path, 10.0)
    together = threading.Barrier(2, timeout=30)

    def write(writer: str) -> list[ProviderError]:
        met: list[ProviderError] = []
        for n in range(ROUNDS // 2):
            together.wait()
            value = f"{writer}-{n}"
            _add(replace(context, workspace=tmp_path / value), value, met)  # each step has its own
        return met

    with ThreadPoolExecutor(2) as writers:
        return [error for met in writers.map(write, "ab") for error in met]


def _add(context: Context, value: str, met: list[ProviderError]) -> None:
    """Read, and swap in one more value; as often as somebody else was faster."""
    probe = Records(zone=ZONE, records=[Record(name="race", type="TXT", values=["any"])])
    while True:
        planned = Rfc2136Records(context).observe(probe, TAG, None).values
        values = [*planned["records"][0]["values"], value]
        want = Records(zone=ZONE, records=[Record(name="race", type="TXT", values=values)])
        try:
            done = Rfc2136Records(context).apply(want, Tag("race", value), planned, quiet)
        except ProviderError as error:
            if not error.permanent:
                raise
            met.append(error)
            if error.effect_possible:
                return  # ours was written, and the other writer built upon it before we read it back
        else:
            assert done.presence is Presence.OURS
            return
