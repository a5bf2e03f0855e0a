"""What a plan does, counted service by service: what one knows before reading it step by step. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.kinds import KINDS
from orchestrator.domain.plan import Plan, PlannedStep, critical_path
from orchestrator.operations.changes import Change, Turns, alarms_among, changes_in

COUNTED = ("servers", "released", "volumes", "records", "ttls", "objects", "copies", "plays", "profiles", "messages",
           "others", "holds", "tasks", "checks", "waits")  # fmt: skip
"""What is counted, in the order in which it is told."""
HARMLESS = frozenset({"holds", "tasks", "checks", "waits"})
"""Of what is counted, what changes nothing outside by itself."""
_MESSAGES = frozenset({"notify.send", "people.inform", "social.post", "calendar.reissue"})
_SIMPLE: Mapping[str, str] = {
    "compute.volume": "volumes",
    "compute.snapshot": "volumes",
    "ansible.play": "plays",
    "social.profile": "profiles",
    "human.approval": "holds",
    "human.task": "tasks",
    "wait.for": "waits",
}


@dataclass(frozen=True, slots=True)
class Outlined:
    """One service's part of a plan. `counts`: how many of each of COUNTED, without those of which there are none.

    `changing`: its steps that may change something outside; `alarms`: things to look at before one says yes.
    """

    service: str
    steps: int
    changing: int
    counts: Mapping[str, int]
    alarms: int


def outline(plan: Plan, changes: Mapping[str, Sequence[Change]] | None = None) -> list[Outlined]:
    """The plan's services in their order. Invariant: the steps of all of them are the plan's.

    `changes`: those of the plan, where they are known already.
    """
    known = changes_in(plan) if changes is None else changes
    own: dict[str, list[PlannedStep]] = {name: [] for name in plan.services}
    for step in plan.steps:
        own.setdefault(step.service, []).append(step)
    return [_outlined(name, steps, known) for name, steps in own.items()]


def may_change(step: PlannedStep) -> bool:
    """Whether a step of this kind changes something outside."""
    kind = KINDS[step.uses]
    return kind.has_provider and not kind.reads_only


def machine_seconds(plan: Plan) -> float:
    """How long the plan is expected to take when people answer at once, in seconds."""
    quick = [step.model_copy(update={"expect": 0.0}) if KINDS[step.uses].by_person else step for step in plan.steps]
    return critical_path(quick)[1]


def _outlined(service: str, steps: list[PlannedStep], changes: Mapping[str, Sequence[Change]]) -> Outlined:
    counts: Counter[str] = Counter()
    for step in steps:
        for name, number in _counted(step, changes[step.id]):
            counts[name] += number
    told = {name: counts[name] for name in COUNTED if counts[name]}
    alarms = sum(len(alarms_among(changes[step.id])) for step in steps)
    return Outlined(service, len(steps), sum(map(may_change, steps)), told, alarms)


def _counted(step: PlannedStep, changes: Sequence[Change]) -> Iterator[tuple[str, int]]:
    uses, with_ = step.uses, step.with_
    if uses == "compute.server":
        yield from _server(step)
    elif uses in ("dns.records", "dns.ttl"):
        yield "records" if uses == "dns.records" else "ttls", _turning(changes)
    elif uses == "storage.copy":
        known = step.seen.values if step.seen is not None else {}
        yield ("objects", int(known["to_copy"])) if "to_copy" in known else ("copies", 1)
    elif uses in _MESSAGES:
        yield "messages", 1
    elif uses in _SIMPLE:
        yield _SIMPLE[uses], len(with_.get("fields", [])) if uses == "social.profile" else 1
    else:
        yield "checks" if KINDS[uses].reads_only else "others", 1


def _server(step: PlannedStep) -> Iterator[tuple[str, int]]:
    state = step.with_.get("state", "present")
    there = step.seen is not None and step.seen.presence in ("already", "ours")
    if state == "absent":
        yield "released", 1
    elif state == "present" and not there:
        yield "servers", 1


def _turning(changes: Sequence[Change]) -> int:
    """Record sets that do not stay as they are, in every zone."""
    tables = [one for one in changes if isinstance(one, Turns)]
    return sum(len(one.zones) for one in tables for turn in one.turns if not turn.stays)
