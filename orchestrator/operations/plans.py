"""Making a plan: compile at a commit, look at everything it would change, seal it, keep it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from orchestrator.domain.authority import Refused, check_estate
from orchestrator.domain.blast_radius import blast_radius
from orchestrator.domain.compiler import compile_plan
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.limits import Excess, Limits, refusal
from orchestrator.domain.model import Direction, Mode
from orchestrator.domain.plan import (
    Placement,
    Plan,
    PlanError,
    PlannedStep,
    Seen,
    differences,
    with_known_prices,
    with_placements,
    with_seen,
)
from orchestrator.domain.references import find_references
from orchestrator.domain.signals.clock import running_clocks
from orchestrator.domain.sovereignty import Used, used
from orchestrator.engine.spec import ActionSpec
from orchestrator.engine.workshop import LOOK_FOR, Surveyor
from orchestrator.operations.estate import Estates
from orchestrator.operations.gate import Gate
from orchestrator.operations.request import Denied, NotFound, RequestError
from orchestrator.store import plans as plan_rows
from orchestrator.store import runs
from orchestrator.store.database import Database
from orchestrator.store.plans import PlanRow, RunOfPlan
from providers.base import Presence, ProviderError, Tag


class OverLimit(Denied):
    """A plan would make or touch more than one run may; `excesses` has each limit."""

    code = "over_limit"

    def __init__(self, scope: str, excesses: Sequence[Excess]) -> None:
        self.words = refusal(excesses, scope)
        super().__init__(self.words["en"])
        self.excesses = tuple(excesses)


Onsets = Callable[[], Mapping[str, float]]
"""Of each vendor that erodes or is cut, since when: seconds since the epoch, UTC."""


class Plans:
    def __init__(
        self,
        database: Database,
        estates: Estates,
        workshop: Surveyor,
        clock: Callable[[], float],
        gate: Gate,
        onsets: Onsets = dict,
    ) -> None:
        """`onsets`: of each vendor that erodes or is cut now, since when."""
        self._onsets = onsets
        self._database = database
        self._gate = gate
        self._estates = estates
        self._workshop = workshop
        self._clock = clock

    def make(
        self,
        services: Sequence[str],
        scope: str,
        direction: Direction = Direction.FAILOVER,
        parameters: Mapping[str, Any] | None = None,
        commit: str | None = None,
        onsets: Mapping[str, float] | None = None,
    ) -> Plan:
        """Compile, hold against the policy, look, seal and keep. Changes nothing outside. Raises RequestError.

        `onsets`: the vendors' losses whose clocks the order follows, instead of those that show now.
        """
        if not services:
            raise RequestError("Name at least one service to plan for.")
        at = commit or self._estates.newest()
        bundle = self._estates.bundle(at)
        lost = self._onsets() if onsets is None else onsets
        try:
            plan = compile_plan(
                bundle,
                commit=at,
                services=services,
                scope=scope,
                direction=direction,
                parameters=parameters,
                clocks=running_clocks(lost, bundle.estate.services, bundle.catalogue),
            )
        except PlanError as error:
            raise RequestError(str(error)) from error
        plan = plan.model_copy(update={"sovereignty": self._gate.look_and_judge(plan)})
        plan = with_placements(with_seen(plan, self._look(plan)), self._placements(plan))
        with self._database.write() as conn:
            earlier = runs.load_plan(conn, plan.digest)
            if earlier is not None:
                plan = with_known_prices(plan, Plan.model_validate(earlier))
            plan = plan.model_copy(update={"blast_radius": blast_radius(plan, bundle, self._limits(plan))})
            document = plan.model_dump(mode="json", by_alias=True)
            runs.save_plan(conn, plan.digest, plan.commit, self._clock(), document)
        return plan

    def get(self, digest: str) -> Plan:
        with self._database.read() as conn:
            document = runs.load_plan(conn, digest)
        if document is None:
            raise _none_such(digest)
        return Plan.model_validate(document)

    def require_lawful(self, plan: Plan) -> list[Used]:
        """The exceptions that the plan stands on today.

        Raises BelowPolicy when it would be refused: since it was made, an exception may have ended.
        """
        return used(self._gate.judge_again(plan))

    def require_within_limits(self, plan: Plan) -> None:
        """Raises OverLimit when a run of the plan would make or touch more than the newest policy lets it.

        Asks nothing outside: prices are those of when the plan was made.
        """
        found = blast_radius(plan, self._estates.bundle(plan.commit), self._limits(plan))
        if found.excesses:
            raise OverLimit(plan.scope, found.excesses)

    def _limits(self, plan: Plan) -> Limits:
        """Of the newest estate; of the plan's own commit where that can't be read."""
        try:
            return self._estates.bundle(self._estates.newest()).estate.policy.limits
        except RequestError:
            return self._estates.bundle(plan.commit).estate.policy.limits

    def require_trusted(self, plan: Plan) -> None:
        """Raises Denied for a live plan at a commit of the estate that nobody signed."""
        try:
            check_estate(Mode(plan.mode), self._estates.accepted(plan.commit).voucher)
        except Refused as error:
            raise Denied(str(error)) from error

    def moved(self, plan: Plan) -> list[dict[str, Any]]:
        """What has changed outside since the plan was made, step by step."""
        return differences(plan, self.look_again(plan))

    def look_again(self, plan: Plan) -> Plan:
        """The same plan as it would be by what is there now. Looks at the outside, and changes nothing."""
        return with_seen(plan, self._look(plan))

    def listed(self, limit: int, offset: int = 0) -> list[tuple[PlanRow, Sequence[RunOfPlan]]]:
        """Plans with the runs that were made of them, the newest first."""
        with self._database.read() as conn:
            rows = plan_rows.listed(conn, limit, offset)
            made = plan_rows.runs_made(conn, [row.digest for row in rows])
        return [(row, made.get(row.digest, ())) for row in rows]

    def history(self, digest: str) -> tuple[float, Sequence[RunOfPlan]]:
        """When a plan of this digest was first made, UTC seconds, and the runs made of it. Raises NotFound."""
        with self._database.read() as conn:
            made = plan_rows.made_at(conn, digest)
            found = plan_rows.runs_made(conn, [digest])
        if made is None:
            raise _none_such(digest)
        return made, found.get(digest, ())

    def _look(self, plan: Plan) -> dict[str, Seen]:
        changing = [step for step in plan.steps if _can_be_seen(step)]
        with ThreadPoolExecutor(max_workers=8, thread_name_prefix="look") as pool:
            found = list(pool.map(lambda step: self._look_at(plan, step), changing))
        seen = {step.id: look for step, look in zip(changing, found, strict=True)}
        self._keep(plan, seen)
        return {step.id: self._or_snapshot(plan, step, seen[step.id]) for step in changing}

    def _placements(self, plan: Plan) -> dict[str, Placement]:
        """Whether all servers to be made have room; what can't be asked is said at the step and stops no plan."""
        servers = {step.id: ActionSpec(uses=step.uses, with_=step.with_) for step in plan.steps if _makes_server(step)}
        if not servers:
            return {}
        try:
            found = self._workshop.placements(_looker(plan), servers)
        except ProviderError as error:
            return {step_id: Placement(message=error.message) for step_id in servers}
        return {
            step: Placement(provider=at.provider, size=at.size, hourly=at.hourly, message=at.message)
            for step, at in found.items()
        }

    def _look_at(self, plan: Plan, step: PlannedStep) -> Seen:
        try:
            spec = ActionSpec.model_validate({"uses": step.uses, "with": _visible(step)})
            action = self._workshop.action(_looker(plan), step.id, spec, {}, LOOK_FOR)
            found = action.provider.observe(action.want, Tag("plan", step.id), None)
        except ProviderError as error:
            return Seen(presence="unreadable", message=error.message)
        values = json.loads(json.dumps(dict(found.values)))
        if _visible(step) is not step.with_:
            return Seen(presence=Presence.ABSENT.value, values=values, at=self._clock())
        return Seen(presence=found.presence.value, values=values, message=found.message, at=self._clock())

    def _keep(self, plan: Plan, seen: Mapping[str, Seen]) -> None:
        with self._database.write() as conn:
            # In one order for everybody: two plans at once never wait for each other.
            for step in sorted(plan.steps, key=_subject):
                look = seen.get(step.id)
                if look is not None and look.at is not None:
                    row = look.model_dump(mode="json")
                    runs.save_snapshot(conn, plan.scope, _subject(step), look.at, row)

    def _or_snapshot(self, plan: Plan, step: PlannedStep, look: Seen) -> Seen:
        """What can't be read now is planned from the last look at it, and says so."""
        if look.at is not None:
            return look
        with self._database.read() as conn:
            row = runs.load_snapshot(conn, plan.scope, _subject(step))
        if row is None:
            return look
        return Seen.model_validate({**row.values, "stale": True, "message": look.message})


def _none_such(digest: str) -> NotFound:
    return NotFound(f"No plan has the digest {digest}. Make one with `bascule plan`.")


def _looker(plan: Plan) -> SimpleNamespace:
    """Stands for a run where there is none yet."""
    return SimpleNamespace(id="plan", commit=plan.commit, scope=plan.scope)


def _makes_server(step: PlannedStep) -> bool:
    makes = step.uses == "compute.server" and step.with_.get("state", "present") == "present"
    return makes and not find_references(step.with_)


def _can_be_seen(step: PlannedStep) -> bool:
    kind = KINDS[step.uses]
    known = not find_references(_visible(step))
    return known and kind.has_provider and not kind.reads_only and kind.repeatable


def _visible(step: PlannedStep) -> dict[str, Any]:
    """The inputs to look with: record sets can be read before it is known what they will become."""
    if step.uses != "dns.records" or not find_references(step.with_):
        return step.with_
    records = [{"name": r["name"], "type": r["type"], "state": "absent"} for r in step.with_["records"]]
    return {**step.with_, "records": records}


def _subject(step: PlannedStep) -> str:
    text = json.dumps([step.uses, step.with_], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
