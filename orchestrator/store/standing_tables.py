"""The table of standing approvals. Times are seconds since the epoch, UTC."""

import sqlalchemy as sa

from orchestrator.store.tables import key_column, metadata

standing_approvals = sa.Table(
    "standing_approvals",
    metadata,
    key_column("id", 60),
    sa.Column("rule", sa.String(63), nullable=False),
    sa.Column("subject", sa.String(120), nullable=False),
    sa.Column("services", sa.JSON, nullable=False),
    sa.Column("scope", sa.String(100), nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("verdict", sa.String(10), nullable=False),
    sa.Column("held_for", sa.Double, nullable=False),
    sa.Column("asked_by", sa.String(200), nullable=False),
    sa.Column("asked_at", sa.Double, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("needed", sa.Integer, nullable=False),
    sa.Column("digest", sa.String(80), nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("signatures", sa.JSON, nullable=False),
    sa.Column("uses", sa.Integer, nullable=False),
    sa.Column("used_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("ended_by", sa.String(200)),
    sa.Column("end_reason", sa.Text),
    sa.Index("ix_standing_approvals_state_rule", "state", "rule"),
)
"""`signatures`: one each, with `by`, `at`, `comment`, the person's `revision`, and their key's `signature`."""
