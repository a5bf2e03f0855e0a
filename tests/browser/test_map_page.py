"""The page of dependencies in a real browser: a drawing that can be read, and nothing asked of anybody else."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright

from orchestrator.store.map_files import save_discovery
from providers.discovery.sign import Discovery, Sign
from tests.browser.test_run_page import CHROMIUM, QUIET, opened
from tests.integration.service_fixture import RunningService, running_service

DOMAIN = "town.example"
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
OVERLONG = """[...document.querySelectorAll(".map-node")].filter(node =>
  node.querySelector("text").getBBox().width > node.querySelector("rect").getBBox().width - 16).length"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as made:
        page = f"https://{DOMAIN}/"
        hosts = [f"host-{number}.somebody-with-a-rather-long-name.example" for number in range(30)]
        signs = [Sign(DOMAIN, "script", page, host, f"{page} script https://{host}/x.js") for host in hosts]
        signs.append(Sign(DOMAIN, "mx", DOMAIN, "<b>mx.example", f"{DOMAIN} MX <b>mx.example"))
        found = Discovery("live", (DOMAIN,), 1_800_000_000.0, tuple(signs))
        save_discovery(made.bascule.paths.maps, "live", found.read_at, found.as_json())
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


@pytest.mark.every_day("320")
@pytest.mark.parametrize("width", [320, 1280])
def test_the_map_is_drawn_and_told(browser: Browser, service: RunningService, width: int) -> None:
    told = service.http.get("/api/v1/map").json()["dependencies"]
    holders = [one["holder"] for one in told]
    nodes = [{one["row"] for one in told}, {one["name"] for one in holders}, {one["country"] for one in holders}]
    size = {"width": width, "height": 900}
    with opened(browser, service, "/map", viewport=size, locale="fr-FR", java_script_enabled=width > 500) as watched:
        page = watched.page
        expect(page.locator("h1")).to_have_text("De qui dépend l’organisation")
        expect(page.locator(".map-node")).to_have_count(sum(map(len, nodes)))
        expect(page.locator(".map-table tbody tr")).to_have_count(len(told))
        expect(page.locator(".map-table")).to_contain_text("<b>mx.example")
        if width > 500:
            assert page.evaluate(FITS), "the page scrolls sideways"
            assert page.evaluate(OVERLONG) == 0, "a label is longer than its box"
        assert not watched.console
        assert all(url.startswith(service.url) for url in watched.asked)
