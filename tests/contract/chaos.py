"""The contract under chaos: whatever a proxy does to requests and answers, the effect comes once, whole and in time.

A set-up starts a real server or simulator, puts a chaos proxy before it, and
gives the `Case` whose traffic goes through it. The contract then acts as the
engine does, with attempts, looks and waits, while one policy is in force.

`ChaosContract`             an effect with a proof and an undo
`ChaosReadsContract`        a check
`ChaosUnprovableContract`   an effect that nothing proves once its answer is lost
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from providers.base import Context, Finding, JsonMap, Presence, Provider, ProviderError, Reveal
from tests.chaos_proxy import ChaosProxy, Fault, On, Policy, Rule, chaos_proxy
from tests.chaos_wire import Wire
from tests.contract.suite import PRESENT, Case, everything_said, quiet
from tests.loopback import within

DEADLINE = 1.5
"""Seconds that one call of a provider may take here."""
MARGIN = 0.7
"""Seconds past the deadline that a call may take on a busy machine."""
ATTEMPTS = 15
LONGEST_WAIT = 1.0
"""Seconds between attempts that a test grants, whatever is asked for."""

Answer = TypeVar("Answer")


def both(fault: Fault) -> tuple[Rule, ...]:
    """The fault strikes one read and one write."""
    return Rule(fault, 1, On.READS), Rule(fault, 1, On.WRITES)


def all_over(fault: Fault) -> tuple[Rule, ...]:
    """The fault strikes the first reads until a call gives up, and then every other request once."""
    return Rule(fault, 3, On.READS), Rule(fault, 40, once_each=True)


POLICIES = (
    Policy("P1 first answers lost", (Rule(Fault.LOST, 40, On.WRITES, once_each=True),)),
    Policy("P2 all answers lost", (Rule(Fault.LOST, 4, On.WRITES),)),
    Policy("P3 503", (Rule(Fault.UNAVAILABLE, 8),)),
    Policy("P3 503 to writes", (Rule(Fault.UNAVAILABLE, 3, On.WRITES),)),
    Policy("P3 503 Retry-After", (Rule(Fault.UNAVAILABLE, 3, retry_after=1),)),
    Policy("P4 lost, then 503", (Rule(Fault.LOST, 1, On.WRITES), Rule(Fault.UNAVAILABLE, 8)), in_turn=True),
    Policy("HANG", both(Fault.SILENT)),
    Policy("HANG slow head", both(Fault.SLOW_HEAD)),
    Policy("HANG slow body", both(Fault.SLOW_BODY)),
    Policy("TRUNCATE", all_over(Fault.TRUNCATED)),
    Policy("HTML 200", all_over(Fault.PAGE)),
    Policy("HTML 502", all_over(Fault.BAD_GATEWAY)),
    Policy("EMPTY 200", all_over(Fault.EMPTY)),
    Policy("RESET", all_over(Fault.RESET)),
    Policy("LAG after a lost answer", (Rule(Fault.LOST, 1, On.WRITES), Rule(Fault.STALE, 8, On.READS)), in_turn=True),
    Policy("DELAY", (Rule(Fault.LATE, 1, On.WRITES),)),
)
"""Each ends by itself after so many strikes."""


@dataclass
class Stage:
    """Where a case under chaos is set up: what it starts ends with `stack`, and its traffic goes `through` proxies."""

    stack: ExitStack
    directory: Path
    proxies: list[ChaosProxy] = field(default_factory=list)

    def through(self, url: str, wire: Wire | None = None) -> str:
        """The URL with the address of a new proxy in place of the server's."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        proxy = self.proxy(parts.hostname, parts.port or 80, wire)
        return urlunsplit(parts._replace(netloc=f"127.0.0.1:{proxy.port}"))

    def proxy(self, host: str, port: int, wire: Wire | None = None) -> ChaosProxy:
        made = self.stack.enter_context(chaos_proxy(host, port, wire))
        self.proxies.append(made)
        return made

    def context(self, scope: JsonMap, reveal: Reveal) -> Context:
        """A context of this scope, with an empty estate and a workspace."""
        for name in ("workspace", "estate"):
            (self.directory / name).mkdir()
        return Context(within(dict(scope)), reveal, self.directory / "workspace", self.directory / "estate")

    @contextmanager
    def under(self, policy: Policy) -> Iterator[None]:
        """The policy at every proxy; at the end of the block what is late has arrived."""
        for proxy in self.proxies:
            proxy.strikes.clear()
            proxy.force(policy)
        try:
            yield
        finally:
            self.lift()
        self.settle()

    def lift(self) -> None:
        """Nothing is spoilt from now on; what is late still comes."""
        for proxy in self.proxies:
            proxy.lift()

    def settle(self) -> None:
        """Wait until everything late has arrived."""
        for proxy in self.proxies:
            proxy.settle()

    def struck(self) -> list[str]:
        """What was spoilt under the last policy."""
        return [f"{strike.fault} {strike.asked}" for proxy in self.proxies for strike in proxy.strikes]


SetUp = Callable[[Stage], Case]


@dataclass
class Pursuit:
    """A case pursued as the engine does it: attempts, looks after errors, and waits; each call and error is judged.

    Invariant: no call outlasts its deadline, no error is called permanent, none shows a secret.
    """

    case: Case
    stage: Stage
    errors: list[ProviderError] = field(default_factory=list)

    def apply(self, before: JsonMap) -> Finding:
        for _ in range(ATTEMPTS):
            found = self._attempt(before)
            if found is not None and found.presence is not Presence.ABSENT:
                return found
        raise AssertionError(f"not there after {ATTEMPTS} attempts: {self.story()}")

    def attempt(self, before: JsonMap) -> None:
        """Apply once, whatever comes of it."""
        self._call(lambda one: one.apply(self.case.want, self.case.tag, before, quiet))

    def left(self, before: JsonMap) -> Finding:
        """What an attempt without an outcome left; what may still appear is waited for, as the engine's undo does."""
        end = time.monotonic() + self.case.settle
        while time.monotonic() < end:
            found = self._look(before)
            if found is not None and (found.presence is not Presence.PENDING or found.effect):
                return found
            time.sleep(0.1)
        raise AssertionError(f"what is left cannot be seen: {self.story()}")

    def undo(self, effect: JsonMap) -> Finding:
        end = time.monotonic() + self.case.settle
        while time.monotonic() < end:
            found = self._call(lambda one: one.undo(self.case.want, self.case.tag, effect, quiet))
            if found is not None and found.presence is not Presence.PENDING:
                return found
            time.sleep(0.1 if found is None else min(found.again_after, 0.1))
        raise AssertionError(f"not taken back: {self.story()}")

    def story(self) -> str:
        return "\n".join([*self.stage.struck(), *(error.message for error in self.errors)])

    def _attempt(self, before: JsonMap) -> Finding | None:
        """One attempt and, unless it surely did nothing, the look after it; None when nothing could be seen."""
        failed = len(self.errors)
        found = self._call(lambda one: one.apply(self.case.want, self.case.tag, before, quiet))
        if found is None:
            error = self.errors[-1]
            time.sleep(min(error.retry_after or 0.0, LONGEST_WAIT))
            found = self._look(before) if error.effect_possible else None
        end = time.monotonic() + self.case.settle
        while found is not None and found.presence is Presence.PENDING:
            assert time.monotonic() < end, f"still pending: {found.message} {self.story()}"
            time.sleep(min(found.again_after, 0.1))
            found = self._look(before) or found
        assert found is None or found.presence in {*PRESENT, Presence.ABSENT, Presence.UNPROVABLE}, (
            f"{found.presence}: {found.message} {self.story()}"
        )
        assert found is not None or len(self.errors) > failed
        return found

    def _look(self, before: JsonMap) -> Finding | None:
        return self._call(lambda one: one.observe(self.case.want, self.case.tag, before))

    def _call(self, act: Callable[[Provider[Any]], Finding]) -> Finding | None:
        """What a new provider answers; None when it fails, and the error is the last of `errors`."""
        began = time.monotonic()
        try:
            return act(self.case.provider(DEADLINE))
        except ProviderError as error:
            self._judge(error)
            return None
        finally:
            took = time.monotonic() - began
            assert took < DEADLINE + MARGIN, f"a call took {took:.2f} s of {DEADLINE:g} s: {self.story()}"

    def _judge(self, error: ProviderError) -> None:
        self.errors.append(error)
        assert not error.permanent, f"a fault that passes is called permanent: {self.story()}"
        assert error.message.strip()
        assert "\n" not in error.message
        said = everything_said(error)
        assert [secret for secret in self.case.secrets if secret in said] == []


class ChaosContract:
    """Parametrise it over set-ups and policies: the fixtures `stage` and `case`, and the argument `policy`."""

    def test_the_effect_comes_once_and_goes_whole(self, case: Case, stage: Stage, policy: Policy) -> None:
        before, world, effects, leftovers = case.before(), case.world(), case.effects(), case.leftovers()
        pursuit = Pursuit(case, stage)
        with stage.under(policy):
            done = pursuit.apply(before)
        assert stage.struck(), "the policy met no request"
        assert done.presence is Presence.OURS, pursuit.story()
        found = case.observe(before)
        assert (found.presence, found.outputs, found.effect) == (done.presence, done.outputs, done.effect)
        assert case.effects() - effects == case.effects_once, pursuit.story()
        assert case.leftovers() == leftovers, pursuit.story()
        with stage.under(policy):
            assert pursuit.undo(done.effect).presence is Presence.ABSENT, pursuit.story()
        assert stage.struck(), "the policy met no request"
        assert case.world() == world, pursuit.story()
        assert case.leftovers() == leftovers, pursuit.story()

    def test_an_attempt_that_chaos_cut_off_is_taken_back(self, case: Case, stage: Stage, policy: Policy) -> None:
        """One attempt only; then it is undone at once, while a late request may still be on its way."""
        before, world, leftovers = case.before(), case.world(), case.leftovers()
        pursuit = Pursuit(case, stage)
        with stage.under(policy):
            pursuit.attempt(before)
            stage.lift()
            if not case.awaits_late:
                stage.settle()
            left = pursuit.left(before)
            assert pursuit.undo(left.effect).presence is Presence.ABSENT, pursuit.story()
        assert stage.struck(), "the policy met no request"
        assert case.world() == world, pursuit.story()
        assert case.leftovers() == leftovers, pursuit.story()


class ChaosReadsContract:
    """The same for a check: it holds in the end, and nothing was written."""

    def test_what_holds_is_found_in_the_end(self, case: Case, stage: Stage, policy: Policy) -> None:
        world, effects = case.world(), case.effects()
        pursuit = Pursuit(case, stage)
        with stage.under(policy):
            assert pursuit.apply({}).presence is Presence.ALREADY, pursuit.story()
        assert stage.struck(), "the policy met no request"
        assert (case.world(), case.effects()) == (world, effects)


class ChaosUnprovableContract:
    """The same for what nothing proves: it happens at most once; where that can't be known, a person is told so."""

    def test_it_happens_once_or_is_said_to_be_in_doubt(self, case: Case, stage: Stage, policy: Policy) -> None:
        before, effects = case.before(), case.effects()
        pursuit = Pursuit(case, stage)
        with stage.under(policy):
            done = pursuit.apply(before)
        assert stage.struck(), "the policy met no request"
        assert done.presence in {Presence.OURS, Presence.UNPROVABLE}, pursuit.story()
        happened = case.effects() - effects
        assert happened <= case.effects_once, pursuit.story()
        assert done.presence is Presence.UNPROVABLE or happened == case.effects_once, pursuit.story()
