"""After a database was put back from a copy: what opened something at the time of the copy opens nothing any more.

Sessions that were ended since, tokens that were revoked, links and codes that were used would all be there again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.operations.request import RequestError
from orchestrator.store import audit, people, sessions
from orchestrator.store.database import Database


@dataclass(frozen=True, slots=True)
class Ended:
    """How many there were of each. `codes`: sealed ones."""

    sessions: int
    tokens: int
    invitations: int
    challenges: int
    codes: int


class Restored:
    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def end_all(self, by: str, reason: str) -> Ended:
        """All of it, in one transaction; passwords, second factors and roles stay. Raises RequestError."""
        if not reason.strip():
            raise RequestError("Give a reason: the audit keeps it.")
        with self._database.write() as conn:
            people.exclude(conn)
            ended = Ended(**sessions.end_all(conn))
            said = {"reason": reason, "sessions": ended.sessions, "tokens": ended.tokens, "codes": ended.codes}
            audit.record(conn, "people.restored", by, said, self._clock())
        return ended
