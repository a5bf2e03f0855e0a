"""A proposal that has counted down goes by itself, where people signed for exactly that in advance."""

from collections.abc import Callable
from typing import Any

from orchestrator.domain.authority import BY_RULE
from orchestrator.domain.model import Mode
from orchestrator.domain.proposals.proposal import ProposalEvent, ProposalState
from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.proposals.standing_approval import StandingEvent, covers
from orchestrator.domain.signals.board import Situation
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.operations.people.approvals import Approvals, yes
from orchestrator.operations.plans import Plans
from orchestrator.operations.proposal_record import ProposalRecord
from orchestrator.operations.request import Conflict
from orchestrator.operations.runs import Approval, Runs
from orchestrator.operations.standing_approvals import case_of, void_signers
from orchestrator.operations.standing_record import StandingRecord
from orchestrator.store import estates, identities, standing_approvals
from orchestrator.store.database import Connection, Database
from orchestrator.store.runs import Row

TRY_EVERY = 60.0
"""Seconds between two tries at a release that something stands in the way of."""
_KEPT = ("revision", "signature", "standing")
"""What proves an approval."""


class StandingRelease:
    """`last_halt`: the number of the last halt, 0 before the first."""

    def __init__(
        self,
        database: Database,
        plans: Plans,
        runs: Runs,
        clock: Callable[[], float],
        approvals: Approvals,
        record: ProposalRecord,
        standing: StandingRecord,
        last_halt: Callable[[], int],
    ) -> None:
        self._database = database
        self._plans = plans
        self._runs = runs
        self._clock = clock
        self._approvals = approvals
        self._record = record
        self._standing = standing
        self._last_halt = last_halt
        self._tried: dict[str, float] = {}

    def release(self, row: Row, rule: ProposalRule, situation: Situation) -> str | None:
        """The run's id when a standing approval let it begin now; None when none covers it.

        Raises Denied by policy, halt or limits, Conflict, when one covers it and something stands in the way.
        """
        if rule.release != "standing-approval" or abs(situation.now - self._tried.get(row.id, 0.0)) < TRY_EVERY:
            return None
        with self._database.read() as conn:
            found = standing_approvals.in_force(conn, row.rule)
        for one in found:
            if self._covers(one, row, situation):
                self._tried[row.id] = situation.now
                run_id = self._begin(row, one, situation)
                self._tried.pop(row.id, None)
                return run_id
        return None

    def _covers(self, one: Row, row: Row, situation: Situation) -> bool:
        reached = situation.board.reached(row.subject, Verdict(one.verdict))
        case = case_of(row, reached, situation.evidence.get(row.subject, Verdict.UNKNOWN))
        return case is not None and covers(standing_approvals.approval_of(one), case, self._clock()) is None

    def _begin(self, row: Row, one: Row, situation: Situation) -> str:
        plan = self._plans.get(row.digest)
        if set(plan.services) != set(one.services) or (plan.commit, plan.scope) != (one.commit, one.scope):
            raise Conflict(f"The plan of {row.id} is not of what {one.id} was signed for.")
        given = self._given(row, one, Mode(plan.mode))
        actor = f"{BY_RULE}{row.rule}"

        def first(conn: Connection, run_id: str) -> None:
            proposal, approval = self._record.locked(conn, row.id), self._standing.locked(conn, one.id)
            self._require_unchanged(conn, row, proposal, approval, situation)
            for said in given:
                if said not in proposal.approvals:
                    values = {"approvals": [*proposal.approvals, said]}
                    told = {name: said[name] for name in _KEPT if name in said}
                    self._record.move(conn, proposal, ProposalEvent.APPROVED, said["by"], values, told)
                    proposal = self._record.locked(conn, row.id)
            names = [str(said["by"]) for said in given]
            released = {"run_id": run_id, "approvals": given}
            self._record.move(
                conn, proposal, ProposalEvent.RELEASED, actor, released, {"run_id": run_id, "standing": one.id}
            )
            now = self._clock()
            who = [identities.pseudonym(conn, name, now) for name in names]
            used: dict[str, Any] = {"proposal": row.id, "run": run_id, "plan": row.digest, "signers": who}
            counted = {"uses": approval.uses + 1, "used_at": now}
            approval = self._standing.move(conn, approval, StandingEvent.USED, actor, counted, used)
            self._record.tell(conn, ProposalEvent.RELEASED, proposal, approvals=names, run_id=run_id)
            self._standing.tell(conn, StandingEvent.USED, approval, proposal=row.id, run_id=run_id)

        approvals = [_approval(said) for said in given]
        return self._runs.start_released(row.digest, actor, row.evidence["words"]["en"], approvals, first)

    def _given(self, row: Row, one: Row, mode: Mode) -> list[dict[str, Any]]:
        """What people said of this very proposal and still counts, and the signatures of the others in advance."""
        with self._database.read() as conn:
            given = [yes(said) for said in row.approvals]
            void = self._approvals.voided(conn, mode, given, row.services, self._clock())
        by_hand = [said for said in row.approvals if said["by"] not in void]
        names = {said["by"] for said in by_hand}
        ahead = [{**said, "standing": one.id} for said in one.signatures if said["by"] not in names]
        return [*by_hand, *ahead]

    def _require_unchanged(
        self, conn: Connection, row: Row, proposal: Row, approval: Row, situation: Situation
    ) -> None:
        """Raises Conflict: what was looked at before this transaction is no longer so; the next look decides anew."""
        newest = estates.newest(conn)
        unchanged = (
            proposal.state == ProposalState.ARMED,
            proposal.digest == row.digest,
            proposal.approvals == row.approvals,
            proposal.weak_since is None,
            proposal.evidence.get("halt") == self._last_halt(),
            newest is not None and newest.commit == approval.commit,
            not void_signers(self._approvals, conn, approval, self._clock()),
            self._covers(approval, proposal, situation),
        )
        if not all(unchanged):
            raise Conflict(f"{row.id} or {approval.id} was changed at this very moment; it is looked at again.")


def _approval(said: dict[str, Any]) -> Approval:
    return Approval(said["by"], said["comment"], {name: said[name] for name in _KEPT if name in said})
