"""Zones under chaos: record sets and their TTLs at servers of our own, and at DNS hosts through their stand-ins."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from providers.base import Context, Provider, Secret
from providers.dns import in_flight
from providers.dns.gandi import GandiRecords, GandiTtl
from providers.dns.ovhcloud import OvhcloudRecords, OvhcloudTtl
from providers.dns.powerdns import PowerDnsRecords
from providers.dns.rfc2136 import Rfc2136Records
from providers.dns.scaleway import ScalewayRecords, ScalewayTtl
from providers.dns.ttl import TtlChange
from providers.wants import Record, RecordName, Records, Ttl
from tests import dns_hosts
from tests.chaos_wire import DnsOverTcp
from tests.contract.chaos import SetUp, Stage
from tests.contract.chaos_clouds import TAG
from tests.contract.suite import Case
from tests.dns_hosts import SEED, Host, dns_host
from tests.dns_servers import API_KEY, KEY, KEY_NAME, ZONE, bind, powerdns

NAMES = Records(
    zone=ZONE,
    records=[
        Record(name="@", type="MX", values=["10 mx.mailo.com."]),
        Record(name="www", type="A", ttl=600, values=["198.51.100.8"]),
        Record(name="autodiscover", type="CNAME", state="absent"),
    ],
)
LONG_LIVED = "\n".join([SEED, "long 900 A 192.0.2.20", "long 900 A 192.0.2.21"])
LOWER = Ttl(zone=ZONE, ttl=300, records=[RecordName(name="long", type="A")])
FAST = 900
"""How many times faster the clock runs by which old TTLs end."""


def powerdns_records(stage: Stage) -> Case:
    """Record sets by PowerDNS's API; what is published is read past the proxy."""
    (directory := stage.directory / "powerdns").mkdir()
    server = stage.stack.enter_context(powerdns(directory))
    url = stage.through(f"http://127.0.0.1:{server.api}")
    settings = {"url": url, "api_key": "secret://api", "servers": [server.address]}
    scope = {"networks": ["127.0.0.0/8"], "dns": {"zones": {ZONE: settings}}}
    return Case(
        want=NAMES,
        tag=TAG,
        context=stage.context(scope, lambda _: Secret(API_KEY)),
        make=PowerDnsRecords,
        world=server.records,
        effects=server.serial,
        effects_once=1,
        secrets=[API_KEY],
    )


def rfc2136_records(stage: Stage) -> Case:
    """Record sets by dynamic update at BIND, questions and updates through the proxy."""
    (directory := stage.directory / "bind").mkdir()
    server = stage.stack.enter_context(bind(directory))
    proxy = stage.proxy("127.0.0.1", server.port, DnsOverTcp())
    settings = {"key_name": KEY_NAME, "key": "secret://tsig", "servers": [f"127.0.0.1:{proxy.port}"]}
    scope = {"networks": ["127.0.0.0/8"], "dns": {"zones": {ZONE: settings}}}
    return Case(
        want=NAMES,
        tag=TAG,
        context=stage.context(scope, lambda _: Secret(KEY)),
        make=Rfc2136Records,
        world=server.records,
        effects=server.serial,
        effects_once=1,
        secrets=[KEY],
    )


def records_at(name: str, make: Callable[[Context], Provider[Any]], once: int) -> SetUp:
    """Record sets at a host's stand-in. `once`: how many writes it takes."""

    def set_up(stage: Stage) -> Case:
        host = stage.stack.enter_context(dns_host(name, stage.directory))
        return _hosted(stage, host, host.context, make, NAMES, once)

    return set_up


def ttl_at(name: str, make: Callable[[Context], TtlChange], once: int) -> SetUp:
    """TTLs there. The step's timeout, which the old TTL must fit in, is longer than one call may take here."""

    def set_up(stage: Stage) -> Case:
        def patient(context: Context) -> TtlChange:
            change = make(context)
            change.context = replace(context, deadline=3600.0)
            return change

        host = stage.stack.enter_context(dns_host(name, stage.directory, LONG_LIVED))
        began = time.time()
        patch = stage.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(in_flight, "IN_FLIGHT_SECONDS", in_flight.IN_FLIGHT_SECONDS * FAST)
        context = replace(host.context, clock=lambda: began + (time.time() - began) * FAST)
        return _hosted(stage, host, context, patient, LOWER, once)

    return set_up


def _hosted(
    stage: Stage, host: Host, context: Context, make: Callable[[Context], Provider[Any]], want: Any, once: int
) -> Case:
    """The host's API is behind a proxy; what is published is read past it."""
    host.block["url"] = stage.through(host.block["url"])
    return Case(
        want=want,
        tag=TAG,
        context=context,
        make=make,
        world=host.world,
        effects=lambda: _writes(host),
        effects_once=once,
        atomic=host.name == "scaleway",
        secrets=list(dns_hosts.SECRETS.values()),
    )


def _writes(host: Host) -> int:
    """Publishing what is published changes nothing, so it counts once however often it was asked for."""
    done = [effect["action"] for effect in host.effects.listed()]
    refreshed = done.count("zone.refresh")
    return len(done) - max(0, refreshed - 1)


ZONES: Mapping[str, SetUp] = {
    "powerdns records": powerdns_records,
    "rfc2136 records": rfc2136_records,
    # One write for each value, and one that publishes.
    "ovhcloud records": records_at("ovh", OvhcloudRecords, 5),
    "ovhcloud ttl": ttl_at("ovh", OvhcloudTtl, 4),
    "scaleway records": records_at("scaleway", ScalewayRecords, 1),
    "scaleway ttl": ttl_at("scaleway", ScalewayTtl, 1),
    # One for each record set.
    "gandi records": records_at("gandi", GandiRecords, 3),
    "gandi ttl": ttl_at("gandi", GandiTtl, 1),
}
