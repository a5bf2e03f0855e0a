"""The page of the moment in a real browser: it moves by itself, and without a script it is whole."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_run_page import CONTRAST, SHEET, TOO_WIDE, browser, opened
from tests.integration.service_fixture import RunningService, running_service

__all__ = ["browser"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("moment")) as made:
        yield made


def test_a_run_that_begins_and_waits_is_seen_without_reloading(browser: Browser, service: RunningService) -> None:
    with opened(browser, service, "/") as watched:
        page = watched.page
        expect(page.locator("#link")).to_have_text("Live")
        expect(page.locator("h1")).to_have_text("Nothing happens, but nobody looks at 2 vendors")
        expect(page.locator(".first")).to_contain_text("Make a plan")
        page.evaluate("window.neverReloaded = true")
        page.locator("#each summary").click()
        run = service.start(service.plan("desk")["digest"])
        expect(page.locator("h1")).to_have_text("1 run is active")
        waiting = page.locator('section[aria-labelledby="others"]')
        expect(waiting).to_contain_text("An operator must do the task")
        expect(page.locator("#each")).to_have_attribute("open", "")
        elapsed = page.locator(".run .elapsed")
        before = elapsed.text_content()
        expect(elapsed).not_to_have_text(before or "")
        service.decide(run, "reject", "paul", SHEET, reason="no")
        expect(page.locator("h1")).to_have_text("1 step needs a decision")
        waiting.get_by_role("link", name="Look").click()
        expect(page.locator("dl.facts")).to_contain_text(run)
        service.decide(run, "cancel", "olga", reason="test ends")
        service.wait(run, "cancelled")
        page.go_back()
        expect(page.locator('section[aria-labelledby="ended"]')).to_contain_text("Cancelled")
    assert watched.console == []
    assert all(address.startswith(service.url) for address in watched.asked)


@pytest.mark.every_day("dark")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_a_script_on_a_small_screen_all_is_there(
    browser: Browser, service: RunningService, scheme: str
) -> None:
    run = service.start(service.plan("desk")["digest"], by=f"olga-{scheme}")
    service.wait(run, "waiting", SHEET)
    small = {"viewport": {"width": 360, "height": 740}, "color_scheme": scheme, "locale": "fr-FR"}
    with opened(browser, service, "/", java_script_enabled=False, **small) as watched:
        expect(watched.page.locator("h1")).to_have_text("1 exécution est en cours")
        expect(watched.page.locator("main")).to_contain_text("Un opérateur doit faire la tâche")
        watched.page.get_by_role("link", name="Services", exact=True).click()
        expect(watched.page.locator("h1")).to_have_text("Services")
        watched.page.get_by_role("link", name="Guichet").first.click()
        expect(watched.page.locator("h1")).to_have_text("Guichet")
    with opened(browser, service, "/", **small) as watched:
        for path in ("/", "/services", "/services/desk"):
            watched.page.goto(service.url + path)
            assert watched.page.evaluate(TOO_WIDE) == [], path
            assert watched.page.evaluate("document.documentElement.scrollWidth") == 360, path
            assert watched.page.evaluate(CONTRAST) == [], path
    service.decide(run, "cancel", "olga", reason="test ends")
