"""People release a proposal: the last of them whose yes is needed begins the run, in the same transaction."""

from collections.abc import Callable
from typing import Any

from orchestrator.domain.authority import BY_RULE, Refused, check_approver
from orchestrator.domain.model import Mode
from orchestrator.domain.proposals.proposal import ProposalEvent, ProposalState
from orchestrator.operations.halt import Halt
from orchestrator.operations.people.approvals import Approvals, Signed, yes
from orchestrator.operations.plans import Plans
from orchestrator.operations.proposal_record import ProposalRecord
from orchestrator.operations.request import Conflict, Denied, NotFound
from orchestrator.operations.runs import Approval, Runs
from orchestrator.store import proposals
from orchestrator.store.database import Connection, Database
from orchestrator.store.journal import SYSTEM
from orchestrator.store.runs import Row

TRIES = 5
"""A release is tried so often when others release at the same time."""


class ProposalRelease:
    """`last_halt`: the number of the last halt, 0 before the first."""

    def __init__(
        self,
        database: Database,
        plans: Plans,
        runs: Runs,
        clock: Callable[[], float],
        halt: Halt,
        approvals: Approvals,
        record: ProposalRecord,
        last_halt: Callable[[], int],
    ) -> None:
        self._database = database
        self._plans = plans
        self._runs = runs
        self._clock = clock
        self._halt = halt
        self._approvals = approvals
        self._record = record
        self._last_halt = last_halt

    def approve(self, proposal_id: str, digest: str, by: str, comment: str, signed: Signed | None) -> str | None:
        """One person's release of exactly this digest; the run's id when it was the last that was needed.

        Raises Denied, also by policy or halt, Conflict, NotFound.
        """
        given = self._given(proposal_id, digest, by, comment, signed)
        for _ in range(TRIES):
            try:
                return self._approve_once(proposal_id, digest, given)
            except _Overtaken:
                continue
        raise Conflict("Others release it at this very moment; look at it, and release it again.")

    def _given(self, proposal_id: str, digest: str, by: str, comment: str, signed: Signed | None) -> Approval:
        """A person's yes with what proves it: a key's answer counts once, however often the release is tried."""
        row, mode = self._to_be_approved(proposal_id, digest, by)
        with self._database.write() as conn:
            return Approval(by, comment, self._proof(conn, mode, row, by, comment, signed))

    def _to_be_approved(self, proposal_id: str, digest: str, by: str) -> tuple[Row, Mode]:
        """The proposal as it stands, if this person may add to its approvals now. Raises Denied, Conflict, NotFound."""
        row = found(self._database, proposal_id)
        self._require_open(row, digest)
        self._halt.require_free()
        self._require_no_halt_since(row)
        mode = Mode(self._plans.get(digest).mode)
        row = self._without_void(row, digest, mode)
        _check_another(row, by)
        return row, mode

    def _approve_once(self, proposal_id: str, digest: str, given: Approval) -> str | None:
        by = given.by
        row, mode = self._to_be_approved(proposal_id, digest, by)
        yes_of_all = [*(_approval(one) for one in row.approvals), given]
        if len(yes_of_all) < row.approvals_needed:
            with self._database.write() as conn:
                approved = self._approve(conn, proposal_id, digest, yes_of_all[-1])
                if len(approved.approvals) >= approved.approvals_needed:
                    raise _Overtaken  # somebody else's yes came in between: this one is the last, and begins the run
            return None
        evidence = row.evidence["words"]["en"]

        def first(conn: Connection, run_id: str) -> None:
            approved = self._approve(conn, proposal_id, digest, yes_of_all[-1])
            names = [str(one["by"]) for one in approved.approvals]
            if names != [one.by for one in yes_of_all] or len(names) < approved.approvals_needed:
                raise _Overtaken
            if self._void(conn, approved, mode):
                raise _Overtaken
            self._require_no_halt_since(approved)
            said = {"run_id": run_id}
            proposals.move(conn, approved, ProposalEvent.RELEASED, self._clock(), by, said, said)
            self._record.tell(conn, ProposalEvent.RELEASED, approved, approvals=names, run_id=run_id)

        return self._runs.start_released(digest, f"{BY_RULE}{row.rule}", evidence, yes_of_all, first)

    def _require_no_halt_since(self, row: Row) -> None:
        """Raises Denied."""
        last = self._last_halt()
        if row.evidence.get("halt", last) != last:
            raise Denied(f"The kill switch was engaged since {row.id} was proposed: it is being withdrawn.")

    def _require_open(self, row: Row, digest: str) -> None:
        """Raises Conflict."""
        if row.state != ProposalState.ARMED:
            raise Conflict(f"Proposal {row.id} is {row.state}: it can't be released.")
        if row.digest != digest:
            raise Conflict(f"Proposal {row.id} is of plan {row.digest}; the release names another.")

    def _proof(
        self, conn: Connection, mode: Mode, row: Row, by: str, comment: str, signed: Signed | None
    ) -> dict[str, Any]:
        """Raises Denied."""
        try:
            return self._approvals.given(conn, mode, by, row.services, row.digest, signed, comment)
        except Refused as error:
            raise Denied(str(error)) from error

    def _void(self, conn: Connection, row: Row, mode: Mode) -> list[str]:
        return self._approvals.voided(conn, mode, [yes(one) for one in row.approvals], row.services, self._clock())

    def _without_void(self, row: Row, digest: str, mode: Mode) -> Row:
        """The proposal as it stands once the approvals of people who were changed since are void."""
        with self._database.write() as conn:
            row = self._record.locked(conn, row.id)
            self._require_open(row, digest)
            for name in self._void(conn, row, mode):
                left = [one for one in row.approvals if one["by"] != name]
                self._record.move(conn, row, ProposalEvent.APPROVAL_VOIDED, SYSTEM, {"approvals": left}, {"by": name})
                row = self._record.locked(conn, row.id)
        return row

    def _approve(self, conn: Connection, proposal_id: str, digest: str, given: Approval) -> Row:
        row = self._record.locked(conn, proposal_id)
        self._require_open(row, digest)
        _check_another(row, given.by)
        said = {"by": given.by, "comment": given.comment, "at": self._clock(), **given.proof}
        self._record.move(
            conn, row, ProposalEvent.APPROVED, given.by, {"approvals": [*row.approvals, said]},
            {"comment": given.comment, **given.proof},
        )  # fmt: skip
        return self._record.locked(conn, proposal_id)


def found(database: Database, proposal_id: str) -> Row:
    """Raises NotFound."""
    with database.read() as conn:
        row = proposals.get(conn, proposal_id)
    if row is None:
        raise NotFound(f"There is no proposal {proposal_id}; `bascule proposals` lists them.")
    return row


def _check_another(row: Row, by: str) -> None:
    """Raises Denied."""
    try:
        check_approver(by, "", [str(one["by"]) for one in row.approvals])
    except Refused as error:
        raise Denied(str(error)) from error


def _approval(said: dict[str, Any]) -> Approval:
    return Approval(
        said["by"], said["comment"], {name: said[name] for name in ("revision", "signature") if name in said}
    )


class _Overtaken(Exception):
    """Somebody else released it in between; nothing was changed."""
