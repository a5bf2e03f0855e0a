"""A discovery ends in time and asks little, whatever answers: endless sites, dripping pages, silent resolvers."""

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from providers.base import Context
from providers.discovery.crawl import PAGES
from providers.discovery.discover import discover
from providers.discovery.page_fetch import PAGE_BYTES, Fetcher
from providers.discovery.survey import Survey
from providers.dns.deadline import Deadline
from tests.mapped_organisation import CLOUD, TABLE, Domain, Site, organisation
from tests.probe_targets import WebServer, web_server


def tree(number: int) -> str:
    """A page that leads to ten more."""
    return "".join(f'<a href="/{number * 10 + at}">x</a>' for at in range(10))


def test_an_endless_site_is_read_in_part_and_robots_are_heeded(tmp_path: Path) -> None:
    domain = Domain("endless.example", ["@ 300 NS ns.invalid.", "www 300 CNAME @"])
    site = domain.site("endless.example", CLOUD, tree(0) + '<a href="/closed/1">x</a>')
    site.pages |= {f"/{number}": (200, {}, tree(number)) for number in range(1, 3000)}
    site.pages["/robots.txt"] = (200, {}, "User-agent: bascule\nDisallow: /closed/\nDisallow: /1\n")
    turning = Site({"/": (302, {"Location": "https://www.endless.example/again"}, "")})
    turning.pages["/again"] = (302, {"Location": "https://www.endless.example/"}, "")
    domain.sites["www.endless.example"] = turning
    with organisation(tmp_path, [domain]) as context:
        discover(context, "live", [domain.name], {}, TABLE)
    assert 5 < len(site.asked) <= PAGES + 2
    assert not [path for path in site.asked if path.startswith(("/closed", "/1"))]
    assert len(turning.asked) <= 10


def test_a_host_whose_rules_can_not_be_read_is_not_read(tmp_path: Path) -> None:
    domain = Domain("broken.example", ["@ 300 NS ns.invalid."])
    site = domain.site("broken.example", CLOUD, '<script src="https://x.test/"></script>')
    site.pages["/robots.txt"] = (503, {}, "")
    with organisation(tmp_path, [domain]) as context:
        found = discover(context, "live", [domain.name], {}, TABLE)
    assert site.asked == ["/robots.txt"]
    assert "script" not in {sign.kind for sign in found.signs}


@pytest.fixture
def pages() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def test_a_page_that_never_ends_is_left_and_a_large_one_is_cut(pages: WebServer, context: Context) -> None:
    survey = Survey(context, ["x.example"], TABLE, Deadline(30))
    begun = time.monotonic()
    with Fetcher(survey).visit("x.example", Deadline(1)) as visit:
        dripping = visit.get(f"http://127.0.0.1:{pages.port}/drip")
    assert time.monotonic() - begun < 5
    assert dripping is not None
    with Fetcher(survey).visit("x.example", Deadline(20)) as visit:
        large = visit.get(f"http://127.0.0.1:{pages.port}/big")
        assert visit.get("http://127.0.0.1:9/") is None, "where nothing listens there is no page"
        assert visit.get("http://192.0.2.1/") is None
    assert large is not None
    assert large.size == PAGE_BYTES
    (unread,) = survey.unread
    assert "192.0.2.1 is outside the networks of this scope; nothing was sent" in unread.message


def test_a_silent_resolver_costs_the_time_that_was_given_and_no_more(context: Context) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        scope = {**context.scope, "dns": {"resolvers": [f"127.0.0.1:{silent.getsockname()[1]}"]}}
        begun = time.monotonic()
        names = [f"town-{number}.example" for number in range(20)]
        found = discover(replace(context, scope=scope, deadline=2.0), "live", names, {}, TABLE)
        assert time.monotonic() - begun < 10
    assert not found.signs
    assert {one.domain for one in found.unread} == set(names)
    assert {one.kind for one in found.unread} == {"record"}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    def nothing(reference: str) -> None:
        raise AssertionError(reference)

    scope = {"networks": ["127.0.0.0/8"]}
    return Context(scope=scope, reveal=nothing, workspace=tmp_path, estate=tmp_path, deadline=30.0)  # type: ignore[arg-type]
