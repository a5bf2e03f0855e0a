"""The history's pages over HTTP: what ran, halts, messages, and the audit, verified and taken away from there."""

import html
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.domain.people.role import Grant, Role
from orchestrator.operations.audit_check import verify
from orchestrator.operations.audit_verification import Report, UnderWay
from orchestrator.store import notices
from orchestrator.store.audit_reading import FileSource
from orchestrator.web.pages import history_pages
from orchestrator.web.words import say
from tests.integration.service_fixture import RunningService, commit, estate_files, running_service, until

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
RUN = re.compile(r'href="/runs/([0-9a-f-]+)"')


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.fixture(scope="module")
def ran(service: RunningService) -> dict[str, str]:
    """A run of the phone that ended, one of the desk that waits, and one that was cancelled."""
    phone = service.start(service.plan("phone")["digest"], by="paul")
    service.wait(phone, "succeeded")
    gone = service.start(service.plan("desk")["digest"])
    service.wait(gone, "waiting", "desk-failover/sheet")
    service.decide(gone, "cancel", "olga", reason="<b>enough</b>")
    service.wait(gone, "cancelled")
    desk = service.start(service.plan("desk")["digest"])
    service.wait(desk, "waiting", "desk-failover/sheet")
    return {"phone": phone, "gone": gone, "desk": desk}


def page(http: httpx.Client, path: str, language: str = "en") -> str:
    answer = http.get(path, headers={"Accept-Language": language})
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def test_runs_are_listed_filtered_and_turned_over(
    service: RunningService, ran: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = page(service.http, "/history")
    assert RUN.findall(whole) == [ran["desk"], ran["gone"], ran["phone"]]
    assert say("en", "run.succeeded") in whole
    assert "by olga: test" in whole
    for asked, wanted in (
        ("service=phone", ["phone"]),
        ("state=active", ["desk"]),
        ("state=cancelled&mode=rehearsal", ["gone"]),
        ("who=PAU", ["phone"]),
        ("mode=live", []),
    ):
        assert RUN.findall(page(service.http, f"/history?{asked}")) == [ran[name] for name in wanted], asked
    assert say("fr", "history.nothing.why") in page(service.http, "/history?mode=live", "fr")
    monkeypatch.setattr(history_pages, "LISTED", 2)
    first = page(service.http, "/history?mode=rehearsal")
    assert RUN.findall(first) == [ran["desk"], ran["gone"]]
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
    last = page(service.http, older)
    assert RUN.findall(last) == [ran["phone"]]
    assert 'rel="next"' not in last
    assert 'href="/history?mode=rehearsal"' in last


def test_who_sees_one_service_sees_its_runs_and_turns_over_the_same(
    service: RunningService, ran: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_pages, "LISTED", 1)
    phone = service.person("phone-only", Grant(Role.VIEWER, "phone"))
    assert RUN.findall(page(phone, "/history")) == [ran["phone"]]
    desk = service.person("desk-only", Grant(Role.VIEWER, "desk"))
    first = page(desk, "/history")
    assert RUN.findall(first) == [ran["desk"]]
    (older,) = re.findall(r'rel="next" href="([^"]+)"', first)
    assert RUN.findall(page(desk, older)) == [ran["gone"]]


def test_a_run_is_held_against_the_objective_of_its_own_commit(service: RunningService) -> None:
    """The estate that says so is accepted after the first run, which stays without one."""
    before = service.start(service.plan("phone")["digest"])
    service.wait(before, "succeeded")
    files = estate_files(service.listening_port)
    for rto, key in (("4h", "met"), ("1ms", "over")):
        commit(
            service.estate,
            {**files, "bascule.yaml": files["bascule.yaml"].replace("needs: [desk]", f"needs: [desk]\n    rto: {rto}")},
        )
        service.bascule.estates.sync("olga")
        made = service.start(service.plan("phone")["digest"])
        service.wait(made, "succeeded")
        shown = page(service.http, "/history?service=phone")
        row = shown.partition(f"/runs/{made}")[2].partition("</tr>")[0]
        assert say("en", f"history.rto.{key}", time="4 h" if key == "met" else "< 1 s") in row
        assert "RTO" not in shown.partition(f"/runs/{before}")[2].partition("</tr>")[0]


def test_halts_and_messages_are_kept_in_sight(service: RunningService) -> None:
    assert say("en", "halts.none.why") in page(service.http, "/history/halts")
    assert say("en", "notices.none.why") in page(service.http, "/history/notices")
    service.bascule.halt.engage("anne", "<i>taken over</i>")
    assert say("en", "halts.on") in page(service.http, "/history/halts")
    service.bascule.halt.lift("bruno", "clean again")
    shown = service.http.get("/history/halts", headers={"Accept-Language": "fr"}).text
    assert "&lt;i&gt;taken over" in shown
    assert "par bruno\u00a0: clean again" in shown
    with service.bascule.database.write() as conn:
        words = {"fr": "Essai du canal", "en": "A <test>"}
        notices.add(conn, "k", "c", "live", ["duty"], words, words, time.time())
    assert "A <test>" in page(service.http, "/history/notices?state=waiting")
    assert "A <test>" not in page(service.http, "/history/notices?state=sent")
    other = service.person("other", Grant(Role.VIEWER, "phone"))
    told = page(other, "/history/notices")
    assert say("en", "history.whole.why") in told
    assert "A <test>" not in told


def verified(service: RunningService) -> Report:
    """What was found after a verification that was asked for on the page."""
    audit = service.bascule.audit
    auditor = service.person("vera", Role.AUDITOR)
    answer = auditor.post("/history/audit/verify", content="", headers={**FORM, "Origin": service.url})
    assert (answer.status_code, answer.headers["location"]) == (303, "/history/audit")
    until(lambda: audit.under_way() is None, 20, lambda: "it goes on")
    found = audit.last()
    assert found is not None
    return found


def test_the_audit_is_verified_from_the_page(service: RunningService, ran: dict[str, str]) -> None:
    del ran
    assert say("en", "audit.never") in page(service.http, "/history/audit")
    found = verified(service)
    assert (found.whole, found.by, found.failure) == (True, "vera", "")
    assert found.chains > 3
    shown = page(service.people["vera"], "/history/audit")
    assert say("en", "audit.whole") in shown
    assert f"{found.entries} entries of {found.chains} chains" in shown
    assert say("en", "audit.kind.audit.verified") in shown
    assert say("en", "audit.witness.has") in shown or say("en", "audit.witness.waits", count=1) in shown
    assert verified(service).entries > found.entries, "the verification is an entry itself"


def test_entries_are_filtered_and_names_are_for_who_audits(service: RunningService, ran: dict[str, str]) -> None:
    auditor = service.person("vera", Role.AUDITOR)
    shown = page(auditor, "/history/audit?kind=run.created&who=olga")
    assert ran["desk"] in shown
    assert ran["phone"] not in shown, "paul asked for that one"
    assert ">olga<" in shown
    viewer = page(service.person("vic", Role.VIEWER), "/history/audit?kind=run.created&who=olga")
    assert say("en", "audit.pseudonyms") in viewer
    assert re.search(r"person-[0-9a-f]{20}", viewer)
    assert ">olga<" not in viewer
    assert ran["desk"] not in viewer, "an entry's details may hold names"
    other = page(service.person("other", Grant(Role.VIEWER, "phone")), "/history/audit")
    assert say("en", "history.whole.why") in other
    assert "person-" not in other


def test_an_export_is_downloaded_and_verifies_alone(service: RunningService, tmp_path: Path) -> None:
    auditor = service.person("vera", Role.AUDITOR)
    answer = auditor.get("/history/audit/export")
    assert answer.status_code == 200
    assert re.match(r'attachment; filename="bascule-audit-\d{8}-\d{6}\.jsonl"', answer.headers["content-disposition"])
    file = tmp_path / "audit.jsonl"
    file.write_bytes(answer.content)
    found = verify(FileSource(file), [], frozenset())
    assert found.whole
    assert found.chains > 1
    assert service.person("vic", Role.VIEWER).get("/history/audit/export").status_code == 403
    service.bascule.audit._exporting.acquire()
    try:
        assert auditor.get("/history/audit/export").status_code == 503
    finally:
        service.bascule.audit._exporting.release()
    assert auditor.get("/history/audit/export").status_code == 200


def test_what_was_changed_from_outside_is_shown_with_what_to_do(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        with sqlite3.connect(service.bascule.settings.database_file, timeout=30) as other:
            other.execute("update audit_entries set actor = '<b>nobody' where seq = 1")
        found = verified(service)
        assert not found.whole
        shown = page(service.people["vera"], "/history/audit")
        for key in ("audit.not_whole", "audit.fault.edited", "audit.do.copy", "audit.do.runs"):
            assert say("en", key) in shown, key
        service.bascule.audit._last = None
        shown = page(service.http, "/history/audit")
        assert say("en", "audit.not_whole") in shown
        assert say("en", "audit.no_details") in shown
        with sqlite3.connect(service.bascule.settings.database_file, timeout=30) as other:
            other.execute("update audit_entries set actor = 'bascule' where seq = 1")
        assert verified(service).whole


def test_progress_is_true_and_an_examination_ends_with_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.operations.audit_verification.TURN", 1)
    monkeypatch.setattr("orchestrator.operations.audit_verification.GIVES_WAY", 60.0)
    with running_service(tmp_path) as service:
        audit = service.bascule.audit
        assert audit.start("anne")
        assert not audit.start("bruno"), "there is one at a time"

        def reads() -> UnderWay | None:
            found = audit.under_way()
            return found if found is not None and found.read else None

        under_way = until(reads, 20, lambda: "it never reads")
        assert (under_way.by, under_way.read) == ("anne", 1)
        assert under_way.total > 1
        shown = page(service.http, "/history/audit")
        assert say("en", "audit.under_way") in shown
        assert '<meta http-equiv="refresh" content="2">' in shown
        began = time.monotonic()
        audit.stop()
        assert time.monotonic() - began < 5
        assert audit.last() is None
