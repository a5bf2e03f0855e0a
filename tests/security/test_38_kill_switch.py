"""Row 38: the kill switch in mid-wave: nothing new takes effect within seconds (I9), and states stay truthful."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.domain.journal import RunEvent
from orchestrator.domain.model import RunState, StepState
from orchestrator.operations.decisions import Decisions
from orchestrator.operations.halt import Halt, IsHalted
from orchestrator.operations.request import Conflict, RequestError
from orchestrator.store import halts, runs
from orchestrator.store.database import Database
from providers.base import HALTED, Finding, Presence, ProviderError, Tag
from tests.integration.engine_world import Engine, World, step
from tests.integration.test_engine_faults import ByHand, CrashError

WITHIN = 5.0
"""Seconds after which no new effect may be seen: I9."""
WIDE = 20


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    made = Engine(database, World())
    made.worker.start()
    yield made
    made.worker.stop()


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[ByHand]:
    database = Database(f"sqlite:///{tmp_path / 'bascule.db'}")
    database.migrate()
    yield ByHand(database, World())
    database.close()


def until(holds: Callable[[], bool], what: str, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"waited {within} s for {what}"
        threading.Event().wait(0.02)


def at_rest(engine: Engine, run_id: str) -> bool:
    """No attempt is under way, and nothing that is ready is on its way to a worker."""
    with engine.database.read() as conn:
        rows = runs.list_steps(conn, run_id)
    moving = {StepState.RUNNING.value, StepState.SETTLING.value, StepState.UNDOING.value}
    return not any(row.state in moving or (row.state in ("ready", "undo_ready") and row.queued) for row in rows)


def test_in_mid_wave_no_new_effect_begins_and_after_lifting_each_happens_once(engine: Engine) -> None:
    effects: list[float] = []

    def slowly(world: World, tag: Tag) -> Finding | None:
        threading.Event().wait(0.05)
        effects.append(time.monotonic())
        return None

    names = [(chain, link) for link in range(4) for chain in range(WIDE)]
    steps = [step(f"s{c}-{n}", *([f"s{c}-{n - 1}"] if n else [])) for c, n in names]
    engine.world.on_apply = dict.fromkeys((one.step_id for one in steps), slowly)
    engine.start_run("r", *steps)
    until(lambda: len(effects) >= WIDE + 5, "the wave to be half over")

    halt = Halt(engine.progress)
    engaged = halt.engage("olga", "wrong zone")
    committed = time.monotonic()
    assert (engaged.created, engaged.paused) == (True, ("r",))
    until(lambda: at_rest(engine, "r"), "what was under way to end")
    assert len(effects) < len(steps)
    assert max(effects) - committed < WITHIN
    done = len(effects)

    with engine.database.read() as conn:
        states = {row.step_id: row.state for row in runs.list_steps(conn, "r")}
        intents = [one.at for one in runs.list_events(conn, "r") if one.kind == "step.intent"]
        row = runs.get_run(conn, "r")
    assert {name for name, state in states.items() if state == "succeeded"} == set(engine.world.wrote)
    assert set(states.values()) <= {"succeeded", "ready", "pending"}
    assert max(intents) <= engaged.halted.at + WITHIN
    assert (row.paused, row.message) == (True, "Halted by the kill switch: wrong zone")

    decisions = Decisions(engine.progress)
    with pytest.raises(IsHalted, match=r"halted since .* UTC by olga \(wrong zone\).*bascule halt --lift"):
        decisions.resume("r", "paul")
    assert halt.lift("anne", "zone corrected").by == "olga"
    assert engine.progress.drain() == 0
    assert (len(effects), engine.state("r")) == (done, "running")
    decisions.resume("r", "paul")
    engine.wait("r", RunState.SUCCEEDED)
    assert set(engine.world.wrote.values()) == {1}
    assert len(engine.world.wrote) == len(steps)
    engine.check_fold("r")


def test_an_attempt_with_many_effects_stops_before_its_next(engine: Engine) -> None:
    done: list[int] = []
    last: list[float] = []

    def many(world: World, tag: Tag) -> Finding | None:
        for number in range(len(done), 80):
            if world.halted[tag.step]():
                raise ProviderError(f"{number} of 80 are done; {HALTED}.", permanent=False, effect_possible=True)
            done.append(number)
            last.append(time.monotonic())
            threading.Event().wait(0.02)
        return None

    engine.world.on_apply["many"] = many
    engine.start_run("r", step("many", on_failure="undo"), step("after", "many"))
    until(lambda: len(done) > 3, "the first effects")
    halt = Halt(engine.progress)
    halt.engage("olga", "stop")
    committed = time.monotonic()
    engine.wait("r", StepState.READY, "many")
    assert len(done) < 80
    assert last[-1] - committed < WITHIN
    assert "Cut short by the kill switch" in " ".join(engine.story("r"))
    assert engine.state("r") == "running"  # on_failure is for failures
    halt.lift("olga", "all is well")
    Decisions(engine.progress).resume("r", "olga")
    engine.wait("r", RunState.SUCCEEDED)
    assert done == list(range(80))
    engine.check_fold("r")


def test_every_claim_asks_and_pauses_what_the_halt_itself_did_not_reach(hand: ByHand) -> None:
    """The service may die between the halt's own transaction and the pausing of runs."""
    hand.start_run("r", step("a"))
    with hand.database.write() as conn:
        halts.engage(conn, hand.now, "olga", "stop")
    hand.carry()
    assert (hand.world.wrote, hand.state("r", "a")) == ({}, "ready")
    assert [line for line in hand.story("r") if "run.paused" in line] == [
        "4 run.paused  Halted by the kill switch: stop"
    ]
    assert hand.progress.drain() == 0


def test_lifting_leaves_runs_paused_that_nothing_had_paused_yet(hand: ByHand) -> None:
    hand.start_run("r", step("a"))
    with hand.database.write() as conn:
        halts.engage(conn, hand.now, "olga", "stop")
    Halt(hand.progress).lift("olga", "fine")
    hand.carry()
    assert (hand.world.wrote, hand.state("r", "a")) == ({}, "ready")
    hand.decisions.resume("r", "olga")
    hand.carry()
    assert hand.state("r") == "succeeded"


def test_a_halt_between_claim_and_effect_is_seen_by_a_worker_that_slept(
    hand: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen right after its intent, it looks again before it acts."""
    monkeypatch.setattr("orchestrator.engine.work.STALE_AFTER", -1.0)
    halt = Halt(hand.progress)

    def halted_meanwhile(name: str, _run: str, _step: str) -> None:
        if name in ("intent", "undo-intent"):
            halt.engage("olga", "stop")

    hand.start_run("r", step("a"))
    hand.worker._bench.boundary = halted_meanwhile
    hand.carry()
    assert (hand.world.wrote, hand.state("r", "a")) == ({}, "ready")
    assert "It was not begun." in hand.story("r")[-2]
    hand.worker._bench.boundary = lambda *_: None
    halt.lift("olga", "fine")
    hand.decisions.resume("r", "olga")
    hand.carry()
    assert hand.world.wrote == {"a": 1}
    hand.decisions.undo("r", "olga", "back")
    hand.worker._bench.boundary = halted_meanwhile
    hand.carry()
    assert (hand.world.undone, hand.state("r", "a")) == ([], "undo_ready")
    hand.worker._bench.boundary = lambda *_: None
    halt.lift("olga", "fine")
    hand.decisions.resume("r", "olga")
    hand.carry()
    assert (hand.world.undone, hand.state("r")) == (["a"], "undone")
    hand.check_fold("r")


def test_after_a_crash_what_is_not_there_is_not_made_while_halted(hand: ByHand) -> None:
    def crash(world: World, tag: Tag) -> Finding | None:
        raise CrashError

    hand.world.on_apply["a"] = crash
    hand.start_run("r", step("a"))
    after = hand.crashed(hand.queue.pop())
    Halt(after.progress).engage("olga", "stop")
    hand.world.on_apply.clear()
    after.carry()
    assert (after.world.wrote, after.state("r", "a")) == ({}, "ready")
    Halt(after.progress).lift("olga", "fine")
    after.decisions.resume("r", "olga")
    after.carry()
    assert (after.world.wrote, after.state("r")) == ({"a": 1}, "succeeded")


def test_after_a_crash_what_is_there_is_adopted_while_halted_and_nothing_follows(hand: ByHand) -> None:
    def write_and_crash(world: World, tag: Tag) -> Finding | None:
        world.write(tag.step)
        raise CrashError

    hand.world.on_apply["a"] = write_and_crash
    hand.start_run("r", step("a"), step("b", "a"))
    after = hand.crashed(hand.queue.pop())
    Halt(after.progress).engage("olga", "stop")
    after.carry()
    assert (after.state("r", "a"), after.state("r", "b")) == ("succeeded", "ready")
    assert after.world.wrote == {"a": 1}


@pytest.mark.parametrize(
    ("undo", "expected"),
    [
        ("automatic", "undo_ready"),
        ({"uses": "storage.copy", "with": {}}, "undo_ready"),
        ({"uses": "notify.send", "with": {}}, "undo_failed"),
    ],
    ids=["automatic", "repeatable", "once only"],
)
def test_an_undo_that_a_crash_cut_short_is_not_begun_again_while_halted(
    hand: ByHand, undo: object, expected: str
) -> None:
    """What may be done once only is a person's to decide, as it is unknown whether it was."""

    def crash(world: World, tag: Tag) -> Finding | None:
        raise CrashError

    hand.start_run("r", step("a", undo=undo))
    hand.carry()
    hand.world.on_undo["a"] = hand.world.on_apply["a~undo"] = crash
    hand.decisions.undo("r", "olga", "back")
    after = hand.crashed(hand.queue.pop())
    Halt(after.progress).engage("olga", "stop")
    hand.world.on_undo.clear()
    hand.world.on_apply.clear()
    after.carry()
    assert (after.state("r", "a"), after.world.undone) == (expected, [])
    assert "a~undo" not in after.world.wrote
    after.check_fold("r")


def test_an_undo_under_way_begins_no_further_part_while_halted(hand: ByHand) -> None:
    asked: list[str] = []

    def in_parts(world: World, tag: Tag) -> Finding | None:
        asked.append(tag.step)
        return Finding(Presence.PENDING, effect={"made": tag.step}, again_after=1.0) if len(asked) < 3 else None

    hand.world.on_undo["a"] = in_parts
    hand.start_run("r", step("a"))
    hand.carry()
    hand.decisions.undo("r", "olga", "back")
    hand.work(hand.queue.pop(0))
    assert (hand.state("r", "a"), len(asked)) == ("undo_settling", 1)
    halt = Halt(hand.progress)
    halt.engage("olga", "stop")
    hand.carry()
    assert (hand.state("r", "a"), len(asked)) == ("undo_ready", 1)
    halt.lift("olga", "fine")
    hand.decisions.resume("r", "olga")
    hand.carry()
    assert (hand.state("r"), hand.world.undone) == ("undone", ["a"])
    hand.check_fold("r")


def test_people_still_decide_but_nothing_is_begun(hand: ByHand) -> None:
    hand.start_run("r", step("ask", uses="human.approval", **{"with": {"count": 2}}), step("b", "ask"))
    hand.carry(waits=False)
    halt = Halt(hand.progress)
    with pytest.raises(RequestError, match="reason"):
        halt.engage("olga", " ")
    engaged = halt.engage("olga", "stop")
    again = halt.engage("paul", "me too")
    assert (again.created, again.halted) == (False, engaged.halted)
    begin: tuple[Callable[[], object], ...] = (
        lambda: hand.decisions.resume("r", "olga"),
        lambda: hand.decisions.retry("r", "b", "olga"),
        lambda: hand.decisions.undo("r", "olga", "back"),
    )
    for begins in begin:
        with pytest.raises(IsHalted) as caught:
            begins()
        assert caught.value.code == "halted"
    hand.decisions.approve("r", "ask", "anne")
    hand.decisions.approve("r", "ask", "paul")
    hand.carry(waits=False)
    assert (hand.state("r", "ask"), hand.state("r", "b"), hand.world.wrote) == ("succeeded", "ready", {})
    halt.lift("anne", "fine")
    with pytest.raises(Conflict, match="nothing to lift"):
        halt.lift("anne", "fine")
    (told,) = halt.history()
    assert (told.by, told.lifted_by, told.lift_reason) == ("olga", "anne", "fine")
    hand.decisions.cancel("r", "olga", "enough")
    assert hand.state("r") == "cancelled"


def test_what_ends_by_itself_is_not_paused(hand: ByHand) -> None:
    hand.start_run("done", step("a"))
    hand.carry()
    hand.start_run("waits", step("b"))
    with hand.progress.journal("waits") as journal:
        journal.run_event(RunEvent.PAUSED, "olga")
    assert Halt(hand.progress).engage("olga", "stop").paused == ()
    assert hand.state("done") == "succeeded"
