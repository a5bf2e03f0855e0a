"""Pictures of every page, made of a rehearsal under way in the simulated town hall: `make screenshots`.

Each page in light, in dark, at 360 pixels and on paper, in English; the pages of the crisis in French as well.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from orchestrator.app import Bascule, Settings
from orchestrator.cli.client import Service
from orchestrator.cli.demo.house import running_service
from orchestrator.cli.demo.show import SERVICES
from orchestrator.cli.demo.town import founded_estate, given_secrets, running_town
from orchestrator.cli.exits import CommandError
from orchestrator.domain.model import ENDED_RUN
from orchestrator.domain.people.role import Role
from orchestrator.store import observations
from orchestrator.web.attention import waits_of
from orchestrator.web.edge.access import Access
from tests.browser.every_page import Names, page_routes, path_of, picture_of
from tests.browser.settings_names import settings_names
from tests.browser.test_run_page import CHROMIUM, QUIET
from tests.databases import put_tables
from tests.integration.service_fixture import commit, until
from tests.known_people import enrol, session
from tests.signing_people import vouched
from tests.unit.signals_readings import HOUR, as_it_is, refused, rounds

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
WIDE, NARROW, PAPER = (1280, 900), (360, 780), (794, 1123)
"""The last is A4 at 96 dots an inch."""
VARIANTS: dict[str, dict[str, Any]] = {
    "light": {"size": WIDE, "color_scheme": "light"},
    "dark": {"size": WIDE, "color_scheme": "dark"},
    "360": {"size": NARROW, "color_scheme": "light"},
    "print": {"size": PAPER, "color_scheme": "light", "media": "print"},
}
BESIDES = {"propose: [mail, office]": "scope: rehearsal", "propose: [identity, portal]": "release: standing-approval"}
"""What the starter estate's policy says here besides: its proposals can then be made on this machine."""
WHY = "At night nobody of us is awake for an hour"
FRENCH = ("/", "/runs/{run_id}")
PEOPLE = {"irene": list(Role), "anne": [Role.APPROVER], "bruno": [Role.APPROVER], "victor": [Role.VIEWER]}


@dataclass
class Hall:
    """The town hall's service. `cookie`: the session of somebody who may do everything. `more`: addresses by route."""

    service: Service
    data: Path
    cookie: tuple[str, str]
    more: dict[str, str]


@contextmanager
def town_hall(work: Path) -> Iterator[Hall]:
    """A rehearsal has ended, another waits for people, and Microsoft's side has refused everything for an hour."""
    with ExitStack() as stack:
        town = stack.enter_context(running_town(work / "town", print, interactive=False))
        estate = founded_estate(town, work / "estate")
        sheet = (estate / "bascule.yaml").read_text(encoding="utf-8")
        for what, besides in BESIDES.items():
            sheet = sheet.replace(what, f"{what}\n      {besides}")
        commit(estate, {"bascule.yaml": sheet})
        data = work / "data"
        data.mkdir(mode=0o700)
        given_secrets(town, data)
        put_tables(data)
        vouched(estate, data)
        cookie, more = _people_and_readings(Settings(data=data, estate_url=str(estate)))
        service = stack.enter_context(running_service(data, estate, work / "service.log"))
        yield Hall(service, data, cookie, more)


def _people_and_readings(settings: Settings) -> tuple[tuple[str, str], dict[str, str]]:
    """The cookie of a session of somebody who may do everything; and addresses of the settings, by their routes."""
    bascule = Bascule(settings)
    try:
        for name, roles in PEOPLE.items():
            enrol(bascule.database, name, *roles)
        begun = time.time() - 2 * HOUR
        with bascule.database.write() as conn:
            for one in [*rounds(1, as_it_is, start=begun), *rounds(1, refused, start=begun + HOUR)]:
                observations.add(conn, one, one.at)
        access = Access(bascule.token, bascule.people.sign_in)
        return (access.cookie_name, session(bascule, "irene")), settings_names(bascule, "irene", "anne")
    finally:
        bascule.stop()


def rehearsed(service: Service, services: list[str], *, to_the_end: bool) -> tuple[str, str]:
    """A run and its plan's digest: ended, or where it first waits for people."""
    digest = service.make_plan(services, "rehearsal").digest
    run_id, _ = service.create_run(digest, "olga", "The weekly rehearsal")
    answered: set[tuple[str, str]] = set()

    def there() -> bool | None:
        found = service.run(run_id)
        if found.run.state in ENDED_RUN:
            return True
        for wait in waits_of(found.run, found.steps):
            if wait.cause in ("approval", "task") and not to_the_end:
                return True
            assert not wait.troubled, wait.message
            for name in ("anne", "bruno"):
                if (wait.step, name) not in answered and wait.cause in ("approval", "task"):
                    answered.add((wait.step, name))
                    with suppress(CommandError):
                        service.decide(run_id, "approve", name, step=wait.step, comment="as on the sheet")
        return None

    until(there, 300, lambda: f"run {run_id} does not come so far")
    return run_id, digest


def named(hall: Hall) -> Names:
    rehearsed(hall.service, ["social"], to_the_end=True)
    run_id, digest = rehearsed(hall.service, SERVICES, to_the_end=False)
    found = hall.service.run(run_id)
    waiting = next(wait.step for wait in waits_of(found.run, found.steps) if wait.step)
    _posted(hall, "map", scope="rehearsal")
    proposals = until(lambda: hall.service.get("/proposals")["proposals"], 60, lambda: "nothing is proposed")
    return Names(
        run_id=run_id,
        step_id=waiting,
        digest=digest,
        proposal_id=proposals[0]["id"],
        approval_id=_posted(hall, "standing-approvals", rule="cloud-gone", reason=WHY)["id"],
        name="mail",
        vendor="microsoft-365",
        person="bruno",
        more={
            "/welcome": _posted(hall, "people", name="zoe")["path"],
            **hall.more,
            "/map": "/map?scope=rehearsal",
            "path": "runbooks/mail-failover.yaml",
        },
    )


def _posted(hall: Hall, where: str, **order: str) -> dict[str, Any]:
    """As somebody who may do everything."""
    headers = {"Authorization": f"Bearer {hall.cookie[1]}"}
    url = f"{hall.service.url}/api/v1/{where}"
    answer = httpx.post(url, json=order, headers=headers, trust_env=False, timeout=120)
    assert answer.is_success, answer.text
    said: dict[str, Any] = answer.json()
    return said


def pictures(browser: Browser, hall: Hall, names: Names, only: str) -> Iterator[tuple[str, Page]]:
    """A name and a page that is ready to be taken, for every picture."""
    for route in sorted(page_routes()):
        if only not in picture_of(route):
            continue
        for variant, wanted in VARIANTS.items():
            for language in ("en", "fr") if route in FRENCH and variant == "light" else ("en",):
                with _context(browser, hall, wanted, language) as context:
                    page = context.new_page()
                    page.emulate_media(media=wanted.get("media", "screen"), color_scheme=wanted["color_scheme"])
                    page.goto(hall.service.url + path_of(route, names))
                    page.wait_for_load_state("load")
                    yield f"{picture_of(route)}-{variant}{'-fr' if language == 'fr' else ''}", page


@contextmanager
def _context(browser: Browser, hall: Hall, wanted: dict[str, Any], language: str) -> Iterator[BrowserContext]:
    width, height = wanted["size"]
    locale = {"en": "en-GB", "fr": "fr-FR"}[language]
    with browser.new_context(viewport={"width": width, "height": height}, locale=locale) as context:
        context.add_cookies([{"url": hall.service.url, "name": hall.cookie[0], "value": hall.cookie[1]}])
        yield context


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="pages whose picture has this in its name")
    parser.add_argument("--into", type=Path, default=FOLDER)
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work, town_hall(Path(work)) as hall, sync_playwright() as playwright:
        names = named(hall)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        for name, page in pictures(browser, hall, names, asked.only):
            page.screenshot(path=asked.into / f"{name}.png")
            print(name)  # noqa: T201 - a program of its own
        browser.close()


if __name__ == "__main__":
    main()
