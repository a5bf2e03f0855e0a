"""From signs to dependencies: recognition, rows, standings, coverage, single points, and the drawing of it all."""

from itertools import combinations

import pytest

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import read_bundle
from orchestrator.domain.catalogue import Catalogue, Recognised
from orchestrator.domain.catalogue_text import read_catalogue
from orchestrator.domain.dependencies import Proven
from orchestrator.domain.dependency_map import DependencyMap, map_of
from orchestrator.domain.estate import Service
from orchestrator.domain.mentions import mentioned_hosts
from orchestrator.domain.recognition import Recogniser
from orchestrator.web.pages.map_drawing import NODE_HEIGHT, Labels, drawn
from providers.discovery.sign import Discovery, Kind, Sign, Unread

NOW = 1_000_000.0
DAY = 86400.0
HOUR = 3600.0


def catalogue(**recognised: str) -> Catalogue:
    """Vendors by name, with how each is recognised; all American, and of mail unless the name says more."""
    files = {
        f"vendors/{name.replace('_', '-')}.yaml": (
            f"vendor: {name.replace('_', '-')}\ntitle: {{fr: {name}, en: {name}}}\ncompany: {name}\njurisdiction: IE\n"
            f"control: {{owner: {name}, country: US}}\nserves: [mail]\nrecognised: {how}\n"
            "sources: [{url: 'https://x.test', says: x, date: 2026-11-25}]\n"
        ).encode()
        for name, how in recognised.items()
    }
    found, problems = read_catalogue(files)
    assert not problems, problems
    return found


def sign(kind: Kind, value: str, at: str = "town.example", through: tuple[str, ...] = ()) -> Sign:
    return Sign("town.example", kind, at, value, f"{at} {kind} {value}", through)


def service(vendor: str, target: str = "nowhere", **more: object) -> Service:
    return Service.model_validate({"title": {"fr": "x", "en": "x"}, "vendor": vendor, "target": target, **more})


def mapped(
    known: Catalogue,
    signs: list[Sign],
    services: dict[str, Service],
    mentioned: dict[str, frozenset[str]] | None = None,
    proven: dict[str, Proven] | None = None,
) -> DependencyMap:
    found = Discovery("live", ("town.example",), NOW, tuple(sorted(signs)))
    return map_of(found, services, known, mentioned or {}, proven or {}, NOW)


def standings(found: DependencyMap) -> dict[tuple[str, str], str]:
    return {(one.row, one.holder.name): one.standing for one in found.dependencies}


def test_the_most_exact_pattern_decides_and_sharers_are_all_named() -> None:
    recogniser = Recogniser(
        catalogue(
            wide="{mx: ['*.host.test'], txt: [a], issuers: [Trust]}",
            narrow="{mx: ['*.mail.host.test'], txt: [ab=], issuers: [Trust Services]}",
            exact="{mx: [one.mail.host.test], networks: [exact-net]}",
            other="{hosts: ['*.mail.host.test'], networks: [exact-net]}",
        )
    )
    for one, names in (
        (sign("mx", "x.host.test"), ("wide",)),
        (sign("mx", "x.mail.host.test"), ("narrow",)),
        (sign("mx", "one.mail.host.test"), ("exact",)),
        (sign("mx", "host.test"), ()),
        (sign("mx", "evilhost.test"), ()),
        (sign("mta-sts", "*.mail.host.test"), ("narrow",)),
        (sign("script", "x.mail.host.test"), ("other",)),
        (sign("txt", "AB=1"), ("narrow",)),
        (sign("txt", "nothing"), ()),
        (sign("issuer", "trust services europe"), ("narrow",)),
        (sign("network", "exact-net"), ("exact", "other")),
        (sign("inside", "wide"), ("wide",)),
        (sign("inside", "absent"), ()),
    ):
        assert recogniser.products(one) == names, one


def test_how_a_dependency_stands() -> None:
    known = catalogue(
        old="{mx: ['*.old.test'], ns: ['*.oldns.test']}",
        new="{mx: ['*.new.test']}",
        gone="{hosts: ['*.gone.test']}",
        mute="{}",
    )
    signs = [sign("mx", "mx.old.test"), sign("mx", "mx.new.test"), sign("mx", "mx.stranger.test")]
    services = {
        "mail": service("old", "new"),
        "archive": service("old"),
        "chat": service("gone"),
        "phone": service("mute"),
        "post": service("unheard-of"),
    }
    assert standings(mapped(known, signs, services)) == {
        ("mail", "old"): "confirmed",
        ("mail", "new"): "target",
        ("mail", "mx.stranger.test"): "undeclared",
        ("archive", "old"): "elsewhere",
        ("chat", "gone"): "dead",
        ("phone", "mute"): "unrecognisable",
        ("post", "unheard-of"): "unrecognisable",
    }


def test_silence_makes_nothing_dead() -> None:
    known = catalogue(gone="{mx: ['*.gone.test']}")
    for unread, standing in (
        (Unread("town.example", "record", "town.example MX", "no answer"), "unknown"),
        (Unread("town.example", "page", "https://town.example/", "no answer"), "dead"),
    ):
        found = Discovery("live", ("town.example",), NOW, (), (unread,))
        (one,) = map_of(found, {"mail": service("gone")}, known, {}, {}, NOW).dependencies
        assert one.standing == standing


def test_a_star_may_stand_anywhere() -> None:
    known = catalogue(names="{}", wide="{ns: ['*.test']}")
    starred = Recognised.model_construct(ns=("*.bigdns-*",))
    vendors = {**known.vendors, "names": known.vendors["names"].model_copy(update={"recognised": starred})}
    recogniser = Recogniser(Catalogue(vendors))
    assert recogniser.products(sign("ns", "ns-1.bigdns-12.test")) == ("names",)
    assert recogniser.products(sign("ns", "ns-1.other.test")) == ("wide",)


def test_what_a_third_party_stands_on_is_its_own_affair() -> None:
    known = catalogue(known="{spf: [known.test]}", beneath="{spf: [beneath.test], networks: [beneath]}")
    signs = [
        sign("spf", "known.test"),
        sign("spf", "beneath.test", through=("known.test",)),
        sign("network", "beneath", through=("known.test",)),
        sign("spf", "stranger.test"),
        sign("spf", "deeper.test", through=("stranger.test",)),
    ]
    assert set(standings(mapped(known, signs, {}))) == {("mail", "known"), ("mail", "stranger.test")}
    behind = [sign("spf", "stranger.test"), sign("spf", "beneath.test", through=("stranger.test",))]
    assert ("mail", "beneath") in standings(mapped(known, behind, {})), "known, behind somebody unknown, is news"


@pytest.mark.parametrize(
    ("one", "row"),
    [
        (sign("network", "n", "www.town.example"), "web"),
        (sign("network", "n", "mx1.town.example"), "mail"),
        (sign("network", "n", "ns2.town.example"), "dns"),
        (sign("cname", "x.test", "selector1._domainkey.town.example"), "mail"),
        (sign("cname", "x.test", "meet.town.example"), "visio"),
        (sign("script", "x.test", "https://cloud.town.example/a"), "office"),
        (sign("login", "x.test", "https://www.town.example/"), "identity"),
        (sign("srv", "x.test", "_xmpp-client._tcp.town.example"), "chat"),
        (sign("srv", "x.test", "_imaps._tcp.town.example"), "mail"),
        (sign("issuer", "Trust", "www.town.example:443"), "certificates"),
        (sign("cname", "x.test", "registry.town.example"), "civil"),
    ],
)
def test_the_row_that_a_sign_belongs_to(one: Sign, row: str) -> None:
    mentioned = {"registry.town.example": frozenset({"civil"})}
    found = mapped(Catalogue(), [one], {"civil": service("nobody")}, mentioned)
    assert [dependency.row for dependency in found.undeclared] == [row]


def test_marks_alone_are_marks() -> None:
    known = catalogue(mark="{txt: [MS=], caa: [mark.test]}")
    (one,) = mapped(known, [sign("txt", "MS=1"), sign("caa", "mark.test")], {"mail": service("mark")}).dependencies[:1]
    assert one.only_marks


def test_coverage_counts_what_is_decided_elsewhere() -> None:
    known = catalogue(old="{mx: ['*.old.test']}", near="{mx: ['*.near.test']}")
    services = {"mail": service("old", failover="x", rpo="1d")}
    signs = [sign("mx", "mx.old.test"), sign("mx", "mx.stranger.test")]

    def counts(proven: Proven) -> tuple[int, int, int, int]:
        one = mapped(known, signs, services, proven={"mail": proven}).coverage
        return one.exposed, one.runbook, one.tested, one.fresh

    assert counts(Proven()) == (2, 1, 0, 0)
    assert counts(Proven(tested_at=NOW - DAY, copied_at=NOW - HOUR)) == (2, 1, 1, 1)
    assert counts(Proven(copied_at=NOW - 2 * DAY)) == (2, 1, 0, 0)


def test_two_companies_of_name_servers_are_no_single_point() -> None:
    known = catalogue(dns="{ns: ['*.dns.test']}", trust="{issuers: [Trust]}")
    web = sign("script", "x.test", "https://www.town.example/")
    mail = sign("mx", "mx.x.test")
    alone = mapped(known, [web, mail, sign("ns", "a.dns.test"), sign("ns", "b.dns.test")], {})
    assert [(one.role, one.holder, one.rows) for one in alone.single_points] == [
        ("name-servers", "dns", ("mail", "web"))
    ]
    both = mapped(known, [web, mail, sign("ns", "a.dns.test"), sign("ns", "a.other.test")], {})
    assert not both.single_points
    unknown = mapped(known, [web, mail, sign("ns", "a.other.test"), sign("ns", "b.other.test")], {})
    assert [one.holder for one in unknown.single_points] == ["other.test"]


def test_the_hosts_that_runbooks_speak_of() -> None:
    files = {
        "bascule.yaml": b"""
estate: town
title: {fr: x, en: x}
services:
  registry: {title: {fr: x, en: x}, vendor: aws, target: scaleway, failover: move}
scopes:
  live: {mode: live}
""",
        "runbooks/move.yaml": b"""
runbook: move
service: registry
title: {fr: x, en: x}
parameters: {domain: {type: domain}}
steps:
  look: {uses: probe.http, with: {url: "https://registry.${{ parameters.domain }}/x"}}
  ask: {uses: probe.tcp, with: {host: api.town.example, port: 443}}
  away: {uses: probe.tcp, with: {host: other.example, port: 443}}
""",
    }
    bundle, problems = read_bundle(files, shipped())
    assert bundle is not None, problems
    assert mentioned_hosts(bundle, ["town.example"]) == {
        "api.town.example": frozenset({"registry"}),
        "registry.town.example": frozenset({"registry"}),
    }


def test_the_drawing_has_every_node_once_and_none_upon_another() -> None:
    known = catalogue(a="{mx: ['*.a.test']}", b="{ns: ['*.b.test']}")
    signs = [sign("mx", "x.a.test"), sign("ns", "x.b.test")]
    signs += [sign("script", f"host-{number}.a-very-long-name-of-a-third-party.test") for number in range(30)]
    found = mapped(known, signs, {"mail": service("a"), "phone": service("b")})
    labels = Labels(lambda name: (name, ""), lambda one: (one.holder.name, ""), str, ("x", "y", "z"), str)
    picture = drawn(found, labels)
    assert len(picture.nodes) == len({one.row for one in found.dependencies}) + 32 + 2
    assert len(picture.lines) == len(found.dependencies) + 32
    for one, other in combinations(picture.nodes, 2):
        assert one.x != other.x or abs(one.y - other.y) >= NODE_HEIGHT
    assert all(
        node.y + NODE_HEIGHT <= picture.height and node.x + node.width <= picture.width for node in picture.nodes
    )
    assert not drawn(mapped(known, [], {}), labels).nodes
