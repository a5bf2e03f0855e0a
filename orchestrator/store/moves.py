"""Whether anything that people look at moved: one word for all of it."""

from typing import Any

import sqlalchemy as sa

from orchestrator.domain.audit.chain import ADMINISTRATION
from orchestrator.store.tables import audit_heads, deliveries, halts, notices, proposal_events, runs, verdict_changes


def _number(of: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    return sa.select(sa.func.coalesce(of, 0)).scalar_subquery()


_REVISION = sa.select(
    _number(sa.func.sum(runs.c.seq)),
    sa.select(sa.func.coalesce(sa.func.max(audit_heads.c.length), 0))
    .where(audit_heads.c.chain == ADMINISTRATION)
    .scalar_subquery(),
    sa.select(sa.func.count()).select_from(proposal_events).scalar_subquery(),
    *(_number(sa.func.max(table.c.id)) for table in (verdict_changes, deliveries, halts, notices)),
)


def revision(conn: sa.Connection) -> str:
    """Another word after every change of a run, a verdict, a proposal, a halt, a delivery or the administration.

    It says nothing of which came first. What runs write (their output) does not change it.
    """
    return ".".join(str(number) for number in conn.execute(_REVISION).one())
