"""What holds for every page: it needs nothing from elsewhere, everybody can use it, and it fits a small screen."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Error, sync_playwright

from orchestrator.domain.people.role import Role
from orchestrator.store import observations
from orchestrator.web.edge.access import Access
from tests.browser.every_page import Names, page_routes, path_of
from tests.browser.settings_names import settings_names
from tests.browser.test_run_page import CHROMIUM, QUIET, TOO_WIDE
from tests.integration.service_fixture import RunningService, commit, running_service, until
from tests.known_people import enrol, session
from tests.unit.signals_readings import HOUR, as_it_is, refused, rounds

POLICY = """
policy:
  proposals:
    microsoft-gone:
      when: {vendor: microsoft-365, verdict: cut, for: 15m}
      propose: [phone]
      scope: drill
      arm: 30m
      approvals: 2
      release: standing-approval
      notify: [duty]
  warnings: {scope: drill, notify: [duty]}
"""
DUTY = "prefix: drill-, notify: {duty: {driver: apprise, url: 'secret://duty'}}, smtp: {helo: bascule.trial.example},"
LOOKS: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", "locale": "en-GB"},
    "small and dark": {"viewport": {"width": 360, "height": 780}, "color_scheme": "dark", "locale": "fr-FR"},
}
ROUTES = sorted(page_routes())
IN_TURN = [f"{list(LOOKS)[turn % len(LOOKS)]}-{route}" for turn, route in enumerate(ROUTES)]
"""Every page in one look or the other: what the default suite looks at."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("everything")
    secret = folder / "data" / "secrets" / "drill" / "duty"
    secret.parent.mkdir(parents=True)
    secret.write_text("json://127.0.0.1:9/")
    secret.chmod(0o600)
    with running_service(folder, more=POLICY) as made:
        sheet = (made.estate / "bascule.yaml").read_text()
        commit(made.estate, {"bascule.yaml": sheet.replace("prefix: drill-,", DUTY)})
        made.http.post("/api/v1/estate/sync", json={}).raise_for_status()
        begun = time.time() - 2 * HOUR
        with made.bascule.database.write() as conn:
            for one in [*rounds(1, as_it_is, start=begun), *rounds(1, refused, start=begun + HOUR)]:
                observations.add(conn, one, one.at)
        yield made


@pytest.fixture(scope="module")
def names(service: RunningService) -> Names:
    """A run that waits, a proposal that is armed, an approval that is asked for in advance, and people."""
    digest = service.plan("desk")["digest"]
    run_id = service.start(digest)
    service.wait(run_id, "waiting", "desk-failover/sheet")
    for name in ("anne", "bruno"):
        enrol(service.bascule.database, name, Role.APPROVER)
    irene = service.person("irene", *Role)
    asked = irene.post("/api/v1/standing-approvals", json={"rule": "microsoft-gone", "reason": "At night"})
    assert asked.is_success, asked.text
    invited = irene.post("/api/v1/people", json={"name": "zoe"})
    assert invited.is_success, invited.text
    armed = until(lambda: service.http.get("/api/v1/proposals").json()["proposals"], 40, lambda: "nothing is proposed")
    return Names(
        run_id=run_id,
        step_id="desk-failover/sheet",
        digest=digest,
        proposal_id=armed[0]["id"],
        approval_id=asked.json()["id"],
        name="phone",
        vendor="microsoft-365",
        person="bruno",
        more={
            "/welcome": invited.json()["path"],
            **settings_names(service.bascule, "irene", "anne"),
            "path": "bascule.yaml",
        },
    )


@pytest.fixture(scope="module")
def browser(names: Names) -> Iterator[Browser]:
    """Chromium. It starts after the service and ends before it: Playwright leaves an event loop in this thread."""
    del names
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        except Error as error:
            pytest.fail(f"{CHROMIUM} does not start: install the Debian package chromium ({error})")
        yield started
        started.close()


@pytest.fixture(scope="module", params=list(LOOKS))
def context(request: pytest.FixtureRequest, browser: Browser, service: RunningService) -> Iterator[BrowserContext]:
    """Somebody is signed in who may do everything."""
    access = Access(service.bascule.token, service.bascule.people.sign_in)
    with browser.new_context(**LOOKS[request.param]) as made:
        made.set_default_timeout(15_000)
        secret = session(service.bascule, "irene")
        made.add_cookies([{"url": service.url, "name": access.cookie_name, "value": secret}])
        yield made


@pytest.mark.every_day(*IN_TURN)
@pytest.mark.parametrize("route", ROUTES)
def test_a_page(context: BrowserContext, service: RunningService, names: Names, route: str) -> None:
    """Anybody can use it, it asks nothing of another host, it fits the screen, and the console is silent."""
    page = context.new_page()
    said, asked = list[str](), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    try:
        answer = page.goto(service.url + path_of(route, names))
        assert answer is not None
        assert answer.status == 200
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate(TOO_WIDE) == []
        assert page.locator("h1").count() == 1
        assert {urlsplit(address).netloc for address in asked} == {urlsplit(service.url).netloc}
        assert said == []
    finally:
        page.close()


def test_no_page_asks_for_anything_elsewhere_in_its_text(service: RunningService, names: Names) -> None:
    """Nor would it with a script: no address of another host stands in what is loaded by itself."""
    for route in ROUTES:
        text = service.http.get(path_of(route, names), headers={"Accept": "text/html"}).text
        loaded = re.findall(r"""<(?:script|img|link|iframe|source|use)\b[^>]*\b(?:src|href)="([^"]*)\"""", text)
        assert all(address.startswith(("/", "#")) for address in loaded), route


def test_the_static_files_name_no_host(service: RunningService) -> None:
    folder = Path("orchestrator/web/pages/static")
    for path in [*folder.glob("*.js"), *folder.glob("*.css")]:
        assert not re.search(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", path.read_text()), path
