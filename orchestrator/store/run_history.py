"""Named queries on what ran: page by page, the newest first, by what people look for."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.domain.model import ENDED_RUN
from orchestrator.store.runs import Row
from orchestrator.store.tables import plans, runs

ACTIVE = "active"
"""In the place of a state: whatever has not ended."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What runs must be; empty for whatever they are. `who`: a part of the name of who asked for them."""

    mode: str = ""
    scope: str = ""
    direction: str = ""
    service: str = ""
    state: str = ""
    who: str = ""


def page(conn: sa.Connection, wanted: Wanted, before: str, limit: int) -> Sequence[Row]:
    """The runs before this one (empty: the newest), in the order of their beginning; none after an unknown one."""
    query = sa.select(runs).where(*_conditions(wanted))
    if before:
        mark = sa.select(runs.c.created_at, runs.c.id).where(runs.c.id == before)
        at = conn.execute(mark).one_or_none()
        if at is None:
            return []
        later = sa.and_(runs.c.created_at == at.created_at, runs.c.id < at.id)
        query = query.where(sa.or_(runs.c.created_at < at.created_at, later))
    return conn.execute(query.order_by(runs.c.created_at.desc(), runs.c.id.desc()).limit(limit)).all()


def _conditions(wanted: Wanted) -> "list[sa.ColumnElement[bool]]":
    found: list[sa.ColumnElement[bool]] = [
        getattr(runs.c, name) == getattr(wanted, name)
        for name in ("mode", "scope", "direction")
        if getattr(wanted, name)
    ]
    if wanted.state == ACTIVE:
        found.append(runs.c.state.not_in([state.value for state in ENDED_RUN]))
    elif wanted.state:
        found.append(runs.c.state == wanted.state)
    if wanted.service:
        found.append(sa.cast(runs.c.services, sa.Text).contains(f'"{wanted.service}"', autoescape=True))
    if wanted.who:
        found.append(sa.func.lower(runs.c.requested_by).contains(wanted.who.lower(), autoescape=True))
    return found


def expected(conn: sa.Connection, digests: Sequence[str]) -> dict[str, float]:
    """Plan's digest -> seconds that it expected. The plans themselves, which may be large, are not read."""
    seconds = plans.c.document["expected_seconds"].as_float()
    rows = conn.execute(sa.select(plans.c.digest, seconds).where(plans.c.digest.in_(list(digests))))
    return {digest: float(value) for digest, value in rows if value}
