"""The one contract suite that every provider passes.

A provider's test file subclasses one of the contracts below and gives a `case`
fixture that returns a `Case`: a wish, whose effect it is, and how to look at
and disturb the real thing on the other side. Which contract:

`ProviderContract`       an effect with a proof and an undo (servers, records, objects)
`ForeignChangeContract`  besides: undo leaves alone what others changed since
`ProvableContract`       an effect with a proof, without an undo of its own (a play)
`UnprovableContract`     an effect that nothing proves after a crash (a message)
`ReadOnlyContract`       a check, such as a probe
"""

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest

from providers.base import Context, Finding, JsonMap, Presence, Provider, ProviderError, Tag

T = TypeVar("T")
Disturbance = Callable[[], AbstractContextManager[None]]

PRESENT = {Presence.OURS, Presence.ALREADY}


class CallerDied(BaseException):
    """What `crash_after_write` may raise in the caller's place: the process is gone, nothing may catch it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One provider under test, and the real thing that it talks to.

    `make`: the provider's class (or anything that builds one from a context).
    `world`: everything the effect touches outside Bascule, as values that compare
    equal when nothing changed (leave out clocks and counters such as the SOA serial).
    `effects`: how many external effects have happened so far, counted on the other side.
    `effects_once`: how many of them one undisturbed `apply` makes.
    `crash_after_write`: within it, the first remote write happens and its answer never arrives
    (the provider sees a broken connection, or `CallerDied` ends the call).
    `break_permanently`, `break_briefly`: within them the other side refuses for good, or for now.
    `untrue` (checks only): within it, what is checked does not hold.
    `foreign_change`: somebody else changes what `apply` wrote.
    `atomic`: one remote write is the whole effect; otherwise a crash leaves a part of it: `observe` then says
    ABSENT, because `apply` must go on, and gives the effect, so that `undo` can take the part back.
    `secrets`: values that must never be seen.
    `settle`: seconds a PENDING effect may take here.
    `patience`: seconds that an attempt has while the other side refuses for now; it tries again until they are over.
    `awaits_late`: an undo right after a write without an answer waits for it to arrive; without that, it takes
    everything back only once nothing is on its way any more.
    `leftovers`: names of what is on the other side without a mark of whose it is, and was not there before.
    """

    want: Any
    context: Context
    make: Callable[[Context], Provider[Any]]
    world: Callable[[], Any]
    crash_after_write: Disturbance | None = None
    break_permanently: Disturbance | None = None
    break_briefly: Disturbance | None = None
    untrue: Disturbance | None = None
    foreign_change: Callable[[], None] | None = None
    effects: Callable[[], int] = field(default=lambda: 0)
    effects_once: int = 0
    atomic: bool = True
    secrets: Sequence[str] = ()
    tag: Tag = field(default=Tag("run-1", "step-1"))
    settle: float = 20.0
    patience: float = 1.0
    awaits_late: bool = True
    leftovers: Callable[[], list[str]] = field(default=list)

    def provider(self, deadline: float | None = None) -> Provider[Any]:
        """A new instance, as a new process would have."""
        context = self.context if deadline is None else replace(self.context, deadline=deadline)
        return self.make(context)

    def before(self) -> JsonMap:
        """What the plan sees."""
        return self.provider().observe(self.want, self.tag, None).values

    def observe(self, before: JsonMap | None) -> Finding:
        return self.provider().observe(self.want, self.tag, before)

    def apply(self, before: JsonMap) -> Finding:
        """Apply as the engine does: once, and then look until the effect has arrived, a new provider each time."""
        done = self.provider().apply(self.want, self.tag, before, quiet)
        return self._until_settled(done, lambda: self.observe(before))

    def undo(self, effect: JsonMap) -> Finding:
        """Undo as the engine does: again until it is no longer under way, a new provider each time."""

        def once() -> Finding:
            return self.provider().undo(self.want, self.tag, effect, quiet)

        return self._until_settled(once(), once)

    def _until_settled(self, finding: Finding, again: Callable[[], Finding]) -> Finding:
        end = time.monotonic() + self.settle
        while finding.presence is Presence.PENDING:
            assert time.monotonic() < end, f"still pending after {self.settle} s: {finding.message}"
            time.sleep(min(finding.again_after, 0.1))
            finding = again()
        return finding

    def crash(self, act: Callable[[], object]) -> None:
        """Run `act` with the answer to its first write lost, whatever comes of it."""
        with needed(self.crash_after_write, "crash_after_write")(), suppress(CallerDied, ProviderError):
            act()


def quiet(_: str) -> None:
    """A report that nobody reads."""


def needed(value: T | None, name: str) -> T:
    """A part of the case that this contract cannot do without."""
    assert value is not None, f"the case must give `{name}`"
    return value


@contextmanager
def refused() -> Iterator[pytest.ExceptionInfo[ProviderError]]:
    """Expects a ProviderError that says something to a person."""
    with pytest.raises(ProviderError) as caught:
        yield caught
    message = caught.value.message
    assert message.strip()
    assert "\n" not in message
    assert "Traceback" not in message


class CommonContract:
    """What holds for every kind."""

    def test_observe_writes_nothing(self, case: Case) -> None:
        world, effects = case.world(), case.effects()
        first = case.observe(None)
        second = case.observe(None)
        assert first.values == second.values
        assert first.presence == second.presence
        assert (case.world(), case.effects()) == (world, effects)

    def test_undo_without_apply_does_nothing(self, case: Case) -> None:
        world, effects = case.world(), case.effects()
        assert case.undo({}).presence is Presence.ABSENT
        assert (case.world(), case.effects()) == (world, effects)

    def test_permanent_refusal_says_so(self, case: Case) -> None:
        before = case.before()
        with needed(case.break_permanently, "break_permanently")(), refused() as caught:
            case.provider(deadline=3.0).apply(case.want, case.tag, before, quiet)
        assert caught.value.permanent
        self._no_secret(case, everything_said(caught.value))

    def test_passing_failure_says_so(self, case: Case) -> None:
        before = case.before()
        with needed(case.break_briefly, "break_briefly")(), refused() as caught:
            case.provider(deadline=case.patience).apply(case.want, case.tag, before, quiet)
        assert not caught.value.permanent
        self._no_secret(case, everything_said(caught.value))

    def test_secrets_are_never_shown(self, case: Case) -> None:
        said: list[str] = []
        provider = case.provider()
        finding = provider.observe(case.want, case.tag, None)
        done = provider.apply(case.want, case.tag, finding.values, said.append)
        shown = [repr(provider), str(provider), repr(vars(provider)) if hasattr(provider, "__dict__") else ""]
        self._no_secret(case, "\n".join([*shown, repr(case.context), repr(finding), repr(done), *said]))

    def _no_secret(self, case: Case, text: str) -> None:
        assert case.secrets or not case.context.scope, "the case must name its secret values"
        assert [secret for secret in case.secrets if secret in text] == []


class AppliesContract(CommonContract):
    """What holds for every kind that changes something."""

    def test_apply_then_observe_shows_it(self, case: Case) -> None:
        before, world = case.before(), case.world()
        applied = case.apply(before)
        assert applied.presence is Presence.OURS
        assert case.world() != world
        found = case.observe(before)
        assert found.presence is Presence.OURS
        assert found.outputs == applied.outputs
        assert found.effect == applied.effect

    def test_apply_twice_changes_once(self, case: Case) -> None:
        before, effects = case.before(), case.effects()
        first = case.apply(before)
        world = case.world()
        second = case.apply(before)
        assert second.presence is Presence.OURS
        assert (second.outputs, second.effect) == (first.outputs, first.effect)
        assert case.world() == world
        assert case.effects() - effects == case.effects_once


class ProvableContract(AppliesContract):
    """After a crash that followed the remote write, the proof is found and nothing is done twice."""

    def test_crash_after_the_write_is_adopted(self, case: Case) -> None:
        before, effects = case.before(), case.effects()
        case.crash(lambda: case.provider().apply(case.want, case.tag, before, quiet))
        found = case.observe(before)
        assert found.presence in {Presence.OURS, Presence.PENDING} | (set() if case.atomic else {Presence.ABSENT})
        assert case.apply(before).presence is Presence.OURS
        assert case.effects() - effects == case.effects_once


class UndoContract:
    """What `apply` did can be taken back, exactly."""

    def test_undo_restores_the_world(self, case: Case) -> None:
        before, world = case.before(), case.world()
        effect = case.apply(before).effect
        assert effect
        assert case.undo(effect).presence is Presence.ABSENT
        assert case.world() == world
        assert case.before() == before

    def test_undo_twice_is_harmless(self, case: Case) -> None:
        before, world = case.before(), case.world()
        effect = case.apply(before).effect
        case.undo(effect)
        assert case.undo(effect).presence is Presence.ABSENT
        assert case.world() == world

    def test_undo_after_a_lost_answer_finishes(self, case: Case) -> None:
        before, world = case.before(), case.world()
        effect = case.apply(before).effect
        case.crash(lambda: case.provider().undo(case.want, case.tag, effect, quiet))
        assert case.undo(effect).presence is Presence.ABSENT
        assert case.world() == world

    def test_undo_of_a_crashed_apply_restores_the_world(self, case: Case) -> None:
        before, world = case.before(), case.world()
        case.crash(lambda: case.provider().apply(case.want, case.tag, before, quiet))
        found = case.observe(before)
        assert case.undo(found.effect).presence is Presence.ABSENT
        assert case.world() == world


class ProviderContract(ProvableContract, UndoContract):
    """The whole contract: proof and undo."""


class ForeignChangeContract:
    """What others changed since is theirs."""

    def test_undo_leaves_foreign_changes_alone(self, case: Case) -> None:
        effect = case.apply(case.before()).effect
        needed(case.foreign_change, "foreign_change")()
        world = case.world()
        found = case.undo(effect)
        assert found.presence is Presence.CONFLICT
        assert found.message
        assert case.world() == world


class UnprovableContract(AppliesContract):
    """After a crash that followed the remote write a person decides; nothing is sent again."""

    def test_crash_after_the_write_is_unprovable(self, case: Case) -> None:
        before, effects = case.before(), case.effects()
        case.crash(lambda: case.provider().apply(case.want, case.tag, before, quiet))
        found = case.observe(before)
        assert found.presence is Presence.UNPROVABLE
        assert found.message
        assert case.effects() - effects == case.effects_once


class ReadOnlyContract(CommonContract):
    """A check: it holds, or it says what it saw; it never changes anything."""

    def test_what_holds_is_already_so(self, case: Case) -> None:
        world = case.world()
        applied = case.apply(case.before())
        assert applied.presence is Presence.ALREADY
        assert not applied.effect
        found = case.observe(None)
        assert (found.presence, found.outputs) == (Presence.ALREADY, applied.outputs)
        assert case.world() == world

    def test_what_does_not_hold_may_hold_later(self, case: Case) -> None:
        with needed(case.untrue, "untrue")():
            found = case.observe(None)
            assert found.presence not in PRESENT
            assert found.message
            with refused() as caught:
                case.provider(deadline=3.0).apply(case.want, case.tag, {}, quiet)
        assert not caught.value.permanent


def everything_said(error: BaseException) -> str:
    """The error as any log might show it: text, repr, and the whole traceback with its causes."""
    return "\n".join([str(error), repr(error), *traceback.format_exception(error)])
