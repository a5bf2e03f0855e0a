"""The engine against a hostile world, one dispatch at a time: nothing is lost, done twice, forgotten or hung."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.domain.journal import RunEvent
from orchestrator.operations.decisions import Decisions
from orchestrator.store.database import Connection, Database
from orchestrator.store.journal import Dispatch
from providers.base import Finding, Presence, ProviderError, Tag
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
        self.progress._enqueue = self._put
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
