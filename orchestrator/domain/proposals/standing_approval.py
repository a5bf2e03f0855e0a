"""Approvals signed in advance: what one covers, one table of its legal transitions, and when it releases. Pure.

Invariant: an approval covers nothing that its signers did not read. What it covers is in its digest, which each of them
signs: the rule, the services, the scope, the estate's commit, how bad the verdict must be and for how long, and until
when. The one who asked for it is none of them, and one person ends it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.audit.chain import canonical
from orchestrator.domain.signals.quorum import Verdict

LONGEST = 90 * 86400.0
"""Seconds for which one may be signed."""
SIGNERS = 2
"""How many people sign at least; a rule, or a scope's mode, can only ask for more."""


class StandingState(StrEnum):
    ASKED = "asked"
    IN_FORCE = "in_force"
    REVOKED = "revoked"
    EXPIRED = "expired"
    VOID = "void"


class StandingEvent(StrEnum):
    ASKED = "standing_approval.asked"
    SIGNED = "standing_approval.signed"
    IN_FORCE = "standing_approval.in_force"
    USED = "standing_approval.used"
    REVOKED = "standing_approval.revoked"
    EXPIRED = "standing_approval.expired"
    VOIDED = "standing_approval.voided"


class IllegalStandingEvent(Exception):
    """An event that the present state does not allow; nothing was changed."""


S, E = StandingState, StandingEvent
OPEN = frozenset({S.ASKED, S.IN_FORCE})
TABLE: Mapping[tuple[StandingState | None, StandingEvent], StandingState] = {
    (None, E.ASKED): S.ASKED,
    (S.ASKED, E.SIGNED): S.ASKED,
    (S.ASKED, E.IN_FORCE): S.IN_FORCE,
    (S.ASKED, E.REVOKED): S.REVOKED,
    (S.ASKED, E.EXPIRED): S.EXPIRED,
    (S.ASKED, E.VOIDED): S.VOID,
    (S.IN_FORCE, E.USED): S.IN_FORCE,
    (S.IN_FORCE, E.REVOKED): S.REVOKED,
    (S.IN_FORCE, E.EXPIRED): S.EXPIRED,
    (S.IN_FORCE, E.VOIDED): S.VOID,
}


def next_state(state: StandingState | None, event: StandingEvent) -> StandingState:
    """Raises IllegalStandingEvent."""
    found = TABLE.get((state, event))
    if found is None:
        raise IllegalStandingEvent(f"a standing approval that is {state or 'not there'} takes no {event}")
    return found


@dataclass(frozen=True, slots=True)
class Covered:
    """What is signed. `held_for`: seconds for which the verdict must have been at least that bad. `expires_at`: UTC."""

    id: str
    rule: str
    subject: str
    services: tuple[str, ...]
    scope: str
    commit: str
    verdict: Verdict
    held_for: float
    asked_by: str
    expires_at: float

    @property
    def digest(self) -> str:
        said = {
            "format": 1,
            "id": self.id,
            "rule": self.rule,
            "subject": self.subject,
            "services": sorted(self.services),
            "scope": self.scope,
            "commit": self.commit,
            "verdict": self.verdict.value,
            "held_for": float(self.held_for),
            "asked_by": self.asked_by,
            "expires_at": float(self.expires_at),
        }
        return "sha256:" + hashlib.sha256(canonical(said).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StandingApproval:
    """`digest`: what was signed; it is that of `covered`, or somebody changed what is kept."""

    covered: Covered
    state: StandingState
    digest: str
    asked_at: float
    signers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A proposal whose countdown runs, as it stands now. `reached`: since when the verdict on its subject has been at
    least as bad as the approval asks; `evidence`: what the observations say at this moment. Times are UTC seconds."""

    rule: str
    subject: str
    services: tuple[str, ...]
    scope: str
    commit: str
    approvals_needed: int
    armed_until: float
    reached: float | None = None
    evidence: Verdict = Verdict.UNKNOWN


class Lack(StrEnum):
    """Why an approval does not release a proposal."""

    STATE = "state"
    FORGED = "forged"
    """What is kept is not what was signed."""
    SIGNERS = "signers"
    EXPIRED = "expired"
    RULE = "rule"
    SERVICES = "services"
    SCOPE = "scope"
    COMMIT = "commit"
    COUNTDOWN = "countdown"
    EVIDENCE = "evidence"


WILL_DO = frozenset({Lack.COUNTDOWN, Lack.EVIDENCE})
"""What time and observations may still bring."""


def covers(approval: StandingApproval, case: Case, now: float) -> Lack | None:
    """What the approval lacks to release the proposal now; None when it does."""
    return _cannot(approval, case, now) or _not_yet(approval.covered, case, now)


def announces(approval: StandingApproval, case: Case, now: float) -> bool:
    """Whether the approval will release the proposal at the end of its countdown, if nothing changes."""
    return covers(approval, case, max(now, case.armed_until)) in {None, *WILL_DO}


def _cannot(approval: StandingApproval, case: Case, now: float) -> Lack | None:
    what = approval.covered
    needed = max(SIGNERS, case.approvals_needed)
    signers = {" ".join(name.split()).casefold() for name in approval.signers}
    checks = (
        (approval.state is StandingState.IN_FORCE, Lack.STATE),
        (approval.digest == what.digest, Lack.FORGED),
        (len(signers - {" ".join(what.asked_by.split()).casefold()}) >= needed, Lack.SIGNERS),
        (approval.asked_at <= now < what.expires_at <= approval.asked_at + LONGEST, Lack.EXPIRED),
        ((case.rule, case.subject) == (what.rule, what.subject), Lack.RULE),
        (set(case.services) == set(what.services), Lack.SERVICES),
        (case.scope == what.scope, Lack.SCOPE),
        (case.commit == what.commit, Lack.COMMIT),
    )
    return next((lack for holds, lack in checks if not holds), None)


def _not_yet(what: Covered, case: Case, now: float) -> Lack | None:
    if now < case.armed_until:
        return Lack.COUNTDOWN
    held = case.reached is not None and now - case.reached >= what.held_for
    return None if held and case.evidence.rank >= what.verdict.rank else Lack.EVIDENCE
