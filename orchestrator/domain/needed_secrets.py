"""Which secrets a plan can't do without, by its steps and the scope's entries that they name. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.domain.plan import Plan, PlannedStep

_PREFIX = "secret://"
_ENTRIES = ("compute", "storage", "notify", "social")
_ENTERS_SERVERS = frozenset({"ansible.play", "probe.ssh"})

Needs = Sequence[frozenset[str]]
"""References, in sets that can stand for each other: one of the sets has to be there, whole."""


def missing_secrets(plan: Plan, scope: Mapping[str, Any], is_there: Callable[[str], bool]) -> list[str]:
    """References that some step needs and that are not there, sorted. `is_there` is asked once for each."""
    known: dict[str, bool] = {}

    def there(reference: str) -> bool:
        if reference not in known:
            known[reference] = is_there(reference)
        return known[reference]

    missing: set[str] = set()
    for step in plan.steps:
        for needs in needs_of(step, scope):
            lacking = [{one for one in sorted(choice) if not there(one)} for choice in needs]
            if lacking and all(lacking):
                missing |= lacking[0]
    return sorted(missing)


def needs_of(step: PlannedStep, scope: Mapping[str, Any]) -> Iterator[Needs]:
    """What one step needs: its own references, and those of the entries that it names; of several clouds, one."""
    actions = [(step.uses, step.with_)]
    if step.verify is not None:
        actions.append((str(step.verify.get("uses")), step.verify.get("with") or {}))
    for uses, with_ in actions:
        own = frozenset(_references(with_))
        if own:
            yield [own]
        if uses in _ENTERS_SERVERS and scope.get("ssh"):
            yield [frozenset(_references(scope["ssh"]))]
        yield from _named(with_, scope)


def _named(value: Any, scope: Mapping[str, Any]) -> Iterator[Needs]:
    for named in _names(value):
        choices = [frozenset(_references(entry)) for one in named for entry in _entries(one, scope)]
        if choices:
            yield choices


def _names(value: Any) -> Iterator[list[str]]:
    """Every text of a step's inputs; a list of texts is a choice (`provider`), except of zones, which are all meant."""
    if isinstance(value, str):
        yield [value]
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "provider" and isinstance(inner, list):
                yield [one for one in inner if isinstance(one, str)]
            else:
                yield from _names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner)


def _entries(name: str, scope: Mapping[str, Any]) -> Iterator[Any]:
    for block in _ENTRIES:
        entry = (scope.get(block) or {}).get(name)
        if entry is not None:
            yield entry
    zones = (scope.get("dns") or {}).get("zones") or {}
    zone = (scope.get("zones") or {}).get(name, name)
    if zone in zones:
        yield zones[zone]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith(_PREFIX) and "${{" not in value:
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
