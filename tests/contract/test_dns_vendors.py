"""`dns.records` at OVHcloud, Scaleway and Gandi: each driver against its vendor's API and real DNS answers."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from providers.base import Finding, JsonMap, Presence, Tag
from providers.dns.swap_records import SwapRecords
from providers.registry import provider_for
from providers.simulator.ovh_dns import OvhDns
from providers.wants import Record, Records
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.dns_hosts import SECRETS, SEED, Host, dns_host, lagging
from tests.dns_servers import ZONE

TAG = Tag("run-1", "cutover")
SWAP = Records(
    zone=ZONE,
    records=[
        Record(name="@", type="MX", values=["20 mail", "10 MX.mailo.com."]),
        Record(name="mail", type="A", values=["198.51.100.7"]),
        Record(name="@", type="TXT", ttl=3600, values=["v=spf1 include:mailo.com ~all"]),
        Record(name="WWW", type="A", ttl=600, values=["198.51.100.8"]),
        Record(name="autodiscover", type="CNAME", state="absent"),
        Record(name="autodiscover", type="A", values=["198.51.100.9"]),
        Record(name="_imaps._tcp", type="SRV", values=["0 1 993 imap.mailo.com."]),
        Record(name="sel._domainkey", type="TXT", values=["v=DKIM1; k=rsa; p=" + "A" * 400]),
        Record(name="ns1", type="A", ttl=3600, values=["127.0.0.1"]),
    ],
)
"""Creates, replaces, deletes, leaves alone (`ns1`), and puts an address in a CNAME's place."""
WRITES = {"ovh": 12, "scaleway": 1, "gandi": 8}
"""How many requests of each API that makes."""
VENDORS = ["ovh", "scaleway", "gandi"]
EVERY_DAY = {"ovh": ("CNAME0", "SRV", "CAA"), "scaleway": ("CNAME1", "MX", "NS"), "gandi": ("A", "AAAA", "SRV")}
"""Types that are written at a vendor in the default suite: each at one, and each vendor three."""


def case_of(host: Host, crash: Any) -> Case:
    return Case(
        want=SWAP,
        context=host.context,
        make=host.make,
        world=host.world,
        effects=lambda: len(host.effects.listed()),
        effects_once=WRITES[host.name],
        crash_after_write=crash,
        break_permanently=host.wrong_credential,
        break_briefly=host.down,
        foreign_change=lambda: host.foreign("www", "A", 600, "203.0.113.99"),
        atomic=host.name == "scaleway",
        secrets=list(SECRETS.values()),
        tag=TAG,
    )


class VendorContract(ProviderContract, ForeignChangeContract):
    vendor: str

    # Every day test_dns_cut_off.py has processes that are gone.
    @pytest.fixture(params=["answer-lost", pytest.param("process-gone", marks=pytest.mark.faults)])
    def case(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
        with dns_host(self.vendor, tmp_path) as host:
            yield case_of(host, host.losing_one_answer if request.param == "answer-lost" else host.dying)


@pytest.mark.core
class TestOvhcloud(VendorContract):
    vendor = "ovh"


class TestScaleway(VendorContract):
    vendor = "scaleway"


@pytest.mark.core
class TestGandi(VendorContract):
    vendor = "gandi"


@pytest.fixture(params=VENDORS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    with dns_host(request.param, tmp_path) as made:
        yield made


def driver(host: Host, deadline: float = 10.0) -> SwapRecords:
    """A new one, as a new process would have."""
    return host.make(replace(host.context, deadline=deadline))


def before(host: Host, want: Records = SWAP) -> JsonMap:
    return driver(host).observe(want, TAG, None).values


def apply(host: Host, want: Records = SWAP, planned: JsonMap | None = None) -> Finding:
    return driver(host).apply(want, TAG, before(host, want) if planned is None else planned, quiet)


def one(name: str, kind: Any, *values: str, ttl: int = 300) -> Records:
    state: Any = "present" if values else "absent"
    return Records(zone=ZONE, records=[Record(name=name, type=kind, ttl=ttl, values=list(values), state=state)])


# Foreign changes


def test_a_foreign_change_before_apply_is_named_and_nothing_is_lost(host: Host) -> None:
    planned = before(host)
    host.foreign("@", "MX", 600, "5 mx.third.example.")
    world = host.world()
    assert driver(host).observe(SWAP, TAG, planned).presence is Presence.CONFLICT
    with refused() as caught:
        apply(host, planned=planned)
    assert caught.value.permanent
    for told in ("valbourg.example. MX", "10 mx.old.example.", "5 mx.third.example."):
        assert told in caught.value.message
    assert host.world() == world


def test_what_the_step_does_not_name_is_never_touched(host: Host) -> None:
    unrelated = 'unrelated 3600 TXT "never touched; \\"really\\""'
    for name in ("xdmarc", "ww", "autodiscover2"):
        host.foreign(name, "TXT", 600, '"theirs"')
    want = Records(zone=ZONE, records=[*SWAP.records, Record(name="_dmarc", type="TXT", values=["v=DMARC1; p=none"])])
    done = apply(host, want)
    assert unrelated.replace("3600", "300") in host.records() or unrelated in host.records()
    driver(host).undo(want, TAG, done.effect, quiet)
    assert [line for line in host.records() if '"theirs"' in line] == [
        'autodiscover2 600 TXT "theirs"',
        'ww 600 TXT "theirs"',
        'xdmarc 600 TXT "theirs"',
    ]


# Forms


def test_values_are_canonical_and_in_stable_order(host: Host) -> None:
    found = driver(host).observe(SWAP, TAG, None)
    assert [(r["name"], r["type"], r["ttl"], r["values"]) for r in found.values["records"]] == [
        ("@", "MX", 3600, ["10 mx.old.example."]),
        ("@", "TXT", 3600, ['"v=spf1 include:old.example ~all"']),
        ("_imaps._tcp", "SRV", 300, ["0 1 993 imap.old.example."]),
        ("autodiscover", "A", None, []),
        ("autodiscover", "CNAME", 300, ["autodiscover.old.example."]),
        ("mail", "A", None, []),
        ("ns1", "A", 3600, ["127.0.0.1"]),
        ("sel._domainkey", "TXT", None, []),
        ("www", "A", 300, ["192.0.2.10", "192.0.2.11"]),
    ]


def test_strings_of_a_text_survive_change_and_undo(host: Host) -> None:
    odd = ['"a" "b"', 'say "hi"; \\ é', '"ends with quote\\" "', "x" * 300, "v=DKIM1; k=rsa; p=" + "B" * 400]
    first = one("odd", "TXT", *odd)
    assert apply(host, first).presence is Presence.OURS
    world = host.world()
    second = one("odd", "TXT", "plain")
    done = apply(host, second)
    assert 'odd 300 TXT "plain"' in host.records()
    driver(host).undo(second, TAG, done.effect, quiet)
    assert host.world() == world
    assert driver(host).observe(first, TAG, None).presence is Presence.ALREADY


def test_the_bounds_of_a_texts_strings_are_a_change(host: Host) -> None:
    apply(host, one("odd", "TXT", '"ab"'))
    for value in ('"a" "b"', '"ab"'):
        assert apply(host, one("odd", "TXT", value)).presence is Presence.OURS
        assert f"odd 300 TXT {value}" in host.records()


@pytest.mark.every_day(*(f"{vendor}--{kind}" for vendor in VENDORS for kind in EVERY_DAY[vendor]))
@pytest.mark.parametrize(
    ("want", "line"),
    [
        (one("portal", "CNAME", "@"), "portal 300 CNAME valbourg.example."),
        (one("portal", "CNAME", "MAIL"), "portal 300 CNAME mail.valbourg.example."),
        (one("@", "MX", "10 @"), "@ 300 MX 10 valbourg.example."),
        (one("_imaps._tcp", "SRV", "0 1 993 Mail"), "_imaps._tcp 300 SRV 0 1 993 mail.valbourg.example."),
        (one("@", "CAA", '0 issue "letsencrypt.org; account=1"'), '@ 300 CAA 0 issue "letsencrypt.org; account=1"'),
        (one("*", "AAAA", "2001:DB8::0"), "* 300 AAAA 2001:db8::"),
        (one("@", "A", "192.0.2.1"), "@ 300 A 192.0.2.1"),
        (one("sub", "NS", "ns.sub"), "sub 300 NS ns.sub.valbourg.example."),
    ],
    ids=lambda value: value.split(" ")[2] if isinstance(value, str) else "",
)
def test_each_type_is_written_and_read_back_and_undone(host: Host, want: Records, line: str) -> None:
    planned, world = before(host, want), host.world()
    done = apply(host, want, planned)
    assert done.presence is Presence.OURS
    assert line in host.records()
    assert driver(host).observe(want, TAG, planned).presence is Presence.OURS
    driver(host).undo(want, TAG, done.effect, quiet)
    assert host.world() == world


def test_a_record_set_is_deleted_and_comes_back(host: Host) -> None:
    want, world = one("www", "A"), host.world()
    done = apply(host, want)
    assert done.presence is Presence.OURS
    assert not [line for line in host.records() if line.startswith("www ")]
    driver(host).undo(want, TAG, done.effect, quiet)
    assert host.world() == world


def test_a_ttl_alone_is_a_change(host: Host) -> None:
    want = one("www", "A", "192.0.2.10", "192.0.2.11", ttl=900)
    planned = before(host, want)
    done = apply(host, want, planned)
    assert done.presence is Presence.OURS
    assert {"www 900 A 192.0.2.10", "www 900 A 192.0.2.11"} <= set(host.records())
    driver(host).undo(want, TAG, done.effect, quiet)
    assert before(host, want) == planned


def test_ovhcloud_changes_the_zones_own_name_servers(tmp_path: Path) -> None:
    want = one("@", "NS", "ns1", "ns.other.example.", ttl=600)
    with dns_host("ovh", tmp_path) as host:
        world = host.world()
        done = apply(host, want)
        assert "@ 600 NS ns.other.example." in host.records()
        driver(host).undo(want, TAG, done.effect, quiet)
        assert host.world() == world


@pytest.mark.parametrize("vendor", ["scaleway", "gandi"])
def test_name_servers_that_the_host_sets_itself_are_refused_in_the_plan(tmp_path: Path, vendor: str) -> None:
    want = Records(zone=ZONE, records=[*SWAP.records, Record(name="@", type="NS", values=["ns.other.example."])])
    with dns_host(vendor, tmp_path) as host:
        found = driver(host).observe(want, TAG, None)
        assert found.presence is Presence.CONFLICT
        assert "NS" in found.message
        with refused() as caught:
            apply(host, want)
        assert caught.value.permanent
        assert not host.effects.listed()


@pytest.mark.parametrize(("vendor", "ttl"), [("gandi", 299), ("ovh", 59)])
def test_a_ttl_that_the_host_does_not_keep_is_refused_before_a_part_is_written(
    tmp_path: Path, vendor: str, ttl: int
) -> None:
    want = Records(zone=ZONE, records=[*SWAP.records, Record(name="zz", type="A", ttl=ttl, values=["192.0.2.1"])])
    with dns_host(vendor, tmp_path) as host:
        assert driver(host).observe(want, TAG, None).presence is Presence.CONFLICT
        with refused() as caught:
            apply(host, want)
        assert "zz A" in caught.value.message
        assert not host.effects.listed()


def test_ovhclouds_own_types_are_texts(tmp_path: Path) -> None:
    """What its web page makes of an SPF or DKIM record, without quotes and with the TTL of the zone."""
    with dns_host("ovh", tmp_path) as host:
        assert isinstance(host.service, OvhDns)
        (spf,) = [r for r in host.service.records(ZONE).values() if "v=spf1" in r.target]
        spf.fieldType, spf.target, spf.ttl = "SPF", spf.target.strip('"'), 0
        held = host.service.state()
        planned = before(host)
        done = apply(host, planned=planned)
        assert done.presence is Presence.OURS
        assert [line for line in host.records() if line.startswith("@ 3600 TXT")] == [
            '@ 3600 TXT "v=spf1 include:mailo.com ~all"'
        ]
        driver(host).undo(SWAP, TAG, done.effect, quiet)
        assert before(host) == planned
        assert len(host.service.state()[ZONE]) == len(held[ZONE])


def test_scaleway_reads_every_page_and_every_value(tmp_path: Path) -> None:
    many = [f"host{n} 300 A 192.0.2.1" for n in range(250)] + [f'zz 300 TXT "{n}"' for n in range(9)]
    want = one("zz", "TXT", *(str(n) for n in range(1, 10)))
    with dns_host("scaleway", tmp_path, "\n".join([SEED, *many])) as host:
        world = host.world()
        done = apply(host, want)
        assert done.presence is Presence.OURS
        assert sum(line.startswith("host") for line in host.records()) == 250
        driver(host).undo(want, TAG, done.effect, quiet)
        assert host.world() == world


# Refusals


def test_a_wrong_credential_is_permanent_and_the_remedy_names_it(host: Host) -> None:
    planned = before(host)
    with host.wrong_credential(), refused() as caught:
        apply(host, planned=planned)
    assert caught.value.permanent
    assert not caught.value.effect_possible
    assert {"ovh": "`consumer_key`", "scaleway": "`token`", "gandi": "`token`"}[host.name] in caught.value.message


@pytest.mark.parametrize("route", ["GET *", "P[OAU]*"])
def test_too_many_requests_gives_the_wait_that_was_asked_for(host: Host, route: str) -> None:
    planned = before(host)
    with host.faulty({"kind": "status", "status": 429, "retry_after": 17, "route": route}), refused() as caught:
        apply(host, planned=planned)
    assert (caught.value.permanent, caught.value.retry_after) == (False, 17.0)


def test_a_zone_that_the_host_does_not_hold_is_permanent_and_never_made(host: Host) -> None:
    planned = before(host)
    zones = dict(host.book.zones)
    with lagging(host):
        host.book.zones.clear()
        with refused() as caught:
            apply(host, planned=planned)
        assert caught.value.permanent
        assert not host.book.zones
    host.book.zones.update(zones)


@pytest.mark.every_day("scaleway")
def test_an_api_that_hangs_is_left_in_time(host: Host) -> None:
    planned = before(host)
    with host.faulty({"kind": "hang", "times": None}), refused() as caught:
        driver(host, deadline=1).apply(SWAP, TAG, planned, quiet)
    assert not caught.value.permanent
    host.faults.stopping.set()


def test_an_api_out_of_the_scopes_networks_is_never_asked(host: Host) -> None:
    planned, asked = before(host), len(host.requests)
    by_address = host.block["url"]
    host.context = replace(host.context, scope={**host.context.scope, "networks": ["198.18.0.0/16"]})
    for url in (by_address, by_address.replace("127.0.0.1", "localhost")):
        host.block["url"] = url
        with refused() as caught:
            apply(host, planned=planned)
        assert caught.value.permanent
        assert "outside the networks" in caught.value.message
    assert len(host.requests) == asked


def test_an_api_may_be_named_where_its_address_is_within_the_networks(host: Host) -> None:
    host.block["url"] = host.block["url"].replace("127.0.0.1", "localhost")
    assert apply(host).presence is Presence.OURS


def test_the_machines_own_settings_change_nothing(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy, a netrc file, and keys of the vendor's tools in the environment; and no secret in any log."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    for name, value in {
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "NETRC": str(tmp_path / "netrc"),
        "OVH_CLIENT_ID": "other",
        "OVH_CONSUMER_KEY": "other",
    }.items():
        monkeypatch.setenv(name, value)
    caplog.set_level("DEBUG")
    assert apply(host).presence is Presence.OURS
    assert [secret for secret in SECRETS.values() if secret in caplog.text] == []


def test_a_plan_needs_no_credential(host: Host) -> None:
    with host.wrong_credential():
        assert driver(host).observe(SWAP, TAG, None).presence is Presence.ABSENT


def test_ovhcloud_signs_by_the_hosts_clock_and_asks_it_once(tmp_path: Path) -> None:
    with dns_host("ovh", tmp_path) as host:
        assert isinstance(host.service, OvhDns)
        clock = host.service
        now = clock.now
        clock.now = lambda: now() + 3600
        assert apply(host).presence is Presence.OURS
        assert host.requests.count("GET /1.0/auth/time") == 1


def test_each_vendor_is_made_from_the_registry(host: Host) -> None:
    assert type(provider_for("dns.records", SWAP, host.context)) is host.make
