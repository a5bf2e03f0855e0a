"""The first admin enrols, signs out and in again, in a real browser: without a script, and with a security key."""

import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Error, expect, sync_playwright

from orchestrator.domain.people.actor import FRESH
from orchestrator.domain.people.role import Role
from orchestrator.operations.people.factors import password_hash
from orchestrator.store import people, runs, sessions
from orchestrator.web.words import Language, say
from tests.browser.test_run_page import CHROMIUM, QUIET
from tests.integration.service_fixture import RunningService, running_service
from tests.known_people import enrol
from tests.people_world import PASSWORD

LOCALES = {"fr": "fr-FR", "en": "en-GB"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with running_service(tmp_path) as made:
        yield made


@pytest.fixture
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


@pytest.mark.every_day("fr")
@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_first_admin_enrols_and_signs_in_again_without_a_script(
    browser: Browser, service: RunningService, language: Language
) -> None:
    link = service.bascule.people.register.first_invitation()
    with browser.new_context(locale=LOCALES[language], java_script_enabled=False) as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{service.url}/welcome?code={link}")
        expect(page.locator("h1")).to_have_text(say(language, "welcome.title"))
        page.fill("input[name=name]", "ada")
        page.fill("input[name=password]", PASSWORD)
        page.click("main form button")
        expect(page.locator("main")).to_contain_text(say(language, "account.needs"))
        expect(page.locator(".square svg")).to_be_visible()
        secret = page.locator("form input[name=secret]").get_attribute("value")
        assert secret
        totp = pyotp.TOTP(secret)
        page.fill("form[action^='/account/totp'] input[name=code]", totp.now())
        page.click("form[action^='/account/totp'] button")
        expect(page.locator("main")).to_contain_text(say(language, "account.totp.have"))
        expect(page.locator("main")).not_to_contain_text(say(language, "account.needs"))
        expect(page.locator("main")).to_contain_text(
            f"{say(language, 'settings.role.admin')} · {say(language, 'account.everywhere')}"
        )
        page.locator("form[action='/account/sign-out'] button").click()
        expect(page.locator("h1")).to_have_text(say(language, "sign.title"))
        page.goto(f"{service.url}/welcome?code={link}")
        expect(page.locator("[role=alert]")).to_contain_text(say(language, "sign.wrong"))
        with service.bascule.database.write() as conn:
            people.change(conn, "ada", totp_last=0)  # the code that enrolled it was used; the next comes in 30 s
        page.goto(f"{service.url}/map")
        page.fill("form >> nth=0 >> input[name=name]", "ADA")
        page.fill("input[name=password]", PASSWORD)
        page.fill("form >> nth=0 >> input[name=code]", totp.now())
        page.click("form >> nth=0 >> button >> nth=0")
        expect(page).to_have_url(re.compile(r"/map$"))
        expect(page.locator("header nav.own")).to_contain_text("ada")


def test_a_security_key_is_enrolled_and_signs_in(browser: Browser, service: RunningService) -> None:
    """Chromium's own virtual key. An address is no relying party: people open it by a name."""
    enrol(service.bascule.database, "ada", Role.APPROVER)
    with service.bascule.database.write() as conn:
        people.change(conn, "ada", password=password_hash(PASSWORD))
    url = service.url.replace("127.0.0.1", "localhost")
    with browser.new_context(locale=LOCALES["en"]) as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        wire = context.new_cdp_session(page)
        wire.send("WebAuthn.enable")
        key = {"protocol": "ctap2", "transport": "usb", "hasResidentKey": True, "hasUserVerification": True}
        wire.send("WebAuthn.addVirtualAuthenticator", {"options": {**key, "isUserVerified": True}})
        page.goto(f"{url}/sign-in")
        page.fill("input[name=name] >> nth=0", "ada")
        page.fill("input[name=password]", PASSWORD)
        page.click("form >> nth=0 >> button >> nth=0")
        expect(page.locator("main")).to_contain_text(say("en", "account.needs"))
        page.fill("form[data-key=enrol] input[name=label]", "the blue one")
        page.click("form[data-key=enrol] button")
        expect(page.locator("main")).to_contain_text("the blue one")
        expect(page.locator("main")).not_to_contain_text(say("en", "account.needs"))
        page.locator("form[action='/account/sign-out'] button").click()
        expect(page.locator("h1")).to_have_text(say("en", "sign.title"))
        page.fill("input[name=name] >> nth=0", "ada")
        page.click("button[data-key=sign-in]")
        expect(page.locator("header nav.own")).to_contain_text("ada")
        assert [line for line in said if "Content Security Policy" in line] == []
    with service.bascule.database.read() as conn:
        assert [row.proof for row in sessions.sessions_of(conn, "ada")] == ["key"]


@pytest.mark.faults
def test_a_security_key_is_shown_again_and_what_was_asked_for_is_done(
    browser: Browser, service: RunningService
) -> None:
    """The form was open for too long: the key is touched, and the form goes on; an approval is then signed as well."""
    enrol(service.bascule.database, "ada", Role.ADMIN, Role.APPROVER)
    digest = service.plan("desk", scope="drill")["digest"]
    run = service.person("olga", Role.OPERATOR).post("/api/v1/runs", json={"digest": digest}).json()["id"]
    enrol(service.bascule.database, "leo", Role.VIEWER)
    with service.bascule.database.write() as conn:
        people.change(conn, "ada", password=password_hash(PASSWORD))
    url = service.url.replace("127.0.0.1", "localhost")
    with browser.new_context(locale=LOCALES["fr"], viewport={"width": 360, "height": 740}) as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        wire = context.new_cdp_session(page)
        wire.send("WebAuthn.enable")
        key = {"protocol": "ctap2", "transport": "usb", "hasResidentKey": True, "hasUserVerification": True}
        wire.send("WebAuthn.addVirtualAuthenticator", {"options": {**key, "isUserVerified": True}})
        page.goto(f"{url}/sign-in")
        page.fill("input[name=name] >> nth=0", "ada")
        page.fill("input[name=password]", PASSWORD)
        page.click("form >> nth=0 >> button >> nth=0")
        page.fill("form[data-key=enrol] input[name=label]", "bleue")
        page.click("form[data-key=enrol] button")
        expect(page.locator("main")).to_contain_text("bleue")
        page.goto(f"{url}/settings/people/leo/disable")
        page.fill("textarea[name=reason]", "parti")
        page.fill("input[name=confirm]", "leo")
        with service.bascule.database.write() as conn:
            (own,) = sessions.sessions_of(conn, "ada")
            sessions.change_session(conn, own.id, proved_at=own.proved_at - FRESH - 1)
        page.click("main form button")
        expect(page.locator("h1")).to_have_text(say("fr", "account.prove"))
        page.click("button[data-key=prove]")
        expect(page.locator("[role=status].did")).to_have_text(say("fr", "did.person-disabled"))
        page.goto(f"{url}/approve/run/{run}")
        page.fill("form[data-key=approve] input[name=comment]", "la mairie attend")
        with service.bascule.database.write() as conn:
            sessions.change_session(conn, own.id, proved_at=own.proved_at - FRESH - 1)
        page.click("form[data-key=approve] button")
        page.click("button[data-key=prove]")
        expect(page.locator("form[data-key=approve] input[name=comment]")).to_have_value("la mairie attend")
        page.click("form[data-key=approve] button")
        expect(page).to_have_url(re.compile(f"/runs/{run}"))
    assert service.bascule.people.register.get("leo").disabled
    with service.bascule.database.read() as conn:
        assert list(runs.get_run(conn, run).releases) == ["ada"]
