"""What waits for people, and whether it waits for who asks: everything that somebody must do before things go on."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.domain.authority import Refused, check_approver, proves_people
from orchestrator.domain.model import Mode
from orchestrator.domain.people.actor import Actor, Lack
from orchestrator.domain.people.role import Permission, Role
from orchestrator.domain.proposals.proposal import ProposalState
from orchestrator.domain.proposals.standing_approval import StandingState
from orchestrator.web.api.answers import RunAnswer
from orchestrator.web.api.proposal_routes import ProposalAnswer
from orchestrator.web.api.standing_routes import StandingAnswer
from orchestrator.web.api.verdict_routes import VerdictAnswer
from orchestrator.web.attention import Wait
from orchestrator.web.edge.authority import mode_of_scope
from orchestrator.web.parts import Parts
from orchestrator.web.reading import ActiveRun, WaitingStep

Kind = Literal[
    "release", "approval", "task", "paused", "failed", "held", "unknown", "undo_failed",
    "proposal", "standing", "role", "codes", "acknowledge", "estate",
]  # fmt: skip

_MODES = {Mode.LIVE.value: 0, Mode.DRILL.value: 1, Mode.REHEARSAL.value: 2}
_NEVER = float("inf")
_KINDS: dict[str, int] = {
    "undo_failed": 0, "unknown": 1, "failed": 2, "held": 3, "proposal": 4, "approval": 5, "task": 6, "release": 7,
    "paused": 8, "standing": 9, "acknowledge": 10, "estate": 11, "role": 12, "codes": 13,
}  # fmt: skip
"""The most urgent first: where something is neither done nor undone, people decide before anything else."""


@dataclass(frozen=True, slots=True)
class RunWait:
    run: RunAnswer
    wait: Wait


@dataclass(frozen=True, slots=True)
class UnconfirmedRole:
    """A role that a second person must agree to. `service` empty: for everything. `by`: who gave it."""

    person: str
    role: str
    service: str
    by: str


@dataclass(frozen=True, slots=True)
class UnconfirmedCodes:
    by: str


@dataclass(frozen=True, slots=True)
class RefusedEstate:
    """`why`, in English: the newest commit of the branch was not accepted."""

    why: str


About = RunWait | ProposalAnswer | StandingAnswer | VerdictAnswer | UnconfirmedRole | UnconfirmedCodes | RefusedEstate


@dataclass(frozen=True, slots=True)
class Errand:
    """One thing. `mine`: who asks may do it. `ends`: when it is too late, `since`: since when it waits (UTC seconds).
    `mode`: of the run or plan concerned, empty where there is none."""

    kind: Kind
    mine: bool
    about: About
    mode: str = ""
    ends: float | None = None
    since: float | None = None

    @property
    def urgency(self) -> tuple[int, int, float, float]:
        """What is real goes before what is practised; then what leaves things worst; then what ends or waits longest.

        What belongs to no run comes after what does.
        """
        mode = _MODES.get(self.mode, 3)
        ends = self.ends if self.ends is not None else _NEVER
        return mode, _KINDS[self.kind], ends, self.since if self.since is not None else _NEVER


def errands(
    given: Parts,
    acting: Actor,
    active: Sequence[ActiveRun],
    proposed: Sequence[ProposalAnswer],
    standing: Sequence[StandingAnswer],
    verdicts: Sequence[VerdictAnswer],
) -> list[Errand]:
    """All that waits for people, the most urgent first. What the caller may not see was left out before."""
    found = [
        *(one for entry in active for one in _of_run(acting, entry)),
        *_of_proposals(given, acting, proposed),
        *_of_standing(acting, standing),
        *_of_verdicts(acting, verdicts),
        *_of_estate(given, acting),
        *_of_people(given, acting),
    ]
    return sorted(found, key=lambda one: one.urgency)


def _of_run(acting: Actor, entry: ActiveRun) -> Iterator[Errand]:
    for wait in entry.run.waits:
        step = entry.waiting.get(wait.step, WaitingStep())
        since = step.since if wait.step else entry.run.started_at or entry.run.created_at
        yield Errand(
            kind=wait.cause,
            mine=_may_answer(acting, entry.run, wait, step),
            about=RunWait(entry.run, wait),
            mode=entry.run.mode,
            since=since,
        )


def _may_answer(acting: Actor, run: RunAnswer, wait: Wait, step: WaitingStep) -> bool:
    services = [step.service] if step.service else run.services
    if wait.cause == "release":
        return _may(acting, Permission.APPROVE, run.services) and _is_another(acting, run.requested_by, wait.given)
    if wait.cause not in ("approval", "task"):
        return _may(acting, Permission.OPERATE, services)
    if not _has_role(acting, wait.role or ("approver" if wait.cause == "approval" else "operator"), services):
        return False
    if wait.cause == "task":
        return True
    proves = proves_people(Mode(run.mode))
    return _is_another(acting, run.requested_by, wait.given) and (
        not proves or _may(acting, Permission.APPROVE, services)
    )


def _of_proposals(given: Parts, acting: Actor, proposed: Sequence[ProposalAnswer]) -> Iterator[Errand]:
    for one in proposed:
        if one.state is ProposalState.ARMED:
            given_by = [approval.by for approval in one.approvals]
            mine = _may(acting, Permission.APPROVE, one.services) and _is_another(acting, "", given_by)
            mode = mode_of_scope(given, one.scope).value
            yield Errand("proposal", mine, one, mode=mode, ends=one.armed_until, since=one.raised_at)


def _of_standing(acting: Actor, standing: Sequence[StandingAnswer]) -> Iterator[Errand]:
    for one in standing:
        if one.state is not StandingState.IN_FORCE:
            signed = [signature.by for signature in one.signatures]
            mine = _may(acting, Permission.APPROVE, one.services) and _is_another(acting, one.asked_by, signed)
            yield Errand("standing", mine, one, since=one.asked_at)


def _of_verdicts(acting: Actor, verdicts: Sequence[VerdictAnswer]) -> Iterator[Errand]:
    """A vendor that is back stays suspect until a person says that they have seen it."""
    for one in verdicts:
        if one.change is not None and any(reason.what == "recovered" for reason in one.change.reasons):
            mine = _may(acting, Permission.ACKNOWLEDGE, None)
            yield Errand("acknowledge", mine, one, since=one.change.at)


def _of_estate(given: Parts, acting: Actor) -> Iterator[Errand]:
    refusal = given.service.estates.refusal
    if refusal is not None:
        yield Errand("estate", _may(acting, Permission.SYNC, None), RefusedEstate(refusal.why))


def _of_people(given: Parts, acting: Actor) -> Iterator[Errand]:
    """Roles and sealed codes that a second person must agree to: told to those who could, and to who manages people."""
    agrees = acting.is_person and (_may(acting, Permission.APPROVE, ()) or _may(acting, Permission.MANAGE, ()))
    if not agrees and acting.lacks(Permission.MANAGE, ()) is not None:
        return
    people = given.service.people
    for person in people.register.listed():
        for held in () if person.disabled else person.roles:
            if not held.counts:
                mine = agrees and acting.name not in (person.name, held.by)
                role, service = held.grant.role.value, held.grant.service
                yield Errand("role", mine, UnconfirmedRole(person.name, role, service, held.by))
    for bundle in people.break_glass.sealed():
        if not bundle.counts:
            mine = agrees and acting.name != bundle.sealed_by
            yield Errand("codes", mine, UnconfirmedCodes(bundle.sealed_by), since=bundle.sealed_at)


def _may(acting: Actor, permission: Permission, services: Collection[str] | None) -> bool:
    """By role alone: a second factor that must be shown again is asked for when it is done."""
    return acting.is_person and acting.lacks(permission, services) is not Lack.ROLE


def _has_role(acting: Actor, role: str, services: Collection[str]) -> bool:
    """As `authority.require_role` asks it of who answers a hold point."""
    wanted = Role(role) if role in {one.value for one in Role} else Role.OPERATOR
    if wanted is Role.APPROVER:
        return _may(acting, Permission.APPROVE, services)
    if wanted is Role.OPERATOR:
        return _may(acting, Permission.OPERATE, services)
    return acting.is_person and acting.holds(wanted, services)


def _is_another(acting: Actor, requester: str, given: Sequence[str]) -> bool:
    try:
        check_approver(acting.name, requester, given)
    except Refused:
        return False
    return True
