"""The pages of plans in a real browser: accessible, readable at 360 px, and usable with JavaScript off."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from orchestrator.domain.people.role import Role
from tests.integration.service_fixture import RunningService, running_service
from tests.known_people import token_of
from tests.rich_plan import keep, rich_plan

CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as made:
        made.person("olga", Role.OPERATOR, Role.APPROVER)
        yield made


@pytest.fixture(scope="module")
def browser(service: RunningService) -> Iterator[Browser]:
    """Chromium. It starts after the service and ends before it: Playwright leaves an event loop in this thread."""
    del service
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--no-proxy-server"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def digest(service: RunningService) -> str:
    plan = rich_plan(service.bascule.estates.newest(), time.time())
    return keep(service.bascule.database, plan, time.time())


def signed_in(browser: Browser, service: RunningService, **context: Any) -> Page:
    """A page of somebody who may plan, start and approve."""
    headers = {"Authorization": f"Bearer {token_of(service.people['olga'])}"}
    page = browser.new_context(**{"locale": "en-GB", "extra_http_headers": headers, **context}).new_page()
    page.set_default_timeout(10_000)
    return page


@pytest.mark.every_day("fr-FR-360-dark")
@pytest.mark.parametrize(("locale", "width", "scheme"), [("en-GB", 1280, "light"), ("fr-FR", 360, "dark")])
def test_nothing_keeps_anybody_from_reading(
    browser: Browser, service: RunningService, digest: str, locale: str, width: int, scheme: str
) -> None:
    page = signed_in(browser, service, locale=locale, color_scheme=scheme, viewport={"width": width, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    for path in (f"/plans/{digest}", f"/plans/{digest}/start"):
        page.goto(f"{service.url}{path}")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{path}: {found.generate_snapshot()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
        assert page.locator("h1").count() == 1
    assert said == []
    page.context.close()


def test_a_plan_is_made_read_and_started_without_a_script(browser: Browser, service: RunningService) -> None:
    page = signed_in(browser, service, java_script_enabled=False)
    page.goto(f"{service.url}/plans/new")
    page.get_by_label("Switchboard").check()
    page.get_by_label("drill").check()
    page.get_by_role("button", name="Look and make the plan").click()
    expect(page.locator("h1")).to_have_text(re.compile(r"Failover\s+Switchboard"))
    expect(page.locator(".band")).to_contain_text("Drill")
    page.get_by_role("link", name="Look whether the world moved").click()
    page.get_by_role("button", name="Look whether the world moved").click()
    expect(page.locator("#moved")).to_contain_text("Nothing moved")
    page.get_by_role("link", name="Start the run").click()
    page.get_by_label("Why").fill("we try it")
    page.get_by_label("type drill").fill("dril")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("alert")).to_contain_text("Type drill to confirm")
    expect(page.get_by_label("Why")).to_have_value("we try it")
    page.get_by_label("type drill").fill("drill")
    page.get_by_role("button", name="Start the run").click()
    expect(page).to_have_url(re.compile(r"/runs/\d{8}-"))
    expect(page.locator(".did")).to_contain_text("It waits for people to release it.")
    page.context.close()


def test_what_is_copied_of_the_digest_is_the_digest(browser: Browser, service: RunningService, digest: str) -> None:
    page = signed_in(browser, service)
    page.goto(f"{service.url}/plans/{digest}")
    copied = page.evaluate("""() => {
      getSelection().selectAllChildren(document.querySelector(".plan-digest .digest"));
      return getSelection().toString();
    }""")
    assert copied.replace("\n", "") == digest
    page.context.close()


def test_on_paper_two_people_sign_and_every_page_names_the_digest(
    browser: Browser, service: RunningService, digest: str
) -> None:
    page = signed_in(browser, service)
    page.goto(f"{service.url}/plans/{digest}?whole=yes")
    sign, foot = page.locator(".plan-sign"), page.locator(".plan-foot")
    expect(sign).to_be_hidden()
    page.emulate_media(media="print")
    expect(sign).to_be_visible()
    expect(sign.locator(".plan-line")).to_have_count(2)
    expect(foot).to_be_visible()
    assert foot.evaluate("element => getComputedStyle(element).display") == "table-footer-group"
    expect(page.locator(".plan-do")).to_be_hidden()
    page.context.close()
