"""The engine against a hostile world, one dispatch at a time: nothing is lost, done twice, forgotten or hung."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from orchestrator.app import AlreadyRunning, Bascule, Settings
from orchestrator.domain.journal import RunEvent
from orchestrator.domain.model import RunState
from orchestrator.domain.plan import Plan, PlannedStep
from orchestrator.operations.decisions import Decisions
from orchestrator.operations.plans import Plans
from orchestrator.operations.request import Conflict
from orchestrator.operations.runs import Runs
from orchestrator.store import estates, runs
from orchestrator.store.database import Connection, Database, DatabaseAwayError
from orchestrator.store.journal import Dispatch
from providers.base import Finding, Presence, ProviderError, Tag
from tests.databases import new_postgres_database
from tests.integration.engine_world import Behaviour, Engine, World, fail, step

HOUR = 3600.0


class CrashError(BaseException):
    """The process ends here: no boundary catches it."""


class ByHand(Engine):
    """Dispatches lie in a list instead of a queue, and the clock stands still: a test carries them out one by one."""

    def __init__(self, database: Database, world: World, now: float = 1_000_000.0) -> None:
        super().__init__(database, world, lambda: self.now)
        self.now = now
        self.queue: list[Dispatch] = []
        self.progress.enqueue = self._put
        self.decisions = Decisions(self.progress)

    def _put(self, conn: Connection, dispatch: Dispatch) -> None:
        del conn
        self.queue.append(dispatch)

    def work(self, dispatch: Dispatch) -> None:
        self.worker.work(dispatch.run_id, dispatch.step_id, dispatch.number)

    def carry(self, *, waits: bool = True) -> None:
        """Work on everything that is enqueued, in order; without `waits`, leave what is delayed."""
        while due := [one for one in self.queue if waits or not one.delay]:
            self.queue.remove(due[0])
            self.work(due[0])

    def crashed(self, dispatch: Dispatch) -> "ByHand":
        """Work on it until the process dies; answers the worker that comes after, which is given it again."""
        with pytest.raises(CrashError):
            self.work(dispatch)
        after = ByHand(self.database, self.world, self.now)
        after.queue = [dispatch, *(one for one in self.queue if one != dispatch)]
        return after


@pytest.fixture
def hand(tmp_path: Path) -> ByHand:
    database = Database(f"sqlite:///{tmp_path / 'bascule.db'}")
    database.migrate()
    return ByHand(database, World())


def crash(world: World, tag: Tag) -> Finding | None:
    raise CrashError


def in_turn(*behaviours: Behaviour | None) -> Behaviour:
    """A behaviour for each time it is asked; the last one for all after."""
    left = list(behaviours)

    def behave(world: World, tag: Tag) -> Finding | None:
        now = left.pop(0) if len(left) > 1 else left[0]
        return now(world, tag) if now else None

    return behave


def found(presence: Presence, **more: object) -> Behaviour:
    return lambda world, tag: Finding(presence, **more)  # type: ignore[arg-type]


def test_a_timer_that_fires_early_is_set_again(hand: ByHand) -> None:
    """A clock that was set back between setting and firing must not lose the wait."""
    hand.start_run("r", step("w", uses="wait.for", **{"with": {"duration": "1h"}}))
    hand.work(hand.queue.pop())
    hand.now += HOUR - 0.5
    hand.work(hand.queue.pop())
    assert hand.state("r", "w") == "waiting"
    assert hand.queue, "nobody will ever look at this step again"
    assert 0 < hand.queue[0].delay <= 1
    hand.now += 1
    hand.carry()
    assert hand.state("r") == "succeeded"


def test_a_step_is_not_given_up_for_the_time_that_the_service_was_down(hand: ByHand) -> None:
    hand.start_run("r", step("a", timeout=60.0))
    hand.world.on_apply["a"] = crash
    after = hand.crashed(hand.queue.pop())
    after.now += HOUR
    after.worker._give_up_overdue()
    assert after.state("r", "a") == "running"

    def meanwhile(world: World, tag: Tag) -> Finding | None:
        after.worker._give_up_overdue()
        return None

    hand.world.on_apply["a"] = meanwhile
    after.carry()
    assert after.state("r") == "succeeded"
    after.check_fold("r")


@pytest.mark.parametrize("back", [False, True])
def test_an_attempt_that_never_ends_is_given_up_by_its_own_worker(hand: ByHand, back: bool) -> None:
    def hang(world: World, tag: Tag) -> Finding | None:
        hand.now += 60 + 31
        hand.worker._give_up_overdue()
        return None

    (hand.world.on_undo if back else hand.world.on_apply)["a"] = hang
    hand.start_run("r", step("a", timeout=60.0))
    hand.carry()
    if back:
        hand.decisions.undo("r", "olga", "test")
        hand.carry()
    assert hand.state("r", "a") == ("undo_failed" if back else "unknown")
    hand.check_fold("r")


def paused(hand: ByHand) -> None:
    hand.decisions.pause("r", "olga")


def cancelled(hand: ByHand) -> None:
    hand.decisions.cancel("r", "olga", "enough")


def undone(hand: ByHand) -> None:
    hand.decisions.undo("r", "olga", "back")


@pytest.mark.parametrize(("decide", "run", "state"), [
    (paused, "running", "ready"), (cancelled, "cancelled", "failed"), (undone, "undone", "undone"),
])  # fmt: skip
def test_an_interrupted_attempt_starts_no_effect_in_a_run_that_was_stopped(
    hand: ByHand, decide: Callable[[ByHand], None], run: str, state: str
) -> None:
    """I9: whoever comes back after a crash finds the switch off, and must not turn it on again."""
    hand.start_run("r", step("a"), step("b", "a"))
    hand.world.on_apply["a"] = crash
    after = hand.crashed(hand.queue.pop())
    hand.world.on_apply.clear()
    decide(after)
    after.carry()
    assert hand.world.wrote["a"] == 0
    assert (after.state("r"), after.state("r", "a")) == (run, state)
    if run == "running":
        after.decisions.resume("r", "olga")
        after.carry()
        assert after.state("r") == "succeeded"
        assert hand.world.wrote["a"] == 1
    after.check_fold("r")


def half(world: World, tag: Tag) -> Finding | None:
    """Half of it is written, then the other side refuses."""
    world.there[tag.step] = "half"
    raise ProviderError("half of it", permanent=True, effect_possible=True)


def see_half(world: World, tag: Tag) -> Finding | None:
    if world.there.get(tag.step) == "half":
        return Finding(Presence.ABSENT, {"at": "half"}, effect={"made": "half"})
    return None


def test_what_a_failed_attempt_began_is_taken_back(hand: ByHand) -> None:
    hand.world.on_apply["a"], hand.world.on_observe["a"] = half, see_half
    hand.start_run("r", step("a"))
    hand.carry()
    assert hand.state("r", "a") == "failed"
    hand.decisions.undo("r", "olga", "back")
    hand.carry()
    assert hand.state("r") == "undone"
    assert not hand.world.there, "half an effect was left behind, and the run says that it is undone"
    hand.check_fold("r")


def test_a_clean_refusal_does_not_forget_what_an_earlier_attempt_began(hand: ByHand) -> None:
    hand.world.on_observe["a"] = see_half
    hand.world.on_apply["a"] = in_turn(half, fail("no connection", permanent=True))
    hand.start_run("r", step("a"))
    hand.carry()
    hand.decisions.retry("r", "a", "olga")
    hand.carry()
    assert hand.state("r", "a") == "failed"
    hand.decisions.undo("r", "olga", "back")
    hand.carry()
    assert hand.state("r") == "undone"
    assert not hand.world.there
    hand.check_fold("r")


def test_an_effect_that_may_still_appear_is_waited_for_before_it_is_taken_back(hand: ByHand) -> None:
    """The answer to a creation was lost; what it made appears after the undo began."""
    hand.world.on_apply["a"] = found(Presence.PENDING)
    hand.world.on_observe["a"] = in_turn(None, fail("not now", permanent=True), found(Presence.PENDING))
    hand.start_run("r", step("a"))
    hand.work(hand.queue.pop())
    hand.decisions.undo("r", "olga", "back")
    hand.carry(waits=False)
    assert hand.state("r") == "undoing"
    hand.world.there["a"] = "ours"
    hand.world.on_observe.clear()
    hand.carry()
    assert hand.state("r") == "undone"
    assert not hand.world.there
    hand.check_fold("r")


def test_an_undo_that_never_ends_comes_to_a_person(hand: ByHand) -> None:
    hand.start_run("r", step("a", timeout=60.0))
    hand.carry()
    hand.world.on_undo["a"] = found(Presence.PENDING, message="being destroyed")
    hand.decisions.undo("r", "olga", "back")
    for _ in range(4):
        assert hand.queue or hand.state("r", "a") == "undo_failed"
        for dispatch in [hand.queue.pop(0)] if hand.queue else []:
            hand.work(dispatch)
        hand.now += 30
    assert hand.state("r", "a") == "undo_failed"
    hand.check_fold("r")


def test_an_effect_under_way_that_cannot_be_read_goes_on_settling(hand: ByHand) -> None:
    hand.world.on_apply["a"] = found(Presence.PENDING, effect={"made": "a"})
    hand.world.on_observe["a"] = in_turn(None, fail("403", permanent=True))
    hand.start_run("r", step("a"))
    hand.work(hand.queue.pop())
    assert hand.state("r", "a") == "settling"
    hand.check_fold("r")


def test_an_undo_that_a_failure_asks_for_stops_what_waits(hand: ByHand) -> None:
    asks = {"with": {"role": "approver", "count": 1}}
    hand.world.on_apply["a"] = fail("no", permanent=True)
    retried = {"attempts": 2, "wait": "fixed", "initial": 60.0}
    hand.world.on_apply["late"] = fail("busy")
    hand.start_run(
        "r", step("gate", uses="human.approval", **asks), step("late", retry=retried), step("a", on_failure="undo")
    )
    hand.carry(waits=False)
    assert hand.state("r") == "undone"
    assert hand.state("r", "gate") == "cancelled"
    hand.carry()
    assert hand.state("r", "late") == "undone"
    hand.check_fold("r")


def test_a_dispatch_that_was_put_back_is_not_worked_on_when_it_comes_again(hand: ByHand) -> None:
    """A worker died after it put a step back: its dispatch is recovered, while the sweep hands out a new one."""
    hand.start_run("r", step("a"))
    first = hand.queue.pop()
    hand.decisions.pause("r", "olga")
    hand.work(first)
    with hand.progress.journal("r") as journal:
        journal.run_event(RunEvent.RESUMED)
    hand.work(first)
    assert hand.world.wrote["a"] == 0
    hand.progress.drain()
    hand.carry()
    assert hand.world.wrote["a"] == 1
    assert hand.state("r") == "succeeded"


def test_a_fault_of_ours_while_the_database_is_away_loses_no_step(hand: ByHand) -> None:
    def away(world: World, tag: Tag) -> Finding | None:
        with hand.database.write() as conn:
            conn.exec_driver_sql("ALTER TABLE events RENAME TO hidden")
        raise ValueError("a fault of ours")

    hand.world.on_observe["a"] = away
    hand.start_run("r", step("a"))
    hand.work(hand.queue.pop())
    with hand.database.write() as conn:
        conn.exec_driver_sql("ALTER TABLE hidden RENAME TO events")
    hand.world.on_observe.clear()
    assert hand.queue, "nobody will ever look at this step again"
    hand.carry()
    assert hand.state("r") == "succeeded"


def test_what_was_dispatched_and_lost_is_found_at_the_next_start(hand: ByHand) -> None:
    """A worker was stopped while the database was away: rows say dispatched, and the queue knows nothing of it."""
    hand.start_run("r", step("a"), step("b", uses="wait.for", **{"with": {"duration": "1s"}}))
    hand.work(hand.queue.pop())
    hand.queue.clear()
    again = Engine(hand.database, hand.world)
    again.worker.start()
    try:
        again.wait("r", RunState.SUCCEEDED, within=10)
    finally:
        again.worker.stop()
    again.check_fold("r")


HOSTILE = "cut \x00 in \ud800 half"


def test_what_a_hostile_host_says_is_kept_and_stops_nothing(database: Database) -> None:
    hand = ByHand(database, World())

    def apply(world: World, tag: Tag) -> Finding | None:
        raise ProviderError(HOSTILE, permanent=True)

    hand.world.on_apply["a"] = apply
    said = {"title": HOSTILE, "keys": [HOSTILE]}
    hand.world.on_apply["b"] = found(Presence.OURS, outputs=said, effect=said, message=HOSTILE, values=said)
    hand.world.on_observe["b"] = found(Presence.ABSENT, values=said)
    hand.start_run("r", step("a"), step("b"))
    hand.carry()
    assert (hand.state("r", "a"), hand.state("r", "b")) == ("failed", "succeeded")
    hand.check_fold("r")
    report = hand.worker._output.reporter("r", "a", 1)
    report(HOSTILE)
    hand.worker._output.flush()
    assert any("in" in line and "\x00" not in line for line in hand.output_of("r", "a"))


class OnePlan:
    """The plans that are known."""

    def __init__(self, *plans: Plan) -> None:
        self._plans = {plan.digest: plan for plan in plans}

    def get(self, digest: str) -> Plan:
        return self._plans[digest]

    def require_lawful(self, _plan: Plan) -> list[object]:
        """No policy."""
        return []

    def require_within_limits(self, _plan: Plan) -> None:
        pass

    def require_trusted(self, _plan: Plan) -> None:
        """A rehearsal asks for no signatures."""


def plan_of(service: str) -> Plan:
    return Plan(
        commit="c", scope="t", mode="rehearsal", direction="failover", services=(service,), steps=(), digest=service
    )


def desk(database: Database, *plans: Plan) -> Runs:
    with database.write() as conn:
        for plan in plans:
            runs.save_plan(conn, plan.digest, "c", 0.0, plan.model_dump(mode="json"))
    return Runs(ByHand(database, World()).progress, cast(Plans, OnePlan(*plans)))


def hold(plan: Plan) -> Plan:
    """With a step, so that its run stays active."""
    waits = PlannedStep(id="w", uses="wait.for", service=plan.services[0], runbook="r", **{"with": {"duration": "1h"}})
    return plan.model_copy(update={"steps": (waits,)})


@pytest.mark.both_databases
def test_a_key_that_found_a_run_under_way_still_names_it_when_that_has_ended(database: Database) -> None:
    start = desk(database, hold(plan_of("mail")))
    first = start.start("mail", "olga")
    assert start.start("mail", "olga", key="k").run_id == first.run_id
    Decisions(start._progress).cancel(first.run_id, "olga", "enough")
    again = start.start("mail", "olga", key="k")
    assert (again.run_id, again.created) == (first.run_id, False)


def test_one_key_makes_one_run_though_two_requests_come_at_once(postgres: str) -> None:
    database = Database(new_postgres_database(postgres))
    database.migrate()
    start = desk(database, hold(plan_of("mail")), hold(plan_of("portal")))
    with database.write() as conn, ThreadPoolExecutor(1) as pool:
        runs.save_idempotency(conn, "k", "of another request", "other", 0.0)
        waits = pool.submit(start.start, "mail", "olga", "", "k")
        until_blocked(database)
        conn.commit()
        with pytest.raises(Conflict, match="Idempotency-Key"):
            waits.result(timeout=10)
    database.close()


def test_two_workers_that_fetch_the_same_commit_accept_it_once(postgres: str) -> None:
    database = Database(new_postgres_database(postgres))
    database.migrate()

    def accept() -> bool:
        with database.write() as conn:
            return estates.accept(conn, "a" * 40, "timer", 0.0, after=None)

    with ThreadPoolExecutor(1) as pool:
        with database.write() as conn:
            assert estates.accept(conn, "a" * 40, "timer", 0.0, after=None)
            waits = pool.submit(accept)
            until_blocked(database)
        assert waits.result(timeout=10) is False
    database.close()


def test_two_plans_of_the_same_thing_at_once_both_keep_what_they_saw(postgres: str) -> None:
    database = Database(new_postgres_database(postgres))
    database.migrate()

    def save(at: float) -> None:
        with database.write() as conn:
            runs.save_snapshot(conn, "t", "s", at, {"at": at})

    with database.write() as conn, ThreadPoolExecutor(1) as pool:
        runs.save_snapshot(conn, "t", "s", 1.0, {"at": 1.0})
        waits = pool.submit(save, 2.0)
        until_blocked(database)
        conn.commit()
        waits.result(timeout=10)
    save(3.0)
    with database.read() as conn:
        row = runs.load_snapshot(conn, "t", "s")
    assert row is not None
    assert row.at == 3.0
    database.close()


def until_blocked(database: Database) -> None:
    """Until another session of this database waits for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with database.read() as conn:
            if conn.exec_driver_sql(query).scalar_one():
                return
        threading.Event().wait(0.02)
    raise AssertionError("nobody waits for a lock")


@pytest.mark.both_databases
def test_an_error_of_the_database_shows_no_values(database: Database) -> None:
    """Such errors go to the log with what was to be written."""
    with pytest.raises(DatabaseError) as caught, database.write() as conn:
        conn.execute(text("INSERT INTO nowhere VALUES (:it)"), {"it": "canary-7f3a"})
    assert "canary-7f3a" not in str(caught.value)


def test_one_sqlite_file_has_one_service_however_it_is_named(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "", database_url=f"sqlite:///{tmp_path / 'other.db'}")
    first = Bascule(settings)
    try:
        with pytest.raises(AlreadyRunning):
            Bascule(settings)
    finally:
        first.database.close()


def test_a_token_file_that_was_cut_short_is_no_token(tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0o600)
    bascule = Bascule(Settings(tmp_path, ""))
    assert len(bascule.token) > 20
    assert (tmp_path / "token").read_text() == bascule.token
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0
    bascule.database.close()


def test_the_estate_is_fetched_again_after_any_mishap(tmp_path: Path) -> None:
    bascule = Bascule(Settings(tmp_path, "/nowhere", sync_every=0.01))
    asked = threading.Semaphore(0)

    def sync(by: str) -> tuple[str, bool]:
        asked.release()
        raise DatabaseAwayError("x", None, ValueError("away"))

    bascule.estates.sync = sync  # type: ignore[method-assign]
    thread = threading.Thread(target=bascule._keep_in_sync, daemon=True)
    thread.start()
    assert asked.acquire(timeout=5)
    assert asked.acquire(timeout=5), "the first mishap ended the fetching for good"
    bascule._stopping.set()
    bascule.hasten_sync()
    thread.join(timeout=5)
    bascule.database.close()


def test_accepted_drift_is_the_state_that_was_shown_and_no_later_one(hand: ByHand) -> None:
    def sees(at: str) -> Behaviour:
        return lambda world, tag: Finding(Presence.ABSENT, {"at": at}) if tag.step not in world.there else None

    hand.start_run("r", step("a", before={"at": "planned"}, retry={"attempts": 9, "wait": "fixed", "initial": 1.0}))
    hand.world.on_observe["a"] = sees("moved")
    hand.carry()
    hand.world.on_observe["a"] = sees("moved again")
    hand.decisions.retry("r", "a", "olga", accept_drift=True)
    hand.carry()
    assert hand.state("r", "a") == "held", "a state that nobody has looked at was accepted"
    hand.world.on_apply["a"] = fail("busy")
    hand.decisions.retry("r", "a", "olga", accept_drift=True)
    hand.carry(waits=False)
    with hand.database.read() as conn:
        row = runs.get_step(conn, "r", "a")
    assert row is not None
    assert (row.state, row.before) == ("ready", {"at": "moved again"})
    hand.world.on_apply.clear()
    hand.carry()
    assert hand.state("r") == "succeeded"
    hand.check_fold("r")


def test_an_undo_by_a_message_is_not_sent_again_in_doubt(hand: ByHand) -> None:
    sent = []

    def send(world: World, tag: Tag) -> Finding | None:
        sent.append(tag)
        raise ProviderError("the connection was lost", permanent=False, effect_possible=True)

    hand.start_run("r", step("a", undo={"uses": "notify.send", "with": {}}))
    hand.carry()
    hand.world.on_apply["a~undo"] = send
    hand.decisions.undo("r", "olga", "back")
    hand.carry()
    assert hand.state("r", "a") == "undo_failed"
    assert len(sent) == 1
    hand.check_fold("r")


def test_an_interrupted_undo_waits_while_the_run_is_paused(hand: ByHand) -> None:
    hand.start_run("r", step("a"))
    hand.carry()
    hand.world.on_undo["a"] = crash
    hand.decisions.undo("r", "olga", "back")
    after = hand.crashed(hand.queue.pop())
    hand.world.on_undo.clear()
    after.decisions.pause("r", "olga")
    after.carry()
    assert "a" in hand.world.there
    after.decisions.resume("r", "olga")
    after.carry()
    assert after.state("r") == "undone"
    assert not hand.world.there
    after.check_fold("r")


def test_a_step_given_up_is_not_begun_again_beside_the_attempt_that_hangs(hand: ByHand) -> None:
    def hang(world: World, tag: Tag) -> Finding | None:
        hand.now += 60 + 31
        hand.worker._give_up_overdue()
        hand.decisions.retry("r", "a", "olga")
        hand.carry(waits=False)
        return None

    hand.world.on_apply["a"] = in_turn(hang, None)
    hand.start_run("r", step("a", timeout=60.0))
    hand.carry()
    assert hand.world.wrote["a"] == 1
    hand.check_fold("r")


def test_a_run_holds_what_its_undo_would_change_too() -> None:
    undo = {"uses": "dns.records", "with": {"zone": "other.example", "records": []}}
    moved = PlannedStep(id="w", uses="ansible.play", service="mail", runbook="r", undo=undo)
    assert "zone:other.example" in plan_of("mail").model_copy(update={"steps": (moved,)}).resources()


def test_an_undo_spelled_out_goes_back_only_to_a_place_that_lives(hand: ByHand) -> None:
    """I5: however the way back is written, a dead vendor is no place to point people at."""
    back = {"uses": "dns.records", "with": {}}
    hand.start_run("r", step("a", uses="dns.records", undo=back, origin={"uses": "probe.http", "with": {}}))
    hand.carry()
    hand.world.on_apply["a"] = fail("dead", permanent=True)
    hand.decisions.undo("r", "olga", "back")
    hand.carry()
    assert hand.state("r", "a") == "undo_failed"
    assert hand.world.wrote["a~undo"] == 0
