"""Named queries on sealed secrets. What is in the clear here is where a secret belongs, never what it is."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from orchestrator.store.sealing import Sealed
from orchestrator.store.tables import sealed_secrets

_T = sealed_secrets.c
_GET = sa.select(sealed_secrets).where(_T.scope == sa.bindparam("s"), _T.name == sa.bindparam("n"))
_TWINS = (
    sa.select(_T.scope, _T.name)
    .where(_T.fingerprint.in_(sa.bindparam("f", expanding=True)), _T.kind != sa.bindparam("k"))
    .order_by(_T.scope, _T.name)
    .limit(1)
)
_OF_OTHERS = sa.select(_T.scope, _T.name).where(
    _T.kind != sa.bindparam("k"), _T.key.not_in(sa.bindparam("i", expanding=True))
)


class Origin(StrEnum):
    """How a sealed secret came here."""

    PERSON = "person"
    FILE = "file"
    OPENBAO = "openbao"
    """It is a copy, of what was read there last."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sealed secret. `kind`: the mode of its scope. `read_at`: when a copy was last the same as its original."""

    scope: str
    name: str
    sealed: Sealed
    kind: str
    origin: Origin
    set_at: float
    set_by: str
    read_at: float | None = None

    @property
    def place(self) -> tuple[str, str]:
        return self.scope, self.name


def get(conn: sa.Connection, scope: str, name: str) -> Row | None:
    row = conn.execute(_GET, {"s": scope, "n": name}).one_or_none()
    return None if row is None else _row(row)


def listed(conn: sa.Connection) -> list[Row]:
    """All, by scope and name."""
    return [_row(row) for row in conn.execute(sa.select(sealed_secrets).order_by(_T.scope, _T.name))]


def twin(conn: sa.Connection, kind: str, fingerprints: Collection[str]) -> tuple[str, str] | None:
    """Scope and name under which a scope of another kind has a value of these fingerprints."""
    row = conn.execute(_TWINS, {"k": kind, "f": list(fingerprints)}).one_or_none()
    return None if row is None else (row.scope, row.name)


def incomparable(conn: sa.Connection, kind: str, keys: Collection[str]) -> list[tuple[str, str]]:
    """Of scopes of another kind: those that none of these keys sealed, so that no value can be compared with them."""
    return [(row.scope, row.name) for row in conn.execute(_OF_OTHERS, {"k": kind, "i": list(keys)})]


def exclude(conn: sa.Connection) -> None:
    """Until this transaction ends, no key is let go. On SQLite writers take turns anyway."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.text("LOCK TABLE sealed_secrets IN ROW EXCLUSIVE MODE"))


def exclude_all(conn: sa.Connection) -> None:
    """Nobody who called `exclude` is under way, or begins: nothing is sealed meanwhile."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.text("LOCK TABLE sealed_secrets IN SHARE ROW EXCLUSIVE MODE"))


def put(conn: sa.Connection, row: Row) -> bool:
    """Whether there was one in its place, which is gone now."""
    replaced = remove(conn, row.scope, row.name)
    conn.execute(
        sa.insert(sealed_secrets),
        {
            "scope": row.scope,
            "name": row.name,
            "sealed": row.sealed.token,
            "key": row.sealed.key,
            "fingerprint": row.sealed.fingerprint,
            "kind": row.kind,
            "origin": row.origin.value,
            "set_at": row.set_at,
            "set_by": row.set_by,
            "read_at": row.read_at,
        },
    )
    return replaced


def remove(conn: sa.Connection, scope: str, name: str) -> bool:
    """False when there was none."""
    query = sa.delete(sealed_secrets).where(_T.scope == scope, _T.name == name).returning(_T.name)
    return conn.execute(query).one_or_none() is not None


def reseal(conn: sa.Connection, row: Row, sealed: Sealed) -> None:
    """The same secret by another key. The caller holds `exclude_all`."""
    values = {"sealed": sealed.token, "key": sealed.key, "fingerprint": sealed.fingerprint}
    conn.execute(sa.update(sealed_secrets).where(_T.scope == row.scope, _T.name == row.name).values(values))


def seen_again(conn: sa.Connection, row: Row, at: float) -> None:
    """The original of a copy was read, and is the same."""
    query = sa.update(sealed_secrets).where(_T.scope == row.scope, _T.name == row.name, _T.sealed == row.sealed.token)
    conn.execute(query.values(read_at=at))


def _row(row: "sa.Row[tuple[object, ...]]") -> Row:
    sealed = Sealed(row.sealed, row.key, row.fingerprint)
    return Row(row.scope, row.name, sealed, row.kind, Origin(row.origin), row.set_at, row.set_by, row.read_at)
