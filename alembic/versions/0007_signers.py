"""Who vouched for an accepted commit of the estate, and each follows exactly one other."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("estate_commits") as commits:
        commits.add_column(sa.Column("follows", sa.Integer(), nullable=True))
        commits.add_column(sa.Column("reason", sa.Text(), server_default="", nullable=False))
        commits.add_column(sa.Column("signer", sa.JSON(none_as_null=True), nullable=True))
        commits.add_column(sa.Column("policy_signers", sa.JSON(none_as_null=True), nullable=True))
        commits.drop_constraint("uq_estate_commits_commit", type_="unique")
        commits.create_index("ix_estate_commits_commit", ["commit"])
    op.execute(
        "UPDATE estate_commits SET follows = "
        "(SELECT coalesce(max(earlier.seq), 0) FROM estate_commits AS earlier WHERE earlier.seq < estate_commits.seq)"
    )
    with op.batch_alter_table("estate_commits") as commits:
        commits.alter_column("follows", existing_type=sa.Integer(), nullable=False)
        commits.create_unique_constraint("uq_estate_commits_follows", ["follows"])


def downgrade() -> None:
    with op.batch_alter_table("estate_commits") as commits:
        commits.drop_constraint("uq_estate_commits_follows", type_="unique")
        commits.drop_index("ix_estate_commits_commit")
        commits.drop_column("policy_signers")
        commits.drop_column("signer")
        commits.drop_column("reason")
        commits.drop_column("follows")
        commits.create_unique_constraint("uq_estate_commits_commit", ["commit"])
