"""The page of a run in a real browser, against a whole service."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from orchestrator.web.times import duration
from orchestrator.web.words import knows, language_of
from tests.integration.service_fixture import RunningService, answering, running_service

CHROMIUM = "/usr/bin/chromium"
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
]
SHEET, GO, CHECK = "desk-failover/sheet", "desk-failover/go", "desk-failover/check"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as made:
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


@pytest.fixture
def run_id(service: RunningService) -> Iterator[str]:
    """A run that waits for a person to do the task."""
    made = service.start(service.plan("desk")["digest"])
    service.wait(made, "waiting", SHEET)
    yield made
    if service.run(made)["run"]["ended_at"] is None:
        service.decide(made, "cancel", "olga", reason="test ends")
        service.wait(made, "cancelled")


@dataclass
class Watched:
    """A page, everything that its console said, and every address it asked for."""

    page: Page
    console: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def step(self, step_id: str) -> Any:
        return self.page.locator(f'tr[data-step="{step_id}"]')


@contextmanager
def opened(browser: Browser, service: RunningService, path: str, **context: Any) -> Iterator[Watched]:
    """The page at this path, entered with the token's link."""
    with browser.new_context(**{"locale": "en-GB", **context}) as made:
        page = made.new_page()
        page.set_default_timeout(10_000)
        watched = Watched(page)
        page.on("console", lambda message: watched.console.append(message.text))
        page.on("pageerror", lambda error: watched.console.append(str(error)))
        page.on("request", lambda request: watched.asked.append(request.url))
        page.goto(f"{service.url}{path}?token={service.bascule.token}")
        yield watched


def test_a_run_is_seen_to_move_without_reloading(browser: Browser, service: RunningService, run_id: str) -> None:
    with opened(browser, service, f"/runs/{run_id}") as watched:
        page = watched.page
        page.evaluate("window.neverReloaded = true")
        expect(page.locator(".band")).to_contain_text("Rehearsal")
        expect(page.locator(".head .word")).to_have_text("Waits for people")
        expect(page.locator("h1")).to_have_text("Failover Front desk")
        expect(page.locator("#link")).to_have_text("Live")
        expect(page.locator(".wait")).to_contain_text("An operator must do the task")
        expect(page.locator(".commands")).to_contain_text(f"bascule approve {run_id} {SHEET} --as NAME")

        service.decide(run_id, "approve", "paul", SHEET)
        expect(watched.step(SHEET).locator(".word")).to_have_text("done")
        expect(watched.step(SHEET).locator(".icon")).to_have_attribute("data-icon", "done")
        expect(page.locator(".wait")).to_contain_text("2 approvers must say yes")
        service.decide(run_id, "approve", "anne", GO)
        expect(page.locator(".wait")).to_contain_text("anne said yes")
        before = page.locator("#log li").count()
        service.decide(run_id, "approve", "bruno", GO)
        expect(page.locator(".head .word")).to_have_text("Done")
        expect(page.locator("#summary")).to_have_text("Done. 5 of 5 steps done.")
        expect(page.locator("#waits")).to_be_hidden()
        expect(page.locator("#log li")).to_have_count(before + 1)
        expect(page.locator("#log li").last).to_contain_text(f"port {service.listening_port} takes connections")
        expect(page.locator("#link")).to_have_text("Up to date")
        assert page.title().startswith("Done ")
        assert page.evaluate("window.neverReloaded")
    assert watched.console == []
    assert {urlsplit(address).netloc for address in watched.asked} == {urlsplit(service.url).netloc}
    assert not any(service.bascule.token in address for address in watched.asked[1:])


@pytest.mark.faults
def test_an_ended_run_that_is_undone_moves_again(browser: Browser, service: RunningService, run_id: str) -> None:
    service.finish(run_id)
    with opened(browser, service, f"/runs/{run_id}") as watched:
        expect(watched.page.locator("#link")).to_have_text("Up to date")
        service.decide(run_id, "undo", "paul", reason="they are back")
        expect(watched.page.locator(".head .word")).to_have_text("Undone", timeout=20_000)
        expect(watched.step(CHECK).locator(".word")).to_have_text("undone")
    assert watched.console == []


def test_a_lost_connection_is_said_and_caught_up_with(browser: Browser, service: RunningService, run_id: str) -> None:
    with ExitStack() as first:
        url = first.enter_context(answering(service.bascule))
        port = int(url.rsplit(":", 1)[1])
        with opened(browser, replace(service, url=url), f"/runs/{run_id}") as watched:
            link, head = watched.page.locator("#link"), watched.page.locator(".head .word")
            expect(link).to_have_text("Live")
            first.close()
            expect(link).to_contain_text("No connection")
            service.decide(run_id, "reject", "paul", SHEET, reason="the line is dead")
            with answering(service.bascule, port):
                expect(link).to_have_text("Live", timeout=20_000)
                expect(head).to_have_text("A person must decide")
                expect(watched.step(SHEET)).to_contain_text("the line is dead")


def test_what_people_and_servers_say_is_text(browser: Browser, service: RunningService, run_id: str) -> None:
    hostile = '<img src=x onerror="document.title=1"><b>bold</b>'
    with opened(browser, service, f"/runs/{run_id}") as watched:
        expect(watched.page.locator("#link")).to_have_text("Live")
        service.decide(run_id, "reject", hostile, SHEET, reason=hostile)
        expect(watched.step(SHEET).locator(".message")).to_have_text(f"Rejected by {hostile}: {hostile}")
        expect(watched.page.locator(".wait-message")).to_contain_text(hostile)
        watched.page.reload()
        expect(watched.step(SHEET).locator(".message")).to_have_text(f"Rejected by {hostile}: {hostile}")
        assert watched.page.locator("main b, main img").count() == 0
    assert watched.console == []


@pytest.mark.pages
def test_french_by_the_browser_and_english_by_choice(browser: Browser, service: RunningService, run_id: str) -> None:
    with opened(browser, service, f"/runs/{run_id}", locale="fr-FR") as watched:
        page = watched.page
        assert page.locator("html").get_attribute("lang") == "fr"
        expect(page.locator(".band")).to_contain_text("Répétition")
        expect(page.locator("caption")).to_have_text("Guichet")
        expect(page.locator("#link")).to_have_text("En direct")
        service.decide(run_id, "approve", "paul", SHEET)
        expect(watched.step(SHEET).locator(".word")).to_have_text("faite")
        expect(page.locator(".wait-what")).to_have_text("2 approbateurs doivent donner leur accord")
        page.get_by_role("link", name="English").click()
        expect(page.locator(".band")).to_contain_text("Rehearsal")
        expect(page.locator("caption")).to_have_text("Front desk")
        page.get_by_role("link", name="All runs").click()
        expect(page.locator("h1")).to_have_text("History")
        assert page.url.endswith("/history")
    assert watched.console == []


TOO_WIDE = """
() => [...document.querySelectorAll("main *")]
  .filter((element) => element.checkVisibility() && !element.closest(".unseen, thead, template, .graph-scroll"))
  .filter((element) => element.getBoundingClientRect().right > innerWidth)
  .map((element) => element.outerHTML)
"""

CONTRAST = """
() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility()) continue;
    const [a, b] = [light(channels(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push(`${element.className || element.tagName} ${ratio.toFixed(2)}`);
  }
  return faint;
}
"""


@pytest.mark.every_day("waiting-light")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", ["waiting", "failed"])
def test_on_a_small_screen_all_is_there_and_readable(
    browser: Browser, service: RunningService, run_id: str, scheme: str, state: str
) -> None:
    if state == "failed":
        service.decide(run_id, "reject", "paul", SHEET, reason="no")
    with opened(
        browser, service, f"/runs/{run_id}", viewport={"width": 360, "height": 740}, color_scheme=scheme
    ) as watched:
        page = watched.page
        expect(page.locator("#link")).to_have_text("Live")
        assert page.evaluate(TOO_WIDE) == []
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert page.evaluate(CONTRAST) == []
        assert len(page.screenshot(full_page=True)) > 20_000
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        expect(page.locator(".skip")).to_be_in_viewport()
    assert watched.console == []


@pytest.mark.pages
def test_without_a_script_the_page_shows_the_same_and_refreshes(
    browser: Browser, service: RunningService, run_id: str
) -> None:
    with opened(browser, service, f"/runs/{run_id}", java_script_enabled=False) as watched:
        expect(watched.page.locator(".head .word")).to_have_text("Waits for people")
        expect(watched.step(SHEET).locator(".word")).to_have_text("waiting")
        expect(watched.page.locator("#log li")).to_have_count(1)
        service.decide(run_id, "reject", "paul", SHEET, reason="no")
        watched.page.reload()
        expect(watched.step(SHEET).locator(".word")).to_have_text("failed")
    sent = service.http.get(f"/runs/{run_id}").text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in sent


@pytest.mark.pages
def test_the_list_leads_to_each_run(browser: Browser, service: RunningService, run_id: str) -> None:
    with opened(browser, service, "/history") as watched:
        row = watched.page.locator("tr").filter(has_text=run_id)
        expect(row).to_contain_text("Rehearsal")
        row.get_by_role("link").click()
        expect(watched.page.locator("dl.facts")).to_contain_text(run_id)
        watched.page.goto(f"{service.url}/runs/nothing")
        expect(watched.page.locator("h1")).to_have_text("There is nothing here")


def test_the_script_writes_durations_as_the_service_does(
    browser: Browser, service: RunningService, run_id: str
) -> None:
    spans = [0.5, 1.5, 59.5, 60.5, 61.5, 3599.5, 3600.5, 3725.5, 172_799.5, 172_800.5, 180_000.5, 900_000.5]
    with opened(browser, service, f"/runs/{run_id}") as watched:
        expect(watched.page.locator("#link")).to_have_text("Live")
        watched.page.evaluate(
            """(spans) => spans.forEach((span) => {
                const element = document.createElement("p");
                element.className = "elapsed probe";
                element.dataset.since = Number(document.body.dataset.now);
                element.dataset.span = span;
                document.querySelector("main").append(element);
            })""",
            spans,
        )
        probes = watched.page.locator(".probe")
        expect(probes.last).not_to_be_empty()
        shown = watched.page.evaluate(
            """() => [...document.querySelectorAll(".probe")].map((element) => {
                const now = Date.now() / 1000;
                element.dataset.since = Number(element.dataset.since) - Number(element.dataset.span);
                return now;
            }).length"""
        )
        assert shown == len(spans)
        loaded = float(watched.page.locator("body").get_attribute("data-now") or 0)
        watched.page.wait_for_function(
            """() => [...document.querySelectorAll(".probe")].every((e, i, all) => i === 0
                || e.textContent !== all[0].textContent)"""
        )
        texts = probes.all_text_contents()
        passed = time.time() - loaded
    for span, text in zip(spans, texts, strict=True):
        possible = {duration(span + more / 4, "en") for more in range(int(passed * 4) + 8)}
        assert text in possible


def test_every_state_has_its_word_and_its_icon(service: RunningService) -> None:
    from orchestrator.web.pages.run_view import RUN_LOOKS, STEP_LOOKS

    sprite = set(re.findall(r'symbol id="i-([a-z]+)"', service.http.get("/").text))
    for kind, looks in (("step", STEP_LOOKS), ("run", RUN_LOOKS)):
        for state, (icon, _) in looks.items():
            assert knows("en", f"{kind}.{state.value}")
            assert icon in sprite


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, None, "en"),
        (None, "de", "en"),
        (None, "fr", "fr"),
        (None, "en;q=0.3, fr-BE;q=0.8", "fr"),
        (None, "en, fr;q=0.9", "en"),
        (None, "fr;q=nonsense, en;q=0.1", "en"),
        ("fr", "en", "fr"),
        ("xx", "fr", "fr"),
    ],
)
def test_the_language_is_the_reader_s(asked: str | None, accepted: str | None, language: str) -> None:
    assert language_of(asked, accepted) == language
