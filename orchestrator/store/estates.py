"""Which commits of the estate were accepted, when and by whom, and who vouched for them."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.trust import Signature, Voucher
from orchestrator.store import audit
from orchestrator.store.runs import insert_or_ignore
from orchestrator.store.tables import estate_commits


@dataclass(frozen=True, slots=True)
class Accepted:
    """One line of the history. `reason`: why a person let another history in. `voucher`: None when it is unsigned."""

    seq: int
    commit: str
    accepted_at: float
    accepted_by: str
    previous: str | None
    reason: str
    voucher: Voucher | None


def newest(conn: sa.Connection) -> Accepted | None:
    return _first(conn, sa.select(estate_commits))


def newest_trusted(conn: sa.Connection) -> Accepted | None:
    """The newest that was signed."""
    return _first(conn, sa.select(estate_commits).where(estate_commits.c.signer.is_not(None)))


def at(conn: sa.Connection, commit: str) -> Accepted | None:
    """How this commit was accepted, the last time that it was."""
    return _first(conn, sa.select(estate_commits).where(estate_commits.c.commit == commit))


def accept(
    conn: sa.Connection,
    commit: str,
    by: str,
    at: float,
    *,
    after: Accepted | None,
    voucher: Voucher | None = None,
    reason: str = "",
) -> bool:
    """Journal that a commit was accepted after another; False when something else was accepted after that meanwhile."""
    row = {"commit": commit, "accepted_at": at, "accepted_by": by, "reason": reason, **_columns(voucher)}
    row |= {"follows": after.seq if after else 0, "previous": after.commit if after else None}
    if not insert_or_ignore(conn, estate_commits, row):
        return False
    said = {"commit": commit, "previous": row["previous"], "reason": reason}
    audit.record(conn, "estate.accepted", by, {**said, "signed": voucher is not None}, at)
    return True


def vouch(conn: sa.Connection, accepted: Accepted, voucher: Voucher | None) -> None:
    """Somebody signed what was accepted unsigned."""
    conn.execute(sa.update(estate_commits).where(estate_commits.c.seq == accepted.seq).values(**_columns(voucher)))


def history(conn: sa.Connection, limit: int = 50, before: int | None = None) -> list[Accepted]:
    """The newest first; those before this `seq`, where there is one."""
    query = sa.select(estate_commits).order_by(estate_commits.c.seq.desc()).limit(limit)
    rows = conn.execute(query if before is None else query.where(estate_commits.c.seq < before))
    return [_accepted(row) for row in rows]


def _first(conn: sa.Connection, query: "sa.Select[Any]") -> Accepted | None:
    row = conn.execute(query.order_by(estate_commits.c.seq.desc()).limit(1)).one_or_none()
    return None if row is None else _accepted(row)


def _accepted(row: "sa.Row[Any]") -> Accepted:
    voucher = None
    if row.signer is not None:
        voucher = Voucher(_signature(row.signer), tuple(_signature(one) for one in row.policy_signers or ()))
    return Accepted(row.seq, row.commit, row.accepted_at, row.accepted_by, row.previous, row.reason, voucher)


def _columns(voucher: Voucher | None) -> dict[str, Any]:
    if voucher is None:
        return {"signer": None, "policy_signers": None}
    policy = [_written(one) for one in voucher.policy]
    return {"signer": _written(voucher.signature), "policy_signers": policy}


def _written(signature: Signature) -> dict[str, Any]:
    return {"principals": list(signature.principals), "key": signature.key}


def _signature(written: dict[str, Any]) -> Signature:
    return Signature(tuple(written["principals"]), written["key"])
