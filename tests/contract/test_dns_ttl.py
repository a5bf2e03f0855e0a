"""`dns.ttl` on real servers: BIND by RFC 2136, PowerDNS by its API. Values stay, and the wait is the caches'."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from providers.base import Finding, JsonMap, Presence, Provider
from providers.dns.powerdns import PowerDnsTtl
from providers.dns.rfc2136 import Rfc2136Ttl
from providers.wants import RecordName, Ttl
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.contract.test_dns import TAG, World, world
from tests.dns_servers import ZONE, bind, notify
from tests.sampling import sampled

LOWER = Ttl(
    zone=ZONE,
    ttl=60,
    records=[
        RecordName(name="@", type="MX"),
        RecordName(name="@", type="TXT"),
        RecordName(name="@", type="NS"),
        RecordName(name="WWW", type="A"),
        RecordName(name="unrelated", type="TXT"),
    ],
)
NOW = 1_800_000_000.0
HURRY = 100_000.0
"""Seconds of the contract's clock in one of ours: the longest old TTL, an hour, then takes 36 ms."""


def hurrying_clock() -> Callable[[], float]:
    began = time.monotonic()
    return lambda: NOW + (time.monotonic() - began) * HURRY


def ttl_world(stack: ExitStack, tmp_path: Path, kind: str) -> World:
    at = world(stack, tmp_path, kind)
    at.make = PowerDnsTtl if kind == "powerdns-api" else Rfc2136Ttl
    return at


class OnServer(ProviderContract, ForeignChangeContract):
    kind: str

    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[Case]:
        with ExitStack() as stack:
            at = ttl_world(stack, tmp_path, self.kind)
            at.context = replace(at.context, clock=hurrying_clock())
            # The suite's short deadlines are for calls; a step that waits for caches has a timeout to match.
            yield replace(at.case(), want=LOWER, make=lambda context: at.make(replace(context, deadline=7200.0)))


class TestBind(OnServer):
    kind = "bind"


@pytest.mark.core
class TestPowerDns(OnServer):
    kind = "powerdns-api"


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=sampled(["bind", "powerdns-update", "powerdns-api"], lambda kind: kind == "bind"))
def at(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[World]:
    with ExitStack() as stack:
        made = ttl_world(stack, tmp_path, request.param)
        made.context = replace(made.context, clock=clock, deadline=7200.0)
        yield made


def provider(at: World) -> Provider[Any]:
    """A new one, as after a restart."""
    return at.make(at.context)


def before(at: World, want: Ttl) -> JsonMap:
    return provider(at).observe(want, TAG, None).values


def apply(at: World, want: Ttl) -> tuple[JsonMap, Finding]:
    planned = before(at, want)
    return planned, provider(at).apply(want, TAG, planned, quiet)


def test_only_ttls_change_and_the_step_waits_for_the_oldest_cache(at: World, clock: Clock) -> None:
    records = at.server.records()
    planned, done = apply(at, LOWER)
    assert (done.presence, done.again_after) == (Presence.PENDING, 3600.0)
    assert "caches may keep the old one until 2027-01-15T09:00:00Z" in done.message
    lowered = {"@ 3600 MX", "@ 3600 TXT", "@ 3600 NS", "www 300 A", "unrelated 300 TXT"}
    expected = [
        " ".join([name, "60" if f"{name} {ttl} {kind}" in lowered else ttl, kind, value])
        for name, ttl, kind, value in (record.split(" ", 3) for record in records)
    ]
    assert at.server.records() == sorted(expected)
    clock.now += 3599.5
    found = provider(at).observe(LOWER, TAG, planned)
    assert (found.presence, found.again_after, found.effect) == (Presence.PENDING, 0.5, done.effect)
    clock.now += 0.5
    found = provider(at).observe(LOWER, TAG, planned)
    assert (found.presence, found.effect) == (Presence.OURS, done.effect)
    assert found.outputs == {"effective_at": "2027-01-15T09:00:00Z", "ttl": 60, "old_ttl": 3600}


def test_without_its_note_the_wait_begins_anew_and_is_never_shorter(at: World, clock: Clock) -> None:
    planned, _ = apply(at, LOWER)
    (at.context.workspace / "ttl-everywhere.json").unlink()
    clock.now += 1000
    assert provider(at).observe(LOWER, TAG, planned).again_after == 3600.0
    clock.now += 1000
    assert provider(at).observe(LOWER, TAG, planned).again_after == 2600.0


def test_a_clock_that_is_set_back_makes_the_wait_longer_never_shorter(at: World, clock: Clock) -> None:
    planned, _ = apply(at, LOWER)
    clock.now -= 86400
    assert provider(at).observe(LOWER, TAG, planned).again_after == 3600.0


def test_the_wait_of_an_earlier_change_is_not_taken_for_that_of_a_later_one(at: World, clock: Clock) -> None:
    want = LOWER.model_copy(update={"records": [RecordName(name="@", type="MX")]})
    planned, _ = apply(at, want)
    clock.now += 3000
    at.server.change("delete @ MX", "add @ 3600 MX 10 mx.old.example.")
    assert provider(at).apply(want, TAG, planned, quiet).again_after == 3600.0


def test_what_is_low_enough_already_needs_no_wait_and_nobody_can_say_since_when(at: World) -> None:
    want = Ttl(zone=ZONE, ttl=300, records=[RecordName(name="www", type="A")])
    serial = at.server.serial()
    planned, done = apply(at, want)
    assert (done.presence, done.effect) == (Presence.ALREADY, {})
    assert done.outputs == {"effective_at": "unknown", "ttl": 300, "old_ttl": 0}
    assert "since when is not known" in done.message
    assert provider(at).observe(want, TAG, planned).presence is Presence.ALREADY
    assert at.server.serial() == serial


def test_what_is_low_enough_stays_as_it_is_beside_what_is_lowered(at: World) -> None:
    want = LOWER.model_copy(update={"ttl": 1800})
    _, done = apply(at, want)
    assert {(one["name"], one["type"], one["ttl"]) for one in done.effect["before"]} == {
        ("@", "MX", 3600),
        ("@", "TXT", 3600),
        ("@", "NS", 3600),
    }
    assert "www 300 A 192.0.2.10" in at.server.records()


def test_set_raises_too_and_waits_for_the_old_one(at: World) -> None:
    want = Ttl(zone=ZONE, ttl=900, change="set", records=[RecordName(name="www", type="A")])
    _, done = apply(at, want)
    assert (done.presence, done.again_after) == (Presence.PENDING, 300.0)
    assert "www 900 A 192.0.2.10" in at.server.records()


def test_a_record_set_that_is_not_there_is_named(at: World) -> None:
    want = Ttl(zone=ZONE, ttl=60, records=[RecordName(name="www", type="A"), RecordName(name="nowhere", type="A")])
    found = provider(at).observe(want, TAG, None)
    assert found.presence is Presence.CONFLICT
    with refused() as caught:
        provider(at).apply(want, TAG, found.values, quiet)
    assert caught.value.permanent
    assert "nowhere.valbourg.example. A" in caught.value.message


def test_a_record_set_that_is_not_there_can_be_passed_over(at: World) -> None:
    names = [RecordName(name="www", type="A"), RecordName(name="nowhere", type="A")]
    _, done = apply(at, Ttl(zone=ZONE, ttl=60, records=names, absent="skip"))
    assert done.presence is Presence.PENDING
    assert "www 60 A 192.0.2.10" in at.server.records()
    assert not [line for line in at.server.records() if line.startswith("nowhere")]


@pytest.mark.parametrize(("longest", "timeout", "name"), [(1800.0, 7200.0, "longest"), (604800.0, 1800.0, "timeout")])
def test_what_could_not_be_waited_for_is_not_begun(at: World, longest: float, timeout: float, name: str) -> None:
    want = LOWER.model_copy(update={"longest": longest})
    at.context = replace(at.context, deadline=timeout)
    planned, serial = before(at, want), at.server.serial()
    with refused() as caught:
        provider(at).apply(want, TAG, planned, quiet)
    assert caught.value.permanent
    assert f"raise {'the step' if name == 'timeout' else ''}" in caught.value.message
    assert name in caught.value.message
    assert at.server.serial() == serial


def test_a_foreign_change_before_the_step_is_refused(at: World) -> None:
    planned = before(at, LOWER)
    at.server.change("add www 300 A 203.0.113.99")
    records = at.server.records()
    with refused() as caught:
        provider(at).apply(LOWER, TAG, planned, quiet)
    assert caught.value.permanent
    assert "203.0.113.99" in caught.value.message
    assert at.server.records() == records


def test_a_foreign_change_during_the_wait_shows(at: World, clock: Clock) -> None:
    planned, _ = apply(at, LOWER)
    at.server.change("delete @ MX", "add @ 86400 MX 5 mx.third.example.")
    clock.now += 3600
    found = provider(at).observe(LOWER, TAG, planned)
    assert found.presence is Presence.CONFLICT
    assert "5 mx.third.example." in found.message


def test_the_wait_begins_when_the_last_server_has_the_change(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.dns.swap_records.TAKE_OVER_SECONDS", 0.5)
    (first := tmp_path / "first").mkdir()
    (second := tmp_path / "second").mkdir()
    with ExitStack() as stack:
        at = ttl_world(stack, first, "bind")
        behind = stack.enter_context(bind(second, at.server))
        at.context.scope["dns"]["zones"][ZONE]["servers"].append(behind.address)
        at.context = replace(at.context, clock=clock, deadline=7200.0)
        planned, done = apply(at, LOWER)
        assert (done.presence, done.again_after) == (Presence.PENDING, 1.0)
        clock.now += 5000
        assert provider(at).observe(LOWER, TAG, planned).again_after == 1.0
        notify(behind)
        end = time.monotonic() + 10
        while (found := provider(at).observe(LOWER, TAG, planned)).again_after == 1.0:
            assert time.monotonic() < end, found.message
            time.sleep(0.02)
        assert (found.presence, found.again_after) == (Presence.PENDING, 3600.0)
