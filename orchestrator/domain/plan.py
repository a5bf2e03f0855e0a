"""Runbooks at one commit, compiled into one ordered graph of steps with a digest.

The digest covers what will be done and the state it was decided on: steps,
inputs, needs, and the record sets as they were seen. Durations and titles stay
out of it. The same inputs give the same digest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.domain.limits import BlastRadius
from orchestrator.domain.references import find_references
from orchestrator.domain.sovereignty import Verdict
from orchestrator.domain.zones import DNS_KINDS, Key, by_zone, keys_of, longest_wait, new_ttl, zones_of
from providers.wants import seconds

PROFILE = "social.profile"
"""Its fields are compared with those of the plan before they change, as record sets are."""
_EXPECT = {"compute.server": 40.0, "ansible.play": 60.0, "storage.copy": 60.0, "human.approval": 600.0}
_EXPECT |= {"human.task": 1800.0}


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


class Placement(_Part):
    """Where a server would be made now; without a provider there is no room for it, and `message` says why."""

    provider: str | None = None
    size: str | None = None
    hourly: float | None = None
    """Euros, as the cloud itself said."""
    message: str = ""


class FirstClock(_Part):
    """The clock of a service that runs out first, `at` seconds since the epoch, UTC."""

    clock: str
    vendor: str
    through: str
    """The needed service whose vendor it is; else the service itself."""
    at: float
    title: dict[str, str]


class PlannedTurn(_Part):
    """A service's place in the order, and why it has it. `rescue`: some of its steps go before everything else."""

    service: str
    rescue: bool = False
    first_clock: FirstClock | None = None
    reason: dict[str, str]
    """`fr` and `en`."""


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
    rescue: bool = False
    """It fetches what is still there, or is needed for that: it waits for no other service and goes first."""
    moves_to: str | None = None
    """The target of the catalogue that an endpoint moves to by this step."""
    seen: Seen | None = None
    placement: Placement | None = None
    """Of servers: whether there is room now for all of the plan together. It moves by the hour, so no digest has it."""
    before: dict[str, Any] | None = None
    """The part of `seen` that the digest covers, and that drift is measured from."""

    def for_digest(self) -> dict[str, Any]:
        left_out = {"title", "expect", "seen", "placement", "names", "after", "moves_to", "rescue"}
        return self.model_dump(mode="json", by_alias=True, exclude=left_out)

    def for_engine(self) -> dict[str, Any]:
        left_out = {"id", "needs", "seen", "placement", "after", "moves_to", "rescue"}
        return self.model_dump(mode="json", by_alias=True, exclude=left_out)


class Plan(_Part):
    commit: str
    scope: str
    mode: str
    direction: str
    services: tuple[str, ...]
    steps: tuple[PlannedStep, ...]
    sovereignty: tuple[Verdict, ...] = ()
    """What the policy said when the plan was made of each place that it relies on. The digest has the commit alone."""
    blast_radius: BlastRadius | None = None
    """What it makes and touches, and which limits of the policy that is over. Held against the newest policy again
    before anything begins."""
    turns: tuple[PlannedTurn, ...] = ()
    """While clocks run: the order of the services, and why. The digest has the order alone, by the steps."""
    digest: str = ""
    critical_path: tuple[str, ...] = ()
    expected_seconds: float = 0.0

    def resources(self) -> list[str]:
        """What a run of this plan holds for itself alone in its scope."""
        found = {f"service:{name}" for name in self.services}
        actions = [(step.uses, step.with_) for step in self.steps]
        actions += [(step.undo["uses"], step.undo["with"]) for step in self.steps if isinstance(step.undo, dict)]
        for uses, with_ in actions:
            if uses in DNS_KINDS:
                found |= {f"zone:{zone}" for zone in zones_of(with_)}
            elif uses == "storage.copy":
                found.add(f"bucket:{with_['to']['store']}/{with_['to']['bucket']}")
            elif uses == PROFILE:
                found.add(f"account:{with_['account']}")
        return sorted(found)


def with_seen(plan: Plan, seen: Mapping[str, Seen]) -> Plan:
    """The plan with what was found of each step, and the digest that covers it."""
    steps = []
    earlier = _Earlier()
    profiles: set[str] = set()
    for step in plan.steps:
        found = seen.get(step.id)
        changes: dict[str, Any] = {"seen": found}
        if step.uses == PROFILE:
            account = str(step.with_.get("account"))
            if found is not None and account not in profiles:  # what an earlier step leaves is seen at the claim
                changes["before"] = dict(found.values)
            profiles.add(account)
        if step.uses in DNS_KINDS:
            after = earlier.changes(step)
            if after is not None:
                changes["after"] = after
            elif found is not None:
                changes["before"] = earlier.leave(step, found.values)
            earlier.note(step)
        steps.append(step.model_copy(update=changes))
    return seal(plan.model_copy(update={"steps": tuple(steps)}))


def with_placements(plan: Plan, placed: Mapping[str, Placement]) -> Plan:
    """The plan with where its servers would be; the digest stays."""
    steps = tuple(step.model_copy(update={"placement": placed.get(step.id)}) for step in plan.steps)
    return plan.model_copy(update={"steps": steps})


def with_known_prices(plan: Plan, earlier: Plan) -> Plan:
    """The plan with what clouds said of its servers when the same plan was made before, where they say nothing now."""
    said = {step.id: step.placement for step in earlier.steps if step.placement and step.placement.hourly is not None}
    silent = {step.id for step in plan.steps if step.placement is None or step.placement.hourly is None}
    steps = [
        step.model_copy(update={"placement": said[step.id]}) if step.id in said.keys() & silent else step
        for step in plan.steps
    ]
    return plan.model_copy(update={"steps": tuple(steps)})


class _Earlier:
    """What the steps so far do to record sets: to their values, which only the run will know, or to their TTL alone."""

    def __init__(self) -> None:
        self._values: dict[Key, str] = {}
        self._ttls: dict[Key, list[Mapping[str, Any]]] = {}

    def note(self, step: PlannedStep) -> None:
        for key in keys_of(step.with_):
            if step.uses == "dns.ttl" and isinstance(step.with_.get("ttl"), int):
                self._ttls.setdefault(key, []).append(step.with_)
            else:
                self._values[key] = step.id

    def changes(self, step: PlannedStep) -> str | None:
        """The latest earlier step that changes the values of one of this step's record sets."""
        return next((self._values[key] for key in reversed([*keys_of(step.with_)]) if key in self._values), None)

    def leave(self, step: PlannedStep, values: Mapping[str, Any]) -> dict[str, Any]:
        """What this step will find: the values as they are, with the TTLs that earlier steps give them."""
        made = {
            zone: {**found, "records": [self._later(zone, one) for one in found.get("records", [])]}
            for zone, found in by_zone(step.with_, values).items()
        }
        if step.with_.get("zones"):
            return {**values, "zones": made} if made else dict(values)
        return next((dict(found) for found in made.values()), dict(values))

    def _later(self, zone: str, record: Mapping[str, Any]) -> dict[str, Any]:
        ttl = record.get("ttl")
        for with_ in self._ttls.get((zone, str(record.get("name")).lower(), str(record.get("type"))), []):
            ttl = new_ttl(with_, ttl)
        return {**record, "ttl": ttl}


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


class Timed(Protocol):
    """What decides how long a step is expected to take."""

    @property
    def uses(self) -> str: ...
    @property
    def with_(self) -> Mapping[str, Any]: ...
    @property
    def expect(self) -> float | None: ...
    @property
    def seen(self) -> Seen | None: ...


def expected(step: Timed) -> float:
    """Seconds: what the runbook expects, or what its kind usually takes."""
    if step.uses == "wait.for" and step.expect is None:
        duration = step.with_.get("duration")
        return 0.0 if find_references(duration) else seconds(duration)
    if step.uses == "dns.ttl" and step.expect is None and step.seen is not None:
        return 5.0 + longest_wait(step.with_, step.seen.values)
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
