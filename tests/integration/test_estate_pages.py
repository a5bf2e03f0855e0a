"""The estate's pages over HTTP: what counts and who stands for it, files, differences; brought up to date."""

import html
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations import estate_reading
from orchestrator.operations.request import NotFound
from orchestrator.web.words import say
from tests.integration.service_fixture import RunningService, commit, estate_files, running_service
from tests.signing_people import vouched

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Told:
    """A service whose estate was accepted twice, by these commits."""

    service: RunningService
    first: str
    second: str
    operator: httpx.Client


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with running_service(tmp_path_factory.mktemp("service")) as service:
        first = service.bascule.estates.newest()
        files = estate_files(service.listening_port)
        sheet = files["bascule.yaml"].replace("criticality: critical", "criticality: high\n    rto: 4h")
        desk = files["runbooks/desk-failover.yaml"].replace("300ms", "500ms")
        changed = {**files, "bascule.yaml": f"{sheet}policy:\n  sovereignty: {{default: {{operated_from: EU}}}}\n"}
        changed |= {"runbooks/desk-failover.yaml": desk, "docs/anew.md": "A <script>alert(1)</script>\n"}
        second = commit(service.estate, changed)
        operator = service.person("olga", Role.OPERATOR)
        assert posted(operator, "/estate/sync", {}).headers["location"] == "/estate"
        yield Told(service, first, second, operator)


def page(http: httpx.Client, path: str, language: str = "en", status: int = 200) -> str:
    answer = http.get(path, headers={"Accept-Language": language})
    assert answer.status_code == status, answer.text
    return html.unescape(answer.text)


def posted(http: httpx.Client, path: str, fields: dict[str, str]) -> httpx.Response:
    return http.post(path, data=fields, headers={**FORM, "Origin": str(http.base_url).rstrip("/")})


def test_what_counts_is_told(town: Told) -> None:
    shown = page(town.operator, "/estate")
    for told in (
        town.second, "Front desk", "aws → scaleway", "RTO 4 h", "Move the switchboard", say("en", "estate.valid"),
        say("en", "estate.unsigned"), "sovereignty: {default: {operated_from: EU}}", "/services/desk",
        f"/estate/files/runbooks/desk-failover.yaml?commit={town.second}",
        f"/estate/compare?before={town.first}&after={town.second}", town.first[:12],
    ):  # fmt: skip
        assert told in shown, told
    assert "Bascule du standard" in page(town.operator, "/estate", "fr")
    assert posted(town.operator, "/estate/sync", {}).headers["location"] == "/estate"
    assert say("en", "did.current") in page(town.operator, "/estate")


def test_a_file_is_read_at_a_commit_with_its_lines(town: Told) -> None:
    before = page(town.operator, f"/estate/files/runbooks/desk-failover.yaml?commit={town.first}")
    after = page(town.operator, "/estate/files/runbooks/desk-failover.yaml")
    assert '<li id="L16">    with: {duration: 300ms}</li>' in before
    assert '<li id="L16">    with: {duration: 500ms}</li>' in after
    raw = town.operator.get("/estate/files/docs/anew.md").text
    assert "A &lt;script&gt;alert(1)" in raw
    assert "docs/anew.md" in page(town.operator, "/estate/files")
    assert "docs/anew.md" not in page(town.operator, f"/estate/files?commit={town.first}")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/estate/files/none.md", 404),
        ("/estate/files/docs", 404),
        ("/estate/files/%2e%2e/token", 400),
        ("/estate/files/.git/config", 404),
        (f"/estate/files/bascule.yaml?commit={'0' * 40}", 404),
        ("/estate/files/bascule.yaml?commit=HEAD", 422),
        ("/estate/files/bascule.yaml?commit=--help", 422),
        (f"/estate/compare?before={'0' * 40}", 404),
        ("/estate/compare?before=main", 422),
    ],
)
def test_only_files_at_commits_are_read(town: Told, path: str, status: int) -> None:
    assert town.operator.get(path).status_code == status


def test_differences_are_told_with_what_they_mean(town: Told) -> None:
    shown = page(town.operator, f"/estate/compare?before={town.first}&after={town.second}")
    for told in (
        "criticality, rto", "steps.breathe", say("en", "estate.compare.charter"), "<code>policy</code>",
        "-    with: {duration: 300ms}", "+    with: {duration: 500ms}", "+policy:", "docs/anew.md",
    ):  # fmt: skip
        assert told in shown, told
    assert page(town.operator, "/estate/compare").count('<details class="diff"') == 3, "of itself, the newest change"
    turned = page(town.operator, f"/estate/compare?before={town.second}&after={town.first}")
    assert "+    with: {duration: 300ms}" in turned
    same = page(town.operator, f"/estate/compare?before={town.first}&after={town.first}", "fr")
    assert say("fr", "estate.compare.same") in same


def test_many_differences_are_named_and_not_all_shown(town: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estate_reading, "MOST_DIFFERENCES", 1)
    shown = page(town.operator, f"/estate/compare?before={town.first}&after={town.second}")
    assert "+policy:" in shown
    assert "500ms" not in shown
    assert shown.count(say("en", "estate.diff.left_out")) >= 2


def test_who_sees_one_service_reads_its_runbook_alone(town: Told) -> None:
    phone = town.service.person("phone-only", Grant(Role.VIEWER, "phone"))
    assert "uses: probe.tcp" in page(phone, "/estate/files/runbooks/phone-failover.yaml")
    for path in ("/estate/files/runbooks/desk-failover.yaml", "/estate/files/bascule.yaml", "/estate/files",
                 "/estate/compare"):  # fmt: skip
        assert phone.get(path).status_code == 403, path
    shown = page(phone, "/estate")
    assert "operated_from" not in shown
    assert "runbooks/phone-failover.yaml" in shown
    assert "runbooks/desk-failover.yaml" not in shown


def test_a_refused_commit_is_told_problem_by_problem(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        first, files = service.bascule.estates.newest(), estate_files(service.listening_port)
        phone = files["runbooks/phone-failover.yaml"]
        wrong = commit(
            service.estate,
            {
                **files,
                "runbooks/phone-failover.yaml": phone.replace("probe.tcp", "probe.tpc").replace("rings", "RINGS"),
            },
        )
        operator = service.person("olga", Role.OPERATOR)
        answer = posted(operator, "/estate/sync", {})
        assert answer.status_code == 422
        assert say("en", "problem.invalid_estate") in html.unescape(answer.text)
        shown = page(operator, "/estate")
        places = re.findall(r'href="/estate/files/(runbooks/phone-failover.yaml)\?commit=(\w+)#L(\d+)"', shown)
        assert len(places) == 2
        assert {(path, at) for path, at, _ in places} == {("runbooks/phone-failover.yaml", wrong)}
        line = places[-1][2]
        assert f'<li id="L{line}">    uses: probe.tpc</li>' in page(
            operator, f"/estate/files/runbooks/phone-failover.yaml?commit={wrong}"
        )
        assert say("en", "estate.not_accepted") in page(operator, f"/estate/files?commit={wrong}")
        assert "RINGS" in page(operator, f"/estate/compare?before={first}&after={wrong}")
        service.estate.rename(tmp_path / "gone")
        answer = posted(operator, "/estate/sync", {})
        assert answer.status_code == 502
        shown = page(operator, "/estate", "fr")
        assert "ne répond pas" in shown
        assert say("fr", "estate.remote.safe") in shown


def test_another_history_is_accepted_by_its_typed_commit(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        first, files = service.bascule.estates.newest(), estate_files(service.listening_port)
        (service.estate / ".git").rename(tmp_path / "old.git")
        other = commit(service.estate, {**files, "docs/sheet.md": "# Anew\n"})
        admin = service.person("ada", Role.ADMIN)
        assert posted(admin, "/estate/sync", {}).status_code == 403
        shown = page(admin, "/estate")
        assert 'href="/estate/accept"' in shown
        asked = page(admin, "/estate/accept")
        assert other in asked
        assert f'value="{other[:12]}' not in asked, "it is typed"
        for fields, status in (
            ({"commit": other[:12], "reason": ""}, 422),
            ({"commit": other[:11], "reason": "x"}, 409),
            ({"commit": first, "reason": "x"}, 409),
        ):
            answer = posted(admin, "/estate/accept", fields)
            assert answer.status_code == status, fields
            assert service.bascule.estates.newest() == first
        answer = posted(admin, "/estate/accept", {"commit": other[:12], "reason": "a new forge"})
        assert answer.headers["location"] == "/estate"
        assert say("en", "did.accepted") in page(admin, "/estate")
        vouched(service.estate, service.bascule.settings.data)
        posted(admin, "/estate/sync", {})
        shown = page(admin, "/estate")
        for told in ("a new forge", "alice@valbourg.example (SHA256:", say("en", "estate.policy_signed"), other):
            assert told in shown, told
        assert service.person("olga", Role.OPERATOR).get("/estate/accept").status_code == 403


def test_what_was_accepted_is_judged_anew_each_day(tmp_path: Path) -> None:
    """An exception of the policy ends: the commit serves on, and the page says what is to be mended."""
    with running_service(tmp_path) as service:
        until = datetime.now(UTC).date() + timedelta(days=1)
        exceptions = "".join(
            f"      - {{{where}, rule: operated_from, reason: moving, until: {until}, by: ada}}\n"
            for where in ("service: desk, target: scaleway", "service: phone, target: mailo")
        )
        policy = f"policy:\n  sovereignty:\n    default: {{operated_from: DE}}\n    exceptions:\n{exceptions}"
        files = estate_files(service.listening_port)
        commit(service.estate, {**files, "bascule.yaml": files["bascule.yaml"] + policy})
        operator = service.person("olga", Role.OPERATOR)
        assert posted(operator, "/estate/sync", {}).headers["location"] == "/estate"
        assert say("en", "estate.valid") in page(operator, "/estate")
        reading = service.bascule.estate_reading
        reading._clock = lambda: time.time() + 3 * 86400
        shown = page(operator, "/estate")
        assert say("en", "estate.problems.now") in shown
        assert re.search(r"/estate/files/bascule.yaml\?commit=\w+#L\d+", shown)


def test_no_estate_teaches_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_commit: str = "") -> None:
        raise NotFound("None was read.")

    with running_service(tmp_path) as service:
        monkeypatch.setattr(service.bascule.estates, "accepted", none)
        shown = page(service.http, "/estate", "fr")
        assert say("fr", "estate.none") in shown
        assert "bascule estate sync" in shown
