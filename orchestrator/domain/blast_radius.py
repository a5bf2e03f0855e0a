"""What a run of a plan makes and touches, counted from its steps, nested runbooks included. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import Scope
from orchestrator.domain.limits import BlastRadius, Footprint, Limits, PricedServer, exceeded
from orchestrator.domain.plan import Plan, PlannedStep
from orchestrator.domain.zones import DNS_KINDS, zones_of

SERVER = "compute.server"
_MAKES_NONE = ("existing", "absent")


def blast_radius(plan: Plan, made_of: Bundle, limits: Limits) -> BlastRadius:
    """`made_of`: the estate at the plan's commit; `limits`: those that hold now, perhaps of a newer one."""
    scope = made_of.estate.scopes.get(plan.scope)
    found = footprint(plan, scope, made_of.catalogue, limits)
    most = limits.of(plan.scope)
    return BlastRadius(footprint=found, limits=most, excesses=exceeded(found, most))


def footprint(plan: Plan, scope: Scope | None, catalogue: Catalogue, limits: Limits) -> Footprint:
    """Servers and zones of every step, and of what its undo does: it may come to that."""
    servers = [_priced(step, with_, scope, catalogue, limits) for step, with_ in _servers(plan)]
    return Footprint(services=plan.services, servers=tuple(servers), zones=tuple(sorted(set(_zones(plan)))))


def _actions(step: PlannedStep) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield step.uses, step.with_
    if isinstance(step.undo, dict):
        yield str(step.undo["uses"]), step.undo["with"]


def _servers(plan: Plan) -> Iterator[tuple[PlannedStep, Mapping[str, Any]]]:
    for step in plan.steps:
        for uses, with_ in _actions(step):
            if uses == SERVER and with_.get("state", "present") not in _MAKES_NONE:
                yield step, with_


def _zones(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        for uses, with_ in _actions(step):
            if uses in DNS_KINDS:
                yield from zones_of(with_) or [str(with_.get("zones"))]  # not known yet: one at least


def _priced(
    step: PlannedStep, with_: Mapping[str, Any], scope: Scope | None, catalogue: Catalogue, limits: Limits
) -> PricedServer:
    """At the place that was found for it when the plan was made; else at the first that it names."""
    placed = step.placement
    named = with_.get("provider")
    provider = str((named[0] if named else "") if isinstance(named, list) else named)
    size = with_.get("size")
    if placed is not None and placed.provider is not None:
        provider, size = placed.provider, placed.size or size
    found = {"step": step.id, "provider": provider, "size": size}
    own = limits.prices.get(provider, {}).get(str(size))
    if own is not None:
        return PricedServer(**found, hourly=own, known_from="policy")
    if placed is not None and placed.hourly is not None:
        return PricedServer(**found, hourly=placed.hourly, known_from="cloud")
    entry = scope.compute.get(provider) if scope is not None else None
    target = catalogue.targets.get(str(entry.driver)) if entry is not None else None
    if target is not None and target.prices is not None and str(size) in target.prices.hourly:
        listed, sure = target.prices.hourly[str(size)], target.prices.source.verified
        return PricedServer(**found, hourly=listed, known_from="catalogue", verified=sure)
    return PricedServer(**found)
