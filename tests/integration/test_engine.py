"""The engine on both databases: order, retries, troubles, decisions, undo. The rows are always the journal's fold."""

from collections.abc import Iterator

import pytest

from orchestrator.domain.model import RunState, StepState
from orchestrator.operations.decisions import Decisions
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError
from orchestrator.store import runs
from orchestrator.store.database import Database
from providers.base import Finding, Presence, ProviderError, Tag
from tests.databases import new_postgres_database
from tests.integration.engine_world import Engine, World, fail, step

pytestmark = pytest.mark.both_databases


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tmp_path_factory.mktemp("engine") / "bascule.db"
    sqlite = request.param == "sqlite"
    database = Database(f"sqlite:///{path}" if sqlite else new_postgres_database(request.getfixturevalue("postgres")))
    database.migrate()
    made = Engine(database, World())
    made.worker.start()
    yield made
    made.worker.stop()
    database.close()


@pytest.fixture
def engine(started: Engine) -> Engine:
    started.world.forget()
    return started


@pytest.fixture
def run_id(request: pytest.FixtureRequest) -> str:
    return f"r-{abs(hash(request.node.name)) % 10**9}"


def test_a_diamond_runs_in_order_and_hands_on_outputs(engine: Engine, run_id: str) -> None:
    engine.start_run(run_id, step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c"))
    engine.wait(run_id, RunState.SUCCEEDED)
    with engine.database.read() as conn:
        ends = [e.step for e in runs.list_events(conn, run_id) if e.kind == "step.succeeded"]
    assert ends[0] == "a"
    assert ends[3] == "d"
    assert set(engine.world.wrote.values()) == {1}
    assert engine.output_of(run_id, "d") == ["applying d"]
    engine.check_fold(run_id)


def test_retries_follow_the_runbook_and_a_permanent_failure_is_not_repeated(engine: Engine, run_id: str) -> None:
    tries = []

    def twice(world: World, tag: Tag) -> Finding | None:
        tries.append(tag.step)
        if len(tries) < 3:
            raise ProviderError("busy", permanent=False)
        return None

    engine.world.on_apply = {"a": twice, "b": fail("quota reached", permanent=True)}
    retry = {"attempts": 3, "wait": "fixed", "initial": 0.05}
    engine.start_run(run_id, step("a", retry=retry), step("b", "a", retry=retry), step("c", "b"))
    engine.wait(run_id, StepState.FAILED, "b")
    assert len(tries) == 3
    assert engine.kinds(run_id, "b").count("step.intent") == 1
    assert engine.state(run_id, "c") == "pending"
    assert engine.state(run_id) == "running"
    engine.check_fold(run_id)


def test_work_that_gets_further_each_time_goes_on_without_using_up_its_tries(engine: Engine, run_id: str) -> None:
    tries: list[str] = []

    def in_four_goes(world: World, tag: Tag) -> Finding | None:
        tries.append(tag.step)
        if len(tries) < 4:
            raise ProviderError("so far", permanent=False, effect_possible=True, retry_after=0.0, advanced=True)
        return None

    def begun(world: World, tag: Tag) -> Finding | None:
        return Finding(Presence.ABSENT, {}, effect={"note": "begun"}) if tries and len(tries) < 4 else None

    engine.world.on_apply["a"], engine.world.on_observe["a"] = in_four_goes, begun
    engine.start_run(run_id, step("a"))
    engine.wait(run_id, RunState.SUCCEEDED)
    assert (len(tries), engine.world.wrote["a"]) == (4, 1)
    engine.check_fold(run_id)


def test_work_that_gets_no_further_has_its_tries_only(engine: Engine, run_id: str) -> None:
    tries: list[str] = []

    def stuck(world: World, tag: Tag) -> Finding | None:
        tries.append(tag.step)
        raise ProviderError("stuck", permanent=False, retry_after=0.0, advanced=len(tries) == 1)

    engine.world.on_apply["a"] = stuck
    engine.start_run(run_id, step("a"))
    engine.wait(run_id, StepState.FAILED, "a")
    assert len(tries) == 2
    engine.check_fold(run_id)


def test_a_person_retries_skips_and_the_end_is_not_green(engine: Engine, run_id: str) -> None:
    engine.world.on_apply = {"a": fail("no", permanent=True), "b": fail("no", permanent=True)}
    engine.start_run(run_id, step("a"), step("b"), step("c", "a", "b"))
    engine.wait(run_id, StepState.FAILED, "a")
    engine.wait(run_id, StepState.FAILED, "b")
    decisions = Decisions(engine.progress)
    with pytest.raises(RequestError, match="reason"):
        decisions.skip(run_id, "b", "olga", " ")
    decisions.skip(run_id, "b", "olga", "done by hand")
    del engine.world.on_apply["a"]
    decisions.retry(run_id, "a", "olga")
    engine.wait(run_id, RunState.INCOMPLETE)
    assert engine.state(run_id, "c") == "succeeded"
    with pytest.raises(Conflict):
        decisions.retry(run_id, "a", "olga")
    with pytest.raises(NotFound):
        decisions.skip(run_id, "nothing", "olga", "x")
    engine.check_fold(run_id)


def test_on_failure_continue_goes_on_and_undo_takes_everything_back(engine: Engine, run_id: str) -> None:
    engine.world.on_apply = {"b": fail("no", permanent=True), "d": fail("no", permanent=True)}
    engine.start_run(
        run_id, step("a"), step("b", "a", on_failure="continue"), step("c", "b"), step("d", "c", on_failure="undo")
    )
    engine.wait(run_id, RunState.UNDONE)
    assert engine.world.undone == ["c", "a"]
    assert not engine.world.there
    engine.check_fold(run_id)


def test_undo_of_a_finished_run_goes_backwards_and_stops_at_a_foreign_change(engine: Engine, run_id: str) -> None:
    engine.start_run(run_id, step("a"), step("b", "a"), step("c", "b"), step("p", "a", uses="probe.tcp", undo="none"))
    engine.wait(run_id, RunState.SUCCEEDED)
    engine.world.on_undo["b"] = lambda world, tag: Finding(Presence.CONFLICT, message="changed by others")
    decisions = Decisions(engine.progress)
    decisions.undo(run_id, "olga", "test over")
    engine.wait(run_id, StepState.UNDO_FAILED, "b")
    assert engine.world.undone == ["c"]
    assert engine.state(run_id, "a") == "succeeded"
    decisions.skip(run_id, "b", "olga", "we keep it")
    engine.wait(run_id, RunState.PARTLY_UNDONE)
    assert engine.world.undone == ["c", "a"]
    assert set(engine.world.there) == {"b", "p"}
    engine.check_fold(run_id)


def test_a_lost_answer_is_looked_for_and_never_done_twice(engine: Engine, run_id: str) -> None:
    def lost(world: World, tag: Tag) -> Finding | None:
        world.write(tag.step)
        raise ProviderError("the answer was lost", permanent=False, effect_possible=True)

    engine.world.on_apply["a"] = lost
    engine.start_run(run_id, step("a", retry={"attempts": 3, "initial": 0.05}))
    engine.wait(run_id, RunState.SUCCEEDED)
    assert engine.world.wrote["a"] == 1
    engine.check_fold(run_id)


def test_what_cannot_be_proved_is_unknown_and_waits_for_a_person(engine: Engine, run_id: str) -> None:
    engine.world.on_apply["a"] = fail("cut off", effect_possible=True)
    looks = []

    def blind(world: World, tag: Tag) -> Finding | None:
        looks.append(1)
        return Finding(Presence.UNPROVABLE, message="no trace either way.") if len(looks) > 1 else None

    engine.world.on_observe["a"] = blind
    engine.start_run(run_id, step("a"), step("b", "a"))
    engine.wait(run_id, StepState.UNKNOWN, "a")
    assert engine.state(run_id, "b") == "pending"
    Decisions(engine.progress).skip(run_id, "a", "olga", "seen in the mailbox")
    engine.wait(run_id, RunState.INCOMPLETE)
    engine.check_fold(run_id)


def test_drift_holds_only_its_step_until_a_person_accepts_it(engine: Engine, run_id: str) -> None:
    engine.start_run(run_id, step("a", before={"at": "somewhere"}), step("b"))
    engine.wait(run_id, StepState.HELD, "a")
    engine.wait(run_id, StepState.SUCCEEDED, "b")
    assert "a" not in engine.world.there
    decisions = Decisions(engine.progress)
    decisions.retry(run_id, "a", "olga")
    engine.wait(run_id, StepState.HELD, "a")
    decisions.retry(run_id, "a", "olga", accept_drift=True)
    engine.wait(run_id, RunState.SUCCEEDED)
    engine.check_fold(run_id)


def test_approvals_are_by_distinct_people_and_not_by_who_asked(engine: Engine, run_id: str) -> None:
    asks = {"with": {"role": "approver", "count": 2}}
    engine.start_run(run_id, step("go", uses="human.approval", timeout=60.0, **asks), step("after", "go"))
    engine.wait(run_id, StepState.WAITING, "go")
    decisions = Decisions(engine.progress)
    decisions.approve(run_id, "go", "alice")
    for name, reason in (("alice", "already"), ("olga", "asked"), (" ", "names")):
        with pytest.raises(Denied, match=reason):
            decisions.approve(run_id, "go", name)
    assert engine.state(run_id, "after") == "pending"
    decisions.approve(run_id, "go", "bob")
    engine.wait(run_id, RunState.SUCCEEDED)
    engine.check_fold(run_id)


def test_pause_starts_nothing_new_and_cancel_keeps_what_was_done(engine: Engine, run_id: str) -> None:
    gate = step("gate", "a", uses="human.approval", timeout=60.0, **{"with": {"role": "approver", "count": 1}})
    engine.start_run(run_id, step("a"), gate, step("b", "gate"))
    engine.wait(run_id, StepState.WAITING, "gate")
    decisions = Decisions(engine.progress)
    decisions.pause(run_id, "olga", "wait")
    decisions.approve(run_id, "gate", "alice")
    engine.wait(run_id, StepState.READY, "b")
    assert "b" not in engine.world.there
    decisions.resume(run_id, "olga")
    engine.wait(run_id, RunState.SUCCEEDED)
    pause = step("w", "a", uses="wait.for", **{"with": {"duration": "1h"}})
    engine.start_run(run_id + "b", step("a"), pause, step("b", "w"))
    engine.wait(run_id + "b", StepState.WAITING, "w")
    decisions.cancel(run_id + "b", "olga", "enough")
    engine.wait(run_id + "b", RunState.CANCELLED)
    assert engine.state(run_id + "b", "b") == "cancelled"
    decisions.undo(run_id + "b", "olga", "all of it")
    engine.wait(run_id + "b", RunState.UNDONE)
    engine.check_fold(run_id)
    engine.check_fold(run_id + "b")
