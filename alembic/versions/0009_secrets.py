"""Secrets, sealed. The keys that open them are never in the database."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sealed_secrets",
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("key", sa.String(length=16), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("origin", sa.String(length=20), nullable=False),
        sa.Column("set_at", sa.Double(), nullable=False),
        sa.Column("set_by", sa.String(length=200), nullable=False),
        sa.Column("read_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("scope", "name", name=op.f("pk_sealed_secrets")),
    )
    op.create_index(op.f("ix_sealed_secrets_fingerprint"), "sealed_secrets", ["fingerprint"])


def downgrade() -> None:
    op.drop_table("sealed_secrets")
