"""The tables. Times are seconds since the epoch, UTC. DBOS keeps its own tables beside them."""

from typing import Any

import sqlalchemy as sa

from orchestrator.domain.audit.chain import canonical

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class CanonicalText(str):
    """JSON that is in its canonical form already, and is stored as it is."""

    __slots__ = ()


class CanonicalJson(sa.types.TypeDecorator[Any]):
    """JSON stored byte for byte as the audit hashes it (`domain.audit.chain`)."""

    impl = sa.JSON
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        del dialect
        return _bound


def _bound(value: Any) -> str:
    return str(value) if isinstance(value, CanonicalText) else canonical(value)


def key_column(name: str, size: int = 200) -> "sa.Column[str]":
    return sa.Column(name, sa.String(size), primary_key=True)


estate_commits = sa.Table(
    "estate_commits",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("commit", sa.String(64), nullable=False, index=True),
    sa.Column("accepted_at", sa.Double, nullable=False),
    sa.Column("accepted_by", sa.String(200), nullable=False),
    sa.Column("previous", sa.String(64)),
    sa.Column("follows", sa.Integer, nullable=False, unique=True),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("signer", sa.JSON(none_as_null=True)),
    sa.Column("policy_signers", sa.JSON(none_as_null=True)),
)
"""`follows`: the seq of the row before, so that the history is one line even when two workers accept at once."""

plans = sa.Table(
    "plans",
    metadata,
    key_column("digest", 80),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("document", sa.JSON, nullable=False),
)

snapshots = sa.Table(
    "snapshots",
    metadata,
    key_column("scope", 100),
    key_column("subject", 80),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("values", sa.JSON, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    key_column("id", 60),
    sa.Column("plan_digest", sa.String(80), sa.ForeignKey("plans.digest"), nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("scope", sa.String(100), nullable=False),
    sa.Column("mode", sa.String(20), nullable=False),
    sa.Column("direction", sa.String(20), nullable=False),
    sa.Column("services", sa.JSON, nullable=False),
    sa.Column("requested_by", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("releases_needed", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False, index=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("head", sa.String(64), nullable=False, server_default=""),
    sa.Column("state", sa.String(30), nullable=False, index=True),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("remaining", sa.Integer, nullable=False),
    sa.Column("undo_remaining", sa.Integer, nullable=False),
    sa.Column("releases", sa.JSON, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("ended_at", sa.Double),
)

steps = sa.Table(
    "steps",
    metadata,
    key_column("run_id", 60),
    key_column("step_id"),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("uses", sa.String(60), nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("queued", sa.Boolean, nullable=False),
    sa.Column("dispatch", sa.Integer, nullable=False),
    sa.Column("state", sa.String(30), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("undo_attempt", sa.Integer, nullable=False),
    sa.Column("open_needs", sa.Integer, nullable=False),
    sa.Column("undo_open", sa.Integer, nullable=False),
    sa.Column("had_intent", sa.Boolean, nullable=False),
    sa.Column("drift_accepted", sa.Boolean, nullable=False),
    sa.Column("fence", sa.String(80), nullable=False),
    sa.Column("before", sa.JSON(none_as_null=True)),
    sa.Column("outputs", sa.JSON, nullable=False),
    sa.Column("effect", sa.JSON, nullable=False),
    sa.Column("waits_for", sa.JSON(none_as_null=True)),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("started_at", sa.Double),
    sa.Column("ended_at", sa.Double),
    sa.Column("wake_at", sa.Double),
    sa.Column("rescue", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("ix_steps_state_run", "state", "run_id"),
)

edges = sa.Table(
    "edges",
    metadata,
    key_column("run_id", 60),
    key_column("need"),
    key_column("dependent"),
    sa.Index("ix_edges_dependent", "run_id", "dependent"),
)

events = sa.Table(
    "events",
    metadata,
    key_column("run_id", 60),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("step_id", sa.String(200)),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("data", CanonicalJson, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, server_default=""),
)

output_lines = sa.Table(
    "output_lines",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.String(60), nullable=False),
    sa.Column("step_id", sa.String(200), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("ix_output_lines_run", "run_id", "id"),
)

holds = sa.Table(
    "holds",
    metadata,
    key_column("scope", 100),
    key_column("resource", 300),
    sa.Column("run_id", sa.String(60), nullable=False, index=True),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    key_column("key"),
    sa.Column("fingerprint", sa.String(80), nullable=False),
    sa.Column("run_id", sa.String(60), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)

strays = sa.Table(
    "strays",
    metadata,
    key_column("scope", 100),
    key_column("provider", 100),
    key_column("kind", 40),
    key_column("id"),
    sa.Column("name", sa.String(300), nullable=False),
    sa.Column("run_id", sa.String(100), nullable=False),
    sa.Column("step_id", sa.String(200), nullable=False),
    sa.Column("first_seen", sa.Double, nullable=False),
    sa.Column("last_seen", sa.Double, nullable=False),
    sa.Column("decision", sa.String(20), nullable=False),
    sa.Column("decided_by", sa.String(200), nullable=False),
    sa.Column("decided_at", sa.Double),
    sa.Column("reason", sa.Text, nullable=False),
)

_COUNTED = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""A number that a storm does not use up; SQLite counts that far by itself."""

halts = sa.Table(
    "halts",
    metadata,
    sa.Column("id", _COUNTED, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("lifted_at", sa.Double),
    sa.Column("lifted_by", sa.String(200)),
    sa.Column("lift_reason", sa.Text),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", _COUNTED, primary_key=True, autoincrement=True),
    sa.Column("source", sa.String(63), nullable=False),
    sa.Column("key", sa.String(64), nullable=False),
    sa.Column("received_at", sa.Double, nullable=False),
    sa.Column("last_at", sa.Double, nullable=False),
    sa.Column("repeats", sa.Integer, nullable=False),
    sa.Column("content_type", sa.String(200), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("observed", sa.Integer, nullable=False),
    sa.Column("unmapped", sa.Integer, nullable=False),
    sa.Column("left", sa.JSON, nullable=False),
    sa.Column("body", sa.LargeBinary),  # last: what stands behind a long value is slow to read
    sa.UniqueConstraint("source", "key"),
    sa.Index("ix_deliveries_source_id", "source", "id"),
    sa.Index(
        "ix_deliveries_unmapped", "id", sqlite_where=sa.text("unmapped > 0"), postgresql_where=sa.text("unmapped > 0")
    ),
)

observations = sa.Table(
    "observations",
    metadata,
    sa.Column("id", _COUNTED, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Double, nullable=False, index=True),
    sa.Column("received_at", sa.Double, nullable=False),
    sa.Column("vendor", sa.String(100), nullable=False),
    sa.Column("aspect", sa.String(20), nullable=False),
    sa.Column("sensor", sa.String(200), nullable=False),
    sa.Column("vantage", sa.String(200), nullable=False),
    sa.Column("trust_domain", sa.String(200), nullable=False),
    sa.Column("outcome", sa.String(10), nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("account", sa.String(200)),
    sa.Column("source", sa.String(63), nullable=False),
    sa.Column("delivery_id", _COUNTED),
    sa.Column("key", sa.String(64), unique=True),
    sa.Index("ix_observations_vendor_at", "vendor", "at"),
    sa.Index("ix_observations_source_id", "source", "id"),
)

source_beats = sa.Table(
    "source_beats",
    metadata,
    key_column("source", 63),
    sa.Column("slot", sa.Integer, primary_key=True, autoincrement=False),
    sa.Index("ix_source_beats_slot", "slot"),
)

leases = sa.Table(
    "leases",
    metadata,
    key_column("name", 60),
    sa.Column("holder", sa.String(80), nullable=False),
    sa.Column("until", sa.Double, nullable=False),
)

verdict_changes = sa.Table(
    "verdict_changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("subject", sa.String(120), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("recorded_at", sa.Double, nullable=False),
    sa.Column("verdict", sa.String(10), nullable=False),
    sa.Column("before", sa.String(10), nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("targeted", sa.String(200)),
    sa.Column("words", sa.JSON, nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Index("ix_verdict_changes_subject_id", "subject", "id"),
)

acknowledgements = sa.Table(
    "acknowledgements",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("subject", sa.String(120), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
)

_WAITING = sa.text("state in ('armed', 'blocked')")

proposals = sa.Table(
    "proposals",
    metadata,
    key_column("id", 60),
    sa.Column("rule", sa.String(63), nullable=False),
    sa.Column("subject", sa.String(120), nullable=False),
    sa.Column("episode", sa.Double, nullable=False),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("scope", sa.String(100), nullable=False),
    sa.Column("services", sa.JSON, nullable=False),
    sa.Column("notify", sa.JSON, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("digest", sa.String(80), nullable=False),
    sa.Column("approvals_needed", sa.Integer, nullable=False),
    sa.Column("approvals", sa.JSON, nullable=False),
    sa.Column("raised_at", sa.Double, nullable=False),
    sa.Column("armed_until", sa.Double),
    sa.Column("counted_down", sa.Boolean, nullable=False),
    sa.Column("looked_at", sa.Double, nullable=False),
    sa.Column("weak_since", sa.Double),
    sa.Column("run_id", sa.String(60)),
    sa.Column("message", sa.JSON, nullable=False),
    sa.Column("ended_at", sa.Double),
    sa.Column("ended_by", sa.String(200)),
    sa.Index("ix_proposals_rule_raised_at", "rule", "raised_at"),
    sa.Index("uq_proposals_waiting", "rule", unique=True, sqlite_where=_WAITING, postgresql_where=_WAITING),
)

proposal_events = sa.Table(
    "proposal_events",
    metadata,
    key_column("proposal_id", 60),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String(200), nullable=False, unique=True),
    sa.Column("commit", sa.String(64), nullable=False),
    sa.Column("scope", sa.String(100), nullable=False),
    sa.Column("channel", sa.String(63), nullable=False),
    sa.Column("title", sa.JSON, nullable=False),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Double, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Index("ix_notices_state_next_at", "state", "next_at"),
)

workers = sa.Table(
    "workers",
    metadata,
    key_column("id", 80),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("lock_key", sa.BigInteger, nullable=False),
)

audit_heads = sa.Table(
    "audit_heads",
    metadata,
    key_column("chain", 100),
    sa.Column("length", _COUNTED, nullable=False),
    sa.Column("head", sa.String(64), nullable=False),
)

audit_entries = sa.Table(
    "audit_entries",
    metadata,
    key_column("chain", 100),
    sa.Column("seq", _COUNTED, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("kind", sa.String(60), nullable=False),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("data", CanonicalJson, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

audit_checkpoints = sa.Table(
    "audit_checkpoints",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.Double, nullable=False),
    sa.Column("covered", _COUNTED, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("line", sa.Text, nullable=False),
)

audit_deliveries = sa.Table(
    "audit_deliveries",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    key_column("witness", 300),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Double, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Index("ix_audit_deliveries_state_next_at", "state", "next_at"),
)

identities = sa.Table(
    "identities",
    metadata,
    key_column("pseudonym", 60),
    sa.Column("name", sa.String(200), nullable=False, index=True),
    sa.Column("created_at", sa.Double, nullable=False),
)

sealed_secrets = sa.Table(
    "sealed_secrets",
    metadata,
    key_column("scope", 100),
    key_column("name"),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("key", sa.String(16), nullable=False),
    sa.Column("fingerprint", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("origin", sa.String(20), nullable=False),
    sa.Column("set_at", sa.Double, nullable=False),
    sa.Column("set_by", sa.String(200), nullable=False),
    sa.Column("read_at", sa.Double),
)
"""`key`: the id of the key that sealed it, which is never here; `fingerprint`: by the same key. `kind`: the mode of the
scope, or `signals`. `origin`: a person, a file, or a backend, whose copy it is, read the last time at `read_at`."""
