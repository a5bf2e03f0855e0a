"""The form that a plan is made with: what can be chosen, what was, and what each choice touches. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.estate import Estate, Scope, Service
from orchestrator.domain.model import Direction, Mode
from orchestrator.web.words import Language, say

REHEARSAL = "rehearsal"
MOST_PARAMETERS = 20_000
"""Characters of all of them together."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen so far. `parameters`: as they were typed, one NAME=VALUE a line."""

    services: tuple[str, ...] = ()
    scope: str = ""
    direction: str = Direction.FAILOVER.value
    parameters: str = ""


@dataclass(frozen=True, slots=True)
class ServiceChoice:
    """`with_needs`: the address of this form with all that the service needs chosen too; empty where it needs none."""

    name: str
    title: str
    criticality: str
    vendor: str
    target: str
    needs: str
    with_needs: str
    chosen: bool
    lacks: str
    """The directions that it has no runbook for, in words."""


@dataclass(frozen=True, slots=True)
class ScopeChoice:
    name: str
    mode: Mode
    touches: tuple[str, ...]
    chosen: bool


@dataclass(frozen=True, slots=True)
class VendorChoice:
    name: str
    services: int
    where: str


@dataclass(frozen=True, slots=True)
class ParameterChoice:
    name: str
    kind: str
    default: str
    description: str
    runbook: str


def first_choice(estate: Estate, services: Sequence[str], vendor: str, scope: str, direction: str) -> Chosen:
    """What an address asks for, as far as there is such a thing; a rehearsal where it names no scope."""
    named = [name for name in services if name in estate.services]
    named += [name for name, one in estate.services.items() if vendor and one.vendor == vendor and name not in named]
    known = {one.value for one in Direction}
    return Chosen(
        services=tuple(named),
        scope=scope if scope in estate.scopes else _first_scope(estate),
        direction=direction if direction in known else Direction.FAILOVER.value,
    )


def service_choices(
    language: Language, estate: Estate, allowed: Collection[str], chosen: Chosen
) -> list[ServiceChoice]:
    return [_service(language, estate, name, one, chosen) for name, one in estate.services.items() if name in allowed]


def scope_choices(language: Language, estate: Estate, chosen: Chosen) -> list[ScopeChoice]:
    """The safest first: rehearsals, then drills, then live."""
    order = list(Mode)
    scopes = sorted(estate.scopes.items(), key=lambda item: order.index(Mode(item[1].mode)))
    return [
        ScopeChoice(name, Mode(one.mode), tuple(_touches(language, one)), name == chosen.scope) for name, one in scopes
    ]


def vendor_choices(estate: Estate, allowed: Collection[str], chosen: Chosen) -> list[VendorChoice]:
    found: dict[str, int] = {}
    for name, one in estate.services.items():
        if name in allowed:
            found[one.vendor] = found.get(one.vendor, 0) + 1
    return [VendorChoice(name, count, address(chosen, vendor=name)) for name, count in sorted(found.items())]


def parameter_choices(language: Language, bundle: Bundle, chosen: Chosen) -> list[ParameterChoice]:
    """What the runbooks of the chosen services may be given."""
    found = []
    for name in chosen.services:
        service = bundle.estate.services.get(name)
        runbook = getattr(service, chosen.direction, None) if service is not None else None
        written = bundle.runbooks.get(runbook) if runbook else None
        for key, one in (written.parameters if written is not None else {}).items():
            default = "" if one.default is None else str(one.default)
            words = str(getattr(one.description, language)) if one.description is not None else ""
            found.append(ParameterChoice(key, one.type, default, words, str(runbook)))
    return found


def _service(language: Language, estate: Estate, name: str, one: Service, chosen: Chosen) -> ServiceChoice:
    wanted = _all_needs(estate.services, name)
    lacks = [direction.value for direction in Direction if getattr(one, direction.value) is None]
    return ServiceChoice(
        name=name,
        title=str(getattr(one.title, language)),
        criticality=say(language, f"plan.new.{one.criticality}"),
        vendor=one.vendor,
        target=one.target,
        needs=", ".join(str(getattr(estate.services[need].title, language)) for need in one.needs),
        with_needs=address(chosen, services=[*chosen.services, *wanted, name]) if wanted else "",
        chosen=name in chosen.services,
        lacks=", ".join(say(language, f"direction.{one}") for one in lacks),
    )


def _all_needs(services: Mapping[str, Service], name: str) -> list[str]:
    """Near and far, in the estate's order."""
    found: set[str] = set()
    todo = [name]
    while todo:
        for need in services[todo.pop()].needs:
            if need not in found:
                found.add(need)
                todo.append(need)
    return [one for one in services if one in found]


def address(chosen: Chosen, services: Sequence[str] = (), vendor: str = "") -> str:
    """Of the form, with these services chosen, or all that depend on a vendor."""
    asked = [("service", name) for name in dict.fromkeys(services)]
    asked += [("vendor", vendor)] if vendor else []
    return f"/plans/new?{urlencode([*asked, ('scope', chosen.scope), ('direction', chosen.direction)])}"


def _first_scope(estate: Estate) -> str:
    if REHEARSAL in estate.scopes:
        return REHEARSAL
    return next((name for name, one in estate.scopes.items() if one.mode is Mode.REHEARSAL), "")


def _touches(language: Language, scope: Scope) -> Iterator[str]:
    """What the scope can reach and change."""
    if scope.compute:
        yield say(language, "plan.new.servers", names=", ".join(scope.compute))
    if scope.dns.zones:
        yield say(language, "plan.new.zones", names=", ".join(scope.dns.zones))
    if scope.storage:
        yield say(language, "plan.new.stores", names=", ".join(scope.storage))
    if scope.notify:
        yield say(language, "plan.new.channels", names=", ".join(scope.notify))
    if scope.prefix:
        yield say(language, "plan.new.prefix", prefix=scope.prefix)
    if scope.networks is None:
        yield say(language, "plan.new.anywhere")
    else:
        yield say(language, "plan.new.networks", names=", ".join(map(str, scope.networks)))
