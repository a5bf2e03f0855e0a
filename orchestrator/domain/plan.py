"""Runbooks at one commit, compiled into one ordered graph of steps with a digest.

The digest covers what will be done and the state it was decided on: steps,
inputs, needs, and the record sets as they were seen. Durations and titles stay
out of it. The same inputs give the same digest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.estate import Scope, Service
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.model import Direction
from orchestrator.domain.references import UNKNOWN_YET, find_references, substitute
from orchestrator.domain.runbook import Runbook, Step, UndoAction

HUMAN_TIMEOUT = 86_400.0
"""Seconds that people have for an answer, where the runbook does not say."""

_EXPECT = {"compute.server": 40.0, "ansible.play": 60.0, "storage.copy": 60.0, "human.approval": 600.0}
_EXPECT |= {"human.task": 1800.0}
_CRITICALITY = {"critical": 0, "high": 1, "normal": 2}


class PlanError(Exception):
    """The plan can't be made; the text says why and what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Seen(_Part):
    """What a step would change, as it is now, or as it was at `at` when it can't be read now."""

    presence: str
    values: dict[str, Any] = Field(default_factory=dict)
    message: str = ""
    at: float | None = None
    stale: bool = False


class PlannedStep(_Part):
    id: str
    uses: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    needs: tuple[str, ...] = ()
    service: str
    runbook: str
    title: dict[str, str] | None = None
    expect: float | None = None
    timeout: float = 600.0
    retry: dict[str, Any] = Field(default_factory=dict)
    on_failure: str = "pause"
    verify: dict[str, Any] | None = None
    undo: str | dict[str, Any] = "automatic"
    origin: dict[str, Any] | None = None
    names: dict[str, str] = Field(default_factory=dict)
    after: str | None = None
    """The step whose outcome must be known before this one's change can be."""
    seen: Seen | None = None
    before: dict[str, Any] | None = None
    """The part of `seen` that the digest covers, and that drift is measured from."""

    def for_digest(self) -> dict[str, Any]:
        left_out = {"title", "expect", "seen", "names", "after"}
        return self.model_dump(mode="json", by_alias=True, exclude=left_out)

    def for_engine(self) -> dict[str, Any]:
        left_out = {"id", "needs", "seen", "after"}
        return self.model_dump(mode="json", by_alias=True, exclude=left_out)


class Plan(_Part):
    commit: str
    scope: str
    mode: str
    direction: str
    services: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    digest: str = ""
    critical_path: tuple[str, ...] = ()
    expected_seconds: float = 0.0

    def resources(self) -> list[str]:
        """What a run of this plan holds for itself alone in its scope."""
        found = {f"service:{name}" for name in self.services}
        for step in self.steps:
            if step.uses == "dns.records":
                found.add(f"zone:{step.with_['zone']}")
            elif step.uses == "storage.copy":
                found.add(f"bucket:{step.with_['to']['store']}/{step.with_['to']['bucket']}")
        return sorted(found)


def compile_plan(
    bundle: Bundle,
    *,
    commit: str,
    services: Sequence[str],
    scope: str,
    direction: Direction = Direction.FAILOVER,
    parameters: Mapping[str, Any] | None = None,
) -> Plan:
    """The plan before anything was looked at. Raises PlanError."""
    if scope not in bundle.estate.scopes:
        raise PlanError(f"The estate has no scope {scope!r}; it has {', '.join(sorted(bundle.estate.scopes))}.")
    compiler = _Compiler(bundle, bundle.estate.scopes[scope], scope, dict(parameters or {}))
    ordered = order_services(bundle.estate.services, services)
    steps = compiler.compile(ordered, direction)
    plan = Plan(
        commit=commit,
        scope=scope,
        mode=str(bundle.estate.scopes[scope].mode),
        direction=direction.value,
        services=tuple(ordered),
        steps=tuple(steps),
    )
    return seal(plan)


def order_services(known: Mapping[str, Service], wanted: Sequence[str]) -> list[str]:
    """By needs, then criticality, then name. Raises PlanError on a service that is not in the estate."""
    for name in wanted:
        if name not in known:
            raise PlanError(f"The estate has no service {name!r}; it has {', '.join(sorted(known))}.")
    left = dict.fromkeys(wanted)
    ordered: list[str] = []
    while left:
        free = [name for name in left if not any(need in left for need in known[name].needs)]
        if not free:
            raise PlanError(f"The services {', '.join(left)} need each other in a circle.")
        first = min(free, key=lambda name: (_CRITICALITY.get(str(known[name].criticality), 9), name))
        ordered.append(first)
        del left[first]
    return ordered


def with_seen(plan: Plan, seen: Mapping[str, Seen]) -> Plan:
    """The plan with what was found of each step, and the digest that covers it."""
    steps = []
    touched: dict[tuple[str, str, str], str] = {}
    for step in plan.steps:
        found = seen.get(step.id)
        changes: dict[str, Any] = {"seen": found}
        if step.uses == "dns.records":
            earlier = _touch(step, touched)
            if earlier is not None:
                changes["after"] = earlier
            elif found is not None:
                changes["before"] = found.values
        steps.append(step.model_copy(update=changes))
    return seal(plan.model_copy(update={"steps": tuple(steps)}))


def _touch(step: PlannedStep, touched: dict[tuple[str, str, str], str]) -> str | None:
    """Note the record sets of a DNS step; answers an earlier step of this plan that changes one of them."""
    earlier = None
    for record in step.with_.get("records", []):
        key = (str(step.with_.get("zone")), str(record.get("name")).lower(), str(record.get("type")))
        earlier = touched.get(key, earlier)
        touched[key] = step.id
    return earlier


def seal(plan: Plan) -> Plan:
    """Digest, critical path and expected duration, from the plan's own content."""
    content = {
        "format": 1,
        "commit": plan.commit,
        "scope": plan.scope,
        "mode": plan.mode,
        "direction": plan.direction,
        "services": list(plan.services),
        "steps": [step.for_digest() for step in plan.steps],
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    path, seconds = critical_path(plan.steps)
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    return plan.model_copy(update={"digest": digest, "critical_path": path, "expected_seconds": seconds})


def expected(step: PlannedStep) -> float:
    """Seconds: what the runbook expects, or what its kind usually takes."""
    if step.uses == "wait.for" and step.expect is None:
        duration = step.with_.get("duration", 0.0)
        return float(duration) if isinstance(duration, int | float) else 0.0
    return step.expect if step.expect is not None else _EXPECT.get(step.uses, 5.0)


def critical_path(steps: Sequence[PlannedStep]) -> tuple[tuple[str, ...], float]:
    """The chain of steps that decides how long the whole takes. Steps come in topological order."""
    ends: dict[str, float] = {}
    comes_from: dict[str, str | None] = {}
    for step in steps:
        before = max(step.needs, key=lambda need: ends[need], default=None)
        comes_from[step.id] = before
        ends[step.id] = (ends[before] if before else 0.0) + expected(step)
    if not ends:
        return (), 0.0
    at: str | None = max(ends, key=lambda step_id: ends[step_id])
    total = ends[at] if at else 0.0
    path: list[str] = []
    while at is not None:
        path.append(at)
        at = comes_from[at]
    return tuple(reversed(path)), total


def differences(old: Plan, new: Plan) -> list[dict[str, Any]]:
    """What moved between two looks at the same steps: one entry a step, with both states."""
    before = {step.id: step for step in old.steps}
    found = []
    for step in new.steps:
        was = before.get(step.id)
        if was is None or was.for_digest() != step.for_digest():
            old_values = was.before if was else None
            found.append({"step": step.id, "planned_on": old_values, "now": step.before})
    found += [{"step": gone, "planned_on": before[gone].before, "now": None} for gone in before.keys() - new_ids(new)]
    return sorted(found, key=lambda entry: str(entry["step"]))


def new_ids(plan: Plan) -> set[str]:
    return {step.id for step in plan.steps}


class _Compiler:
    """Expands runbooks into steps, with parameters, estate values, the scope's zones and prefix filled in."""

    def __init__(self, bundle: Bundle, scope: Scope, scope_name: str, parameters: Mapping[str, Any]) -> None:
        self._bundle = bundle
        self._scope = scope
        self._scope_name = scope_name
        self._given = parameters
        self._origins: dict[str, dict[str, Any] | None] = {}

    def compile(self, services: Sequence[str], direction: Direction) -> list[PlannedStep]:
        steps: list[PlannedStep] = []
        exits: dict[str, tuple[str, ...]] = {}
        for name in services:
            runbook = self._runbook_of(name, direction)
            needs = self._bundle.estate.services[name].needs
            entry = tuple(sorted({step for need in needs for step in exits.get(need, ())}))
            values = self._parameters(runbook, self._given)
            self._origins[name] = self._origin(name, values) if direction is Direction.FAILOVER else None
            made = self._expand(runbook, runbook.name, values, entry, name)
            exits[name] = _exits(made)
            steps.extend(made)
        return _topological(steps)

    def _runbook_of(self, service: str, direction: Direction) -> Runbook:
        entry = self._bundle.estate.services[service]
        name = entry.failover if direction is Direction.FAILOVER else entry.failback
        if name is None:
            raise PlanError(f"The service {service} has no {direction.value} runbook; name one in bascule.yaml.")
        return self._bundle.runbooks[name]

    def _parameters(self, runbook: Runbook, given: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, parameter in runbook.parameters.items():
            if name in given:
                values[name] = given[name]
            elif parameter.default is not None:
                values[name] = parameter.default
            else:
                raise PlanError(f"The runbook {runbook.name} needs the parameter {name}; give it with --set {name}=….")
            if parameter.type == "domain":
                values[name] = self._scope.zones.get(values[name], values[name])
        return values

    def _expand(
        self, runbook: Runbook, prefix: str, values: Mapping[str, Any], entry: tuple[str, ...], service: str
    ) -> list[PlannedStep]:
        made: list[PlannedStep] = []
        ends: dict[str, tuple[str, ...]] = {}
        for step in _in_order(runbook.steps):
            needs = tuple(sorted({end for need in step.needs for end in ends[need]})) or entry
            filled = self._fill(step.with_, values)
            if step.uses == "runbook.run":
                inner = self._bundle.runbooks[filled["runbook"]]
                inner_values = self._parameters(inner, filled.get("parameters", {}))
                nested = self._expand(inner, f"{prefix}/{step.id}", inner_values, needs, service)
                ends[step.id] = _exits(nested) or needs
                made.extend(nested)
                continue
            made.append(self._planned(step, runbook, prefix, values, needs, service))
            ends[step.id] = (f"{prefix}/{step.id}",)
        return made

    def _planned(
        self, step: Step, runbook: Runbook, prefix: str, values: Mapping[str, Any], needs: tuple[str, ...], service: str
    ) -> PlannedStep:
        kind = KINDS[step.uses]
        with_ = self._place(step.uses, self._fill(step.with_, values))
        verify = step.verify and {
            "uses": step.verify.uses,
            "with": self._place(step.verify.uses, self._fill(step.verify.with_, values)),
            "within": step.verify.within,
            "every": step.verify.every,
        }
        undo: str | dict[str, Any] = "automatic"
        if isinstance(step.undo, UndoAction):
            filled = self._place(step.undo.uses, self._fill(step.undo.with_, values))
            undo = {"uses": step.undo.uses, "with": filled}
        else:
            undo = step.undo
        said_timeout = "timeout" in step.model_fields_set
        timeout = step.timeout if said_timeout or not kind.by_person else HUMAN_TIMEOUT
        return PlannedStep.model_validate(
            {
                "id": f"{prefix}/{step.id}",
                "uses": step.uses,
                "with": with_,
                "needs": needs,
                "service": service,
                "runbook": runbook.name,
                "title": step.title.model_dump() if step.title else None,
                "expect": step.expect,
                "timeout": timeout,
                "retry": step.retry.model_dump(),
                "on_failure": step.on_failure,
                "verify": verify,
                "undo": undo,
                "origin": self._origins[service] if kind.points_endpoint else None,
                "names": {name: f"{prefix}/{name}" for name in _named_steps([with_, verify, undo])},
                "after": self._after(with_, prefix),
            }
        )

    def _origin(self, service: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
        origin = self._bundle.estate.services[service].origin
        if origin is None:
            return None
        return {"uses": origin.uses, "with": self._place(origin.uses, self._fill(origin.with_, values))}

    def _after(self, with_: Mapping[str, Any], prefix: str) -> str | None:
        names = sorted(_named_steps(with_))
        return f"{prefix}/{names[0]}" if names else None

    def _fill(self, value: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        def look_up(path: tuple[str, ...]) -> object:
            if path[0] == "parameters" and len(path) == 2:
                return values[path[1]]
            if path == ("scope", "mode"):
                return str(self._scope.mode)
            if path[0] == "estate":
                return _walk(self._bundle.estate.model_dump(mode="json"), path[1:])
            return UNKNOWN_YET

        filled = substitute(dict(value), look_up)
        assert isinstance(filled, dict)
        return filled

    def _place(self, uses: str, with_: dict[str, Any]) -> dict[str, Any]:
        """Put a step where its scope is: the zone that stands for the real one, the prefix of names."""
        placed = dict(with_)
        for key in ("zone", "domain"):
            if isinstance(placed.get(key), str):
                placed[key] = self._scope.zones.get(placed[key], placed[key])
        if uses == "compute.server" and isinstance(placed.get("name"), str):
            placed["name"] = f"{self._scope.prefix}{placed['name']}"
        return placed


def _walk(value: Any, path: Sequence[str]) -> object:
    for part in path:
        value = value[part]
    return value


def _named_steps(value: Any) -> set[str]:
    return {path[1] for _, path in find_references(value) if len(path) == 4 and path[0] == "steps"}


def _exits(steps: Sequence[PlannedStep]) -> tuple[str, ...]:
    needed = {need for step in steps for need in step.needs}
    return tuple(step.id for step in steps if step.id not in needed)


def _in_order(steps: Mapping[str, Step]) -> list[Step]:
    """A runbook's steps, each after those it needs; otherwise as they are written."""
    done: dict[str, Step] = {}
    left = dict(steps)
    while left:
        free = [name for name, step in left.items() if all(need in done for need in step.needs)]
        if not free:
            raise PlanError(f"The steps {', '.join(left)} need each other in a circle.")
        for name in free:
            done[name] = left.pop(name)
    return list(done.values())


def _topological(steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    """Needs first; within that, the order given, which is a reader's order."""
    by_id = {step.id: step for step in steps}
    done: dict[str, PlannedStep] = {}
    for start in steps:
        todo = [start.id]
        while todo:
            open_needs = [need for need in by_id[todo[-1]].needs if need not in done]
            if open_needs:
                todo.extend(open_needs)
            else:
                step_id = todo.pop()
                done[step_id] = by_id[step_id]
    return list(done.values())
