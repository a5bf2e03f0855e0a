"""Proposals: policy makes them when a verdict holds, and takes them back; people release or reject them.

A proposal starts nothing. It holds a plan, sealed by its digest, and waits in
sight of everybody; the people who release it start the run in the transaction in
which the last of them says yes, or those who signed for exactly that in advance
do at the end of its countdown. Plans are made in a thread of their own: in a
crisis they look at clouds that do not answer, and the watch must go on meanwhile.
"""

import hashlib
import json
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from orchestrator.domain.authority import BY_RULE, RELEASES_NEEDED
from orchestrator.domain.bundle import Bundle
from orchestrator.domain.limits import refusal
from orchestrator.domain.model import Mode
from orchestrator.domain.proposals.proposal import (
    LOOK_AGAIN,
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
from orchestrator.domain.signals.board import Situation
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.operations.estate import Estates
from orchestrator.operations.halt import Halt
from orchestrator.operations.people.approvals import Approvals, Signed
from orchestrator.operations.plans import OverLimit, Plans
from orchestrator.operations.proposal_record import ProposalRecord
from orchestrator.operations.proposal_release import ProposalRelease, found
from orchestrator.operations.request import Conflict, RequestError
from orchestrator.operations.runs import Runs
from orchestrator.operations.standing_approvals import StandingApprovals, announced
from orchestrator.operations.standing_record import StandingRecord
from orchestrator.operations.standing_release import StandingRelease
from orchestrator.store import proposals, verdicts
from orchestrator.store.database import Database
from orchestrator.store.journal import SYSTEM
from orchestrator.store.runs import Row

log = logging.getLogger("bascule.proposals")

STOPS_WITHIN = 30.0
"""Seconds: a plan that is being made looks around for that long."""


class Proposals:
    """`start` begins to make the plans that are wanted, `stop` ends it."""

    def __init__(
        self,
        database: Database,
        estates: Estates,
        plans: Plans,
        runs: Runs,
        clock: Callable[[], float],
        halt: Halt,
        approvals: Approvals,
        standing: StandingApprovals,
    ) -> None:
        self._database = database
        self._estates = estates
        self._plans = plans
        self._runs = runs
        self._clock = clock
        self._halt = halt
        self._read: tuple[str, Bundle] | None = None
        self._record = ProposalRecord(clock)
        self._standing = standing
        self._by_people = ProposalRelease(database, plans, runs, clock, halt, approvals, self._record, self._last_halt)
        self._by_standing = StandingRelease(
            database, plans, runs, clock, approvals, self._record, StandingRecord(estates, clock), self._last_halt
        )
        self._wanted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._planning: set[str] = set()
        self._stopping = False
        self._thread = threading.Thread(target=self._keep_planning, name="proposals", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wanted.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=STOPS_WITHIN)

    def consider(self, situation: Situation) -> None:
        """Withdraw what no longer stands, and propose what is due. Changes nothing outside; a fault is logged."""
        try:
            self._consider(situation)
        except Exception:
            log.exception("the proposals could not be looked at once; the next look comes by itself")

    def make_plans(self) -> None:
        """Make the plans that are wanted by now. The service's own thread does the same."""
        while not self._wanted.empty():
            self._plan_safely(self._wanted.get())

    def approve(
        self, proposal_id: str, digest: str, by: str, comment: str = "", signed: Signed | None = None
    ) -> str | None:
        """One person's release of exactly this digest; the run's id when it was the last that was needed.

        Raises Denied, also by policy or halt, Conflict, NotFound.
        """
        return self._by_people.approve(proposal_id, digest, by, comment, signed)

    def reject(self, proposal_id: str, by: str, reason: str) -> None:
        """One person says no: it ends, and is not proposed again before the verdict has been better."""
        if not reason.strip():
            raise RequestError("Give a reason: it is kept with the proposal.")
        with self._database.write() as conn:
            row = self._record.locked(conn, proposal_id)
            self._record.move(conn, row, ProposalEvent.REJECTED, by, data={"reason": reason})
            self._record.tell(conn, ProposalEvent.REJECTED, row, by=by, why=reason)

    def get(self, proposal_id: str) -> Row:
        """Raises NotFound."""
        return found(self._database, proposal_id)

    def _consider(self, situation: Situation) -> None:
        read = self._newest()
        self._standing.tend()
        halted, last_halt = self._halt.in_force() is not None, self._last_halt()
        with self._database.read() as conn:
            waiting = proposals.waiting(conn)
        for row in waiting:
            with _alone(row.rule):
                if halted or row.evidence.get("halt", last_halt) != last_halt:
                    self._withdraw(row, Reason.HALTED)
                elif read is not None:
                    self._tend(row, *read, situation)
        if read is None or halted:
            return
        commit, bundle = read
        taken = {row.rule for row in waiting}
        for name, rule in bundle.estate.policy.proposals.items():
            if name not in taken:
                with _alone(name):
                    self._raise_if_due(name, rule, commit, bundle, situation, last_halt)

    def _newest(self) -> tuple[str, Bundle] | None:
        """The newest estate that can be read; None where there never was one that could."""
        try:
            commit = self._estates.newest()
            self._read = commit, self._estates.bundle(commit)
            self._record.estate = self._read[1].estate
        except RequestError as error:
            log.debug("the estate can't be read now, the rules known before go on: %s", error)
        return self._read

    def _last_halt(self) -> int:
        """The last halt's id, 0 before the first: what was proposed before it is withdrawn, even if it was lifted."""
        last = self._halt.history(1)
        return last[0].id if last else 0

    def _tend(self, row: Row, commit: str, bundle: Bundle, situation: Situation) -> None:
        now, rule = situation.now, bundle.estate.policy.proposals.get(row.rule)
        if rule is None or rule.when.subject != row.subject or self._is_another(row, rule):
            self._withdraw(row, Reason.RULE)
            return
        sight = _sight(rule, situation)
        weak = weak_since(rule.when.bar, sight, row.weak_since, now)
        if is_withdrawn(weak, sight, now):
            self._withdraw(row, Reason.EVIDENCE)
            return
        self._note(row, weak, max(row.approvals_needed, _needed(rule, bundle)))
        never = not row.message and row.looked_at == row.raised_at
        if row.state == ProposalState.BLOCKED and weak is None and (never or not 0 <= now - row.looked_at < LOOK_AGAIN):
            self._want_plan(row.id)
        elif row.state == ProposalState.ARMED and now >= row.armed_until:
            self._at_the_end(row, rule, situation, holds=weak is None)

    def _at_the_end(self, row: Row, rule: ProposalRule, situation: Situation, *, holds: bool) -> None:
        """Of its countdown: people who signed for it in advance release it, or everybody is told that it waits."""
        why = ""
        try:
            if holds and self._by_standing.release(row, rule, situation) is not None:
                return
        except RequestError as error:
            why = str(error)
            log.warning("a standing approval could not release %s: %s", row.id, why)
        if not row.counted_down:
            self._count_down(row.id, why)

    def _is_another(self, row: Row, rule: ProposalRule) -> bool:
        """People were shown a plan of a rule that says something else now; without a plan, what is mended is used."""
        return bool(row.state == ProposalState.ARMED and row.evidence.get("rule") != _what(rule))

    def _note(self, row: Row, weak: float | None, needed: int) -> None:
        """What is no event. A policy that now asks for more people asks them of this one as well."""
        if (weak, needed) != (row.weak_since, row.approvals_needed):
            with self._database.write() as conn:
                proposals.note(conn, row.id, weak_since=weak, approvals_needed=needed)

    def _count_down(self, proposal_id: str, why: str) -> None:
        with self._database.write() as conn:
            row = self._record.locked(conn, proposal_id)
            if not row.counted_down:
                said = {"reason": why} if why else {}
                self._record.move(conn, row, ProposalEvent.COUNTED_DOWN, SYSTEM, {"counted_down": True}, said)
                self._record.tell(conn, ProposalEvent.COUNTED_DOWN, row, why=why)

    def _withdraw(self, row: Row, why: Reason) -> None:
        try:
            with self._database.write() as conn:
                locked = self._record.locked(conn, row.id)
                self._record.move(conn, locked, ProposalEvent.WITHDRAWN, SYSTEM, data={"reason": why.value})
                self._record.tell(conn, ProposalEvent.WITHDRAWN, locked, why=why.value)
        except Conflict as error:
            log.info("proposal %s ended before it could be withdrawn: %s", row.id, error)

    def _raise_if_due(
        self, name: str, rule: ProposalRule, commit: str, bundle: Bundle, situation: Situation, last_halt: int
    ) -> None:
        sight = _sight(rule, situation)
        if sight.reached is None:
            return
        with self._database.read() as conn:
            past = proposals.last_of(conn, name)
            changes = verdicts.changes(conn, rule.when.subject, 1)
        if not changes or not is_due(rule, sight, past, situation.now):
            return
        row = self._new(name, rule, commit, bundle, sight.reached, changes[0])
        row["evidence"]["halt"] = last_halt
        with self._database.write() as conn:
            if not proposals.insert(conn, row, situation.now, f"{BY_RULE}{name}"):
                return
        self._want_plan(row["id"])

    def _new(
        self, name: str, rule: ProposalRule, commit: str, bundle: Bundle, reached: float, change: Row
    ) -> dict[str, Any]:
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
            "evidence": {**evidence, "rule": _what(rule)},
            "approvals_needed": _needed(rule, bundle),
        }

    def _want_plan(self, proposal_id: str) -> None:
        if proposal_id not in self._planning:
            self._planning.add(proposal_id)
            self._wanted.put(proposal_id)

    def _keep_planning(self) -> None:
        while (wanted := self._wanted.get()) is not None and not self._stopping:
            self._plan_safely(wanted)

    def _plan_safely(self, proposal_id: str | None) -> None:
        if proposal_id is None:
            return
        try:
            self._plan(self.get(proposal_id))
        except Exception:
            log.exception("the plan of proposal %s could not be kept; it is tried again by itself", proposal_id)
        finally:
            self._planning.discard(proposal_id)

    def _plan(self, row: Row) -> None:
        """Make the plan, in the order of the clocks that run; what stands in its way is kept, shown and told."""
        read = self._newest()
        rule = read[1].estate.policy.proposals.get(row.rule) if read else None
        if read is None or rule is None or row.state != ProposalState.BLOCKED:
            return
        commit, bundle = read
        services = _proposed(rule, bundle)
        try:
            plan = self._plans.make(services, rule.scope, parameters=rule.parameters, commit=commit)
            self._runs.require_secrets(plan)
        except RequestError as error:
            self._block(row, error.code, str(error))
            return
        except Exception as error:
            log.exception("the plan of proposal %s could not be made", row.id)
            self._block(row, "fault", f"{type(error).__name__}; the service's log has the details.")
            return
        if plan.blast_radius is not None and plan.blast_radius.excesses:
            why = refusal(plan.blast_radius.excesses, plan.scope)
            self._block(row, OverLimit.code, why["en"], why["fr"])
            return
        with self._database.write() as conn:
            locked = self._record.locked(conn, row.id)
            now = self._clock()
            if locked.state != ProposalState.BLOCKED:
                return
            if locked.weak_since is not None or self._halt.in_force() is not None:
                proposals.note(conn, row.id, looked_at=now)  # while the plan was made, what it stands on went
                return
            values = {"digest": plan.digest, "armed_until": now + rule.arm, "looked_at": now, "message": {}}
            values |= {"commit": commit, "services": services, "scope": rule.scope}
            values["evidence"] = {**locked.evidence, "rule": _what(rule)}
            self._record.move(conn, locked, ProposalEvent.ARMED, SYSTEM, values, {"digest": plan.digest})
            armed = self._record.locked(conn, row.id)
            ahead = announced(conn, armed, now)
            signers = tuple(str(one["by"]) for one in ahead.signatures) if ahead is not None else ()
            approval = str(ahead.id) if ahead is not None else ""
            said = {"steps": len(plan.steps), "standing": approval, "standing_by": signers}
            self._record.tell(conn, ProposalEvent.ARMED, armed, **said)

    def _block(self, row: Row, code: str, why: str, why_fr: str = "") -> None:
        message = {"code": code, "text": why}
        with self._database.write() as conn:
            locked = self._record.locked(conn, row.id)
            if locked.message == message:
                proposals.note(conn, row.id, looked_at=self._clock())
                return
            values = {"looked_at": self._clock(), "message": message}
            self._record.move(conn, locked, ProposalEvent.BLOCKED, SYSTEM, values, message)
            self._record.tell(conn, ProposalEvent.BLOCKED, locked, why=why, why_fr=why_fr)


@contextmanager
def _alone(rule: str) -> Iterator[None]:
    """What is wrong with one rule keeps no other from being looked at."""
    try:
        yield
    except Exception:
        log.exception("the rule %s could not be looked at once; the next look comes by itself", rule)


def _what(rule: ProposalRule) -> str:
    """What a rule proposes and because of what: when that changes, its proposal is another one."""
    said = rule.model_dump(mode="json", by_alias=True, include={"when", "propose", "parameters", "scope"})
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _needed(rule: ProposalRule, bundle: Bundle) -> int:
    return max(rule.approvals, RELEASES_NEEDED[Mode(bundle.estate.scopes[rule.scope].mode)])


def _proposed(rule: ProposalRule, bundle: Bundle) -> list[str]:
    estate = bundle.estate
    return list(rule.propose or services_of(rule.when.subject, estate.services, bundle.catalogue))


def _sight(rule: ProposalRule, situation: Situation) -> Sight:
    """What is known of the rule's subject; where nothing is observed, there is no evidence."""
    subject, board = rule.when.subject, situation.board
    evidence = situation.evidence.get(subject, Verdict.UNKNOWN)
    return Sight(board.verdict(subject), board.reached(subject, rule.when.bar), evidence)
