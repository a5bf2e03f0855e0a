"""The pages of signals in a browser: drawn and told alike, live while they are looked at, whole without a script."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from orchestrator.domain.people.role import Role
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.store import observations, verdicts
from orchestrator.web.edge.access import Access
from tests.browser.test_run_page import CHROMIUM, QUIET
from tests.integration.service_fixture import RunningService, running_service, until
from tests.known_people import enrol, session
from tests.unit.signals_readings import HOUR, as_it_is, refused, rounds

FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("signals")) as made:
        begun = time.time() - 2 * HOUR
        with made.bascule.database.write() as conn:
            for one in [*rounds(1, as_it_is, start=begun), *rounds(1, refused, start=begun + HOUR)]:
                observations.add(conn, one, one.at)
        enrol(made.bascule.database, "olga", Role.OPERATOR)
        until(lambda: "cut" in made.http.get("/api/v1/verdicts").text or None, 40, lambda: "nothing is cut")
        yield made


@pytest.fixture(scope="module")
def browser(service: RunningService) -> Iterator[Browser]:
    """Chromium. It starts after the service and ends before it: Playwright leaves an event loop in this thread."""
    del service
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        except Error as error:
            pytest.fail(f"{CHROMIUM} does not start: install the Debian package chromium ({error})")
        yield started
        started.close()


@contextmanager
def olga(browser: Browser, service: RunningService, path: str, **context: Any) -> Iterator[Page]:
    access = Access(service.bascule.token, service.bascule.people.sign_in)
    with browser.new_context(**{"locale": "en-GB", **context}) as made:
        made.set_default_timeout(15_000)
        cookie = session(service.bascule, "olga")
        made.add_cookies([{"url": service.url, "name": access.cookie_name, "value": cookie}])
        page = made.new_page()
        page.goto(service.url + path)
        yield page


def test_what_is_drawn_is_told(browser: Browser, service: RunningService) -> None:
    """Two aspects of two trust domains are refused for an hour: as wide as it lasts, and in the table's words."""
    with olga(browser, service, "/signals/microsoft-365?since=6h") as page:
        lanes = page.locator(".lane", has=page.locator('.bar[data-kind="denied"]'))
        expect(lanes).to_have_count(4)
        bar = lanes.first.locator('.bar[data-kind="denied"]').bounding_box()
        lane = lanes.first.locator("svg").bounding_box()
        assert bar is not None
        assert lane is not None
        assert bar["width"] / lane["width"] == pytest.approx(1 / 6, abs=0.03)
        told = page.locator("table", has_text="What was observed, in words").locator("tbody tr")
        expect(told).to_have_count(6)
        expect(told.filter(has_text=re.compile(r"\d+ × refused"))).to_have_count(4)
        expect(told.filter(has_text="Always answered")).to_have_count(2)
        page.get_by_role("link", name="1 hour").press("Enter")
        expect(page.locator('.windows a[aria-current="true"]')).to_have_text("1 hour")


def test_a_page_that_is_looked_at_moves_by_itself(browser: Browser, service: RunningService) -> None:
    with olga(browser, service, "/signals") as page:
        expect(page.locator("#link")).to_have_text("Live")
        page.evaluate("window.neverReloaded = true")
        now = time.time()
        with service.bascule.database.write() as conn:
            words = {"fr": "AWS : en érosion", "en": "AWS: eroding since just now"}
            verdicts.record(conn, Change(now, "aws", Verdict.ERODING, Verdict.UNKNOWN, now, (), words), now)
        expect(page.locator("#aws")).to_contain_text("AWS: eroding since just now", timeout=4000)
        assert page.evaluate("window.neverReloaded")


def test_it_is_acknowledged_without_a_script_on_a_small_screen(browser: Browser, service: RunningService) -> None:
    small = {"viewport": {"width": 360, "height": 780}, "java_script_enabled": False, "locale": "fr-FR"}
    with olga(browser, service, "/signals", **small) as page:
        card = page.locator("li", has=page.locator("h3", has_text="Microsoft 365"))
        expect(card.locator(".word")).to_have_text("coupé")
        card.get_by_role("link", name="Prendre en compte").click()
        page.get_by_label("Motif").fill("vu par l’astreinte")
        page.get_by_role("button", name="Prendre en compte").click()
        expect(page.locator(".did")).to_have_text("Pris en compte, en votre nom.")
        expect(page.locator(".facts")).to_contain_text("Pris en compte par olga")
        expect(page.locator(".facts")).to_contain_text("vu par l’astreinte")
        expect(page.get_by_role("link", name="Prendre en compte")).to_have_count(0)
    with olga(browser, service, "/signals/microsoft-365", viewport={"width": 360, "height": 780}) as page:
        assert page.evaluate(FITS)
