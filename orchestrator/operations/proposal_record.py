"""What becomes of a proposal is written, and told to people, in one transaction."""

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.domain.estate import Estate
from orchestrator.domain.proposals.proposal import IllegalProposalEvent, ProposalEvent
from orchestrator.domain.proposals.words import Told, body, title
from orchestrator.operations.request import Conflict, NotFound
from orchestrator.store import notices, proposals, runs
from orchestrator.store.database import Connection
from orchestrator.store.runs import Row


class ProposalRecord:
    """`estate`: the newest that could be read; without it, services go by their names."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.estate: Estate | None = None

    def locked(self, conn: Connection, proposal_id: str) -> Row:
        """The row, which nobody else changes before this transaction ends. Raises NotFound."""
        row = proposals.locked(conn, proposal_id)
        if row is None:
            raise NotFound(f"There is no proposal {proposal_id}; `bascule proposals` lists them.")
        return row

    def move(
        self,
        conn: Connection,
        row: Row,
        event: ProposalEvent,
        actor: str,
        values: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """One event of a row that was read by `locked`. Raises Conflict."""
        try:
            proposals.move(conn, row, event, self._clock(), actor, values, data)
        except IllegalProposalEvent as error:
            raise Conflict(f"Not possible now: {error}.") from error

    def tell(self, conn: Connection, event: ProposalEvent, row: Row, **said: Any) -> None:
        """Queue the message on the proposal's channels, in the transaction in which it happens.

        Words that can't be found never stand in the way of what happens.
        """
        facts = {"approvals": [one["by"] for one in row.approvals], "steps": _steps(conn, row), **said}
        told = Told(
            id=row.id,
            services=self._titles(row),
            scope=row.scope,
            digest=row.digest,
            approvals_needed=row.approvals_needed,
            armed_until=row.armed_until,
            evidence=row.evidence["words"],
            **facts,
        )
        key = f"{row.id}:{event.value}:{int(self._clock())}"
        words = title(event, told), body(event, told)
        notices.add(conn, key, row.commit, row.scope, row.notify, *words, self._clock())

    def _titles(self, row: Row) -> dict[str, dict[str, str]]:
        """Names in place of titles where the estate can't be read."""
        services = self.estate.services if self.estate else {}
        named = {name: {"fr": name, "en": name} for name in row.services}
        return named | {name: services[name].title.model_dump() for name in row.services if name in services}


def _steps(conn: Connection, row: Row) -> int:
    document = runs.load_plan(conn, row.digest) if row.digest else None
    return len(document["steps"]) if document else 0
