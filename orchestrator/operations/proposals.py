"""Proposals: policy makes them when a verdict holds, and takes them back; people release or reject them.

A proposal starts nothing. It holds a plan, sealed by its digest, and waits in
sight of everybody; the people who release it start the run in the transaction in
which the last of them says yes.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orchestrator.domain.authority import RELEASES_NEEDED, Refused, check_approver
from orchestrator.domain.bundle import Bundle
from orchestrator.domain.model import Mode
from orchestrator.domain.plan import Plan
from orchestrator.domain.proposals.proposal import (
    LOOK_AGAIN,
    IllegalProposalEvent,
    ProposalEvent,
    ProposalState,
    Reason,
    Sight,
    is_due,
    is_withdrawn,
    weak_since,
)
from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.proposals.subject import services_of
from orchestrator.domain.proposals.words import Told, body, title
from orchestrator.domain.signals.board import Situation
from orchestrator.operations.estate import Estates
from orchestrator.operations.halt import Halt
from orchestrator.operations.plans import Plans
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError
from orchestrator.operations.runs import Approval, Runs
from orchestrator.store import notices, proposals, verdicts
from orchestrator.store.database import Connection, Database
from orchestrator.store.journal import SYSTEM
from orchestrator.store.runs import Row

log = logging.getLogger("bascule.proposals")

POLICY = "policy"
"""The requester of what policy proposes; with the rule's name behind it."""


class Proposals:
    def __init__(
        self,
        database: Database,
        estates: Estates,
        plans: Plans,
        runs: Runs,
        clock: Callable[[], float],
        halt: Halt,
    ) -> None:
        self._database = database
        self._estates = estates
        self._plans = plans
        self._runs = runs
        self._clock = clock
        self._halt = halt

    def consider(self, situation: Situation) -> None:
        """Withdraw what no longer stands, and propose what is due. Changes nothing outside; a fault is logged."""
        try:
            self._consider(situation)
        except Exception:
            log.exception("the proposals could not be looked at once; the next look comes by itself")

    def _consider(self, situation: Situation) -> None:
        commit, bundle = self._newest()
        rules = bundle.estate.policy.proposals if bundle else {}
        halted = self._halt.in_force() is not None
        with self._database.read() as conn:
            waiting = proposals.waiting(conn)
        for row in waiting:
            with _alone(row.rule):
                self._tend(row, rules.get(row.rule), commit, situation, halted=halted)
        taken = {row.rule for row in waiting}
        for name, rule in rules.items():
            if name not in taken and not halted and bundle is not None:
                with _alone(name):
                    self._raise_if_due(name, rule, commit, bundle, situation)

    def approve(self, proposal_id: str, digest: str, by: str, comment: str = "") -> str | None:
        """One person's release of exactly this digest; the run's id when it was the last that was needed.

        Raises Denied, also by policy or halt, Conflict, NotFound.
        """
        row = self.get(proposal_id)
        given = self._require_open(row, digest, by)
        self._halt.require_free()
        if len(given) + 1 < row.approvals_needed:
            with self._database.write() as conn:
                self._approve(conn, proposal_id, digest, by, comment)
            return None
        approvals = [*(Approval(one["by"], one["comment"]) for one in row.approvals), Approval(by, comment)]
        evidence = row.evidence["words"]["en"]

        def first(conn: Connection, run_id: str) -> None:
            approved = self._approve(conn, proposal_id, digest, by, comment)
            if len(approved.approvals) != len(approvals):
                raise Conflict("Somebody else approved at the same time; look at it, and approve again.")
            proposals.move(
                conn, approved, ProposalEvent.RELEASED, self._clock(), by, {"run_id": run_id}, {"run_id": run_id}
            )
            self._tell(conn, ProposalEvent.RELEASED, approved, approvals=[one.by for one in approvals], run_id=run_id)

        return self._runs.start_released(digest, f"{POLICY}:{row.rule}", evidence, approvals, first)

    def reject(self, proposal_id: str, by: str, reason: str) -> None:
        """One person says no: it ends, and is not proposed again before the verdict has been better."""
        if not reason.strip():
            raise RequestError("Give a reason: it is kept with the proposal.")
        with self._database.write() as conn:
            row = self._locked(conn, proposal_id)
            self._move(conn, row, ProposalEvent.REJECTED, by, data={"reason": reason})
            self._tell(conn, ProposalEvent.REJECTED, row, by=by, why=reason)

    def get(self, proposal_id: str) -> Row:
        with self._database.read() as conn:
            row = proposals.get(conn, proposal_id)
        if row is None:
            raise NotFound(f"There is no proposal {proposal_id}; `bascule proposals` lists them.")
        return row

    def _newest(self) -> tuple[str, Bundle | None]:
        try:
            commit = self._estates.newest()
            return commit, self._estates.bundle(commit)
        except RequestError:
            return "", None

    def _tend(self, row: Row, rule: ProposalRule | None, commit: str, situation: Situation, *, halted: bool) -> None:
        """`commit`: the newest, which may have mended what stood in a plan's way."""
        now = situation.now
        if halted or rule is None:
            self._withdraw(row, Reason.HALTED if halted else Reason.RULE)
            return
        sight = _sight(rule, situation)
        weak = weak_since(rule.when.bar, sight, row.weak_since, now)
        if is_withdrawn(weak, sight, now):
            self._withdraw(row, Reason.EVIDENCE)
            return
        if weak != row.weak_since:
            with self._database.write() as conn:
                proposals.note(conn, row.id, weak_since=weak)
        if row.state == ProposalState.BLOCKED and now - row.looked_at >= LOOK_AGAIN:
            self._plan(row, rule, commit)
        elif row.state == ProposalState.ARMED and not row.counted_down and now >= row.armed_until:
            with self._database.write() as conn:
                locked = self._locked(conn, row.id)
                self._move(conn, locked, ProposalEvent.COUNTED_DOWN, SYSTEM, {"counted_down": True})
                self._tell(conn, ProposalEvent.COUNTED_DOWN, locked)

    def _withdraw(self, row: Row, why: Reason) -> None:
        try:
            with self._database.write() as conn:
                locked = self._locked(conn, row.id)
                self._move(conn, locked, ProposalEvent.WITHDRAWN, SYSTEM, data={"reason": why.value})
                self._tell(conn, ProposalEvent.WITHDRAWN, locked, why=why.value)
        except Conflict as error:
            log.info("proposal %s ended before it could be withdrawn: %s", row.id, error)

    def _raise_if_due(self, name: str, rule: ProposalRule, commit: str, bundle: Bundle, situation: Situation) -> None:
        sight = _sight(rule, situation)
        if sight.reached is None:
            return
        with self._database.read() as conn:
            past = proposals.last_of(conn, name)
            changes = verdicts.changes(conn, rule.when.subject, 1)
        if not changes or not is_due(rule, sight, past, situation.now):
            return
        row = self._new(name, rule, commit, bundle, sight.reached, changes[0])
        with self._database.write() as conn:
            if not proposals.insert(conn, row, situation.now, f"{POLICY}:{name}"):
                return
        self._plan(self.get(row["id"]), rule, commit)

    def _new(
        self, name: str, rule: ProposalRule, commit: str, bundle: Bundle, reached: float, change: Row
    ) -> dict[str, Any]:
        scope = bundle.estate.scopes[rule.scope]
        evidence = {name: getattr(change, name) for name in ("id", "verdict", "at", "since", "words", "reasons")}
        return {
            "id": time.strftime("p%Y%m%d-%H%M%S", time.gmtime(self._clock())) + "-" + secrets.token_hex(3),
            "rule": name,
            "subject": rule.when.subject,
            "episode": reached,
            "commit": commit,
            "scope": rule.scope,
            "services": _proposed(rule, bundle),
            "notify": list(rule.notify),
            "evidence": evidence,
            "approvals_needed": max(rule.approvals, RELEASES_NEEDED[Mode(scope.mode)]),
        }

    def _plan(self, row: Row, rule: ProposalRule, commit: str) -> None:
        """Make the plan, in the order of the clocks that run; what stands in its way is kept, shown and told."""
        services = _proposed(rule, self._estates.bundle(commit))
        try:
            plan = self._plans.make(services, rule.scope, parameters=rule.parameters, commit=commit)
        except RequestError as error:
            self._block(row, error.code, str(error))
            return
        except Exception as error:
            log.exception("the plan of proposal %s could not be made", row.id)
            self._block(row, "fault", f"{type(error).__name__}; the service's log has the details.")
            return
        with self._database.write() as conn:
            locked = self._locked(conn, row.id)
            now = self._clock()
            values = {"digest": plan.digest, "armed_until": now + rule.arm, "looked_at": now, "message": {}}
            values |= {"commit": commit, "services": services, "scope": rule.scope}
            self._move(conn, locked, ProposalEvent.ARMED, SYSTEM, values, {"digest": plan.digest})
            self._tell(conn, ProposalEvent.ARMED, proposals.locked(conn, row.id) or locked, plan=plan)

    def _block(self, row: Row, code: str, why: str) -> None:
        message = {"code": code, "text": why}
        with self._database.write() as conn:
            locked = self._locked(conn, row.id)
            if locked.message == message:
                proposals.note(conn, row.id, looked_at=self._clock())
                return
            values = {"looked_at": self._clock(), "message": message}
            self._move(conn, locked, ProposalEvent.BLOCKED, SYSTEM, values, message)
            self._tell(conn, ProposalEvent.BLOCKED, locked, why=why)

    def _require_open(self, row: Row, digest: str, by: str) -> list[str]:
        """The people who approved. Raises Denied, Conflict."""
        if row.state != ProposalState.ARMED:
            raise Conflict(f"Proposal {row.id} is {row.state}: it can't be released.")
        if row.digest != digest:
            raise Conflict(f"Proposal {row.id} is of plan {row.digest}; the release names another.")
        given = [str(one["by"]) for one in row.approvals]
        try:
            check_approver(by, "", given)
        except Refused as error:
            raise Denied(str(error)) from error
        return given

    def _approve(self, conn: Connection, proposal_id: str, digest: str, by: str, comment: str) -> Row:
        row = self._locked(conn, proposal_id)
        self._require_open(row, digest, by)
        now = self._clock()
        approvals = [*row.approvals, {"by": by, "comment": comment, "at": now}]
        self._move(conn, row, ProposalEvent.APPROVED, by, {"approvals": approvals}, {"comment": comment})
        return self._locked(conn, proposal_id)

    def _locked(self, conn: Connection, proposal_id: str) -> Row:
        row = proposals.locked(conn, proposal_id)
        if row is None:
            raise NotFound(f"There is no proposal {proposal_id}; `bascule proposals` lists them.")
        return row

    def _move(
        self,
        conn: Connection,
        row: Row,
        event: ProposalEvent,
        actor: str,
        values: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            proposals.move(conn, row, event, self._clock(), actor, values, data)
        except IllegalProposalEvent as error:
            raise Conflict(f"Not possible now: {error}.") from error

    def _tell(self, conn: Connection, event: ProposalEvent, row: Row, *, plan: Plan | None = None, **said: Any) -> None:
        """Queue the message on the proposal's channels, in the transaction in which it happens."""
        estate = self._estates.bundle(row.commit).estate
        steps = len((plan or self._plans.get(row.digest)).steps) if row.digest else 0
        told = Told(
            id=row.id,
            services={name: estate.services[name].title.model_dump() for name in row.services},
            scope=row.scope,
            digest=row.digest,
            steps=steps,
            approvals_needed=row.approvals_needed,
            armed_until=row.armed_until,
            evidence=row.evidence["words"],
            **{"approvals": [one["by"] for one in row.approvals], **said},
        )
        key = f"{row.id}:{event.value}:{int(self._clock())}"
        notices.add(conn, key, row.commit, row.scope, row.notify, title(event, told), body(event, told), self._clock())


@contextmanager
def _alone(rule: str) -> Iterator[None]:
    """What is wrong with one rule keeps no other from being looked at."""
    try:
        yield
    except Exception:
        log.exception("the rule %s could not be looked at once; the next look comes by itself", rule)


def _proposed(rule: ProposalRule, bundle: Bundle) -> list[str]:
    estate = bundle.estate
    return list(rule.propose or services_of(rule.when.subject, estate.services, bundle.catalogue))


def _sight(rule: ProposalRule, situation: Situation) -> Sight:
    subject, board = rule.when.subject, situation.board
    evidence = situation.evidence.get(subject)
    verdict = board.verdict(subject)
    return Sight(verdict, board.reached(subject, rule.when.bar), evidence if evidence is not None else verdict)
