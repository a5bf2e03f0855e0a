"""The audit: hashes of the journals' events, the administration's chain, checkpoints and who keeps them.

What was journalled before is hashed here as it is found; the administration's chain begins with how far each run was.
"""

import secrets
import time

import sqlalchemy as sa
from alembic import op

from orchestrator.domain.audit.chain import (
    ADMINISTRATION,
    canonical,
    entry_text,
    genesis,
    link,
    recanonical,
    run_chain,
)

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
AT_ONCE = 1000
ENTRIES = sa.table(
    "audit_entries",
    *(sa.column(name) for name in ("chain", "seq", "at", "kind", "actor")),
    sa.column("data", sa.JSON()),
    sa.column("hash"),
)


def upgrade() -> None:
    op.add_column("runs", sa.Column("head", sa.String(length=64), server_default="", nullable=False))
    op.add_column("events", sa.Column("hash", sa.String(length=64), server_default="", nullable=False))
    op.create_table(
        "audit_heads",
        sa.Column("chain", sa.String(length=100), nullable=False),
        sa.Column("length", COUNTED, nullable=False),
        sa.Column("head", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "audit_entries",
        sa.Column("chain", sa.String(length=100), nullable=False),
        sa.Column("seq", COUNTED, autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("chain", "seq", name=op.f("pk_audit_entries")),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("covered", COUNTED, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_checkpoints")),
    )
    op.create_table(
        "audit_deliveries",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("witness", sa.String(length=300), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", "witness", name=op.f("pk_audit_deliveries")),
    )
    op.create_index("ix_audit_deliveries_state_next_at", "audit_deliveries", ["state", "next_at"])
    op.create_table(
        "identities",
        sa.Column("pseudonym", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("pseudonym", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_name"), "identities", ["name"])
    _begin(op.get_bind())


def _begin(conn: sa.Connection) -> None:
    """Hash what is there, and let the administration's chain tell of it."""
    now = time.time()
    _pseudonymise(conn, now)
    runs = conn.execute(sa.text("SELECT id FROM runs ORDER BY created_at, id")).scalars().all()
    said = [("audit.begun", {"runs": len(runs)})]
    for run_id in runs:
        length, head = _hash_run(conn, run_id)
        conn.execute(sa.text("UPDATE runs SET head = :head WHERE id = :id"), {"head": head, "id": run_id})
        said.append(("run.adopted", {"run": run_id, "length": length, "head": head}))
    head = genesis(ADMINISTRATION)
    for seq, (kind, data) in enumerate(said, 1):
        head = link(head, entry_text(seq, now, kind, "bascule", None, 0, canonical(data)))
        row = {"chain": ADMINISTRATION, "seq": seq, "at": now, "kind": kind, "actor": "bascule"}
        conn.execute(sa.insert(ENTRIES), {**row, "data": data, "hash": head})
    conn.execute(
        sa.text("INSERT INTO audit_heads (chain, length, head) VALUES (:chain, :length, :head)"),
        {"chain": ADMINISTRATION, "length": len(said), "head": head},
    )


def _pseudonymise(conn: sa.Connection, now: float) -> None:
    """Before anything is hashed, people get pseudonyms as actors; their names in messages stay."""
    for name in conn.execute(sa.text("SELECT DISTINCT actor FROM events")).scalars().all():
        if name == "bascule":
            continue
        row = {"pseudonym": f"person-{secrets.token_hex(10)}", "name": name, "at": now}
        said = "INSERT INTO identities (pseudonym, name, created_at) VALUES (:pseudonym, :name, :at)"
        conn.execute(sa.text(said), row)
        conn.execute(sa.text("UPDATE events SET actor = :pseudonym WHERE actor = :name"), row)


def _hash_run(conn: sa.Connection, run_id: str) -> tuple[int, str]:
    """The run's events get their hashes, some at a time; answers its length and head."""
    length, head = 0, genesis(run_chain(run_id))
    query = sa.text(
        "SELECT seq, at, kind, actor, step_id, attempt, CAST(data AS TEXT) AS data FROM events "
        "WHERE run_id = :id AND seq > :after ORDER BY seq LIMIT :limit"
    )
    store = sa.text("UPDATE events SET hash = :hash WHERE run_id = :id AND seq = :seq")
    while rows := conn.execute(query, {"id": run_id, "after": length, "limit": AT_ONCE}).all():
        hashes = []
        for row in rows:
            data = recanonical(row.data)
            head = link(head, entry_text(row.seq, row.at, row.kind, row.actor, row.step_id, row.attempt, data))
            hashes.append({"hash": head, "id": run_id, "seq": row.seq})
            length = row.seq
        conn.execute(store, hashes)
    return length, head


def downgrade() -> None:
    for table in ("identities", "audit_deliveries", "audit_checkpoints", "audit_entries", "audit_heads"):
        op.drop_table(table)
    with op.batch_alter_table("events") as events:
        events.drop_column("hash")
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("head")
