"""What becomes of a standing approval is written, and told to everybody whom the policy warns, in one transaction."""

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.domain.proposals.standing_approval import SIGNERS, IllegalStandingEvent, StandingEvent
from orchestrator.domain.proposals.standing_words import StandingTold, body, title
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import Conflict, NotFound, RequestError
from orchestrator.store import notices, standing_approvals
from orchestrator.store.database import Connection
from orchestrator.store.runs import Row


class StandingRecord:
    def __init__(self, estates: Estates, clock: Callable[[], float]) -> None:
        self._estates = estates
        self._clock = clock

    def locked(self, conn: Connection, approval_id: str) -> Row:
        """The row, which nobody else changes before this transaction ends. Raises NotFound."""
        row = standing_approvals.locked(conn, approval_id)
        if row is None:
            raise unknown(approval_id)
        return row

    def move(
        self,
        conn: Connection,
        row: Row,
        event: StandingEvent,
        actor: str,
        values: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Row:
        """One event of a row that was read by `locked`; the row as it is then. Raises Conflict."""
        try:
            standing_approvals.move(conn, row, event, self._clock(), actor, values, data)
        except IllegalStandingEvent as error:
            raise Conflict(f"Not possible now: {error}.") from error
        return self.locked(conn, row.id)

    def tell(self, conn: Connection, event: StandingEvent, row: Row, **said: Any) -> None:
        """Loud: on the channels of `policy.warnings`. Where the estate can't be read there are none to tell on."""
        try:
            commit = self._estates.newest()
            warned = self._estates.bundle(commit).estate.policy.warnings
        except RequestError:
            return
        if warned is None:
            return
        signers = [str(one["by"]) for one in row.signatures]
        told = StandingTold(
            id=row.id,
            rule=row.rule,
            services=row.services,
            scope=row.scope,
            digest=row.digest,
            expires_at=row.expires_at,
            missing=max(max(row.needed, SIGNERS) - len(signers), 0),
            signers=signers,
            **said,
        )
        key = f"standing:{row.id}:{event.value.partition('.')[2]}:{len(signers)}.{row.uses}"
        words = title(event, told), body(event, told)
        notices.add(conn, key, commit, warned.scope, warned.notify, *words, self._clock())


def unknown(approval_id: str) -> NotFound:
    return NotFound(f"There is no standing approval {approval_id}; `bascule standing list` has them all.")
