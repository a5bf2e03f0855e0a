"""Fault 24: a run's DNS write arrives late. It never wins, and no name is left empty or pointed anywhere unproven.

The write is kept back before it reaches a real BIND or PowerDNS, and handed on when
the test says so, byte by byte as it was sent.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Secret, Tag
from providers.dns import in_flight, signed_exchange
from providers.dns.powerdns import PowerDnsRecords
from providers.dns.rfc2136 import Rfc2136Records
from providers.dns.swap_records import SwapRecords
from providers.wants import Record, Records
from tests.chaos_proxy import ChaosProxy, Fault, On, Policy, Rule, chaos_proxy
from tests.chaos_wire import Answered, Asked, DnsOverTcp, Http
from tests.dns_servers import API_KEY, KEY, KEY_NAME, ZONE, Server, bind, powerdns

KEPT_BACK = Policy("kept back", (Rule(Fault.SILENT, 1, On.WRITES),))
LONGEST = 20.0
OLD, NEW, THIRD = ["192.0.2.10", "192.0.2.11"], ["198.51.100.8"], ["203.0.113.7"]
TAG = Tag("run-1", "cutover")


def www(values: list[str]) -> Records:
    return Records(zone=ZONE, records=[Record(name="www", type="A", ttl=300, values=values)])


@dataclass
class Zone:
    """A real server, and a driver whose writes to it pass a proxy."""

    server: Server
    proxy: ChaosProxy
    make: Callable[[Context], SwapRecords]
    context: Context

    def driver(self) -> SwapRecords:
        """As a new process would have it."""
        return self.make(self.context)

    def of_another_run(self, directory: Path) -> "Zone":
        directory.mkdir()
        return replace(self, context=replace(self.context, workspace=directory))

    def values(self) -> list[str]:
        """What the name points at now; never nothing."""
        found = [line.split(" ")[3] for line in self.server.records() if line.startswith("www ")]
        assert found, "the name is empty"
        return sorted(found)

    def change(self, values: list[str], tag: Tag = TAG) -> tuple[JsonMap, Finding]:
        before = self.driver().observe(www(values), tag, None).values
        return before, self.driver().apply(www(values), tag, before, lambda _: None)

    def cut_off(self) -> tuple[JsonMap, Asked]:
        """An apply whose write was kept back, and that write."""
        before = self.driver().observe(www(NEW), TAG, None).values
        with self.proxy.under(KEPT_BACK):
            hasty = self.make(replace(self.context, deadline=1.0))
            with pytest.raises(ProviderError) as caught:
                hasty.apply(www(NEW), TAG, before, lambda _: None)
            assert caught.value.effect_possible
        return before, self.proxy.strikes[0].asked

    def undo(self, effect: JsonMap) -> Finding:
        return self.driver().undo(www(NEW), TAG, effect, lambda _: None)

    def undone(self, effect: JsonMap) -> float:
        """Undo until it is over; how many seconds that took."""
        began = time.monotonic()
        while (found := self.undo(effect)).presence is Presence.PENDING:
            assert time.monotonic() < began + LONGEST, found.message
            self.values()
            time.sleep(min(found.again_after, 0.2))
        assert found.presence is Presence.ABSENT, found.message
        return time.monotonic() - began

    def arrives(self, late: Asked) -> Answered:
        return self.proxy.ask(late)


@pytest.fixture(autouse=True)
def _soon_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds in place of the many that a real network would need."""
    monkeypatch.setattr(in_flight, "IN_FLIGHT_SECONDS", 2.0)
    monkeypatch.setattr(signed_exchange, "FUDGE_SECONDS", 1)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def updated(stack: ExitStack, directory: Path, start: Callable[[Path], Any]) -> Zone:
    """By DNS UPDATE."""
    (folder := directory / "server").mkdir()
    server: Server = stack.enter_context(start(folder))
    proxy = stack.enter_context(chaos_proxy("127.0.0.1", server.port, DnsOverTcp()))
    settings = {"key_name": KEY_NAME, "key": "secret://tsig", "servers": [f"127.0.0.1:{proxy.port}"]}
    return Zone(server, proxy, Rfc2136Records, _context(directory, settings))


def patched(stack: ExitStack, directory: Path) -> Zone:
    """By PowerDNS's API."""
    (folder := directory / "server").mkdir()
    server = stack.enter_context(powerdns(folder))
    proxy = stack.enter_context(chaos_proxy("127.0.0.1", server.api, Http()))
    settings = {"url": f"http://127.0.0.1:{proxy.port}", "api_key": "secret://api", "servers": [server.address]}
    return Zone(server, proxy, PowerDnsRecords, _context(directory, settings))


def _context(directory: Path, settings: JsonMap) -> Context:
    secrets = {"secret://tsig": KEY, "secret://api": API_KEY}
    for name in ("workspace", "estate"):
        (directory / name).mkdir()
    scope = {"networks": ["127.0.0.0/8"], "dns": {"zones": {ZONE: settings}}}
    return Context(scope, lambda name: Secret(secrets[name]), directory / "workspace", directory / "estate", 10.0)


@pytest.fixture(params=[bind, pytest.param(powerdns, marks=pytest.mark.faults)], ids=["bind", "powerdns"])
def zone(request: pytest.FixtureRequest, stack: ExitStack, tmp_path: Path) -> Zone:
    return updated(stack, tmp_path, request.param)


@pytest.fixture
def api(stack: ExitStack, tmp_path: Path) -> Zone:
    return patched(stack, tmp_path)


def rcode(answer: Answered) -> dns.rcode.Rcode:
    return dns.message.from_wire(answer.raw[2:], keyring=False).rcode()


def test_an_update_that_arrives_after_its_undo_is_refused_by_the_server(zone: Zone) -> None:
    before, late = zone.cut_off()
    found = zone.driver().observe(www(NEW), TAG, before)
    assert found.presence is Presence.ABSENT
    assert found.effect, "an undo must know of it"
    assert zone.undone(found.effect) > 1.0
    assert rcode(zone.arrives(late)) in signed_exchange.REFUSALS, "its signature is too old"
    assert zone.values() == OLD


def test_an_update_that_arrives_during_its_undo_is_taken_back(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed_exchange, "FUDGE_SECONDS", 4)  # a slow machine needs seconds to get there
    before, late = zone.cut_off()
    found = zone.driver().observe(www(NEW), TAG, before)
    assert zone.undo(found.effect).presence is Presence.PENDING
    assert rcode(zone.arrives(late)) == dns.rcode.NOERROR
    assert zone.values() == NEW
    zone.undone(found.effect)
    assert zone.values() == OLD


def test_a_change_that_was_sent_again_is_undone_for_good(zone: Zone) -> None:
    """The first message is still on its way when the second has made the change, and the undo is done."""
    before, late = zone.cut_off()
    done = zone.driver().apply(www(NEW), TAG, before, lambda _: None)
    assert done.presence is Presence.OURS
    assert zone.undo(done.effect).presence is Presence.PENDING
    assert zone.values() == OLD, "the old place is back at once"
    zone.undone(done.effect)
    zone.arrives(late)
    assert zone.values() == OLD


def test_an_update_of_a_stale_run_does_not_win(zone: Zone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed_exchange, "FUDGE_SECONDS", 60)  # its signature holds, so the change itself is refused
    _, late = zone.cut_off()
    _, theirs = zone.of_another_run(tmp_path / "other").change(THIRD, Tag("run-2", "cutover"))
    assert theirs.presence is Presence.OURS
    assert rcode(zone.arrives(late)) == dns.rcode.NXRRSET
    assert zone.values() == THIRD


def test_an_api_call_that_arrives_during_its_undo_is_taken_back(api: Zone) -> None:
    """PowerDNS's API has no conditions: nothing is done until the call cannot be expected any more."""
    before, late = api.cut_off()
    found = api.driver().observe(www(NEW), TAG, before)
    assert found.presence is Presence.PENDING
    assert api.undo(found.effect).presence is Presence.PENDING
    assert b"204" in api.arrives(late).head
    assert api.values() == NEW
    assert api.driver().observe(www(NEW), TAG, before).presence is Presence.OURS
    assert api.undone(found.effect) < 2.0, "its arrival was seen, so there is nothing more to wait for"
    assert api.values() == OLD


def test_an_api_call_is_not_sent_again_while_the_first_may_arrive(api: Zone) -> None:
    before, late = api.cut_off()
    serial = api.server.serial()
    again = api.driver().apply(www(NEW), TAG, before, lambda _: None)
    assert again.presence is Presence.PENDING
    api.arrives(late)
    assert api.driver().apply(www(NEW), TAG, before, lambda _: None).presence is Presence.OURS
    assert api.server.serial() == serial + 1


@pytest.mark.faults
def test_an_api_call_that_never_arrives_is_waited_for_and_then_sent_again(api: Zone) -> None:
    before, _ = api.cut_off()
    end = time.monotonic() + LONGEST
    while (found := api.driver().observe(www(NEW), TAG, before)).presence is Presence.PENDING:
        assert time.monotonic() < end, found.message
        time.sleep(0.1)
    assert found.presence is Presence.ABSENT
    assert not found.effect
    assert api.driver().apply(www(NEW), TAG, before, lambda _: None).presence is Presence.OURS
