"""The page of a run as people act from it, in a real browser: live, reachable, on paper, and never older than 2 s."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from orchestrator.domain.people.role import Role
from orchestrator.store import runs
from orchestrator.store.runs import OutputLine
from orchestrator.web.edge.access import Access
from tests.browser.test_run_page import CHROMIUM, QUIET, TOO_WIDE
from tests.integration.service_fixture import ESTATE, RunningService, answering, commit, running_service
from tests.known_people import enrol, session

SHEET, GO, CHECK = "desk-failover/sheet", "desk-failover/go", "desk-failover/check"
FRESH = 2.0
"""Seconds after which a page must show what the journal has."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as made:
        text = ESTATE.replace("    failover: desk-failover", "    rto: 1h\n    failover: desk-failover")
        commit(made.estate, {"bascule.yaml": text})
        assert made.http.post("/api/v1/estate/sync", json={}).status_code == 200
        enrol(made.bascule.database, "olga", Role.OPERATOR, Role.APPROVER)
        yield made


@pytest.fixture(scope="module")
def browser(service: RunningService) -> Iterator[Browser]:
    """Chromium. It starts after the service and ends before it: Playwright leaves an event loop in this thread."""
    del service
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def run_id(service: RunningService) -> Iterator[str]:
    made = service.start(service.plan("desk", "phone")["digest"], "mia")
    service.wait(made, "waiting", SHEET)
    yield made
    if service.run(made)["run"]["ended_at"] is None:
        service.decide(made, "cancel", "olga", reason="test ends")
        service.wait(made, "cancelled")


@contextmanager
def signed_in(browser: Browser, service: RunningService, path: str, **context: Any) -> Iterator[Page]:
    """The page at this path, as olga sees it; its console must stay empty."""
    access = Access(service.bascule.token, service.bascule.people.sign_in)
    cookie = {"name": access.cookie_name, "value": session(service.bascule, "olga"), "url": service.url}
    with browser.new_context(**{"locale": "en-GB", **context}) as made:
        made.add_cookies([cookie])  # type: ignore[list-item]
        page = made.new_page()
        page.set_default_timeout(10_000)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{service.url}{path}")
        yield page
        assert [one for one in said if "ERR_" not in one] == []


def test_what_can_be_done_the_graph_and_the_time_left_follow_without_reloading(
    browser: Browser, service: RunningService, run_id: str
) -> None:
    with signed_in(browser, service, f"/runs/{run_id}") as page:
        page.evaluate("window.neverReloaded = true")
        expect(page.locator("#link")).to_have_text("Live")
        node, desk = page.locator(f'[data-node="{SHEET}"]'), page.locator('.objective[data-service="desk"]')
        expect(node.locator(".word")).to_have_text("waiting")
        expect(page.locator('[data-do="resume"]')).to_be_hidden()
        expect(desk.locator(".left")).to_contain_text("59 min")
        service.decide(run_id, "pause", "paul")
        expect(page.locator('[data-do="resume"]')).to_be_visible()
        expect(page.locator('[data-do="pause"]')).to_be_hidden()
        expect(page.locator(".wait-ways a").first).to_have_text("Go on")
        service.decide(run_id, "resume", "paul")
        service.decide(run_id, "reject", "paul", SHEET, reason="no")
        expect(node).to_have_attribute("data-tone", "bad")
        expect(node.locator(".word")).to_have_text("failed")
        expect(node.locator(".icon")).to_have_attribute("data-icon", "failed")
        expect(page.locator(".wait-ways a")).to_have_text(["Try again", "Go on without it…", "See what it wrote"])
        expect(page.locator('[data-group="desk"] .count[data-tone="bad"] .n')).to_have_text("1")
        service.decide(run_id, "retry", "paul", SHEET)
        service.finish(run_id)
        expect(desk.locator(".in-time")).to_contain_text("Done in")
        expect(desk.locator(".time-left")).to_be_hidden()
        expect(page.locator('[data-group="desk"] .count[data-tone="good"] .n')).to_have_text("5")
        expect(page.locator('[data-group="desk"] .count[data-tone="bad"]')).to_be_hidden()
        expect(page.locator('[data-do="pause"]')).to_be_hidden()
        expect(page.locator('[data-do="undo"]')).to_be_visible()
        assert page.evaluate("window.neverReloaded")
        shown = page.locator("main").inner_text()
        page.reload()
        assert page.locator('[data-group="desk"] .counts').inner_text() in shown


def test_pages_that_stay_open_see_a_halt_and_its_end_and_keep_the_switch(
    browser: Browser, service: RunningService, run_id: str
) -> None:
    service.decide(run_id, "pause", "paul")
    with signed_in(browser, service, f"/runs/{run_id}") as run:
        step, now = run.context.new_page(), run.context.new_page()
        step.goto(f"{service.url}/runs/{run_id}/steps/{SHEET}")
        now.goto(f"{service.url}/")
        for page in (run, step, now):
            expect(page.locator("#link")).to_have_text("Live")
            expect(page.locator("#stop")).to_be_visible()
        expect(run.locator('[data-do="resume"]')).to_be_visible()
        service.bascule.halt.engage("paul", "smoke")
        try:
            for page in (run, step, now):
                expect(page.locator(".halted")).to_contain_text("by paul")
                expect(page.locator("#stop")).to_be_hidden()
            expect(run.locator('[data-do="resume"]')).to_be_hidden()
            expect(run.locator('[data-do="undo"]')).to_be_hidden()
            expect(run.locator('[data-do="cancel"]')).to_be_visible()
            now.goto(f"{service.url}/halt/lift")
            now.locator("form textarea").fill("steam")
            now.locator("form button").click()
        finally:
            if service.bascule.halt.in_force():
                service.bascule.halt.lift("paul", "test ends")
        for page in (run, step, now):
            expect(page.locator(".halted")).to_be_hidden()
            expect(page.locator("#stop")).to_be_visible()
        expect(run.locator('[data-do="resume"]')).to_be_visible()
        expect(now.locator(".did")).to_be_visible()
        now.evaluate("document.querySelector('h1').textContent = 'old'")
        service.decide(run_id, "resume", "paul")
        expect(now.locator("h1")).not_to_have_text("old")
        expect(now.locator(".did")).to_be_visible()  # what was done stays said when the page takes over what moved
        now.route("**/live?*", lambda route: route.abort())
        now.goto(f"{service.url}/")
        expect(now.locator("#link")).to_contain_text("looked at every 15 s")


def test_pausing_is_one_click_and_one_confirmation_without_a_script(
    browser: Browser, service: RunningService, run_id: str
) -> None:
    with signed_in(browser, service, f"/runs/{run_id}", java_script_enabled=False, locale="fr-FR") as page:
        page.get_by_role("link", name="Suspendre", exact=True).click()
        page.get_by_role("button", name="Suspendre l’exécution").click()
        expect(page.locator(".did")).to_have_text("L’exécution est suspendue\u00a0: plus rien ne commence.")
        assert service.run(run_id)["run"]["paused"]


def test_the_graph_leads_to_the_list_and_a_step_to_its_page(
    browser: Browser, service: RunningService, run_id: str
) -> None:
    with signed_in(browser, service, f"/runs/{run_id}?open=desk") as page:
        page.locator('details[data-group="desk"] summary').click()
        expect(page.locator("#step-3")).to_be_hidden()
        page.locator(f'[data-node="{SHEET}"]').focus()
        page.keyboard.press("Enter")
        expect(page.locator("#step-3")).to_be_visible()  # the browser opens what it stands in
        page.locator("#step-3 a.name").click()
        expect(page.locator("h1")).to_contain_text("A person follows a sheet")
        expect(page.locator('[data-do="answer"]')).to_be_visible()
        service.decide(run_id, "reject", "paul", SHEET, reason="no")
        expect(page.locator(".head .word")).to_have_text("failed")
        expect(page.locator('[data-do="answer"]')).to_be_hidden()
        page.locator('[data-do="retry"] a').click()
        page.locator("form button").click()
        expect(page.locator(".did")).to_have_text("The step is tried again.")


def write(service: RunningService, run_id: str, step: str, texts: list[str]) -> None:
    """As a worker does: lines, and the word that there are some."""
    with service.bascule.database.write() as conn:
        runs.add_output(conn, [OutputLine(run_id, step, 1, time.time(), text) for text in texts])
    service.bascule.progress.announce()


def test_a_line_is_on_screen_within_a_second_and_the_page_keeps_the_last(
    browser: Browser, service: RunningService, run_id: str
) -> None:
    with (
        signed_in(browser, service, f"/runs/{run_id}") as page,
        signed_in(browser, service, f"/runs/{run_id}/steps/{CHECK}") as step,
    ):
        for one in (page, step):
            expect(one.locator("#link")).to_have_text("Live")
        waits = []
        for number in range(5):
            began = time.monotonic()
            write(service, run_id, CHECK, [f"mark {number}"])
            expect(page.locator("#log li").last).to_contain_text(f"mark {number}")
            waits.append(time.monotonic() - began)
        assert sorted(waits)[2] < 1.0, waits
        expect(step.locator("#log li")).to_have_count(5)
        write(service, run_id, GO, ["of another step"])
        write(service, run_id, CHECK, [f"burst {number}" for number in range(3000)])
        for one in (page, step):
            expect(one.locator("#log li").last).to_contain_text("burst 2999")
            expect(one.locator("#log li")).to_have_count(1000)
        expect(step.locator("#log")).not_to_contain_text("of another step")


@pytest.mark.faults
def test_what_was_said_while_the_service_was_away_comes_once(
    browser: Browser, service: RunningService, run_id: str
) -> None:
    with ExitStack() as first:
        url = first.enter_context(answering(service.bascule))
        port = int(url.rsplit(":", 1)[1])
        with signed_in(browser, replace(service, url=url), f"/runs/{run_id}") as page:
            expect(page.locator("#link")).to_have_text("Live")
            shown = page.locator("#log li").count()
            write(service, run_id, CHECK, ["before"])
            expect(page.locator("#log li").last).to_contain_text("before")
            first.close()
            expect(page.locator("#link")).to_contain_text("No connection")
            write(service, run_id, CHECK, [f"away {number}" for number in range(20)])
            service.decide(run_id, "reject", "paul", SHEET, reason="no")
            with answering(service.bascule, port):
                expect(page.locator(f'[data-node="{SHEET}"] .word')).to_have_text("failed", timeout=20_000)
                write(service, run_id, CHECK, ["after"])
                expect(page.locator("#log li").last).to_contain_text("after")
                texts = page.locator("#log .line-text").all_text_contents()[shown:]
                assert texts == ["before", *(f"away {number}" for number in range(20)), "after"]


def test_it_prints_as_a_procedure(browser: Browser, service: RunningService, run_id: str) -> None:
    with signed_in(browser, service, f"/runs/{run_id}", viewport={"width": 760, "height": 900}) as page:
        page.locator('details[data-group="desk"] summary').click()
        page.emulate_media(media="print")
        for gone in (".top nav", ".log", ".graph", ".acts", ".sorts", ".wait-do"):
            expect(page.locator(gone).first).to_be_hidden()
        box = "getComputedStyle(document.querySelector('#step-3 th'), '::before').borderTopStyle"
        assert page.evaluate(box) == "solid"
        assert page.evaluate("document.documentElement.scrollWidth") <= 760
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        expect(page.locator("#step-3")).to_be_visible()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator('details[data-group="desk"]').get_attribute("open") is None


@pytest.mark.faults
@pytest.mark.parametrize(("scheme", "locale", "width"), [("light", "en-GB", 1280), ("dark", "fr-FR", 360)])
def test_everybody_can_use_it(
    browser: Browser, service: RunningService, run_id: str, scheme: str, locale: str, width: int
) -> None:
    service.decide(run_id, "reject", "paul", SHEET, reason="no")
    size = {"width": width, "height": 800}
    for path in ("", "?sort=time&open=-", "/paper", f"/steps/{SHEET}", "/do/cancel", f"/steps/{SHEET}/do/skip"):
        at = f"/runs/{run_id}{path}"
        with signed_in(browser, service, at, color_scheme=scheme, locale=locale, viewport=size) as page:
            found = Axe().run(page)
            assert found.violations_count == 0, f"{path}: {found.generate_report()}"
            assert page.evaluate(TOO_WIDE) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") == width, path
    service.decide(run_id, "retry", "paul", SHEET)
    service.wait(run_id, "waiting", SHEET)
    with signed_in(browser, service, f"/approve/step/{run_id}/{SHEET}", color_scheme=scheme, viewport=size) as page:
        page.locator(".refusal summary").click()
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def stale(page: Page, service: RunningService, run_id: str, transitions: int) -> list[float]:
    """Seconds until each of so many changes of a step was on screen, from before it was asked for."""
    waits = []
    word = page.locator(f'tr[data-step="{SHEET}"] .word')
    for number in range(transitions):
        verb, shown = ("reject", "failed") if number % 2 == 0 else ("retry", "waiting")
        began = time.monotonic()
        assert service.decide(run_id, verb, "paul", SHEET, reason="again").status_code == 200
        expect(word).to_have_text(shown)
        waits.append(time.monotonic() - began)
    return waits


@pytest.mark.faults
def test_no_change_is_shown_late(browser: Browser, service: RunningService, run_id: str) -> None:
    with signed_in(browser, service, f"/runs/{run_id}") as page:
        expect(page.locator("#link")).to_have_text("Live")
        waits = stale(page, service, run_id, 10)
    assert max(waits) < FRESH, waits


@pytest.mark.faults
def test_none_of_a_hundred_changes_is_shown_late(browser: Browser, service: RunningService, run_id: str) -> None:
    with signed_in(browser, service, f"/runs/{run_id}") as page:
        expect(page.locator("#link")).to_have_text("Live")
        waits = stale(page, service, run_id, 100)
    assert max(waits) < FRESH, waits
