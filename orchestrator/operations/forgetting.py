"""A person is forgotten: the audit's chains keep a pseudonym that nobody can tell whose it was, and still verify."""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.operations.request import Conflict, NotFound, RequestError
from orchestrator.store import audit, forgetting, identities
from orchestrator.store.database import Database


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What stands where the name stood, and in which runs the person had a part."""

    pseudonyms: tuple[str, ...]
    runs: tuple[str, ...]


def forget(database: Database, clock: Callable[[], float], name: str, by: str, reason: str) -> Forgotten:
    """Remove who a name's pseudonyms are. Raises NotFound, Conflict while a run or proposal counts on the person,
    RequestError.
    """
    if not reason.strip():
        raise RequestError("Give a reason, why the person is forgotten: it is kept.")
    if by == name:
        raise RequestError(f"{by} would be remembered by forgetting {name}: let somebody else do it, with --as.")
    now = clock()
    with database.write() as conn:
        pseudonyms = identities.of(conn, name)
        if not pseudonyms:
            raise NotFound(f"The audit knows nobody named {name!r}.")
        busy = forgetting.under_way(conn, name, pseudonyms)
        if busy:
            raise Conflict(
                f"{name} has a part in {', '.join(busy)}, which is not over: who may approve there depends on it. "
                "Let it end first."
            )
        runs = forgetting.take_out(conn, name, pseudonyms)
        audit.record(conn, "identity.forgotten", by, {"pseudonyms": list(pseudonyms), "reason": reason.strip()}, now)
    return Forgotten(tuple(pseudonyms), tuple(runs))
