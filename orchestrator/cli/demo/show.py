"""The show: plan, proof before, the run with its hold points answered, proof after."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from orchestrator.cli.answers import StepAnswer
from orchestrator.cli.attention import by_person, waits
from orchestrator.cli.client import Service
from orchestrator.cli.demo.proof import Facts, broken_promises, fetched_facts
from orchestrator.cli.demo.town import Town
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.cli.follow import Followed
from orchestrator.cli.plan_page import show_plan
from orchestrator.cli.session import Session
from orchestrator.cli.watching import FORWARD, watch
from orchestrator.domain.model import RunState
from orchestrator.domain.plan import Plan
from orchestrator.operations.plan_outline import machine_seconds
from orchestrator.web.times import duration

SERVICES = ["identity", "portal", "mail", "office", "visio"]
OPERATOR = "olga-demo"
PEOPLE = ("alice-demo", "bob-demo")
"""Stand-ins for two people: they answer through the same API as everybody, and are told apart by name only."""


@dataclass
class Show:
    """One performance. `session` is the demo's own: its data directory is the demo's service's.

    `result` gathers what a program may want to know of it.
    """

    session: Session
    service: Service
    town: Town
    scope: dict[str, Any]
    result: dict[str, Any] = field(default_factory=dict)
    answered: set[tuple[str, str]] = field(default_factory=set)

    def perform(self, *, and_undo: bool) -> bool:
        """Everything in order; true when every promise of the proof holds. Raises CommandError."""
        self._heading("The plan: nothing is changed yet")
        plan = self.service.make_plan(SERVICES, "rehearsal")
        show_plan(self.session, plan, time.time())
        before = self._look("before")
        run_id = self._run(plan)
        after = self._look("after", before=before)
        self._show_time(plan)
        holds = self._judge(broken_promises(before, after, self.town.index), "the town runs on its fallback")
        if and_undo:
            holds = self._undo(run_id, before) and holds
        self.result["holds"] = holds
        return holds

    def _run(self, plan: Plan) -> str:
        self._heading("The run")
        begun = time.monotonic()
        run_id, _ = self.service.create_run(plan.digest, OPERATOR, "demo")
        self._say(f"{OPERATOR} starts run {run_id}. Where people must say yes, {' and '.join(PEOPLE)} do.")
        self._follow(run_id, FORWARD, machine_seconds(plan))
        self.result |= {"run": run_id, "plan": plan.digest, "seconds": time.monotonic() - begun}
        return run_id

    def _undo(self, run_id: str, before: Facts) -> bool:
        self._heading("The undo: the last step first, and only what the run wrote")
        self.service.decide(run_id, "undo", OPERATOR, reason="demo")
        self._follow(run_id, frozenset({RunState.UNDONE}))
        back = self._look("undone", before=before)
        differing = [what for (what, was), (_, now) in zip(before.rows(), back.rows(), strict=True) if was != now]
        return self._judge([f"«{what.strip()}» is as before" for what in differing], "everything is as before")

    def _follow(self, run_id: str, wanted: frozenset[RunState], expected: float = 0.0) -> None:
        """Watch to the end, answering hold points. Raises CommandError when a step needs a real decision."""
        code = watch(self.session, run_id, until_waiting=True, wanted=wanted, expected=expected, answer=self._answer)
        if code is Exit.DONE:
            return
        found = self.service.run(run_id)
        troubled = {wait.step for wait in waits(found.run, found.steps) if wait.troubled}
        said = [f"{step.id}: {step.message}" for step in found.steps if step.id in troubled]
        raise CommandError(" ".join([f"Run {run_id} is {found.run.state.value}.", *said]))

    def _answer(self, followed: Followed) -> None:
        """Say yes where people are waited for: each demo identity once a step, through the API."""
        if followed.run.state is not RunState.RUNNING or followed.lost_since is not None:
            return
        for step in followed.listed:
            if by_person(step):
                self._answer_step(followed.run.id, step)

    def _answer_step(self, run_id: str, step: StepAnswer) -> None:
        count = int((step.waits_for or {}).get("count", 1))
        for person in PEOPLE[:count]:
            if (step.id, person) in self.answered:
                continue
            self.answered.add((step.id, person))
            verb = "approves" if step.waits_for_what == "approval" else "has done the task of"
            self._say(f"{person} {verb} {step.id}")
            try:
                self.service.decide(run_id, "approve", person, step=step.id, comment="demo")
            except CommandError as refused:  # someone at the page was quicker
                self._say(f"  {refused.message}")

    def _look(self, name: str, before: Facts | None = None) -> Facts:
        """Fetch the proof and show it, beside what was before."""
        self._heading(f"{name.capitalize()}: fetched over the wire")
        facts = fetched_facts(self.scope, self.session.data, self.town.addresses["control"])
        self.result[name] = asdict(facts)
        columns = {name: facts} if before is None else {"before": before, name: facts}
        self.session.out.print(_table(columns))
        return facts

    def _show_time(self, plan: Plan) -> None:
        least, whole = machine_seconds(plan), plan.expected_seconds
        took = self.result["seconds"]
        self.result["expected_seconds"] = least
        self._say(
            f"It took {duration(took, 'en')}. Expected: {duration(least, 'en')} when people answer at once, "
            f"{duration(whole, 'en')} with the time they take."
        )

    def _judge(self, broken: list[str], praise: str) -> bool:
        for promise in broken:
            self._say(f"✘ It does not hold that {promise}.")
        if not broken:
            self._say(f"✔ The proof holds: {praise}.")
        return not broken

    def _heading(self, text: str) -> None:
        self.session.line()
        self.session.line(Text(f"── {text}", style="bold"))

    def _say(self, text: str) -> None:
        self.session.line(text)


def _table(columns: dict[str, Facts]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("what people meet")
    for name in columns:
        table.add_column(name, overflow="fold")
    for rows in zip(*(facts.rows() for facts in columns.values()), strict=True):
        table.add_row(Text(rows[0][0]), *(Text(value) for _, value in rows))
    return table
