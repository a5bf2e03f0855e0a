"""From observations to a proposal and to its run, on an injected clock: real estate, database, engine and channel."""

import html
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.app import Bascule, Settings
from orchestrator.cli import main
from orchestrator.domain.people.role import Grant, Role
from orchestrator.domain.signals.board import Situation
from orchestrator.domain.signals.observation import Observation
from orchestrator.operations.halt import IsHalted
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError
from orchestrator.store import notices, observations, proposals, runs
from orchestrator.store.runs import Row
from tests.databases import put_tables
from tests.integration.service_fixture import ESTATE, answering, commit, estate_files, open_port, until
from tests.known_people import enrol, session
from tests.unit.signals_readings import HOUR, MINUTE, ROUND, START, as_it_is, refused, rounds

DRILL = "  drill: {mode: drill, prefix: drill-, networks: [127.0.0.0/8]}"
POLICY = """
policy:
  proposals:
    microsoft-gone:
      when: {vendor: microsoft-365, verdict: cut, for: 15m}
      propose: [phone]
      scope: drill
      arm: 30m
      approvals: 2
      notify: [duty]
  warnings: {scope: drill, notify: [duty]}
"""


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Town:
    """A service whose threads do nothing by themselves: the test says when it looks."""

    bascule: Bascule
    clock: Clock
    estate: Path
    port: int
    told: list[dict[str, Any]] = field(default_factory=list)

    def observe(self, found: Iterable[Observation]) -> None:
        """Readings come in as they are made, and are looked at every five minutes."""
        look_at = self.clock.now
        for one in found:
            if one.at >= look_at + ROUND:
                self.look(one.at)
                look_at = one.at
            with self.bascule.database.write() as conn:
                observations.add(conn, one, one.at)
            self.clock.now = one.at
        self.look(self.clock.now)

    def look(self, at: float) -> Situation:
        self.clock.now = at
        situation = self.bascule.detection.look()
        assert situation is not None
        self.bascule.proposals.consider(situation)
        self.bascule.proposals.make_plans()
        while self.bascule.notices.send_next():
            pass
        return situation

    def lose(self, hours: float = 2.0) -> Row:
        """An hour of good days, then everything is refused; the proposal that comes of it."""
        self.observe(rounds(1, as_it_is))
        self.observe(rounds(hours - 1, refused, start=START + HOUR))
        return self.only()

    def only(self) -> Row:
        (row,) = self.listed()
        return row

    def listed(self) -> list[Row]:
        with self.bascule.database.read() as conn:
            return list(proposals.listed(conn, 100))

    def events(self, proposal_id: str) -> list[str]:
        with self.bascule.database.read() as conn:
            return [row.kind.removeprefix("proposal.") for row in proposals.events(conn, proposal_id)]

    @property
    def titles(self) -> list[str]:
        return [one["title"].split(" / ")[1] for one in self.told]


@pytest.fixture
def channel() -> Iterator[tuple[int, list[dict[str, Any]], list[int]]]:
    """A chat server: what it was told, and the statuses that it answers next (200 when there is none)."""
    told: list[dict[str, Any]] = []
    answers: list[int] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = answers.pop(0) if answers else 200
            if status == 200:
                told.append(body)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_address[1], told, answers
    server.shutdown()
    server.server_close()


APPROVERS = ("anne", "bruno", "carla", "dora", "emil")

Opened = Callable[[], Town]


@pytest.fixture
def opened(tmp_path: Path, channel: tuple[int, list[dict[str, Any]], list[int]]) -> Iterator[Opened]:
    """Opens the service, as often as the test wants: what was there before is closed, as by a crash of nothing."""
    port, told, _ = channel
    clock, towns = Clock(), list[Town]()
    channels = "notify: {duty: {driver: apprise, url: 'secret://duty'}}, smtp: {helo: bascule.trial.example}"
    duty = f"{DRILL[:-1]}, {channels}}}"
    sheet = ESTATE.replace(DRILL, duty) + POLICY
    with open_port() as listening:
        commit(tmp_path / "estate", {**estate_files(listening), "bascule.yaml": sheet})
        secret = tmp_path / "data" / "secrets" / "drill" / "duty"
        secret.parent.mkdir(parents=True)
        secret.write_text(f"json://127.0.0.1:{port}/")
        secret.chmod(0o600)

        put_tables(tmp_path / "data")

        def open_one() -> Town:
            for town in towns:
                town.bascule.stop()
            towns.clear()
            bascule = Bascule(Settings(data=tmp_path / "data", estate_url=str(tmp_path / "estate")), clock=clock)
            bascule.estates.sync("test")
            bascule.worker.start()
            for name in APPROVERS:
                enrol(bascule.database, name, Role.APPROVER)
            towns.append(Town(bascule, clock, tmp_path / "estate", listening, told))
            return towns[0]

        yield open_one
        for town in towns:
            town.bascule.stop()


@pytest.fixture
def town(opened: Opened) -> Town:
    return opened()


def test_a_cut_that_holds_becomes_a_plan_that_waits_for_people(town: Town) -> None:
    row = town.lose()
    assert (row.state, row.subject, row.services, row.scope) == ("armed", "microsoft-365", ["phone"], "drill")
    assert row.raised_at - row.episode >= 15 * MINUTE
    assert row.armed_until == pytest.approx(row.raised_at + 30 * MINUTE)
    assert row.evidence["words"]["en"].startswith("Microsoft 365: cut since 01:00")
    assert row.evidence["reasons"][0]["observations"], "the observations that made it"
    assert town.titles[0] == "Failover proposed: Switchboard"
    assert f"bascule proposals release {row.id} --digest {row.digest}" in town.told[0]["message"]
    with town.bascule.database.read() as conn:
        assert runs.list_runs(conn, 10) == [], "it starts nothing"


def test_nothing_is_proposed_before_its_time(town: Town) -> None:
    town.observe(rounds(1, as_it_is))
    town.observe(rounds(0.5, refused, start=START + HOUR))
    assert town.listed() == []
    assert town.bascule.verdicts.listed()[0].verdict == "cut"


def test_two_people_release_it_and_its_run_begins(town: Town) -> None:
    row = town.lose()
    release = town.bascule.proposals.approve
    assert release(row.id, row.digest, "anne", "seen") is None
    for who in ("anne", " Anne "):
        with pytest.raises(Denied):
            release(row.id, row.digest, who)
    with pytest.raises(Conflict):
        release(row.id, "sha256:other", "bruno")
    run_id = release(row.id, row.digest, "bruno")
    assert run_id is not None
    ended = until(lambda: _state(town, run_id) in ("succeeded", "incomplete") or None, 20, lambda: _state(town, run_id))
    assert ended
    assert _state(town, run_id) == "succeeded"
    row = town.only()
    assert (row.state, row.run_id, row.ended_by) == ("released", run_id, "bruno")
    assert town.events(row.id) == ["raised", "armed", "approved", "approved", "released"]
    with pytest.raises(Conflict):
        release(row.id, row.digest, "carla")
    town.look(town.clock.now + MINUTE)
    assert town.titles[-1] == "Failover released: Switchboard"
    town.observe(rounds(1, refused, start=town.clock.now))
    assert len(town.listed()) == 1, "what was released is not proposed again"


def _state(town: Town, run_id: str) -> str:
    with town.bascule.database.read() as conn:
        return str(runs.get_run(conn, run_id).state)


def test_whoever_was_changed_after_their_approval_has_not_approved(town: Town) -> None:
    row = town.lose()
    release, register = town.bascule.proposals.approve, town.bascule.people.register
    assert release(row.id, row.digest, "anne") is None
    register.revoke("anne", Grant(Role.APPROVER), "local")
    assert release(row.id, row.digest, "bruno") is None, "anne's was the first, and counts no more"
    with pytest.raises(Denied, match="may not approve"):
        release(row.id, row.digest, "anne")
    register.invite("bruno", "local")
    assert release(row.id, row.digest, "carla") is None, "bruno's factors were reset: it may have been somebody else"
    assert release(row.id, row.digest, "dora") is not None
    assert [one["by"] for one in town.only().approvals] == ["carla", "dora"]
    assert town.events(row.id).count("approval_voided") == 2


def test_it_withdraws_itself_when_the_evidence_falls_away(town: Town) -> None:
    row = town.lose()
    town.observe(rounds(1, as_it_is, start=town.clock.now + MINUTE))
    row = town.only()
    assert (row.state, row.ended_by) == ("withdrawn", "bascule")
    assert town.bascule.verdicts.listed()[0].verdict == "cut", "the verdict itself falls later"
    assert town.titles[-1] == "Failover proposal withdrawn: Switchboard"
    with pytest.raises(Conflict):
        town.bascule.proposals.approve(row.id, row.digest, "anne")


@pytest.mark.faults
def test_it_comes_again_only_when_the_evidence_has_held_again(town: Town) -> None:
    town.lose()
    town.observe(rounds(1, as_it_is, start=town.clock.now + MINUTE))
    withdrawn = town.only()
    town.observe(rounds(2, refused, start=town.clock.now + MINUTE))
    newest, oldest = town.listed()
    assert (newest.state, oldest.id) == ("armed", withdrawn.id)
    assert newest.raised_at >= withdrawn.ended_at + 15 * MINUTE


def test_a_rejected_one_does_not_come_back_in_the_same_cut(town: Town) -> None:
    row = town.lose()
    with pytest.raises(RequestError):
        town.bascule.proposals.reject(row.id, "anne", " ")
    town.bascule.proposals.reject(row.id, "anne", "we knew of it")
    town.observe(rounds(2, refused, start=town.clock.now + MINUTE))
    assert town.only().state == "rejected"
    assert town.titles[-1] == "Failover proposal rejected: Switchboard"
    with pytest.raises(Conflict):
        town.bascule.proposals.reject(row.id, "bruno", "too late")
    with pytest.raises(NotFound):
        town.bascule.proposals.reject("p-none", "bruno", "nothing")


def test_the_end_of_the_countdown_is_told_and_starts_nothing(town: Town) -> None:
    row = town.lose(3.0)
    assert town.clock.now > row.armed_until
    assert town.titles == ["Failover proposed: Switchboard", "Nobody has released the failover: Switchboard"]
    assert town.only().state == "armed"


def test_a_service_that_starts_again_goes_on_where_it_was(opened: Opened) -> None:
    row = opened().lose()
    town = opened()
    before = [(one.subject, one.verdict) for one in town.bascule.verdicts.listed()]
    town.look(town.clock.now + MINUTE)
    assert [(one.subject, one.verdict) for one in town.bascule.verdicts.listed()] == before
    assert [one.id for one in town.listed()] == [row.id]
    assert len(town.bascule.verdicts.history("microsoft-365", 100)) == 3, "nominal, suspect and cut, once each"
    town.observe(rounds(1, as_it_is, start=town.clock.now + MINUTE))
    assert town.only().state == "withdrawn"


def test_a_plan_that_cannot_be_made_is_told_and_tried_again(town: Town) -> None:
    broken = POLICY.replace("propose: [phone]", "propose: [phone]\n      parameters: {nothing: 1}")
    sheet = (town.estate / "bascule.yaml").read_text()
    commit(town.estate, {"bascule.yaml": sheet.replace(POLICY, broken)})
    town.bascule.estates.sync("test")
    row = town.lose()
    assert row.state == "blocked"
    assert "parameter nothing" in row.message["text"]
    assert town.titles == ["Failover wanted, but not possible: Switchboard"], "once, however often it is tried"
    assert row.looked_at > row.raised_at
    commit(town.estate, {"bascule.yaml": sheet})
    town.bascule.estates.sync("test")
    town.observe(rounds(0.5, refused, start=town.clock.now + MINUTE))
    assert town.events(row.id) == ["raised", "blocked", "armed"]
    assert town.only().commit == town.bascule.estates.newest(), "what was mended is used"


@pytest.mark.faults
def test_a_plan_that_lacks_a_secret_is_not_armed_until_it_is_there(town: Town) -> None:
    name = "runbooks/phone-failover.yaml"
    words = "title: {fr: Un, en: One}, body: {fr: Un, en: One}"
    told = f"  told:\n    uses: notify.send\n    with: {{channel: crisis, {words}}}\n"
    sheet = (town.estate / "bascule.yaml").read_text()
    crisis = "notify: {crisis: {driver: apprise, url: 'secret://crisis'}, duty:"
    changed = sheet.replace("notify: {duty:", crisis, 1)
    for scope in ("rehearsal: {mode: rehearsal", "live: {mode: live"):
        changed = changed.replace(scope, f"{scope}, smtp: {{helo: b.example}}, {crisis[:-7]}}}")
    commit(town.estate, {"bascule.yaml": changed, name: (town.estate / name).read_text() + told})
    town.bascule.estates.sync("test")
    row = town.lose()
    assert (row.state, row.message["code"]) == ("blocked", "secrets_missing")
    assert "secret://crisis" in row.message["text"]
    town.bascule.secrets.set("drill", "crisis", "json://127.0.0.1:9/of-the-crisis", "olga")
    town.observe(rounds(0.5, refused, start=town.clock.now + MINUTE))
    assert town.events(row.id) == ["raised", "blocked", "armed"]


@pytest.mark.faults
def test_a_rule_that_is_gone_takes_its_proposal_with_it(town: Town) -> None:
    row = town.lose()
    sheet = (town.estate / "bascule.yaml").read_text()
    commit(town.estate, {"bascule.yaml": sheet.replace(POLICY, "")})
    town.bascule.estates.sync("test")
    town.look(town.clock.now + MINUTE)
    assert (town.only().id, town.only().state) == (row.id, "withdrawn")


def test_people_are_warned_of_each_clock_once_at_each_level(town: Town) -> None:
    town.observe(rounds(1, as_it_is))
    for number in range(12):
        town.observe(rounds(0.25, refused, start=START + HOUR + number * 0.25 * HOUR))
        town.bascule.warnings.consider(town.bascule.verdicts.onsets, town.clock.now)
    town.look(town.clock.now)
    warned = [one["message"] for one in town.told if one["title"].endswith("What runs out soon")]
    tokens = [one for one in warned if "Entra access tokens" in one]
    assert len(tokens) == 2, "an hour before, and when they have run out"
    assert len(set(warned)) == len(warned)


def test_the_kill_switch_withdraws_it_and_while_it_is_on_nothing_is_proposed(town: Town) -> None:
    row = town.lose()
    town.bascule.halt.engage("olga", "wait")
    with pytest.raises(IsHalted):
        town.bascule.proposals.approve(row.id, row.digest, "anne")
    town.look(town.clock.now + MINUTE)
    assert town.only().state == "withdrawn"
    assert "kill switch" in town.told[-1]["message"]
    town.observe(rounds(1, refused, start=town.clock.now + MINUTE))
    assert len(town.listed()) == 1
    town.bascule.halt.lift("olga", "go on")
    town.observe(rounds(0.5, refused, start=town.clock.now + MINUTE))
    assert [one.state for one in town.listed()] == ["armed", "withdrawn"]


def test_a_halt_at_the_last_release_leaves_no_run_behind(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    row = town.lose()
    town.bascule.proposals.approve(row.id, row.digest, "anne")
    monkeypatch.setattr(town.bascule.halt, "require_free", lambda: town.bascule.halt.engage("olga", "now"))
    with pytest.raises(Denied):
        town.bascule.proposals.approve(row.id, row.digest, "bruno")
    assert (town.only().state, len(town.only().approvals)) == ("armed", 1)
    with town.bascule.database.read() as conn:
        assert runs.list_runs(conn, 10) == []


def test_two_who_release_at_the_same_moment_begin_the_run(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    row = town.lose()
    together = threading.Barrier(2, timeout=10)
    real = town.bascule.proposals.get
    looks = {"anne": 2, "bruno": 2}

    def get(proposal_id: str) -> Row:
        found = real(proposal_id)
        name = threading.current_thread().name
        looks[name] = looks.get(name, 0) - 1
        if looks[name] == 0:  # the second time that it is read: what it has now is what the release will stand on
            together.wait()
        return found

    monkeypatch.setattr(town.bascule.proposals, "get", get)
    begun: list[str | None] = []

    def release() -> None:
        begun.append(town.bascule.proposals.approve(row.id, row.digest, threading.current_thread().name))

    people = [threading.Thread(target=release, name=name) for name in ("anne", "bruno")]
    for one in people:
        one.start()
    for one in people:
        one.join(30)
    assert sorted(map(bool, begun)) == [False, True]
    assert (town.only().state, len(town.only().approvals)) == ("released", 2)


@pytest.mark.faults
def test_an_estate_that_cannot_be_read_for_a_while_changes_nothing(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    row = town.lose()
    commit(town.estate, {"docs/more.md": "more"})
    town.bascule.estates.sync("test")
    newest, begun = town.bascule.estates.newest(), list[float]()
    readable = town.bascule.estates.bundle

    def bundle(wanted: str) -> Any:
        if wanted == newest:
            raise RequestError("its commit is not in this mirror yet")
        return readable(wanted)

    begin = town.bascule.detection._begin

    def counted(now: float) -> Any:
        begun.append(now)
        return begin(now)

    monkeypatch.setattr(town.bascule.detection, "_begin", counted)
    monkeypatch.setattr(town.bascule.estates, "bundle", bundle)
    for minute in range(1, 6):
        town.look(town.clock.now + minute)
    assert (town.only().id, town.only().state) == (row.id, "armed")
    assert begun == [], "what was watched is not read again"
    monkeypatch.undo()
    town.look(town.clock.now + MINUTE)
    assert town.only().state == "armed"


@pytest.mark.faults
def test_an_estate_that_is_gone_for_good_keeps_nobody_from_ending_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = town.lose()
    gone = RequestError("no such commit")
    monkeypatch.setattr(town.bascule.estates, "bundle", lambda _commit: (_ for _ in ()).throw(gone))
    town.bascule.proposals.reject(row.id, "anne", "x" * 4000)
    assert town.only().state == "rejected"
    monkeypatch.undo()
    town.look(town.clock.now + MINUTE)
    assert town.titles[-1] == "Failover proposal rejected: Switchboard", "however long the reason"


@pytest.mark.faults
def test_a_rule_that_changed_withdraws_and_one_that_asks_for_more_people_asks_them(town: Town) -> None:
    row = town.lose()
    sheet = (town.estate / "bascule.yaml").read_text()
    commit(town.estate, {"bascule.yaml": sheet.replace("approvals: 2", "approvals: 3")})
    town.bascule.estates.sync("test")
    town.look(town.clock.now + MINUTE)
    assert (town.only().state, town.only().approvals_needed) == ("armed", 3)
    for name in ("anne", "bruno"):
        assert town.bascule.proposals.approve(row.id, row.digest, name) is None
    commit(town.estate, {"bascule.yaml": sheet.replace("propose: [phone]", "propose: [desk]")})
    town.bascule.estates.sync("test")
    town.look(town.clock.now + MINUTE)
    assert town.listed()[-1].state == "withdrawn"


@pytest.mark.faults
def test_a_halt_that_was_lifted_at_once_has_withdrawn_it_all_the_same(town: Town) -> None:
    row = town.lose()
    town.clock.now += 1
    town.bascule.halt.engage("olga", "wait")
    town.bascule.halt.lift("olga", "go on")
    with pytest.raises(Denied):
        town.bascule.proposals.approve(row.id, row.digest, "anne")
    town.look(town.clock.now + 1)
    assert town.only().state == "withdrawn"


@pytest.mark.faults
def test_a_halt_under_a_clock_that_was_ahead_stops_nothing_later(town: Town) -> None:
    town.clock.now = START + 100 * 24 * HOUR
    town.bascule.halt.engage("olga", "wait")
    town.bascule.halt.lift("olga", "go on")
    town.clock.now = START
    row = town.lose()
    town.look(town.clock.now + MINUTE)
    assert town.only().state == "armed"
    assert town.bascule.proposals.approve(row.id, row.digest, "anne") is None


@pytest.mark.faults
def test_a_proposal_of_an_older_version_is_withdrawn_and_made_anew(town: Town) -> None:
    row = town.lose()
    old = {key: value for key, value in row.evidence.items() if key not in ("rule", "halt")}
    with town.bascule.database.write() as conn:
        proposals.note(conn, row.id, evidence=old)
    town.look(town.clock.now + MINUTE)
    assert town.only().state == "withdrawn"


@pytest.mark.every_day("policy:microsoft-gone")
@pytest.mark.parametrize("name", ["policy:microsoft-gone", "Timer", "bascule", "person-0123456789abcdef0123"])
def test_nobody_goes_by_the_name_of_a_rule_or_of_the_service(town: Town, http: httpx.Client, name: str) -> None:
    del town
    order = {"as": name, "reason": "mine"}
    assert http.post("/api/v1/halt", json=order).status_code == 422


@pytest.mark.faults
def test_what_nobody_observes_any_more_is_never_proposed(opened: Opened) -> None:
    town = opened()
    town.observe(rounds(1, as_it_is))
    town.observe(rounds(0.25, refused, start=START + HOUR))
    town.bascule.verdicts.acknowledge("microsoft-365", "anne")
    town.clock.now += 30 * 24 * HOUR
    town = opened()
    town.look(town.clock.now)
    town.look(town.clock.now + HOUR)
    assert [one.state for one in town.listed()] in ([], ["withdrawn"])
    assert town.bascule.verdicts.listed()[0].verdict == "unknown"


@pytest.mark.faults
def test_an_erosion_of_weeks_is_the_same_after_a_restart(opened: Opened) -> None:
    town = opened()
    lag = [
        Observation(START + hour * HOUR, "microsoft-365", "sync", "mailbox", vantage, domain, "ok", 60.0)
        for hour in range(0, 20 * 24, 2)
        for domain, vantage in (("own", "paris"), ("peer", "lyon"))
    ]
    late = START + 15 * 24 * HOUR
    with town.bascule.database.write() as conn:
        for one in lag:
            risen = 60.0 + max(one.at - late, 0.0)
            observations.add(conn, one._replace(value=risen), one.at)
    town.look(START + 20 * 24 * HOUR)
    before = town.bascule.verdicts.history("microsoft-365", 1)[0].verdict
    assert before in ("suspect", "eroding")
    town.clock.now += 12 * HOUR
    with town.bascule.database.write() as conn:
        for one in lag[-12:]:
            observations.add(conn, one._replace(at=one.at + 22 * HOUR, value=4e5), one.at + 22 * HOUR)
    town = opened()
    town.look(town.clock.now + HOUR)
    assert town.bascule.verdicts.history("microsoft-365", 1)[0].verdict in ("suspect", "eroding")


def test_a_channel_that_is_away_is_tried_again_and_told_once(
    town: Town, channel: tuple[int, list[dict[str, Any]], list[int]]
) -> None:
    channel[2].extend([503, 503])
    town.lose()
    with town.bascule.database.read() as conn:
        (notice,) = notices.listed(conn, "p")
    assert (notice.state, notice.tries, len(town.told)) == ("sent", 3, 1)


def test_after_a_cut_only_a_person_makes_it_nominal_again(town: Town) -> None:
    town.lose()
    town.observe(rounds(9, as_it_is, start=town.clock.now + MINUTE))
    assert town.bascule.verdicts.listed()[0].verdict == "suspect"
    town.bascule.verdicts.acknowledge("microsoft-365", "anne", "they are back")
    town.observe(rounds(1, as_it_is, start=town.clock.now + MINUTE))
    assert town.bascule.verdicts.history("microsoft-365", 1)[0].verdict == "nominal"
    with pytest.raises(NotFound):
        town.bascule.verdicts.acknowledge("zoom", "anne")
    with pytest.raises(RequestError):
        town.bascule.verdicts.acknowledge("jurisdiction:US", "anne")


@pytest.fixture
def http(town: Town) -> Iterator[httpx.Client]:
    with answering(town.bascule) as url:
        town.bascule.announce_address(url)
        headers = {"Authorization": f"Bearer {town.bascule.token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
            yield client


def test_the_api_tells_all_of_it_and_takes_peoples_word(town: Town, http: httpx.Client) -> None:
    row = town.lose()
    said = http.get("/api/v1/verdicts").json()["verdicts"]
    assert [(one["subject"], one["verdict"]) for one in said] == [("microsoft-365", "cut"), ("aws", "unknown")]
    assert said[0]["services"] == ["phone"]
    assert said[1]["words"]["fr"] == "Amazon Web Services : inconnu, personne ne l'observe"
    changes = http.get("/api/v1/verdicts/changes", params={"subject": "microsoft-365"}).json()["changes"]
    assert [one["verdict"] for one in changes] == ["cut", "suspect", "nominal"]
    assert changes[0]["reasons"][0]["observations"][0]["outcome"] == "denied"
    (waiting,) = http.get("/api/v1/proposals", params={"waiting": True}).json()["proposals"]
    assert (waiting["id"], waiting["digest"], waiting["approvals_needed"]) == (row.id, row.digest, 2)
    place = f"/api/v1/proposals/{row.id}"
    body = {"digest": row.digest, "comment": "yes"}
    nobody = http.post(f"{place}/release", json={**body, "as": "anne"})
    assert (nobody.status_code, nobody.json()["code"]) == (403, "sign_in_needed")
    anne, bruno = ({"Authorization": f"Bearer {session(town.bascule, name)}"} for name in ("anne", "bruno"))
    first = http.post(f"{place}/release", json=body, headers=anne)
    assert first.json() == {"id": row.id, "state": "armed", "run_id": None}
    assert http.post(f"{place}/release", json=body, headers=anne).status_code == 403
    begun = http.post(f"{place}/release", json=body, headers=bruno).json()
    assert begun["state"] == "released"
    run = http.get(f"/api/v1/runs/{begun['run_id']}").json()["run"]
    assert run["requested_by"] == "policy:microsoft-gone"
    assert set(run["releases"]) == {"anne", "bruno"}
    whole = http.get(place).json()
    assert [one["kind"] for one in whole["events"]][-1] == "proposal.released"
    carla = {"Authorization": f"Bearer {session(town.bascule, 'carla')}"}
    assert http.post(f"{place}/reject", json={"reason": "late"}, headers=carla).status_code == 409
    assert http.get("/api/v1/proposals/nothing").status_code == 404
    seen = http.post("/api/v1/verdicts/microsoft-365/acknowledge", json={"as": "anne", "comment": ""})
    assert seen.status_code == 204


@pytest.mark.every_day("en-Proposed: move Switchboard")
@pytest.mark.parametrize(
    ("language", "words"), [("fr", "Proposé\u00a0: basculer Standard"), ("en", "Proposed: move Switchboard")]
)
def test_the_pages_show_it_in_both_languages(town: Town, http: httpx.Client, language: str, words: str) -> None:
    row = town.lose()
    page = http.get("/signals", params={"lang": language}).text
    assert words in page
    assert f"bascule proposals release {row.id}" in page
    for place in ("/signals/microsoft-365", f"/proposals/{row.id}"):
        assert "token-refresh" in http.get(place).text, "the readings that it rests on"
    assert row.evidence["words"][language] in html.unescape(http.get("/", params={"lang": language}).text)


def test_the_command_line_lists_shows_and_decides(
    town: Town, http: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    del http
    row = town.lose()
    data = ["--data", str(town.bascule.settings.data)]

    def said(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([*data, *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert all(len(line) <= 80 for line in out.splitlines() if not line.startswith("  bascule")), out
        return int(end.value.code or 0), out + err

    assert said("proposals")[0] == 3
    code, text = said("proposals", "show", row.id, "--plan")
    assert code == 0
    assert "armed by bascule" in text
    assert "to duty: sent" in text
    assert said("signals", "verdicts", "-l", "fr")[1].startswith("✘ coupé     microsoft-365")
    assert said("proposals", "release", row.id, "--digest", "000000000000", "--as", "anne")[0] == 1
    assert said("proposals", "release", row.id, "--digest", row.digest[:19], "--as", "anne")[0] == 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BASCULE_TOKEN", session(town.bascule, "anne"))
        assert said("proposals", "release", row.id, "--digest", row.digest[:19])[0] == 0
        assert said("proposals", "release", row.id, "--digest", row.digest[:19])[0] == 4
        code, text = said("proposals", "reject", row.id, "--reason", "a drill")
        assert (code, text) == (0, "Rejected by anne. Nothing was changed.\n")
    assert said("signals", "acknowledge", "microsoft-365", "--as", "anne")[0] == 0
    assert said("proposals")[1] == "Nothing is proposed now; --all shows the past.\n"
