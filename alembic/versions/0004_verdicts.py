"""Verdicts, the proposals that policy makes of them, and the messages that tell people."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "source_beats",
        sa.Column("source", sa.String(length=63), nullable=False),
        sa.Column("slot", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("source", "slot", name=op.f("pk_source_beats")),
    )
    op.create_index("ix_source_beats_slot", "source_beats", ["slot"])
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "verdict_changes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("before", sa.String(length=10), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("targeted", sa.String(length=200), nullable=True),
        sa.Column("words", sa.JSON(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdict_changes")),
    )
    op.create_index("ix_verdict_changes_subject_id", "verdict_changes", ["subject", "id"])
    op.create_table(
        "acknowledgements",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acknowledgements")),
    )
    op.create_table(
        "proposals",
        sa.Column("id", sa.String(length=60), nullable=False),
        sa.Column("rule", sa.String(length=63), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("episode", sa.Double(), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("services", sa.JSON(), nullable=False),
        sa.Column("notify", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("approvals_needed", sa.Integer(), nullable=False),
        sa.Column("approvals", sa.JSON(), nullable=False),
        sa.Column("raised_at", sa.Double(), nullable=False),
        sa.Column("armed_until", sa.Double(), nullable=True),
        sa.Column("counted_down", sa.Boolean(), nullable=False),
        sa.Column("looked_at", sa.Double(), nullable=False),
        sa.Column("weak_since", sa.Double(), nullable=True),
        sa.Column("run_id", sa.String(length=60), nullable=True),
        sa.Column("message", sa.JSON(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("ended_by", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
    )
    op.create_index("ix_proposals_rule_raised_at", "proposals", ["rule", "raised_at"])
    waiting = sa.text("state in ('armed', 'blocked')")
    op.create_index(
        "uq_proposals_waiting", "proposals", ["rule"], unique=True, sqlite_where=waiting, postgresql_where=waiting
    )
    op.create_table(
        "proposal_events",
        sa.Column("proposal_id", sa.String(length=60), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", "seq", name=op.f("pk_proposal_events")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("commit", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("channel", sa.String(length=63), nullable=False),
        sa.Column("title", sa.JSON(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint("key", name=op.f("uq_notices_key")),
    )
    op.create_index("ix_notices_state_next_at", "notices", ["state", "next_at"])


def downgrade() -> None:
    for table in ("notices", "proposal_events", "proposals", "acknowledgements", "verdict_changes", "leases"):
        op.drop_table(table)
    op.drop_table("source_beats")
