"""A constructed organisation of many domains is mapped: how much of it is found, and how much of that is right."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.catalogue_text import read_catalogue
from orchestrator.domain.dependency_map import DependencyMap, map_of
from orchestrator.domain.estate import Service
from providers.discovery.discover import discover
from providers.discovery.sign import Discovery, discovery_from_json
from tests.mapped_organisation import TABLE, Domain, construct, organisation
from tests.sampling import sampled

SOME, DOMAINS = 24, 60
"""Of every day, and of the whole organisation."""
WITHIN = 20.0
"""Seconds for one discovery here."""

KNOWN: dict[str, tuple[str, str, str]] = {
    "big-office": (
        "mail",
        "US",
        "{mx: ['*.bigoffice.test'], spf: ['*.bigoffice.test'], cname: ['*.bigoffice.test'], txt: [BO=]}",
    ),
    "big-visio": ("visio", "US", "{hosts: ['*.bigoffice-visio.test']}"),
    "search-mail": ("mail", "US", "{mx: ['*.l.searchmail.test'], spf: [_spf.searchmail.test], txt: [searchmail-site]}"),
    "facteur": ("mail", "FR", "{mx: [mx.facteur.test], spf: [facteur.test]}"),
    "mass-sender": ("mail", "US", "{spf: [sender.test]}"),
    "big-dns": ("dns", "US", "{ns: ['*.bigdns.test']}"),
    "big-cloud": ("cloud", "US", "{cname: ['*.apps.bigcloud.test'], networks: [big-cloud]}"),
    "euro-host": ("cloud", "FR", "{networks: [euro-host]}"),
    "fast-delivery": ("cloud", "US", "{networks: [fast-delivery], cname: ['*.fastdelivery.test']}"),
    "forge": ("code", "US", "{cname: [pages.forge.test]}"),
    "counting": ("search", "US", "{hosts: ['*.counting.test']}"),
    "big-fonts": ("search", "US", "{hosts: [fonts.bigsearch.test]}"),
    "big-videos": ("social", "US", "{hosts: ['*.videos.test']}"),
    "big-identity": ("identity", "US", "{hosts: [login.bigidentity.test]}"),
    "letters": ("updates", "US", "{issuers: [Letters Trust]}"),
    "digits": ("updates", "US", "{issuers: [Digits], caa: [digits.test]}"),
    "zoomed": ("visio", "US", "{hosts: ['*.zoomed.test']}"),
    "thinking": ("ai", "US", "{hosts: ['*.thinking.test']}"),
}
"""Vendors of a catalogue: what they serve, whose law, how they show."""


CLOCKS = """
clocks:
  - {name: stored, title: {fr: Copie, en: Copy}, lasts: 30d, source: {url: "https://x.test", says: x, date: 2026-11-25}}
  - {name: token, title: {fr: Jeton, en: Token}, lasts: 1h, source: {url: "https://x.test", says: x, date: 2026-11-25}}
"""


def catalogue() -> Catalogue:
    files = {}
    for name, (serves, country, recognised) in KNOWN.items():
        files[f"vendors/{name}.yaml"] = (
            f"vendor: {name}\ntitle: {{fr: {name}, en: {name}}}\ncompany: {name}\njurisdiction: {country}\n"
            f"control: {{owner: {name}, country: {country}}}\nserves: [{serves}]\nrecognised: {recognised}\n"
            f"{CLOCKS if name == 'big-office' else ''}\n"
            "sources: [{url: 'https://x.test', says: x, date: 2026-11-25}]\n"
        ).encode()
    found, problems = read_catalogue(files)
    assert not problems, problems
    return found


def service(vendor: str, **more: object) -> Service:
    return Service.model_validate({"title": {"fr": "x", "en": "x"}, "vendor": vendor, "target": "nowhere", **more})


SERVICES = {
    "identity": service("big-identity", failover="identity-failover"),
    "mail": service("big-office", failover="mail-failover", rpo="1h"),
    "visio": service("zoomed"),
    "assistant": service("thinking"),
    "portal": service("big-cloud"),
    "registry": service("big-dns"),
}


@dataclass(frozen=True)
class Mapped:
    domains: list[Domain]
    discovery: Discovery
    seconds: float
    map: DependencyMap


@pytest.fixture(scope="module", params=sampled([SOME, DOMAINS], lambda count: count == SOME))
def mapped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapped]:
    domains = construct(request.param)
    with organisation(tmp_path_factory.mktemp("organisation"), domains) as context:
        begun = time.monotonic()
        found = discover(context, "live", [domain.name for domain in domains], {}, TABLE)
        seconds = time.monotonic() - begun
        yield Mapped(domains, found, seconds, map_of(found, SERVICES, catalogue(), {}, {}, found.read_at))


def test_what_it_depends_on_is_found_and_right(mapped: Mapped, capsys: pytest.CaptureFixture[str]) -> None:
    true = {(domain.name, one) for domain in mapped.domains for one in domain.truth}
    found = {(name, one.holder.name) for one in mapped.map.dependencies for name in one.domains}
    recall, precision = len(true & found) / len(true), len(true & found) / len(found)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(mapped.domains)} domains, {len(true)} dependencies, {len(mapped.discovery.signs)} signs in "
            f"{mapped.seconds:.1f} s: recall {recall:.1%}, precision {precision:.1%}\n"
        )
    assert recall > 0.95, sorted(true - found)
    assert precision > 0.95, sorted(found - true)
    assert found == true, "nothing here is left to luck"
    assert mapped.seconds < WITHIN
    assert not mapped.discovery.unread
    assert discovery_from_json(mapped.discovery.as_json()) == mapped.discovery


def test_what_is_declared_and_dead_or_seen_and_undeclared_is_told(mapped: Mapped) -> None:
    standing = {(one.row, one.holder.name): one.standing for one in mapped.map.dependencies}
    assert {one.holder.name for one in mapped.map.dead} == {"zoomed", "thinking"}
    assert standing["mail", "big-office"] == standing["identity", "big-identity"] == "confirmed"
    assert standing["portal", "big-cloud"] == "confirmed", "the web is on it, and no other service bought it"
    assert standing["registry", "big-dns"] == "elsewhere"
    assert standing["mail", "search-mail"] == standing["mail", "mx.petit-hebergeur.test"] == "undeclared"
    assert standing["web", "big-fonts"] == standing["dns", "big-dns"] == standing["visio", "big-visio"] == "undeclared"
    declared = {(row, one.vendor) for row, one in SERVICES.items()}
    seen = {(one.row, one.holder.name) for one in mapped.map.dependencies if one.signs}
    assert {(one.row, one.holder.name) for one in mapped.map.undeclared} == seen - declared
    assert all(one.signs and all(sign.evidence for sign in one.signs) for one in mapped.map.undeclared)


def test_what_stands_alone_and_what_breaks_first(mapped: Mapped) -> None:
    points = {(one.role, one.holder): one for one in mapped.map.single_points}
    names = points["name-servers", "big-dns"]
    assert {"mail", "web"} <= set(names.rows)
    assert len(names.domains) == len(mapped.domains) / 3, "a domain with two companies' servers does not stand on one"
    assert ("certificates", "letters") in points
    assert ("sign-in", "big-identity") in points
    assert [(one.clock, one.holder, one.after) for one in mapped.map.breaking] == [
        ("token", "big-office", 3600.0),
        ("stored", "big-office", 30 * 86400.0),
    ]
    assert mapped.map.coverage.exposed > mapped.map.coverage.runbook == 2
    assert mapped.map.coverage.tested == mapped.map.coverage.fresh == 0
