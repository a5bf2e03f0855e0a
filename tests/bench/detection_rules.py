"""What most monitoring does instead, on the same observations: failures in a row, and alerts with a `for:`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.domain.signals.observation import Observation


@dataclass(frozen=True, slots=True)
class Rule:
    """`count`: a sensor fails so often in a row; or `lasting`: for so many seconds without an answer in between.
    `places`: from so many vantages at once. With one it is the usual rule; with two a careful one."""

    name: str
    count: int = 0
    lasting: float = 0.0
    places: int = 1


RULES: Sequence[Rule] = (
    *(Rule(f"{count} in a row", count=count) for count in (2, 3, 6, 12)),
    *(Rule(f"for: {minutes}m", lasting=minutes * 60.0) for minutes in (5, 15, 60, 240)),
    *(Rule(f"{count} in a row, both places", count=count, places=2) for count in (2, 3, 12, 144)),
    *(Rule(f"for: {minutes}m, both places", lasting=minutes * 60.0, places=2) for minutes in (5, 15, 60, 720)),
)


@dataclass(slots=True)
class _Run:
    count: int = 0
    since: float = 0.0


def alarms(rules: Sequence[Rule], observations: Iterable[Observation]) -> dict[str, list[tuple[float, str]]]:
    """By rule, when it raised an alarm for which vendor. It raises the next one after all has answered in between."""
    runs: dict[tuple[str, str, str, str], _Run] = {}
    firing: dict[str, dict[str, dict[tuple[str, str], set[str]]]] = {rule.name: {} for rule in rules}
    raised: dict[str, set[str]] = {rule.name: set() for rule in rules}
    found: dict[str, list[tuple[float, str]]] = {rule.name: [] for rule in rules}
    for one in observations:
        if one.is_control:
            continue
        run = runs.setdefault((one.vendor, one.aspect, one.sensor, one.vantage), _Run())
        if one.outcome == "ok":
            if not run.count:
                continue
            run.count = 0
        else:
            run.since = run.since if run.count else one.at
            run.count += 1
        for rule in rules:
            _weigh(rule, run, one, firing[rule.name], raised[rule.name], found[rule.name])
    return found


def _weigh(
    rule: Rule,
    run: _Run,
    one: Observation,
    firing: dict[str, dict[tuple[str, str], set[str]]],
    raised: set[str],
    found: list[tuple[float, str]],
) -> None:
    places = firing.setdefault(one.vendor, {}).setdefault((one.aspect, one.sensor), set())
    on = run.count >= rule.count if rule.count else run.count > 0 and one.at - run.since >= rule.lasting
    if not on:
        places.discard(one.vantage)
        if not any(firing[one.vendor].values()):
            raised.discard(one.vendor)
        return
    places.add(one.vantage)
    if len(places) >= rule.places and one.vendor not in raised:
        raised.add(one.vendor)
        found.append((one.at, one.vendor))
