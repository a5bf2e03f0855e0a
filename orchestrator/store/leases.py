"""Who does what only one of several workers may do: a lease that ends by itself when its holder is gone."""

import sqlalchemy as sa

from orchestrator.store.runs import insert_or_ignore
from orchestrator.store.tables import leases


def take(conn: sa.Connection, name: str, holder: str, now: float, lasts: float) -> bool:
    """True while the lease is the holder's, which it then is for `lasts` seconds more; False while another's runs.

    On SQLite there is one process: a lease that was somebody else's is of a dead one, and is taken at once.
    """
    row = {"name": name, "holder": holder, "until": now + lasts}
    if insert_or_ignore(conn, leases, row):
        return True
    free = sa.or_(leases.c.holder == holder, leases.c.until < now)
    if conn.dialect.name == "sqlite":
        free = sa.true()
    query = sa.update(leases).where(leases.c.name == name, free).values(row).returning(leases.c.name)
    return conn.execute(query).one_or_none() is not None


def give_back(conn: sa.Connection, name: str, holder: str) -> None:
    """Another may take it at once."""
    conn.execute(sa.delete(leases).where(leases.c.name == name, leases.c.holder == holder))
