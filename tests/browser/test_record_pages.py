"""The history's and the estate's pages in a real browser: for everybody, without a script, and as things move."""

import time
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Error, ViewportSize, expect, sync_playwright

from orchestrator.domain.people.role import Role
from orchestrator.store import notices
from orchestrator.web.edge.access import Access
from orchestrator.web.words import Language, say
from tests.browser.test_run_page import CHROMIUM, QUIET
from tests.integration.service_fixture import RunningService, commit, estate_files, running_service
from tests.known_people import enrol, session

LOCALES = {"fr": "fr-FR", "en": "en-GB"}
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
PAGES = ("/history", "/history/audit", "/history/halts", "/history/notices", "/estate", "/estate/compare")
"""Where there is something to see: `test_every_page` looks at all of them as they are at first."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as made:
        enrol(made.bascule.database, "ada", *Role)
        made.wait(made.start(made.plan("phone")["digest"]), "succeeded")
        made.bascule.halt.engage("ada", "a host was taken over")
        made.bascule.halt.lift("ada", "it is clean")
        with made.bascule.database.write() as conn:
            words = {"fr": "Un message", "en": "A message"}
            notices.add(conn, "k", "c", "live", ["duty"], words, words, time.time())
        files = estate_files(made.listening_port)
        sheet = files["bascule.yaml"].replace("needs: [desk]", "needs: [desk]\n    rto: 4h")
        commit(made.estate, {**files, "bascule.yaml": sheet, "docs/long.md": "word " * 200})
        made.bascule.estates.sync("ada")
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


def entered(context: BrowserContext, service: RunningService) -> None:
    """As ada, who is signed in with a second factor."""
    name = Access(service.bascule.token, service.bascule.people.sign_in).cookie_name
    secret = session(service.bascule, "ada")
    context.add_cookies([{"name": name, "value": secret, "url": service.url}])


def test_full_pages_fit_and_are_accessible(browser: Browser, service: RunningService) -> None:
    size = ViewportSize(width=360, height=800)
    with browser.new_context(viewport=size, locale=LOCALES["fr"], color_scheme="dark") as context:
        entered(context, service)
        page = context.new_page()
        page.set_default_timeout(10_000)
        for path in PAGES:
            page.goto(f"{service.url}{path}")
            expect(page.locator("h1")).to_have_count(1)
            assert page.evaluate(FITS), f"{path} scrolls sideways"
            found = Axe().run(page).response["violations"]
            assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in found] == [], path


@pytest.mark.every_day("fr")
@pytest.mark.parametrize("language", ["fr", "en"])
def test_everything_is_done_without_a_script(browser: Browser, service: RunningService, language: Language) -> None:
    with browser.new_context(locale=LOCALES[language], java_script_enabled=False) as context:
        entered(context, service)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.goto(f"{service.url}/history/audit")
        page.click("a[href='/history/audit/verify']")
        page.click("main form button")
        expect(page.locator(".did")).to_have_text(say(language, "did.verify"))
        expect(page.locator(".head .state")).to_have_text(say(language, "audit.whole"))  # it looks again by itself
        with page.expect_download() as download:
            page.click("a[href='/history/audit/export']")
        assert download.value.suggested_filename.endswith(".jsonl")

        page.goto(f"{service.url}/history")
        page.select_option("select[name=mode]", "live")
        page.click("form.filter button")
        expect(page.locator("main")).to_contain_text(say(language, "history.nothing"))
        page.click(f"text={say(language, 'history.all')}")
        expect(page.locator("tbody tr")).to_have_count(1)

        page.goto(f"{service.url}/estate")
        page.click("a[href='/estate/sync']")
        page.click("main form button")
        expect(page.locator(".did")).to_have_text(say(language, "did.current"))
        page.click("#history tbody tr >> nth=0 >> a[href^='/estate/compare']")
        expect(page.locator(".diff pre").first).to_contain_text("+    rto: 4h")
        page.goto(f"{service.url}/estate/accept")
        page.fill("input[name=commit]", "0" * 12)
        page.fill("textarea[name=reason]", "a new forge")
        page.click("button.danger")
        expect(page.locator("[role=alert]")).to_contain_text(say(language, "problem.conflict"))
        expect(page.locator("input[name=commit]")).to_have_value("0" * 12)


def test_the_history_moves_while_one_looks(browser: Browser, service: RunningService) -> None:
    with browser.new_context(locale="en-GB") as context:
        entered(context, service)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.goto(f"{service.url}/history?service=desk")
        expect(page.locator("#link")).to_have_attribute("data-state", "live")
        made = service.start(service.plan("desk")["digest"])
        expect(page.locator(f"a[href='/runs/{made}']")).to_be_visible()
        service.wait(made, "waiting", "desk-failover/sheet")
        expect(page.locator("tbody tr").first).to_contain_text(say("en", "run.attention"))
        service.decide(made, "cancel", "olga", reason="test ends")
        expect(page.locator("tbody tr").first).to_contain_text(say("en", "run.cancelled"))
