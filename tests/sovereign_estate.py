"""An estate with a policy and a catalogue of its own, and a DNS server that shows what its target stands on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.name
import dns.zone

from providers.simulator.dns_zones import ZoneBook
from tests.dns_hosts import serving
from tests.integration.service_fixture import commit

SOURCE = {"url": "https://www.trial.example/", "says": "Trial", "date": "2026-11-20"}


def product(key: str, name: str, country: str, **more: Any) -> dict[str, Any]:
    owned = {"company": f"{name} Ltd", "jurisdiction": "FR", "control": {"owner": f"{name} Inc.", "country": country}}
    return {key: name, "title": {"fr": name, "en": name}, **owned, "serves": ["cloud"], "sources": [SOURCE], **more}


TARGET = product(
    "target",
    "post",
    "FR",
    recipe="cloud",
    onboarding={"how": "wizard", "steps": [{"fr": "x", "en": "x"}]},
    recognised={"hosts": ["www.post.example"]},
)
VENDORS = {
    "names-inc": product(
        "vendor", "names-inc", "US", recognised={"ns": ["*.names.example"], "hosts": ["*.names.example"]}
    ),
    "noms": product("vendor", "noms", "FR", recognised={"ns": ["*.noms.example"], "hosts": ["*.noms.example"]}),
}
RUNBOOK = """
runbook: desk-failover
service: desk
title: {fr: Guichet, en: Desk}
steps:
  breathe: {uses: wait.for, with: {duration: 50ms}}
"""
SERVER = """
runbook: portal-failover
service: portal
title: {fr: Portail, en: Portal}
steps:
  server:
    uses: compute.server
    with: {provider: somewhere, name: portal, size: small, image: debian-12}
"""


def sheet(resolver: str, policy: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    desk = {"title": {"fr": "Guichet", "en": "Desk"}, "vendor": "aws", "target": "post", "failover": "desk-failover"}
    cloud = {
        "driver": "openstack",
        "url": "https://auth.names.example/v3",
        "region": "X",
        "credential": "secret://a",
        "secret": "secret://b",
    }
    scope = {"networks": ["127.0.0.0/8"], "dns": {"resolvers": [resolver]}, "compute": {"somewhere": cloud}}
    return {
        "estate": "trial",
        "title": {"fr": "Essai", "en": "Trial"},
        "policy": {"sovereignty": policy},
        "services": {"desk": desk, "portal": {**desk, "target": "scaleway", "failover": "portal-failover"}},
        "scopes": {mode: {**scope, "mode": mode, **more} for mode in ("rehearsal", "drill", "live")},
    }


def commit_estate(folder: Path, head: Mapping[str, Any]) -> str:
    files = {f"catalogue/vendors/{name}.yaml": json.dumps(one) for name, one in VENDORS.items()}
    files |= {"catalogue/targets/post.yaml": json.dumps(TARGET), "bascule.yaml": json.dumps(head)}
    files |= {"runbooks/desk-failover.yaml": RUNBOOK, "runbooks/portal-failover.yaml": SERVER}
    return commit(folder, files)


class World:
    """What the resolver knows: zones by name, in zone-file form without their SOA."""

    def __init__(self, zones: Mapping[str, str]) -> None:
        self.book = ZoneBook({name: _zone(name, text) for name, text in zones.items()})
        self.resolver = ""

    def change(self, name: str, text: str) -> None:
        with self.book.lock:
            made = dns.zone.from_text(_zone(name, text), origin=name, relativize=False)
            self.book.zones[dns.name.from_text(name)] = made


def _zone(name: str, text: str) -> str:
    return f"$ORIGIN {name}.\n$TTL 60\n@ SOA ns1 hostmaster 1 60 60 60 60\n{text}\n"


AMERICAN = "@ NS ns1.names.example.\nwww A 127.0.0.1"
EUROPEAN = "@ NS ns1.noms.example.\nwww A 127.0.0.1"


@contextmanager
def resolving(**zones: str) -> Iterator[World]:
    """A resolver on loopback; zones by name with `_` for the dot, besides post.example on American name servers."""
    world = World({"post.example": AMERICAN, **{name.replace("_", "."): text for name, text in zones.items()}})
    with serving(world.book) as world.resolver:
        yield world
