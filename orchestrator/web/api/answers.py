"""What the API answers about runs, steps and the estate. Times are seconds since the epoch, UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.domain.independence import Standing
from orchestrator.domain.model import RunState, StepState
from orchestrator.domain.plan import Seen, expected
from orchestrator.domain.sovereignty import Used
from orchestrator.operations.doctor import CheckUp
from orchestrator.operations.independence import SelfMap
from orchestrator.store.runs import Row
from orchestrator.web.attention import Wait
from providers.inventory import Inventory
from providers.rights import State


class InventoriesAnswer(BaseModel):
    inventories: list[Inventory]


class RunColumns(BaseModel):
    """A run as its row has it."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    plan_digest: str
    commit: str
    scope: str
    mode: str
    direction: str
    services: list[str]
    requested_by: str
    reason: str
    releases_needed: int
    created_at: float
    seq: int
    state: RunState
    paused: bool
    remaining: int
    undo_remaining: int
    releases: list[str]
    message: str
    started_at: float | None
    ended_at: float | None


class RunAnswer(RunColumns):
    """A run, what it waits for, and how many of its steps are in which state."""

    waits: list[Wait] = Field(default_factory=list)
    step_counts: dict[str, int] = Field(default_factory=dict)


class RunDetail(RunAnswer):
    """With what its plan expected: seconds, and the chain of steps that decides them.

    `exceptions`: of the sovereignty policy, those that it stood on when it was asked for.
    """

    expected_seconds: float
    critical_path: list[str]
    exceptions: list[Used] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Timed:
    """Of a step of a run, what its expected time follows from. What was seen when it was planned stays in the plan."""

    uses: str
    with_: Mapping[str, Any]
    expect: float | None
    seen: Seen | None = None


class StepAnswer(BaseModel):
    """A step as it stands. `expect`: seconds that it is expected to take."""

    id: str
    ordinal: int
    service: str
    runbook: str
    uses: str
    title: dict[str, str] | None
    state: StepState
    attempt: int
    undo_attempt: int
    needs: list[str]
    open_needs: int
    had_intent: bool
    message: str
    waits_for: dict[str, Any] | None
    started_at: float | None
    ended_at: float | None
    wake_at: float | None
    outputs: dict[str, Any]
    expect: float
    timeout: float | None
    on_failure: str

    @classmethod
    def of(cls, row: Row, needs: list[str]) -> "StepAnswer":
        spec = row.spec
        timed = _Timed(row.uses, spec.get("with", {}), spec.get("expect"))
        return cls(
            id=row.step_id,
            ordinal=row.ordinal,
            service=spec.get("service", ""),
            runbook=spec.get("runbook", ""),
            uses=row.uses,
            title=spec.get("title"),
            state=StepState(row.state),
            attempt=row.attempt,
            undo_attempt=row.undo_attempt,
            needs=needs,
            open_needs=row.open_needs,
            had_intent=row.had_intent,
            message=row.message,
            waits_for=row.waits_for,
            started_at=row.started_at,
            ended_at=row.ended_at,
            wake_at=row.wake_at,
            outputs=row.outputs,
            expect=expected(timed),
            timeout=spec.get("timeout"),
            on_failure=spec.get("on_failure", "pause"),
        )


class RunWithSteps(BaseModel):
    run: RunDetail
    steps: list[StepAnswer]


class RunList(BaseModel):
    runs: list[RunColumns]


class EventAnswer(BaseModel):
    """One line of a run's journal."""

    model_config = ConfigDict(from_attributes=True)

    seq: int
    at: float
    kind: str
    actor: str
    step: str | None
    attempt: int
    data: dict[str, Any]


class EventList(BaseModel):
    events: list[EventAnswer]


class LogLine(BaseModel):
    """One line that a step wrote while it ran."""

    id: int
    step: str
    attempt: int
    at: float
    text: str

    @classmethod
    def of(cls, row: Row) -> "LogLine":
        return cls(id=row.id, step=row.step_id, attempt=row.attempt, at=row.at, text=row.text)


class LogLines(BaseModel):
    lines: list[LogLine]


class Started(BaseModel):
    """`created` is false when the same run was asked for before."""

    id: str
    created: bool


class Decided(BaseModel):
    """Where the run, and the step that was decided on, stand now."""

    id: str
    state: RunState
    paused: bool
    step: str | None = None
    step_state: StepState | None = None


class Moved(BaseModel):
    """What changed outside since the plan was made, one entry a step."""

    moved: list[dict[str, Any]]


class ServiceAnswer(BaseModel):
    name: str
    title: dict[str, str]
    criticality: str
    needs: list[str]
    vendor: str
    target: str
    rto: float | None
    rpo: float | None
    failover: str | None
    failback: str | None


class ScopeAnswer(BaseModel):
    name: str
    mode: str


class SignatureAnswer(BaseModel):
    """Whom the signers file knows by the key, and its fingerprint."""

    model_config = ConfigDict(from_attributes=True)

    principals: list[str]
    key: str


class RefusedCommit(BaseModel):
    """The branch's newest commit, and why it was not accepted."""

    commit: str
    detail: str


class EstateAnswer(BaseModel):
    """The accepted commit. `url` is without user and password.

    `signed`: null when it is unsigned. `policy_signed`: the two who signed its policy, where it changed that.
    `reason`: why a person accepted it though it does not come after the one before.
    """

    name: str
    title: dict[str, str]
    url: str
    branch: str
    commit: str
    accepted_at: float
    accepted_by: str
    reason: str
    signed: SignatureAnswer | None
    policy_signed: list[SignatureAnswer]
    refused: RefusedCommit | None
    services: list[ServiceAnswer]
    scopes: list[ScopeAnswer]


class Synced(BaseModel):
    commit: str
    new: bool


class ResourceAnswer(BaseModel):
    """A thing that carries Bascule's tags. `quarantined`: no run stands behind it, and nobody has decided yet."""

    provider: str
    kind: str
    id: str
    name: str
    run: str
    step: str
    state: str
    holders: list[str]
    standing: str
    quarantined: bool
    first_seen: float | None
    decision: str
    decided_by: str
    reason: str


class ResourcesAnswer(BaseModel):
    """`unread`: the providers that could not be asked, and why."""

    resources: list[ResourceAnswer]
    unread: dict[str, str]


class Released(BaseModel):
    """`gone` is false while the release is under way."""

    id: str
    gone: bool


class RightAnswer(BaseModel):
    """One right, or one thing that has to be there. `state`: held, missing, needless or unknown."""

    name: str
    state: State
    advice: str


class ExaminationAnswer(BaseModel):
    """What was found of one entry of a scope. `ok`: nothing that a run needs is missing or broken."""

    where: str
    kind: str
    entry: str
    ok: bool
    message: str
    rights: list[RightAnswer]


class CheckUpAnswer(BaseModel):
    scope: str
    commit: str
    ok: bool
    examinations: list[ExaminationAnswer]

    @classmethod
    def of(cls, found: CheckUp) -> "CheckUpAnswer":
        return cls.model_validate(found.as_json())


class SelfFindingAnswer(BaseModel):
    """One thing that Bascule relies on. `host` empty: this machine. `country`: whose law its owner answers to."""

    kind: str
    name: str
    host: str
    standing: Standing
    product: str
    operator: str
    country: str
    record: str
    advice: str
    addresses: list[str]


class SelfMapAnswer(BaseModel):
    """`ready`: nothing that Bascule needs leads to a vendor that it guards against."""

    scope: str
    commit: str
    ready: bool
    findings: list[SelfFindingAnswer]

    @classmethod
    def of(cls, found: SelfMap) -> "SelfMapAnswer":
        return cls.model_validate(found.as_json())
