"""A crisis from its first sign to the last page, as people go through it: an operator, two approvers, one that looks.

Each walk is the same one, in another language, on another screen, and once without any script.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect, sync_playwright

from orchestrator.web.words import Language, say
from tests.browser.console_process import Console, code, console, lose_the_vendor
from tests.browser.test_run_page import CHROMIUM, QUIET
from tests.people_world import PASSWORD

LOCALES: dict[Language, str] = {"fr": "fr-FR", "en": "en-GB"}
BOXES = """
(cells) => cells.map((cell) => getComputedStyle(cell, "::before"))
  .map((box) => box.content !== "none" && parseFloat(box.borderTopWidth) > 0)
"""
WITHIN = 30.0
"""Seconds that a page may take to show what happened, on a busy machine."""
SHEET, GO, MOVED = "desk-failover/sheet", "desk-failover/go", "desk-failover/moved"


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        except Error as error:
            pytest.fail(f"{CHROMIUM} does not start: install the Debian package chromium ({error})")
        yield started
        started.close()


@dataclass
class Somebody:
    """A person in front of a browser of their own."""

    page: Page
    url: str
    scripted: bool

    def opens(self, path: str) -> None:
        self.page.goto(self.url + path)

    def sees(self, what: Locator) -> None:
        """It comes by itself; without a script the page is asked for again, as it asks for itself there."""
        if self.scripted:
            expect(what.first).to_be_visible(timeout=WITHIN * 1000)
            return
        deadline = time.monotonic() + WITHIN
        while not what.first.is_visible():
            assert time.monotonic() < deadline, f"not seen: {what}\n{self.page.locator('main').inner_text()}"
            self.page.wait_for_timeout(300)
            self.page.reload()

    def reads(self, text: str) -> None:
        self.sees(self.page.locator("main").get_by_text(text))

    def does(self, link: str, **typed: str) -> None:
        """Follow the link of an action, fill its form in, send it."""
        self.page.locator(f"main a[href*='{link}']").first.click()
        form = self.page.locator("main form").first
        for name, text in typed.items():
            form.locator(f"[name={name}]").fill(text)
        form.locator("button").first.click()
        expect(self.page.locator(".trouble, .wrong:not([hidden])")).to_have_count(0)


@contextmanager
def somebody(browser: Browser, made: Console, name: str, *, scripted: bool, **context: Any) -> Iterator[Somebody]:
    with browser.new_context(java_script_enabled=scripted, **context) as opened:
        page = opened.new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{made.url}/sign-in?next=/")
        form = page.locator("form[action='/sign-in']")
        form.locator("[name=name]").fill(name)
        form.locator("[name=password]").fill(PASSWORD)
        form.locator("[name=code]").fill(code())
        form.locator("button").first.click()
        expect(page.locator("header nav.own")).to_contain_text(name)
        yield Somebody(page, made.url, scripted)


WALKS = [
    pytest.param("fr", 1280, True, id="French"),
    pytest.param("en", 360, True, id="English on a small screen", marks=pytest.mark.faults),
    pytest.param("en", 1280, False, id="English without a script", marks=pytest.mark.faults),
    pytest.param("fr", 360, False, id="French on a small screen without a script", marks=pytest.mark.faults),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("language", "width", "scripted"), WALKS)
def test_a_crisis_from_its_first_sign_to_the_last_page(
    browser: Browser, tmp_path: Path, language: Language, width: int, scripted: bool
) -> None:
    context = {"locale": LOCALES[language], "viewport": {"width": width, "height": 800}}
    with ExitStack() as stack:
        made = stack.enter_context(console(tmp_path, lost=False))
        made.start()

        def comes(name: str) -> Somebody:
            return stack.enter_context(somebody(browser, made, name, scripted=scripted, **context))

        anne, bruno, olga = comes("anne"), comes("bruno"), comes("olga")
        proposed = say(language, "proposal.armed", names="§").partition("§")[0].strip()

        # All is calm; then the vendor refuses everything, and what policy proposes is on the page.
        anne.opens("/")
        assert proposed not in anne.page.locator("main").inner_text()
        made.kill()
        lose_the_vendor(tmp_path)
        made.start()
        anne.sees(anne.page.locator("main a[href^='/approve/proposal/']"))

        # Its plan is read, and two people approve exactly it.
        anne.page.locator("main a[href^='/approve/proposal/']").first.click()
        anne.page.locator("main a[href*='/plans/sha256']").first.click()
        anne.sees(anne.page.locator("main .plan-digest"))
        digest = anne.page.url.rsplit("/", 1)[1].split("?")[0]
        for who in (anne, bruno):
            who.opens("/")
            who.does("/approve/proposal/", comment="The mail is gone, and the town must be heard")

        # The run begins. Its task is done, and while it waits for people somebody pauses it.
        olga.opens("/")
        olga.page.locator("main a[href^='/runs/']").first.click()
        expect(olga.page.locator(".band")).to_contain_text(say(language, "mode.drill"))
        olga.sees(olga.page.locator(f"main a[href*='/approve/step/'][href*='{SHEET}']"))
        run = olga.page.url.split("?")[0].removeprefix(made.url)
        assert olga.page.locator(f"a[href*='{digest}']").count()
        olga.does(f"{SHEET}")
        olga.opens(run)
        olga.does("/do/pause")
        olga.reads(say(language, "run.paused"))

        # The service dies in the middle and comes back: the page is there again by itself, and nothing has moved.
        olga.opens(run)
        made.kill()
        if scripted:
            expect(olga.page.locator("#link")).to_have_text(say(language, "link.lost"), timeout=WITHIN * 1000)
        made.start()
        if scripted:
            expect(olga.page.locator("#link")).to_have_text(say(language, "link.live"), timeout=WITHIN * 1000)
        olga.reads(say(language, "run.paused"))
        olga.does("/do/resume")

        # Two people say yes; then a step fails, its cause is taken away, and it is tried again.
        for who in (anne, bruno):
            who.opens(run)
            who.sees(who.page.locator(f"main a[href*='/approve/step/'][href*='{GO}']"))
            who.does(f"/approve/step/{run.rsplit('/', 1)[1]}/{GO}", comment="Go")
        olga.opens(run)
        olga.sees(olga.page.locator(f"main a[href*='{MOVED}/do/retry']"))
        olga.reads(say(language, "run.trouble"))
        with made.opened_later():
            olga.does(f"{MOVED}/do/retry")
            olga.opens(run)
            olga.reads(say(language, "run.succeeded"))

        # On paper it is a procedure with boxes to tick; the output and the buttons stay on the screen.
        olga.page.emulate_media(media="print")
        boxes = olga.page.locator(".group tbody th").evaluate_all(BOXES)
        assert boxes == [True] * 5
        expect(olga.page.locator("header nav.places")).to_be_hidden()
        expect(olga.page.locator("#log")).to_be_hidden()
        olga.page.emulate_media(media="screen")

        # And it is taken back.
        olga.does("/do/undo", reason="It was a drill", confirm="desk")
        olga.opens(run)
        olga.reads(say(language, "run.undone"))
