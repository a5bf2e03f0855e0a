"""What monitoring systems delivered, and the observations that were made of it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", COUNTED, autoincrement=True, nullable=False),
        sa.Column("source", sa.String(length=63), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.String(length=200), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("observed", sa.Integer(), nullable=False),
        sa.Column("unmapped", sa.Integer(), nullable=False),
        sa.Column("left", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("source", "key", name=op.f("uq_deliveries_source_key")),
    )
    op.create_index("ix_deliveries_source_id", "deliveries", ["source", "id"])
    some = sa.text("unmapped > 0")
    op.create_index("ix_deliveries_unmapped", "deliveries", ["id"], sqlite_where=some, postgresql_where=some)
    op.create_table(
        "observations",
        sa.Column("id", COUNTED, autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("vendor", sa.String(length=100), nullable=False),
        sa.Column("aspect", sa.String(length=20), nullable=False),
        sa.Column("sensor", sa.String(length=200), nullable=False),
        sa.Column("vantage", sa.String(length=200), nullable=False),
        sa.Column("trust_domain", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("account", sa.String(length=200), nullable=True),
        sa.Column("source", sa.String(length=63), nullable=False),
        sa.Column("delivery_id", COUNTED, nullable=True),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observations")),
        sa.UniqueConstraint("key", name=op.f("uq_observations_key")),
    )
    op.create_index(op.f("ix_observations_at"), "observations", ["at"])
    op.create_index("ix_observations_source_id", "observations", ["source", "id"])
    op.create_index("ix_observations_vendor_at", "observations", ["vendor", "at"])


def downgrade() -> None:
    op.drop_table("observations")
    op.drop_table("deliveries")
