"""Starting a run: one per plan and scope, however often it is asked for."""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.authority import (
    RELEASES_NEEDED,
    Refused,
    check_approver,
    check_containment,
    check_secrets,
    must_contain,
    must_have_secrets,
)
from orchestrator.domain.journal import IllegalTransition, RunEvent
from orchestrator.domain.model import Mode
from orchestrator.domain.plan import Plan
from orchestrator.engine.progress import Progress
from orchestrator.operations.halt import require_free
from orchestrator.operations.people.approvals import Approvals, Signed, counted
from orchestrator.operations.plans import Plans
from orchestrator.operations.request import Conflict, Denied, NotFound, SecretsMissing, Uncontained, require_short
from orchestrator.store import runs
from orchestrator.store.database import Connection
from orchestrator.store.journal import RunJournal, RunNotFound
from orchestrator.store.runs import NewStep


@dataclass(frozen=True, slots=True)
class Started:
    """`created` is false when the same run was asked for before and is already there."""

    run_id: str
    created: bool


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes to a digest."""

    by: str
    comment: str = ""
    proof: Mapping[str, Any] = field(default_factory=dict)


class Runs:
    def __init__(
        self,
        progress: Progress,
        plans: Plans,
        uncontained: Callable[[], str] = lambda: "",
        approvals: Approvals | None = None,
        missing: Callable[[Plan], Sequence[str]] = lambda _plan: (),
    ) -> None:
        """`uncontained`: why plays can't be contained on this machine, and what to do; empty when they can.

        `missing`: the secrets that a plan needs and that can't be had.
        """
        self._approvals = approvals or Approvals()
        self._missing = missing
        self._progress = progress
        self._plans = plans
        self._uncontained = uncontained
        self._database = progress.database

    def start(self, digest: str, actor: str, reason: str = "", key: str | None = None) -> Started:
        """Create the run of a plan. Raises RequestError, Conflict, Denied, while halted IsHalted.

        `key` makes a repeated request harmless; so does an active run of the same plan.
        """
        plan = self._plans.get(digest)
        self._require_permitted(Mode(plan.mode))
        self._plans.require_trusted(plan)
        self.require_secrets(plan)
        fingerprint = hashlib.sha256(f"{digest}\n{actor}\n{reason}".encode()).hexdigest()
        with self._database.read() as conn:
            known = self._known(conn, key, fingerprint)
        if known is not None:
            return Started(known, created=False)
        self._plans.require_within_limits(plan)
        exceptions = [one.model_dump(mode="json") for one in self._plans.require_lawful(plan)]
        data = {"digest": plan.digest, "commit": plan.commit, "steps": len(plan.steps), "reason": reason}
        return self._create(plan, actor, {**data, "exceptions": exceptions}, key, fingerprint)

    def start_released(
        self,
        digest: str,
        requester: str,
        reason: str,
        approvals: Sequence[Approval],
        first: Callable[[Connection, str], None],
    ) -> str:
        """Create the run of a plan that people have approved already, and let it go; its id.

        `first` is called with the run's id in the transaction that creates it, and stops everything by raising.
        Raises RequestError, Conflict, Denied, while halted IsHalted.
        """
        plan = self._plans.get(digest)
        self._require_permitted(Mode(plan.mode))
        self._plans.require_trusted(plan)
        self._plans.require_within_limits(plan)
        self.require_secrets(plan)
        exceptions = [one.model_dump(mode="json") for one in self._plans.require_lawful(plan)]
        run_id = _new_id()

        def insert(conn: Connection) -> None:
            first(conn, run_id)
            taken = runs.take_holds(conn, plan.scope, plan.resources(), run_id)
            if taken:
                raise _Taken(taken)
            self._insert(conn, run_id, plan, requester, reason, self._progress.clock())

        try:
            with self._progress.journal(run_id, first=insert) as journal:
                data = {"digest": plan.digest, "commit": plan.commit, "steps": len(plan.steps), "reason": reason}
                journal.run_event(RunEvent.CREATED, requester, {**data, "exceptions": exceptions})
                for one in approvals:
                    said = {"digest": plan.digest, "comment": one.comment, **one.proof}
                    journal.run_event(RunEvent.RELEASE_GIVEN, one.by, said)
                self._start_if_released(journal)
                require_free(journal.connection)  # last, as for every run that begins
        except _Taken as error:
            raise _held(error.by) from error
        return run_id

    def release(self, run_id: str, digest: str, actor: str, comment: str = "", signed: Signed | None = None) -> None:
        """One person's release of exactly this digest. Raises Denied, also by policy or halt, Conflict, NotFound."""
        require_short(comment)
        try:
            self._require_lawful(run_id)
            with self._progress.journal(run_id) as journal:
                if journal.row.plan_digest != digest:
                    raise Conflict(f"Run {run_id} is of plan {journal.row.plan_digest}; the release names another.")
                self._void_releases(journal)
                check_approver(actor, journal.row.requested_by, journal.run.releases)
                conn, row = journal.connection, journal.row
                proof = self._approvals.given(conn, Mode(row.mode), actor, row.services, digest, signed, comment)
                require_free(conn)
                journal.run_event(RunEvent.RELEASE_GIVEN, actor, {"digest": digest, "comment": comment, **proof})
                self._start_if_released(journal)
        except Refused as error:
            raise Denied(str(error)) from error
        except RunNotFound as error:
            raise NotFound(str(error)) from error
        except IllegalTransition as error:
            raise Conflict(f"Not possible now: {error}.") from error

    def require_secrets(self, plan: Plan) -> None:
        """What people release has all that it needs, or does not begin. Raises SecretsMissing."""
        mode = Mode(plan.mode)
        try:
            check_secrets(mode, self._missing(plan) if must_have_secrets(mode) else ())
        except Refused as error:
            raise SecretsMissing(str(error)) from error

    def _require_permitted(self, mode: Mode) -> None:
        """Raises Uncontained."""
        try:
            check_containment(mode, self._uncontained() if must_contain(mode) else "")
        except Refused as error:
            raise Uncontained(str(error)) from error

    def _void_releases(self, journal: RunJournal) -> None:
        """Whoever was changed since they released has not released: they may do so again, if they still may."""
        row, given = journal.row, journal.run.releases
        known = counted(runs.approvals(journal.connection, journal.run_id), given)
        for name in self._approvals.voided(
            journal.connection, Mode(row.mode), known, row.services, self._progress.clock()
        ):
            said = {
                "by": journal.named(name),
                "message": f"The release of {journal.named(name)} is void: too old, or they were changed since.",
            }
            journal.run_event(RunEvent.RELEASE_VOIDED, data=said)

    def _require_lawful(self, run_id: str) -> None:
        """The run's plan, held against the policy, its limits and its secrets once more.

        Raises RunNotFound, BelowPolicy, OverLimit, SecretsMissing.
        """
        with self._database.read() as conn:
            row = runs.get_run(conn, run_id)
        plan = self._plans.get(row.plan_digest)
        self._plans.require_within_limits(plan)
        self._plans.require_lawful(plan)
        self.require_secrets(plan)

    def _create(self, plan: Plan, actor: str, data: Mapping[str, Any], key: str | None, fingerprint: str) -> Started:
        """`data`: what the run's first event says."""
        run_id = _new_id()
        now = self._progress.clock()

        def insert(conn: Connection) -> None:
            known = self._known(conn, key, fingerprint)
            if known is not None:
                raise _Known(known)
            taken = runs.take_holds(conn, plan.scope, plan.resources(), run_id)
            if taken:
                raise _Taken(taken)
            self._insert(conn, run_id, plan, actor, data["reason"], now)
            if key is not None and not runs.save_idempotency(conn, key, fingerprint, run_id, now):
                raise _KeyTaken

        try:
            with self._progress.journal(run_id, first=insert) as journal:
                journal.run_event(RunEvent.CREATED, actor, dict(data))
                self._start_if_released(journal)
                require_free(journal.connection)  # last: who engages a halt waits for this transaction from here on
        except _Taken as error:
            return Started(self._name(self._same_run(plan, error.by), key, fingerprint), created=False)
        except _KeyTaken:
            return self._create(plan, actor, data, key, fingerprint)
        except _Known as error:
            return Started(error.run_id, created=False)
        return Started(run_id, created=True)

    def _insert(self, conn: Connection, run_id: str, plan: Plan, actor: str, reason: str, now: float) -> None:
        values: dict[str, Any] = {
            "id": run_id,
            "plan_digest": plan.digest,
            "commit": plan.commit,
            "scope": plan.scope,
            "mode": plan.mode,
            "direction": plan.direction,
            "services": list(plan.services),
            "requested_by": actor,
            "reason": reason,
            "releases_needed": RELEASES_NEEDED[Mode(plan.mode)],
            "created_at": now,
        }
        steps = [NewStep(step.id, step.uses, step.for_engine(), step.needs, step.rescue) for step in plan.steps]
        runs.insert_run(conn, values, steps)

    def _start_if_released(self, journal: RunJournal) -> None:
        if len(journal.run.releases) < journal.row.releases_needed:
            return
        journal.run_event(RunEvent.STARTED)
        journal.start_steps()

    def _known(self, conn: Connection, key: str | None, fingerprint: str) -> str | None:
        row = runs.idempotent_run(conn, key) if key is not None else None
        if row is None:
            return None
        if row.fingerprint != fingerprint:
            raise Conflict(f"The Idempotency-Key {key} was used for another request; use a new one.")
        return str(row.run_id)

    def _name(self, run_id: str, key: str | None, fingerprint: str) -> str:
        """The run that the key names from now on, or has named before. Raises Conflict."""
        if key is None:
            return run_id
        with self._database.write() as conn:
            known = self._known(conn, key, fingerprint)
            if known is None:
                runs.save_idempotency(conn, key, fingerprint, run_id, self._progress.clock())
            return known or run_id

    def _same_run(self, plan: Plan, taken: Mapping[str, str]) -> str:
        """The active run that holds what this plan needs, if it is the same plan. Raises Conflict."""
        holders = set(taken.values())
        with self._database.read() as conn:
            for run_id in holders:
                row = runs.get_run(conn, run_id)
                if len(holders) == 1 and row.plan_digest == plan.digest:
                    return run_id
        raise _held(taken)


def _held(taken: Mapping[str, str]) -> Conflict:
    what, holders = ", ".join(sorted(taken)), ", ".join(sorted(set(taken.values())))
    return Conflict(f"Run {holders} is active and holds {what}. Wait for it, or undo it first.")


class _Taken(Exception):
    def __init__(self, by: dict[str, str]) -> None:
        super().__init__("taken")
        self.by = by


class _KeyTaken(Exception):
    """Another request with the same key came first, at the same time."""


class _Known(Exception):
    def __init__(self, run_id: str) -> None:
        super().__init__("known")
        self.run_id = run_id


def _new_id() -> str:
    """Sortable by time, and short enough to read aloud."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(3)
