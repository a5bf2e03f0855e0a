"""Approvals signed in advance, on an injected clock: what goes by itself, what keeps it from going, and who is told."""

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from orchestrator.cli import main
from orchestrator.domain.people.role import Grant, Role
from orchestrator.domain.trust import Signature, Voucher
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError
from orchestrator.store import estates, runs
from orchestrator.store.runs import Row
from orchestrator.store.tables import audit_entries
from orchestrator.web.edge.access import Access
from tests.audit_whole import assert_audit_whole
from tests.integration.service_fixture import answering, commit, until
from tests.integration.test_proposals import POLICY, Opened, Town, channel, opened
from tests.known_people import enrol, session
from tests.unit.signals_readings import HOUR, MINUTE, START, as_it_is, refused, rounds

__all__ = ["channel", "opened"]

STANDING = POLICY.replace("approvals: 2", "approvals: 2\n      release: standing-approval")
DAY = 24 * HOUR


def set_policy(town: Town, policy: str) -> None:
    sheet = (town.estate / "bascule.yaml").read_text()
    commit(town.estate, {"bascule.yaml": sheet[: sheet.index("\npolicy:")] + policy})
    town.bascule.estates.sync("test")


@pytest.fixture
def town(opened: Opened) -> Town:
    """The rule asks for a standing approval."""
    made = opened()
    set_policy(made, STANDING)
    enrol(made.bascule.database, "olga", Role.OPERATOR, Role.APPROVER)
    return made


def asked(town: Town, days: float = 30, **more: Any) -> Row:
    return town.bascule.standing.ask("microsoft-gone", "olga", days, "nights", **more)


def signed(town: Town, *names: str, days: float = 30, **more: Any) -> Row:
    row = asked(town, days, **more)
    for name in names or ("anne", "bruno"):
        row = town.bascule.standing.sign(row.id, row.digest, name, "read")
    return row


def state(town: Town, approval: Row) -> tuple[str, str | None]:
    row = town.bascule.standing.get(approval.id)
    return str(row.state), row.end_reason


def begun(town: Town) -> list[str]:
    with town.bascule.database.read() as conn:
        return [str(row.id) for row in runs.list_runs(conn, 10)]


def kinds(town: Town) -> list[str]:
    with town.bascule.database.read() as conn:
        found = conn.execute(sa.select(audit_entries.c.kind).order_by(audit_entries.c.seq)).scalars().all()
    return [one.removeprefix("standing_approval.") for one in found if one.startswith("standing_approval.")]


def test_what_two_signed_for_goes_by_itself_at_the_end_of_its_countdown(town: Town) -> None:
    approval = signed(town)
    row = town.lose()
    assert row.state == "armed"
    assert begun(town) == [], "not before the countdown is over"
    (proposed,) = [one["message"] for one in town.told if "Failover proposed" in one["title"]]
    assert "IT GOES BY ITSELF at 20" in proposed
    assert f"standing approval {approval.id} of anne, bruno" in proposed
    town.observe(rounds(1, refused, start=town.clock.now + MINUTE))
    row = town.only()
    assert (row.state, row.ended_by) == ("released", "policy:microsoft-gone")
    assert town.clock.now >= row.armed_until
    (run_id,) = begun(town)
    until(lambda: _run(town, run_id).state == "succeeded" or None, 30, lambda: _run(town, run_id).state)
    with town.bascule.database.read() as conn:
        given = runs.approvals(conn, run_id)
    assert [(one.actor, one.data["standing"]) for one in given] == [("anne", approval.id), ("bruno", approval.id)]
    assert town.events(row.id) == ["raised", "armed", "approved", "approved", "released"]
    used = town.bascule.standing.get(approval.id)
    assert (used.state, used.uses) == ("in_force", 1)
    titles = [title for title in town.titles if "tanding approval" in title]
    assert [title.split(":")[0] for title in titles] == [
        "Standing approval asked for", "Standing approval signed", "Standing approval in force",
        "Released by standing approval",
    ]  # fmt: skip
    assert "Nobody has released the failover: Switchboard" not in town.titles
    assert kinds(town) == ["asked", "signed", "signed", "in_force", "used"]
    assert_audit_whole(town.bascule.database)


def _run(town: Town, run_id: str) -> Any:
    with town.bascule.database.read() as conn:
        return runs.get_run(conn, run_id)


def end_countdown(town: Town) -> None:
    """The evidence holds on until the countdown is over, and a while longer."""
    town.observe(rounds(0.75, refused, start=town.clock.now + MINUTE))


def one_signature(town: Town) -> None:
    row = asked(town)
    town.bascule.standing.sign(row.id, row.digest, "anne", "read")


def expired(town: Town) -> None:
    signed(town, days=1.8 / 24)  # the cut is proposed after 1 h 15 min, and would go after 1 h 45 min


def another_commit(town: Town) -> None:
    signed(town)
    commit(town.estate, {"docs/more.md": "more"})
    town.bascule.estates.sync("test")


def a_signer_lost_the_role(town: Town) -> None:
    signed(town)
    town.bascule.people.register.revoke("bruno", Grant(Role.APPROVER), "admin")


def revoked(town: Town) -> None:
    row = signed(town)
    town.bascule.standing.revoke(row.id, "carla", "not tonight")


def more_signers_wanted(town: Town) -> None:
    set_policy(town, STANDING.replace("approvals: 2", "approvals: 3"))
    row = asked(town)
    for name in ("anne", "bruno"):
        row = town.bascule.standing.sign(row.id, row.digest, name, "read")
    assert row.state == "asked"


def longer_evidence(town: Town) -> None:
    signed(town, held_for=9 * HOUR)


@pytest.mark.every_day("one_signature-", "revoked-")
@pytest.mark.parametrize(
    ("before", "ended"),
    [
        (one_signature, "asked"), (expired, "expired"), (another_commit, "void"), (a_signer_lost_the_role, "void"),
        (revoked, "revoked"), (more_signers_wanted, "asked"), (longer_evidence, "in_force"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)  # fmt: skip
def test_otherwise_it_waits_for_people(town: Town, before: Callable[[Town], None], ended: str) -> None:
    before(town)
    town.lose()
    end_countdown(town)
    row = town.only()
    assert (row.state, bool(row.counted_down), begun(town)) == ("armed", True, [])
    assert "Nobody has released the failover: Switchboard" in town.titles
    (approval,) = town.bascule.standing.listed(everything=True)
    assert approval.state == ended
    if ended in ("expired", "void", "revoked"):
        assert f"Standing approval {ended}: phone (drill)" in town.titles, "loud"
    assert town.bascule.proposals.approve(row.id, row.digest, "dora") is None, "people may release it as ever"


def after_the_plan(town: Town, what: Callable[[], object]) -> Row:
    """It was announced that it goes by itself; then something happens within the countdown."""
    row = town.lose()
    assert town.bascule.standing.announced(row) is not None
    what()
    end_countdown(town)
    assert begun(town) == []
    return town.listed()[-1]


@pytest.mark.faults
def test_days_later_the_signatures_still_count(town: Town) -> None:
    """An approval given on the spot lapses after a day; what is signed in advance lasts as long as it says."""
    town.clock.now -= 5 * DAY
    signed(town)
    town.clock.now += 5 * DAY
    town.lose()
    end_countdown(town)
    assert town.only().state == "released"


def test_live_included_where_the_estate_is_signed(opened: Opened) -> None:
    town = opened()
    sheet = (town.estate / "bascule.yaml").read_text()
    channels = sheet[sheet.index("notify: {duty") : sheet.index("smtp: ")]
    live = "  live: {mode: live, networks: [127.0.0.0/8], " + channels.rstrip(", ") + "}"
    sheet = sheet.replace("  live: {mode: live, networks: [127.0.0.0/8]}", live)
    sheet = sheet[: sheet.index("\npolicy:")] + STANDING.replace("scope: drill\n      arm", "scope: live\n      arm")
    commit(town.estate, {"bascule.yaml": sheet})
    town.bascule.estates.sync("test")
    with pytest.raises(Denied, match="unsigned"):
        asked(town)
    alice, bob = Signature(("alice@town.example",), "SHA256:a"), Signature(("bob@town.example",), "SHA256:b")
    with town.bascule.database.write() as conn:
        newest = estates.newest(conn)
        assert newest is not None
        estates.vouch(conn, newest, Voucher(alice, (alice, bob)))
    signed(town)
    assert town.lose().scope == "live"
    end_countdown(town)
    assert town.only().state == "released"
    (run_id,) = begun(town)
    assert (_run(town, run_id).mode, set(_run(town, run_id).releases)) == ("live", {"anne", "bruno"})


@pytest.mark.faults
def test_a_halt_keeps_it_also_when_it_was_lifted_at_once(town: Town) -> None:
    signed(town)

    def halted() -> None:
        town.bascule.halt.engage("olga", "wait")
        town.bascule.halt.lift("olga", "go on")

    assert after_the_plan(town, halted).state == "withdrawn"


def test_one_person_keeps_it_within_the_countdown(town: Town) -> None:
    approval = signed(town)
    row = after_the_plan(town, lambda: town.bascule.standing.revoke(approval.id, "carla", "not tonight"))
    assert (row.state, state(town, approval)) == ("armed", ("revoked", "not tonight"))


@pytest.mark.faults
def test_a_signer_who_is_shut_out_within_the_countdown_keeps_it(town: Town) -> None:
    approval = signed(town)
    row = after_the_plan(town, lambda: town.bascule.people.register.disable("anne", "admin", "left"))
    assert (row.state, state(town, approval)) == ("armed", ("void", "signer"))


@pytest.mark.faults
def test_evidence_that_goes_keeps_it(town: Town) -> None:
    signed(town)
    row = town.lose(1.6)
    town.observe(rounds(1, as_it_is, start=town.clock.now + MINUTE))
    assert (town.only().state, begun(town)) == ("withdrawn", [])
    assert row.id == town.only().id


@pytest.mark.faults
def test_what_stands_in_the_way_is_told_and_it_goes_once_that_is_gone(town: Town) -> None:
    signed(town)
    town.lose()
    plan = town.bascule.plans.make(["phone"], "drill")
    enrol(town.bascule.database, "paul", Role.OPERATOR)
    other = town.bascule.runs.start(plan.digest, "paul").run_id
    end_countdown(town)
    row = town.only()
    assert (row.state, begun(town)) == ("armed", [other])
    assert any(f"Run {other} is active and holds service:phone" in one["message"] for one in town.told)
    town.bascule.decisions.cancel(other, "paul", "mine")
    town.observe(rounds(0.25, refused, start=town.clock.now + MINUTE))
    assert town.only().state == "released"


@pytest.mark.faults
def test_a_limit_that_the_plan_is_over_blocks_it(town: Town) -> None:
    set_policy(town, STANDING + "  limits: {scopes: {drill: {services: 1, servers: 0}}, default: {services: 1}}\n")
    signed(town)
    set_policy(town, STANDING.replace("[phone]", "[phone, desk]") + "  limits: {default: {services: 1}}\n")
    signed(town)
    row = town.lose()
    end_countdown(town)
    assert (town.only().state, row.message["code"], begun(town)) == ("blocked", "over_limit", [])
    assert "2 services, at most 1" in row.message["text"]
    (told,) = [one["message"] for one in town.told if "not possible" in one["title"]]
    assert "2 services, au plus 1" in told


@pytest.mark.faults
def test_by_hand_and_in_advance_count_together(town: Town) -> None:
    approval = signed(town)
    row = town.lose()
    assert town.bascule.proposals.approve(row.id, row.digest, "anne") is None
    end_countdown(town)
    row = town.only()
    assert row.state == "released"
    assert [(one["by"], one.get("standing")) for one in row.approvals] == [("anne", None), ("bruno", approval.id)]


def test_who_asked_does_not_sign_and_nobody_signs_twice_or_unread(town: Town) -> None:
    row = asked(town)

    def sign(approval: str, digest: str, name: str, comment: str = "read") -> Row:
        return town.bascule.standing.sign(approval, digest, name, comment)

    with pytest.raises(Denied, match="say why"):
        sign(row.id, row.digest, "anne", "")
    for name in ("olga", " Olga"):
        with pytest.raises(Denied, match="someone else must approve"):
            sign(row.id, row.digest, name)
    sign(row.id, row.digest, "anne")
    with pytest.raises(Denied, match="has approved already"):
        sign(row.id, row.digest, "anne")
    with pytest.raises(Conflict, match="names another"):
        sign(row.id, "sha256:other", "bruno")
    with pytest.raises(Denied, match="may not approve"):
        sign(row.id, row.digest, "stranger")
    with pytest.raises(Denied, match="Sealed codes"):
        sign(row.id, row.digest, "break-glass-b1")
    enrol(town.bascule.database, "desk-only", Grant(Role.APPROVER, "desk"))
    with pytest.raises(Denied, match="may not approve for phone"):
        sign(row.id, row.digest, "desk-only")
    assert sign(row.id, row.digest, "bruno").state == "in_force"
    with pytest.raises(Conflict, match="in force already"):
        sign(row.id, row.digest, "carla")
    with pytest.raises(RequestError, match="Give a reason"):
        town.bascule.standing.revoke(row.id, "carla", " ")


def test_it_is_asked_for_within_bounds(town: Town) -> None:
    ask = town.bascule.standing.ask
    for days in (0, -1, 90.1, float("nan")):
        with pytest.raises(RequestError, match="90 days at most"):
            ask("microsoft-gone", "olga", days)
    with pytest.raises(NotFound):
        ask("nothing", "olga", 30)
    with pytest.raises(RequestError, match="never for less"):
        ask("microsoft-gone", "olga", 30, held_for=1.0)
    set_policy(town, POLICY)
    with pytest.raises(RequestError, match="are released by people"):
        ask("microsoft-gone", "olga", 30)


def test_a_changed_row_is_not_what_was_signed(town: Town) -> None:
    signed(town)
    with town.bascule.database.engine.begin() as conn:
        conn.execute(sa.text("UPDATE standing_approvals SET expires_at = expires_at + 86400"))
    town.lose()
    end_countdown(town)
    assert (town.only().state, begun(town)) == ("armed", [])


@pytest.fixture
def http(town: Town) -> Iterator[Callable[[str], httpx.Client]]:
    """A client in a person's name; of the installation's own token without one."""
    clients = list[httpx.Client]()
    with answering(town.bascule) as url:
        town.bascule.announce_address(url)

        def client(name: str = "") -> httpx.Client:
            token = session(town.bascule, name) if name else town.bascule.token
            clients.append(httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30))
            return clients[-1]

        yield client
        for one in clients:
            one.close()


PLACE = "/api/v1/standing-approvals"


def test_the_api_asks_who_it_is(town: Town, http: Callable[..., httpx.Client]) -> None:
    enrol(town.bascule.database, "desk-only", Grant(Role.APPROVER, "desk"))
    machine, olga, anne = http(), http("olga"), http("anne")
    order = {"rule": "microsoft-gone", "days": 7}
    nobody = machine.post(PLACE, json={**order, "as": "olga"})
    assert (nobody.status_code, nobody.json()["code"]) == (403, "sign_in_needed")
    made = olga.post(PLACE, json=order)
    assert made.status_code == 201, made.text
    said = made.json()
    assert (said["state"], said["needed"], said["services"]) == ("asked", 2, ["phone"])
    one, body = f"{PLACE}/{said['id']}", {"digest": said["digest"], "comment": "read"}
    assert machine.post(f"{one}/sign", json={**body, "as": "anne"}).json()["code"] == "sign_in_needed"
    assert olga.post(f"{one}/sign", json=body).status_code == 403
    assert http("desk-only").post(f"{one}/sign", json=body).status_code == 404, "it is of a service that is not theirs"
    for language, words in (
        ("fr", "Signé d’avance\u00a0: quand microsoft-365 est coupé"),
        ("en", "Signed in advance: when"),
    ):
        assert f"/approve/standing/{said['id']}" in anne.get("/signals", params={"lang": language}).text
        page = html.unescape(anne.get(f"/approve/standing/{said['id']}", params={"lang": language}).text)
        assert words in page
        assert said["digest"] in page
        assert said["commit"] in page
    assert anne.post(f"{one}/sign", json=body).json()["state"] == "asked"
    assert http("bruno").post(f"{one}/sign", json=body).json()["state"] == "in_force"
    assert http("desk-only").get(PLACE).json() == {"standing_approvals": []}
    (listed,) = anne.get(PLACE).json()["standing_approvals"]
    assert [one["by"] for one in listed["signatures"]] == ["anne", "bruno"]
    row = town.lose()
    (proposal,) = machine.get("/api/v1/proposals", params={"waiting": True}).json()["proposals"]
    assert (proposal["id"], proposal["standing"]) == (row.id, {"id": said["id"], "signers": ["anne", "bruno"]})
    for language, goes, stands in (
        ("fr", "ELLE PART D’ELLE-MÊME à la fin du compte à rebours", "signé par anne, bruno (2 sur 2)"),
        ("en", "IT GOES BY ITSELF when the countdown ends", "signed by anne, bruno (2 of 2)"),
    ):
        page = html.unescape(anne.get("/signals", params={"lang": language}).text)
        assert goes in page
        assert stands in page
        assert f"bascule standing revoke {said['id']} --reason" in page
    assert machine.post(f"{one}/revoke", json={"as": "olga"}).status_code == 422
    revoked = machine.post(f"{one}/revoke", json={"as": "olga", "reason": "over"})
    assert (revoked.status_code, revoked.json()["state"], revoked.json()["why"]) == (200, "revoked", "over")
    assert machine.post(f"{one}/revoke", json={"as": "olga", "reason": "over"}).status_code == 409
    assert machine.post(f"{PLACE}/nothing/revoke", json={"as": "olga", "reason": "over"}).status_code == 404


def test_it_is_signed_on_its_page(town: Town, http: Callable[..., httpx.Client]) -> None:
    row = asked(town)
    place = f"/approve/standing/{row.id}"
    name = Access(town.bascule.token, town.bascule.people.sign_in).cookie_name
    for person in ("anne", "bruno"):
        browser = http(person)
        browser.headers.pop("Authorization")
        browser.headers.update(
            {"Cookie": f"{name}={session(town.bascule, person)}", "Origin": str(browser.base_url).rstrip("/")}
        )
        found = re.search(r'name="page_token" value="([0-9a-f]+)"', browser.get(place).text)
        assert found is not None
        form = {"page_token": found[1], "digest": row.digest}
        without = browser.post(place, data={**form, "comment": ""})
        assert (without.status_code, "say why" in html.unescape(without.text)) == (403, True)
        done = browser.post(place, data={**form, "comment": "read"})
        assert (done.status_code, done.headers.get("location")) == (303, "/signals")
    assert state(town, row) == ("in_force", None)


def test_the_command_line_lists_asks_signs_and_revokes(
    town: Town, http: Callable[..., httpx.Client], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    http()
    data = ["--data", str(town.bascule.settings.data)]

    def said(name: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setenv("BASCULE_TOKEN", session(town.bascule, name) if name else "")
        with pytest.raises(SystemExit) as end:
            main([*data, *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("  bascule")), out
        return int(end.value.code or 0), out + err

    assert said("", "standing", "list")[1] == "There is none: people release each proposal.\n"
    assert said("", "standing", "ask", "microsoft-gone")[0] == 4
    code, text = said("olga", "standing", "ask", "microsoft-gone", "--days", "7", "--for", "1h", "-r", "nights")
    assert code == 0, text
    (row,) = town.bascule.standing.listed()
    assert row.held_for == HOUR
    assert f"bascule standing sign {row.id} --digest {row.digest[:19]}" in text
    assert said("olga", "standing", "ask", "microsoft-gone", "--for", "soon")[0] == 2
    assert said("anne", "standing", "sign", row.id, "--digest", "0" * 12, "-c", "read")[0] == 1
    assert said("anne", "standing", "sign", row.id, "--digest", row.digest[:19], "-c", "read")[1].endswith(
        "1 more person must sign.\n"
    )
    assert said("olga", "standing", "sign", row.id, "--digest", row.digest[:19], "-c", "read")[0] == 4
    assert (
        "It is in force until"
        in said("bruno", "standing", "sign", row.id, "--digest", row.digest[:19], "-c", "read")[1]
    )
    code, text = said("", "proposals")
    assert (code, "it goes by itself" in text) == (0, True), "loud, also while nothing waits"
    town.lose()
    code, text = said("", "proposals")
    assert (code, "!! IT GOES BY ITSELF" in text) == (3, True)
    code, text = said("", "standing", "revoke", row.id, "--reason", "over", "--as", "olga")
    assert (code, text.startswith("Revoked by olga.")) == (0, True)
    assert "ended" in said("", "standing", "list", "--all")[1]


@pytest.mark.faults
def test_it_outlasts_a_restart(opened: Opened, town: Town) -> None:
    signed(town)
    town.lose()
    again = opened()
    again.clock.now += MINUTE
    end_countdown(again)
    assert again.only().state == "released"
    assert again.clock.now > START
