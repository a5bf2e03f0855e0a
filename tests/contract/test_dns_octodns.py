"""octoDNS's plan of a swap, its safety, and the session that its providers talk through."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from octodns.provider.plan import Plan, TooMuchChange
from octodns.record.change import Create, Delete, Update

from providers.base import ProviderError
from providers.dns.api_session import Api, ApiSession
from providers.dns.deadline import Deadline
from providers.dns.in_flight import InFlight
from providers.dns.octodns_plan import key_of, planned, record_sets, set_of, whole
from providers.dns.octodns_records import OctoDnsRecords
from providers.dns.record_sets import RecordSet
from providers.dns.swap import Swap
from providers.wants import Record, Records
from tests.contract.suite import quiet
from tests.contract.test_dns_vendors import TAG, driver
from tests.dns_hosts import Host, dns_host
from tests.dns_servers import ZONE
from tests.loopback import within
from tests.probe_targets import Authority, web_server

HEAD = "@ 3600 SOA ns1 hostmaster 1 86400 86400 864000 60\n@ 3600 NS ns1\n"
TWELVE = "\n".join(f"host{n:02} 300 A 192.0.2.{n}" for n in range(12))
MOVED = Records(
    zone=ZONE, records=[Record(name=f"host{n:02}", type="A", values=[f"198.51.100.{n}"]) for n in range(12)]
)
SWAP = Swap(
    ZONE,
    tuple(RecordSet(f"host{n:02}", "A", 300, (f"192.0.2.{n}",)) for n in range(12)),
    tuple(RecordSet(f"host{n:02}", "A", 300, (f"198.51.100.{n}",)) for n in range(12)),
)


@pytest.fixture(params=["ovh", "scaleway", "gandi"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    with dns_host(request.param, tmp_path, HEAD + TWELVE + "\nns1 3600 A 127.0.0.1\ntheirs 300 A 203.0.113.1") as made:
        yield made


def plan_of(host: Host, swap: Swap) -> Plan:
    records = host.make(host.context)
    assert isinstance(records, OctoDnsRecords)
    keys = [one.key for one in swap.wanted]
    api = records._api(ZONE, keys, Deadline(10))
    made = planned(api, swap, record_sets(api.held(ZONE), keys, ZONE))
    assert made is not None
    return made


def test_a_failover_of_the_whole_zone_is_lawful(host: Host) -> None:
    """octoDNS's own threshold stops at 30 % of ten records and more."""
    made = plan_of(host, SWAP)
    with pytest.raises(TooMuchChange):
        Plan(made.existing, made.desired, made.changes, True).raise_if_unsafe()
    before = driver(host).observe(MOVED, TAG, None).values
    done = driver(host).apply(MOVED, TAG, before, quiet)
    assert {f"host{n:02} 300 A 198.51.100.{n}" for n in range(12)} < set(host.records())
    assert "theirs 300 A 203.0.113.1" in host.records()
    assert driver(host).undo(MOVED, TAG, done.effect, quiet).effect == {}
    assert {f"host{n:02} 300 A 192.0.2.{n}" for n in range(12)} < set(host.records())


def test_a_plan_holds_nothing_but_the_swaps_own_record_sets(host: Host) -> None:
    half = Swap(ZONE, SWAP.expected[:6], tuple(RecordSet(*one.key) for one in SWAP.expected[:6]))
    made = plan_of(host, half)
    assert {key_of(change.record) for change in made.changes} == {one.key for one in half.wanted}


def test_a_swap_that_is_made_whole_is_a_plan_of_its_record_sets() -> None:
    old = (
        RecordSet("gone", "A", 300, ("192.0.2.1",)),
        RecordSet("new", "A"),
        RecordSet("www", "A", 60, ("192.0.2.2",)),
    )
    new = (RecordSet("gone", "A"), RecordSet("new", "A", 300, ("192.0.2.1",)), RecordSet("www", "A", 5, ("192.0.2.2",)))
    made = whole(Swap(ZONE, old, new))
    assert [type(change) for change in made.changes] == [Delete, Create, Update]
    assert tuple(set_of(change.record, ZONE).key for change in made.changes) == tuple(one.key for one in new)
    assert {set_of(record, ZONE) for record in made.desired.records} == {one for one in new if one.values}


def test_a_plan_that_would_take_more_than_the_swap_is_unsafe(host: Host) -> None:
    half = Swap(ZONE, SWAP.expected[:10], tuple(RecordSet(*one.key) for one in SWAP.expected[:10]))
    made = plan_of(host, half)
    more = [*made.changes, *(Delete(record) for record in made.existing.records if record.name == "theirs")]
    more += [Delete(record) for record in made.existing.records if record.name == "host11"]
    bounds = (made.update_pcent_threshold, made.delete_pcent_threshold)
    if len(more) > len(made.changes):  # OVHcloud's plan does not even see the others
        with pytest.raises(TooMuchChange):
            Plan(made.existing, made.desired, more, True, *bounds).raise_if_unsafe()
    else:
        assert host.name == "ovh"


def session(folder: Path, url: str, ca: str | None = None) -> ApiSession:
    api = Api("Host", ZONE, url, ca, within({}), lambda code, body: ("", ""))
    return ApiSession(api, Deadline(5), InFlight(folder / "in-flight.json", time.time))


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with web_server() as server, pytest.raises(ProviderError) as caught:
        session(tmp_path, f"http://127.0.0.1:{server.port}").request("GET", f"http://127.0.0.1:{server.port}/moved")
    assert caught.value.permanent
    assert "redirects are not followed" in caught.value.message


def test_a_certificate_is_checked_against_the_scopes_authorities(tmp_path: Path) -> None:
    right, wrong = Authority(tmp_path), tmp_path / "other"
    wrong.mkdir()
    with web_server(right.server_context("127.0.0.1")) as server:
        url = f"https://127.0.0.1:{server.port}"
        with pytest.raises(ProviderError) as trusted:
            session(tmp_path, url, str(right.file)).request("GET", url + "/")
        assert "is not the API" in trusted.value.message
        for ca in (None, str(Authority(wrong).file)):
            with pytest.raises(ProviderError) as caught:
                session(tmp_path, url, ca).request("GET", url + "/")
            assert caught.value.permanent
            assert "`ca`" in caught.value.message


def test_a_credential_that_is_no_header_is_refused_and_not_shown(tmp_path: Path) -> None:
    with web_server() as server:
        made = session(tmp_path, f"http://127.0.0.1:{server.port}")
        made.headers["X-Auth-Token"] = "only-known\nto-this-test"
        with pytest.raises(ProviderError) as caught:
            made.request("GET", f"http://127.0.0.1:{server.port}/")
    assert caught.value.permanent
    assert "only-known" not in repr(caught.value.__cause__) + caught.value.message


def test_a_write_that_never_left_was_not_written(tmp_path: Path) -> None:
    made = session(tmp_path, "http://127.0.0.1:9")
    with pytest.raises(ProviderError) as caught:
        made.request("POST", "http://127.0.0.1:9/")
    assert not caught.value.effect_possible
    assert not made.wrote
    assert made.in_flight.left() == 0


def test_no_request_outlasts_the_deadline(tmp_path: Path) -> None:
    made = session(tmp_path, "http://127.0.0.1:9")
    made.deadline = Deadline(0.0, now=time.monotonic)
    with pytest.raises(ProviderError, match="time that this attempt may take"):
        made.request("GET", "http://127.0.0.1:9/")
