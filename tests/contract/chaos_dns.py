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
from providers.wants import Record, RecordName, Records, Ttl
from tests import dns_hosts
from tests.chaos_wire import DnsOverTcp
from tests.contract.chaos import SetUp, Stage
from tests.contract.chaos_clouds import TAG
from tests.contract.suite import Case
from tests.dns_hosts import Host, dns_host
from tests.dns_servers import API_KEY, KEY, KEY_NAME, ZONE, bind, powerdns

NAMES = Records(
    zone=ZONE,
    records=[
        Record(name="@", type="MX", values=["10 mx.mailo.com."]),
        Record(name="www", type="A", ttl=600, values=["198.51.100.8"]),
        Record(name="autodiscover", type="CNAME", state="absent"),
    ],
)
SLOWER = Ttl(zone=ZONE, ttl=600, change="set", records=[RecordName(name="www", type="A")])
FAST = 300
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


def at_host(name: str, make: Callable[[Context], Provider[Any]], want: Any, once: int) -> SetUp:
    """At a host's stand-in; what is published is read past the proxy. `once`: how many writes it takes."""

    def set_up(stage: Stage) -> Case:
        host = stage.stack.enter_context(dns_host(name, stage.directory))
        host.block["url"] = stage.through(host.block["url"])
        context = host.context
        if isinstance(want, Ttl):
            patch = stage.stack.enter_context(pytest.MonkeyPatch.context())
            patch.setattr(in_flight, "IN_FLIGHT_SECONDS", in_flight.IN_FLIGHT_SECONDS * FAST)
            context = replace(context, clock=lambda: time.time() * FAST)
        return Case(
            want=want,
            tag=TAG,
            context=context,
            make=make,
            world=host.world,
            effects=lambda: _writes(host),
            effects_once=once,
            atomic=name == "scaleway",
            secrets=list(dns_hosts.SECRETS.values()),
        )

    return set_up


def _writes(host: Host) -> int:
    """Publishing what is published changes nothing, so it counts once however often it was asked for."""
    done = [effect["action"] for effect in host.effects.listed()]
    refreshed = done.count("zone.refresh")
    return len(done) - max(0, refreshed - 1)


ZONES: Mapping[str, SetUp] = {
    "powerdns records": powerdns_records,
    "rfc2136 records": rfc2136_records,
    # One write for each value, and one that publishes.
    "ovhcloud records": at_host("ovh", OvhcloudRecords, NAMES, 5),
    "ovhcloud ttl": at_host("ovh", OvhcloudTtl, SLOWER, 3),
    "scaleway records": at_host("scaleway", ScalewayRecords, NAMES, 1),
    "scaleway ttl": at_host("scaleway", ScalewayTtl, SLOWER, 1),
    # One for each record set.
    "gandi records": at_host("gandi", GandiRecords, NAMES, 3),
    "gandi ttl": at_host("gandi", GandiTtl, SLOWER, 1),
}
