"""Work that one worker of several does: whoever holds its lease, until it runs out or is given back."""

import sqlalchemy as sa

from orchestrator.store.runs import insert_or_ignore
from orchestrator.store.tables import leases


def take(conn: sa.Connection, name: str, holder: str, now: float, lasts: float) -> bool:
    """Take the lease or prolong one's own; False while another holds it. `now`: seconds since the epoch.

    One that ends later than anybody could have taken it was taken by a clock that was wrong, and counts as free. On
    SQLite there is one process: whoever else held it is gone.
    """
    free = sa.or_(leases.c.holder == holder, leases.c.until <= now, leases.c.until > now + 2 * lasts)
    if conn.dialect.name == "sqlite":
        free = sa.true()
    query = sa.update(leases).where(leases.c.name == name, free).values(holder=holder, until=now + lasts)
    if conn.execute(query.returning(leases.c.name)).first() is not None:
        return True
    return insert_or_ignore(conn, leases, {"name": name, "holder": holder, "until": now + lasts})


def give_back(conn: sa.Connection, name: str, holder: str) -> None:
    """Let another take it at once."""
    conn.execute(sa.delete(leases).where(leases.c.name == name, leases.c.holder == holder))
