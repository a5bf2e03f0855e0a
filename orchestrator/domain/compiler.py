"""Runbooks into a plan: parameters, estate values and the scope's places filled in, one graph across services."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.estate import Scope, Service
from orchestrator.domain.kinds import KINDS, check_inputs
from orchestrator.domain.model import Direction
from orchestrator.domain.parameters import misfit
from orchestrator.domain.plan import Plan, PlanError, PlannedStep, seal
from orchestrator.domain.references import UNKNOWN_YET, find_references, substitute
from orchestrator.domain.runbook import Runbook, Step, UndoAction
from orchestrator.domain.signals.clock import RunningClock, crisis_order, rescue_steps
from orchestrator.domain.swap import OUTER, from_outside, refers_to_steps, steps_of, swap_of
from orchestrator.domain.turns import planned_turns
from orchestrator.domain.wording import one_sentence

HUMAN_TIMEOUT = 86_400.0
"""Seconds that people have for an answer, where the runbook does not say."""


def compile_plan(
    bundle: Bundle,
    *,
    commit: str,
    services: Sequence[str],
    scope: str,
    direction: Direction = Direction.FAILOVER,
    parameters: Mapping[str, Any] | None = None,
    clocks: Sequence[RunningClock] = (),
) -> Plan:
    """The plan before anything was looked at. Raises PlanError.

    `clocks`: those that run. Where one is of a service of this failover, what rescues data precedes everything else,
    and services that are free and equally critical go by the clock that runs out first.
    """
    if scope not in bundle.estate.scopes:
        raise PlanError(f"The estate has no scope {scope!r}; it has {', '.join(sorted(bundle.estate.scopes))}.")
    compiler = _Compiler(bundle, bundle.estate.scopes[scope], scope, dict(parameters or {}))
    known = bundle.estate.services
    ordered = order_services(known, services)
    running = [one for one in clocks if one.service in ordered] if direction is Direction.FAILOVER else []
    ordered = order_services(known, services, running)
    steps = compiler.compile(ordered, direction)
    rescuing: frozenset[str] = frozenset()
    if running:
        steps, rescuing = rescued_first(known, ordered, steps, running)
    plan = Plan(
        commit=commit,
        scope=scope,
        mode=str(bundle.estate.scopes[scope].mode),
        direction=direction.value,
        services=tuple(ordered),
        steps=tuple(steps),
        turns=planned_turns(known, ordered, running, rescuing) if running else (),
    )
    return seal(plan)


def order_services(
    known: Mapping[str, Service], wanted: Sequence[str], clocks: Sequence[RunningClock] = ()
) -> list[str]:
    """By needs, then criticality, then the clock that runs out first, then name.

    Raises PlanError on a service that is not in the estate, and on services that need each other.
    """
    for name in wanted:
        if name not in known:
            raise PlanError(f"The estate has no service {name!r}; it has {', '.join(sorted(known))}.")
    ordered = [turn.service for turn in crisis_order(known, wanted, clocks)]
    too_early = [
        name for place, name in enumerate(ordered) if any(need in ordered[place:] for need in known[name].needs)
    ]
    if too_early:
        raise PlanError(f"The services {', '.join(too_early)} need each other in a circle.")
    return ordered


def rescued_first(
    known: Mapping[str, Service],
    ordered: Sequence[str],
    steps: Sequence[PlannedStep],
    clocks: Sequence[RunningClock],
) -> tuple[list[PlannedStep], frozenset[str]]:
    """The steps with those in front that fetch what is still there, and the services that have such steps.

    Invariant: a rescue needs nothing but steps of its own service, so it waits for no other service and holds none
    up that does not need its own. What came after another service before still does: the wait that a rescue is rid
    of is put on the steps that need it.
    """
    own = {name: {step.id: step for step in steps if step.service == name} for name in ordered}
    rescues = {name: rescue_steps(found) for name, found in own.items()}
    rescuing = frozenset(name for name, found in rescues.items() if found)
    freed = _freed({step.id: step for step in steps}, frozenset(one for found in rescues.values() for one in found))
    turns = [turn.service for turn in crisis_order(known, ordered, clocks, rescuing) if turn.rescue]
    first = [freed[step_id] for name in turns for step_id in rescues[name]]
    rest = [freed[step.id] for step in steps if not freed[step.id].rescue]
    return _topological([*first, *rest]), rescuing


def _freed(steps: Mapping[str, PlannedStep], rescues: frozenset[str]) -> dict[str, PlannedStep]:
    """Rescues without their needs of other services, and what comes after them with those."""
    found = {}
    for step in steps.values():
        if step.id in rescues:
            needs = [need for need in step.needs if steps[need].service == step.service]
        else:
            needs = sorted({*step.needs, *_passed_on(step, steps, rescues)})
        found[step.id] = step.model_copy(update={"needs": tuple(needs), "rescue": step.id in rescues})
    return found


def _passed_on(step: PlannedStep, steps: Mapping[str, PlannedStep], rescues: frozenset[str]) -> set[str]:
    """What the rescues that a step needs are rid of, near and far."""
    found: set[str] = set()
    seen: set[str] = set()
    todo = [need for need in step.needs if need in rescues]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        found |= {need for need in steps[name].needs if steps[need].service != steps[name].service}
        todo += [need for need in steps[name].needs if need in rescues]
    return found


class _Compiler:
    """Expands runbooks into steps, with parameters, estate values, the scope's zones and prefix filled in."""

    def __init__(self, bundle: Bundle, scope: Scope, scope_name: str, parameters: Mapping[str, Any]) -> None:
        self._bundle = bundle
        self._scope = scope
        self._scope_name = scope_name
        self._given = parameters
        self._origins: dict[str, dict[str, Any] | None] = {}

    def compile(self, services: Sequence[str], direction: Direction) -> list[PlannedStep]:
        self._check_names(services, direction)
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
        for step in steps:
            _check_filled(step)
        return _topological(steps)

    def _check_names(self, services: Sequence[str], direction: Direction) -> None:
        """A parameter that no runbook of the plan takes is a slip of the pen."""
        known = {name for service in services for name in self._runbook_of(service, direction).parameters}
        unknown = sorted(self._given.keys() - known)
        if unknown:
            there = f"they take {', '.join(sorted(known))}" if known else "they take none"
            raise PlanError(f"No runbook of this plan takes the parameter {', '.join(unknown)}; {there}.")

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
                wrong = "" if refers_to_steps(given[name]) else misfit(parameter.type, given[name])
                if wrong:
                    raise PlanError(f"The parameter {name} of {runbook.name} does not fit: it must be {wrong}.")
                values[name] = given[name]
            elif parameter.default is not None:
                values[name] = parameter.default
            else:
                raise PlanError(f"The runbook {runbook.name} needs the parameter {name}; give it with --set {name}=….")
            if parameter.type == "domain":
                values[name] = self._scope.zones.get(values[name], values[name])
        return values

    def _expand(
        self,
        runbook: Runbook,
        prefix: str,
        values: Mapping[str, Any],
        entry: tuple[str, ...],
        service: str,
        outer: str = "",
        moves_to: str | None = None,
    ) -> list[PlannedStep]:
        """`outer`: the prefix of the steps that a swap's settings refer to; `moves_to`: the swap's target."""
        made: list[PlannedStep] = []
        ends: dict[str, tuple[str, ...]] = {}
        for step in _in_order(runbook.steps):
            needs = tuple(sorted({end for need in step.needs for end in ends[need]})) or entry
            filled = self._fill(step.with_, values)
            if KINDS[step.uses].expands:
                inner, given = self._inner(step, runbook, filled, service)
                inner_values = self._parameters(inner, given)
                towards = str(filled["to"]) if step.uses == "endpoint.swap" else moves_to
                nested = self._expand(inner, f"{prefix}/{step.id}", inner_values, needs, service, prefix, towards)
                ends[step.id] = _exits(nested) or needs
                made.extend(nested)
                continue
            planned = self._planned(step, runbook, prefix, values, needs, service, outer)
            made.append(planned.model_copy(update={"moves_to": moves_to}))
            ends[step.id] = (f"{prefix}/{step.id}",)
        return made

    def _inner(
        self, step: Step, runbook: Runbook, filled: Mapping[str, Any], service: str
    ) -> tuple[Runbook, Mapping[str, Any]]:
        """The steps that stand in place of this one, and their parameters."""
        if step.uses == "runbook.run":
            return self._bundle.runbooks[filled["runbook"]], filled.get("parameters", {})
        swap = swap_of(filled, self._bundle.estate.services[service].vendor)
        return steps_of(self._bundle.catalogue, swap, runbook), from_outside(swap.settings)

    def _planned(
        self,
        step: Step,
        runbook: Runbook,
        prefix: str,
        values: Mapping[str, Any],
        needs: tuple[str, ...],
        service: str,
        outer: str,
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
        usual = HUMAN_TIMEOUT if kind.by_person else kind.timeout
        timeout = step.timeout if said_timeout or usual is None else usual
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
                "origin": self._origins[service] if _points_back(step) else None,
                "names": {name: _absolute(name, prefix, outer) for name in _named_steps([with_, verify, undo])},
                "after": next((_absolute(name, prefix, outer) for name in sorted(_named_steps(with_))), None),
            }
        )

    def _origin(self, service: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
        origin = self._bundle.estate.services[service].origin
        if origin is None:
            return None
        return {"uses": origin.uses, "with": self._place(origin.uses, self._fill(origin.with_, values))}

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
        if isinstance(placed.get("zones"), list):
            placed["zones"] = [self._scope.zones.get(str(zone), zone) for zone in placed["zones"]]
        if uses.startswith("compute.") and isinstance(placed.get("name"), str):
            placed["name"] = f"{self._scope.prefix}{placed['name']}"
        return placed


def _points_back(step: Step) -> bool:
    """Whether undoing this step sends people back to the old place."""
    undo_uses = step.undo.uses if isinstance(step.undo, UndoAction) else step.uses
    return KINDS[step.uses].points_endpoint or KINDS[undo_uses].points_endpoint


def _check_filled(step: PlannedStep) -> None:
    """Inputs are checked again with parameters and estate values in place. Raises PlanError."""
    complaints = check_inputs(step.uses, step.with_, resolved=False)
    if complaints:
        raise PlanError(f"The step {step.id} cannot run with these parameters: {one_sentence(complaints)}.")


def _walk(value: Any, path: Sequence[str]) -> object:
    for part in path:
        value = value[part]
    return value


def _absolute(name: str, prefix: str, outer: str) -> str:
    """The id in the plan of a step that is referred to, by this runbook or by the settings of a swap."""
    return f"{outer}/{name.removeprefix(OUTER)}" if name.startswith(OUTER) else f"{prefix}/{name}"


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
