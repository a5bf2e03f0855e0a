"""A server at one of several clouds: the first that has room, and nothing left at those that have none."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.compute.driver import Offer, Quota, Resource
from providers.compute.server import ComputeServer
from providers.compute.sizing import lacking, serving
from providers.registry import placements
from providers.wants import FirewallRule, Resources, Server
from tests.contract.suite import Case, refused
from tests.vendor_stand_ins import CloudStandIn, cloud_stand_in

MakeContext = Callable[[Mapping[str, Any]], Context]

SMALL = Resources(cpu=2, memory=2)
WEB = Server(
    provider=["first", "second"],
    name="web",
    resources=SMALL,
    image="debian-12",
    firewall=[FirewallRule(port=443)],
)
TAG = Tag("run-1", "web/server")


@dataclass
class Pair:
    """Two clouds, and the step that may use either."""

    first: CloudStandIn
    second: CloudStandIn
    case: Case

    def creations(self) -> tuple[int, int]:
        made = [[action for action, _ in cloud.written()].count("server.create") for cloud in (self.first, self.second)]
        return made[0], made[1]

    def left(self) -> list[int]:
        """How many things are at each cloud."""
        return [
            sum(len(things) for things in (cloud.fleet.servers, cloud.fleet.volumes, cloud.fleet.firewalls))
            for cloud in (self.first, self.second)
        ]

    def sold_out(self, *sizes: str) -> None:
        """At the first cloud, found out only when a server is powered on: the list still says otherwise."""
        stock = self.first.fleet.catalogue.stock
        stock.update(dict.fromkeys(sizes or self.first.fleet.catalogue.sizes, 0))


@pytest.fixture
def pair(make_context: MakeContext) -> Iterator[Pair]:
    with cloud_stand_in() as first, cloud_stand_in() as second:
        context = make_context({"compute": {"first": first.block, "second": second.block}})
        case = Case(
            want=WEB,
            tag=TAG,
            context=context,
            make=ComputeServer,
            world=lambda: (first.fleet.state(), second.fleet.state()),
        )
        yield Pair(first, second, case)


def test_the_first_cloud_that_has_room_is_taken(pair: Pair) -> None:
    made = pair.case.apply(pair.case.before())
    assert made.outputs["provider"] == "first"
    assert pair.creations() == (1, 0)
    server = pair.first.fleet.servers[made.outputs["id"]]
    assert server.size.name == "DEV1-S", "the cheapest that has the resources"
    assert server.firewall in pair.first.fleet.firewalls
    assert [rule["dest_port_from"] for rule in pair.first.fleet.firewalls[server.firewall].rules] == [443]


def test_a_cloud_whose_lists_say_sold_out_is_not_asked(pair: Pair) -> None:
    pair.sold_out()
    made = pair.case.apply(pair.case.before())
    assert made.outputs["provider"] == "second"
    assert pair.creations() == (0, 1)
    assert pair.left()[0] == 0


def test_a_refusal_in_mid_wave_moves_on_and_leaves_nothing(pair: Pair) -> None:
    """The size is listed as in stock, and refused when the server is powered on."""
    before = pair.case.before()
    with pair.first.faulty({"route": "POST */action", "kind": "quota", "times": None}):
        made = pair.case.apply(before)
    assert made.outputs["provider"] == "second"
    assert pair.creations() == (1, 1)
    assert pair.left()[0] == 0, "server, volume and firewall of the first cloud are released"
    assert pair.case.observe(before).presence is Presence.OURS


def test_a_size_that_is_refused_gives_way_to_the_next(pair: Pair) -> None:
    with pair.first.faulty({"route": "POST */servers", "kind": "quota", "times": 1}):
        made = pair.case.apply(pair.case.before())
    assert made.outputs["provider"] == "first"
    assert pair.first.fleet.servers[made.outputs["id"]].size.name != "DEV1-S"


def test_no_room_anywhere_is_one_refusal_that_names_all(pair: Pair) -> None:
    pair.sold_out()
    with pair.second.faulty({"route": "POST */servers", "kind": "quota", "times": None}), refused() as caught:
        pair.case.apply(pair.case.before())
    assert caught.value.permanent
    assert "no size in stock" in caught.value.message
    assert "the quota of InstanceServers" in caught.value.message
    assert pair.left() == [0, 0]


def test_a_cloud_that_is_away_counts_as_one_without_room(pair: Pair) -> None:
    before = pair.case.before()
    with pair.first.faulty({"kind": "status", "status": 503, "times": None}):
        made = pair.case.provider(deadline=4.0).apply(WEB, TAG, before, lambda _: None)
    assert made.outputs["provider"] == "second"
    assert pair.creations() == (0, 1)


def test_a_cloud_that_is_away_may_have_what_another_worker_began(pair: Pair) -> None:
    """A worker that took the step over does not know what was begun: it asks nobody else before it can look."""
    before = pair.case.before()
    (pair.case.context.workspace / "from-the-beginning").unlink()
    with pair.first.faulty({"kind": "status", "status": 503, "times": None}), refused() as caught:
        pair.case.provider(deadline=2.0).apply(WEB, TAG, before, lambda _: None)
    assert not caught.value.permanent
    assert pair.creations() == (0, 0)


def test_a_lost_answer_keeps_the_step_at_its_cloud(pair: Pair) -> None:
    before = pair.case.before()
    with pair.first.faulty({"route": "POST */servers", "kind": "lose_answer"}):
        made = pair.case.apply(before)
    assert made.outputs["provider"] == "first"
    with pair.first.faulty({"kind": "status", "status": 503, "times": None}), refused() as caught:
        pair.case.provider(deadline=2.0).apply(WEB, TAG, before, lambda _: None)
    assert not caught.value.permanent
    assert pair.creations() == (1, 0)


def test_undo_takes_the_firewall_along(pair: Pair) -> None:
    world = pair.case.world()
    made = pair.case.apply(pair.case.before())
    assert pair.case.undo(made.effect).presence is Presence.ABSENT
    assert pair.case.world() == world


def test_a_firewall_made_before_the_crash_is_used_and_taken_back(pair: Pair) -> None:
    world, before = pair.case.world(), pair.case.before()
    with pair.first.faulty({"route": "POST */servers", "kind": "drop"}):
        cut_short = pair.case.provider(deadline=2.0).apply(WEB, TAG, before, lambda _: None)
    assert cut_short.presence is Presence.PENDING
    (pair.case.context.workspace / "create-sent-first").unlink()
    found = pair.case.observe(before)
    assert found.presence is Presence.ABSENT
    assert [part["kind"] for part in found.effect["parts"]] == ["firewall"]
    assert pair.case.undo(found.effect).presence is Presence.ABSENT
    assert pair.case.world() == world


def test_a_firewall_cut_off_before_its_rules_gets_them(pair: Pair) -> None:
    before = pair.case.before()
    with pair.first.faulty({"route": "PUT */rules", "kind": "drop"}), refused():
        pair.case.provider(deadline=3.0).apply(WEB, TAG, before, lambda _: None)
    made = pair.case.apply(before)
    (firewall,) = pair.first.fleet.firewalls.values()
    assert [rule["dest_port_from"] for rule in firewall.rules] == [443]
    assert pair.first.fleet.servers[made.outputs["id"]].firewall == firewall.id


def test_the_server_of_an_earlier_run_is_found_and_released_wherever_it_is(pair: Pair) -> None:
    pair.sold_out()
    world = pair.case.world()
    made = pair.case.apply(pair.case.before())
    finder = Case(
        want=Server(provider=["first", "second"], name="web", state="existing"),
        tag=Tag("run-2", "find"),
        context=pair.case.context,
        make=ComputeServer,
        world=pair.case.world,
    )
    assert finder.apply(finder.before()).outputs == made.outputs
    release = Case(
        want=Server(provider=["first", "second"], name="web", state="absent"),
        tag=Tag("run-2", "end"),
        context=pair.case.context,
        make=ComputeServer,
        world=pair.case.world,
    )
    assert release.apply(release.before()).presence is Presence.OURS
    assert pair.case.world() == world


def test_sizes_serve_by_stock_price_and_disk() -> None:
    offers = [
        Offer("dear", 2, 4, 0, hourly=0.9),
        Offer("cheap", 2, 4, 20, hourly=0.1),
        Offer("sold-out", 2, 4, 20, available=False, hourly=0.01),
        Offer("arm", 2, 4, 20, "arm64", hourly=0.01),
        Offer("small-disk", 2, 4, 5, hourly=0.01),
        Offer("small", 1, 4, 20, hourly=0.01),
        Offer("unpriced", 2, 8, 20),
    ]
    assert [offer.name for offer in serving(offers, Resources(cpu=2, memory=4, disk=10))] == [
        "cheap",
        "dear",
        "unpriced",
    ]


def test_quotas_are_checked_for_all_servers_together() -> None:
    quotas = [Quota(Resource.SERVERS, 18, 20), Quota(Resource.CPU, 10, 15), Quota(Resource.MEMORY, 0, None)]
    sizes = [Offer("a", 2, 2, 10)] * 3
    assert [(quota.resource, need) for quota, need in lacking(quotas, sizes)] == [
        (Resource.SERVERS, 3.0),
        (Resource.CPU, 6.0),
    ]
    assert lacking(quotas, sizes[:2]) == []


def test_a_plan_is_told_where_all_its_servers_would_be(pair: Pair) -> None:
    """Together they need more than the first cloud has: what is over goes to the second, or has no room."""
    pair.first.fleet.catalogue.quotas["servers"] = 2
    pair.first.block["organization"] = pair.first.fleet.catalogue.organization
    alone = WEB.model_copy(update={"provider": ["first"]})
    servers = {"a": WEB, "b": alone, "c": WEB, "d": alone}
    found = placements(servers, pair.case.context)
    assert [(found[step].provider, found[step].size) for step in servers] == [
        ("first", "DEV1-S"),
        ("first", "DEV1-S"),
        ("second", "DEV1-S"),
        (None, None),
    ]
    assert "The quota of first is too small" in found["d"].message
    assert pair.creations() == (0, 0)


def test_a_cloud_that_cannot_be_asked_stops_no_plan(pair: Pair) -> None:
    with pair.first.faulty({"kind": "status", "status": 403, "times": None}):
        found = placements({"a": WEB}, pair.case.context)
    assert found["a"].provider == "first"
    assert "not known" in found["a"].message
