"""Standing approvals: asked for by one person, signed by two others in advance, listed, and ended by any one.

While one is in force, a proposal of its rule that has counted down is released by itself (`standing_release`).
"""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from orchestrator.domain.authority import BREAK_GLASS, RELEASES_NEEDED, Refused, check_approver, check_estate
from orchestrator.domain.bundle import Bundle
from orchestrator.domain.model import Mode
from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.proposals.standing_approval import (
    LONGEST,
    OPEN,
    SIGNERS,
    Case,
    Covered,
    StandingEvent,
    StandingState,
    announces,
)
from orchestrator.domain.proposals.standing_words import Ended
from orchestrator.domain.proposals.subject import services_of
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.operations.estate import Estates
from orchestrator.operations.people.approvals import Approvals, Signed, yes
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError
from orchestrator.operations.standing_record import StandingRecord, unknown
from orchestrator.store import estates as accepted
from orchestrator.store import standing_approvals
from orchestrator.store.database import Connection, Database
from orchestrator.store.journal import SYSTEM
from orchestrator.store.runs import Row

log = logging.getLogger("bascule.standing")

AS_LIVE = Mode.LIVE
"""Whoever signs in advance is known and proved as for a live run, whatever the scope."""
LISTED = 100


class StandingApprovals:
    def __init__(self, database: Database, estates: Estates, clock: Callable[[], float], approvals: Approvals) -> None:
        self._database = database
        self._estates = estates
        self._clock = clock
        self._approvals = approvals
        self._record = StandingRecord(estates, clock)

    def ask(
        self,
        rule: str,
        by: str,
        days: float,
        reason: str = "",
        verdict: Verdict | None = None,
        held_for: float | None = None,
    ) -> Row:
        """Ask for one for a rule at the newest commit. `verdict`, `held_for`: more evidence than the rule asks, in
        seconds. Raises NotFound, RequestError, Denied where live runs of this commit are refused."""
        if not 0 < days * 86400.0 <= LONGEST:
            raise RequestError(f"A standing approval lasts {LONGEST / 86400:g} days at most.")
        newest = self._estates.accepted()
        bundle = self._estates.bundle(newest.commit)
        found = _rule_of(bundle, rule)
        if found.release != "standing-approval":
            raise RequestError(
                f"Proposals of the rule {rule} are released by people. Write `release: standing-approval` there first."
            )
        mode = Mode(bundle.estate.scopes[found.scope].mode)
        try:
            check_estate(mode, newest.voucher)
        except Refused as error:
            raise Denied(str(error)) from error
        now = self._clock()
        bar, lasts = _at_least(found, verdict, held_for)
        what = Covered(
            id=time.strftime("a%Y%m%d-%H%M%S", time.gmtime(now)) + "-" + secrets.token_hex(3),
            rule=rule,
            subject=found.when.subject,
            services=_proposed(found, bundle),
            scope=found.scope,
            commit=newest.commit,
            verdict=bar,
            held_for=lasts,
            asked_by=by,
            expires_at=now + days * 86400.0,
        )
        with self._database.write() as conn:
            needed = max(SIGNERS, found.approvals, RELEASES_NEEDED[mode])
            standing_approvals.insert(conn, what, needed, reason.strip(), now)
            row = self._record.locked(conn, what.id)
            self._record.tell(conn, StandingEvent.ASKED, row, by=by)
        return row

    def services_of(self, rule: str) -> tuple[str, ...]:
        """What a rule proposes at the newest commit. Raises NotFound."""
        bundle = self._estates.bundle(self._estates.newest())
        return _proposed(_rule_of(bundle, rule), bundle)

    def rules(self) -> Sequence[tuple[str, ProposalRule]]:
        """The rules of the newest commit that propose, by name; none while no estate can be read."""
        try:
            return tuple(self._estates.bundle(self._estates.newest()).estate.policy.proposals.items())
        except RequestError:
            return ()

    def sign(self, approval_id: str, digest: str, by: str, comment: str = "", signed: Signed | None = None) -> Row:
        """One person's signature of exactly this digest; with the last that is needed it is in force.

        Raises Denied for who asked for it, has signed, or may not approve for all of its services; Conflict, NotFound.
        """
        if by.startswith(BREAK_GLASS):
            raise Denied("Sealed codes release what is there now. Nobody signs in advance with them.")
        with self._database.write() as conn:
            row = self._record.locked(conn, approval_id)
            self._require_open(conn, row, digest)
            try:
                check_approver(by, row.asked_by, [str(one["by"]) for one in row.signatures])
                proof = self._approvals.given(conn, AS_LIVE, by, row.services, row.digest, signed, comment)
            except Refused as error:
                raise Denied(str(error)) from error
            said = {"by": by, "comment": comment, "at": self._clock(), **proof}
            values = {"signatures": [*row.signatures, said]}
            row = self._record.move(conn, row, StandingEvent.SIGNED, by, values, {"comment": comment, **proof})
            is_last = len(row.signatures) >= max(row.needed, SIGNERS)
            if is_last:
                row = self._record.move(conn, row, StandingEvent.IN_FORCE, by)
            self._record.tell(conn, StandingEvent.IN_FORCE if is_last else StandingEvent.SIGNED, row, by=by)
        return row

    def revoke(self, approval_id: str, by: str, reason: str) -> None:
        """One person ends it, at once. Raises RequestError without a reason, Conflict, NotFound."""
        if not reason.strip():
            raise RequestError("Give a reason: it is kept, and everybody is told.")
        with self._database.write() as conn:
            row = self._record.locked(conn, approval_id)
            values, said = {"end_reason": reason.strip()}, {"reason": reason.strip()}
            row = self._record.move(conn, row, StandingEvent.REVOKED, by, values, said)
            self._record.tell(conn, StandingEvent.REVOKED, row, by=by, why=reason.strip())

    def get(self, approval_id: str) -> Row:
        with self._database.read() as conn:
            row = standing_approvals.get(conn, approval_id)
        if row is None:
            raise unknown(approval_id)
        return row

    def listed(self, *, everything: bool = False) -> Sequence[Row]:
        """Those that are asked for or in force; with `everything`, the newest hundred whatever became of them."""
        with self._database.read() as conn:
            return standing_approvals.listed(conn, LISTED) if everything else standing_approvals.open_ones(conn)

    def announced(self, proposal: Row) -> Row | None:
        """The one that will release an armed proposal by itself at the end of its countdown, as things stand."""
        with self._database.read() as conn:
            return announced(conn, proposal, self._clock())

    def tend(self) -> None:
        """End those whose time is over, or under whose signatures something changed. A fault is logged."""
        with self._database.read() as conn:
            found = standing_approvals.open_ones(conn)
        for row in found:
            try:
                self._tend(row.id)
            except Exception:
                log.exception("standing approval %s could not be looked at once; the next look comes", row.id)

    def _tend(self, approval_id: str) -> None:
        with self._database.read() as conn:
            row = standing_approvals.get(conn, approval_id)
            if row is None or self._ends(conn, row) is None:
                return
        with self._database.write() as conn:
            row = self._record.locked(conn, approval_id)
            ends = self._ends(conn, row) if row.state in OPEN else None
            if ends is not None:
                event, why = ends
                row = self._record.move(conn, row, event, SYSTEM, {"end_reason": why}, {"reason": why})
                self._record.tell(conn, event, row, why=why)

    def _ends(self, conn: Connection, row: Row) -> tuple[StandingEvent, str] | None:
        if self._clock() >= row.expires_at:
            return StandingEvent.EXPIRED, ""
        newest = accepted.newest(conn)
        if newest is None or newest.commit != row.commit:
            return StandingEvent.VOIDED, Ended.COMMIT.value
        changed = void_signers(self._approvals, conn, row, self._clock())
        return (StandingEvent.VOIDED, Ended.SIGNER.value) if changed else None

    def _require_open(self, conn: Connection, row: Row, digest: str) -> None:
        """Raises Conflict."""
        if row.state == StandingState.IN_FORCE:
            raise Conflict(f"The standing approval {row.id} is in force already.")
        if row.state != StandingState.ASKED or self._ends(conn, row) is not None:
            raise Conflict(f"The standing approval {row.id} has ended, and can't be signed: ask for a new one.")
        if row.digest != digest or standing_approvals.approval_of(row).covered.digest != digest:
            raise Conflict(f"The standing approval {row.id} has the digest {row.digest}; the signature names another.")


def void_signers(approvals: Approvals, conn: Connection, row: Row, now: float) -> list[str]:
    """Those whose signature counts no more: they went, may not approve any more, or were changed since.

    How long a signature lasts is what it says itself; a day, as for other approvals, would be no advance.
    """
    given = [replace(yes(one), at=now) for one in row.signatures]
    return approvals.voided(conn, AS_LIVE, given, row.services, now)


def announced(conn: Connection, proposal: Row, now: float) -> Row | None:
    """The one that will release an armed proposal at the end of its countdown, if nothing changes."""
    case = case_of(proposal)
    for row in standing_approvals.in_force(conn, proposal.rule):
        if case is not None and announces(standing_approvals.approval_of(row), case, now):
            return row
    return None


def case_of(proposal: Row, reached: float | None = None, evidence: Verdict = Verdict.UNKNOWN) -> Case | None:
    """None for a proposal whose countdown does not run."""
    if proposal.armed_until is None:
        return None
    return Case(
        rule=proposal.rule,
        subject=proposal.subject,
        services=tuple(proposal.services),
        scope=proposal.scope,
        commit=proposal.commit,
        approvals_needed=proposal.approvals_needed,
        armed_until=proposal.armed_until,
        reached=reached,
        evidence=evidence,
    )


def _rule_of(bundle: Bundle, name: str) -> ProposalRule:
    found = bundle.estate.policy.proposals.get(name)
    if found is None:
        raise NotFound(f"The estate has no rule {name} that proposes; policy.proposals has them.")
    return found


def _proposed(rule: ProposalRule, bundle: Bundle) -> tuple[str, ...]:
    found = rule.propose or services_of(rule.when.subject, bundle.estate.services, bundle.catalogue)
    return tuple(found)


def _at_least(rule: ProposalRule, verdict: Verdict | None, held_for: float | None) -> tuple[Verdict, float]:
    """Raises RequestError for less evidence than the rule itself asks."""
    bar, lasts = verdict or rule.when.bar, rule.when.for_ if held_for is None else held_for
    if bar.rank < rule.when.bar.rank or lasts < rule.when.for_:
        raise RequestError("A standing approval can ask for more evidence than its rule, never for less.")
    return bar, lasts
