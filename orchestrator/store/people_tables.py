"""The tables of people. What lets somebody in is kept as a hash, or sealed. Times are seconds since the epoch, UTC."""

import sqlalchemy as sa

from orchestrator.store.tables import key_column, metadata

people = sa.Table(
    "people",
    metadata,
    key_column("name"),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("program", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("disabled_at", sa.Double),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("password", sa.String(200)),
    sa.Column("totp", sa.Text),
    sa.Column("totp_last", sa.BigInteger, nullable=False),
    sa.Column("subject", sa.String(500), unique=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("failed_at", sa.Double),
)
"""`revision` grows with every change of what the person may and of how they prove who they are.

`totp` is sealed; `totp_last` is the last interval whose code was used. `subject`: issuer and subject at the identity
provider. `program`: it has tokens only, and never approves.
"""

person_grants = sa.Table(
    "person_grants",
    metadata,
    key_column("person"),
    key_column("role", 20),
    key_column("service", 100),
    sa.Column("granted_at", sa.Double, nullable=False),
    sa.Column("granted_by", sa.String(200), nullable=False),
    sa.Column("confirmed_at", sa.Double),
    sa.Column("confirmed_by", sa.String(200)),
)
"""`service` empty: the whole organisation. A guarded role counts from its confirmation on."""

security_keys = sa.Table(
    "security_keys",
    metadata,
    key_column("id", 400),
    sa.Column("person", sa.String(200), nullable=False, index=True),
    sa.Column("label", sa.String(100), nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("counter", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("used_at", sa.Double),
)
"""`data`: the attested credential data of WebAuthn (§6.5.1), which holds a public key."""

sessions = sa.Table(
    "sessions",
    metadata,
    key_column("hash", 64),
    sa.Column("id", sa.String(20), nullable=False, unique=True),
    sa.Column("person", sa.String(200), nullable=False, index=True),
    sa.Column("proof", sa.String(20), nullable=False),
    sa.Column("proved_at", sa.Double, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("agent", sa.String(200), nullable=False),
    sa.Column("grants", sa.JSON(none_as_null=True)),
)
"""`grants`: of a session that is nobody's own, opened with sealed codes."""

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    key_column("hash", 64),
    sa.Column("id", sa.String(20), nullable=False, unique=True),
    sa.Column("person", sa.String(200), nullable=False, index=True),
    sa.Column("label", sa.String(100), nullable=False),
    sa.Column("grants", sa.JSON, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("used_at", sa.Double),
)

invitations = sa.Table(
    "invitations",
    metadata,
    key_column("hash", 64),
    sa.Column("person", sa.String(200), nullable=False, index=True),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
)
"""A link that is used once, to choose a password and a second factor; `person` empty: the first admin's."""

challenges = sa.Table(
    "challenges",
    metadata,
    key_column("hash", 64),
    sa.Column("person", sa.String(200), nullable=False),
    sa.Column("purpose", sa.String(400), nullable=False),
    sa.Column("value", sa.String(100), nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
)
"""What a security key is asked to sign, once."""

sealed_codes = sa.Table(
    "sealed_codes",
    metadata,
    key_column("hash", 64),
    sa.Column("bundle", sa.String(20), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("needed", sa.Integer, nullable=False),
    sa.Column("grants", sa.JSON, nullable=False),
    sa.Column("sealed_at", sa.Double, nullable=False),
    sa.Column("sealed_by", sa.String(200), nullable=False),
    sa.Column("confirmed_by", sa.String(200)),
    sa.Column("expires_at", sa.Double, nullable=False),
)
"""Break-glass: `needed` codes of one bundle open a session. Opening it removes the whole bundle.

`confirmed_by`: the second person; until somebody is, the codes open nothing.
"""
