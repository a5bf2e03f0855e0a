"""Named queries on verdicts: each change of one, only ever added; and what people acknowledged."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.signals.board import Board, Said
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.store import audit
from orchestrator.store.runs import Row
from orchestrator.store.tables import acknowledgements, verdict_changes
from orchestrator.store.text import storable


def record(conn: sa.Connection, change: Change, now: float) -> int:
    """Add a change; its id."""
    told = change.as_json()
    row: dict[str, Any] = {
        "subject": change.subject,
        "at": change.at,
        "recorded_at": now,
        "verdict": change.verdict.value,
        "before": change.before.value,
        "since": change.since,
        "targeted": change.targeted,
        "words": storable(told["words"]),
        "reasons": storable(told["reasons"]),
    }
    query = sa.insert(verdict_changes).values(row).returning(verdict_changes.c.id)
    return int(conn.execute(query).scalar_one())


def changes(conn: sa.Connection, subject: str = "", limit: int = 100) -> Sequence[Row]:
    """The newest first."""
    query = sa.select(verdict_changes).order_by(verdict_changes.c.id.desc()).limit(limit)
    return conn.execute(query.where(verdict_changes.c.subject == subject) if subject else query).all()


def between(conn: sa.Connection, since: float, subject: str = "") -> Sequence[Row]:
    """Changes from that time on, and of each subject the one before, so that it is known how the time began.

    In the order in which they were recorded; their words, without their reasons.
    """
    columns = [verdict_changes.c[name] for name in ("id", "subject", "at", "verdict", "before", "since", "words")]
    last = sa.select(sa.func.max(verdict_changes.c.id)).where(verdict_changes.c.at < since)
    wanted = sa.or_(verdict_changes.c.at >= since, verdict_changes.c.id.in_(last.group_by(verdict_changes.c.subject)))
    query = sa.select(*columns).where(wanted).order_by(verdict_changes.c.id)
    return conn.execute(query.where(verdict_changes.c.subject == subject) if subject else query).all()


def board(conn: sa.Connection) -> Board:
    """What all changes come to: of each subject, those since it was nominal last."""
    columns = (verdict_changes.c.subject, verdict_changes.c.verdict, verdict_changes.c.at, verdict_changes.c.since)
    other = verdict_changes.alias()
    well = (other.c.subject == verdict_changes.c.subject, other.c.verdict == Verdict.NOMINAL.value)
    last = sa.select(sa.func.max(other.c.id)).where(*well).scalar_subquery()
    recent = verdict_changes.c.id >= sa.func.coalesce(last, 0)
    rows = conn.execute(sa.select(*columns).where(recent).order_by(verdict_changes.c.id))
    return Board.of(Said(row.subject, Verdict(row.verdict), row.at, row.since) for row in rows)


def latest(conn: sa.Connection) -> Sequence[Row]:
    """Of each subject its last change, in the order of the subjects' names."""
    newest = sa.select(sa.func.max(verdict_changes.c.id)).group_by(verdict_changes.c.subject)
    query = sa.select(verdict_changes).where(verdict_changes.c.id.in_(newest)).order_by(verdict_changes.c.subject)
    return conn.execute(query).all()


def last_cut(conn: sa.Connection, before: float) -> dict[str, float]:
    """By subject, when it was found to be cut last, before that time."""
    cut = (verdict_changes.c.verdict == Verdict.CUT.value, verdict_changes.c.at < before)
    query = sa.select(verdict_changes.c.subject, sa.func.max(verdict_changes.c.at)).where(*cut)
    return {subject: float(at) for subject, at in conn.execute(query.group_by(verdict_changes.c.subject))}


def acknowledge(conn: sa.Connection, subject: str, at: float, by: str, comment: str) -> None:
    conn.execute(sa.insert(acknowledgements), {"subject": subject, "at": at, "by": by, "comment": comment})
    audit.record(conn, "verdict.acknowledged", by, {"subject": subject, "comment": comment}, at)


def acknowledged(conn: sa.Connection, after: int = 0) -> Sequence[Row]:
    """In the order in which they were given."""
    query = sa.select(acknowledgements).where(acknowledgements.c.id > after).order_by(acknowledgements.c.id)
    return conn.execute(query).all()


def last_acknowledged(conn: sa.Connection) -> Sequence[Row]:
    """Of each subject its last."""
    newest = sa.select(sa.func.max(acknowledgements.c.id)).group_by(acknowledgements.c.subject)
    return conn.execute(sa.select(acknowledgements).where(acknowledgements.c.id.in_(newest))).all()


def acknowledgements_of(conn: sa.Connection, subject: str, limit: int) -> Sequence[Row]:
    """The newest first."""
    query = sa.select(acknowledgements).where(acknowledgements.c.subject == subject)
    return conn.execute(query.order_by(acknowledgements.c.id.desc()).limit(limit)).all()
