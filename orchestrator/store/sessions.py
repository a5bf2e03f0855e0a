"""Named queries on what lets people in: sessions, tokens, invitations, challenges, sealed codes, security keys.

Secrets are looked for by their SHA-256: they have 256 bits (sealed codes 100), so that no slow hash is needed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.store.people_tables import (
    api_tokens,
    challenges,
    invitations,
    people,
    sealed_codes,
    security_keys,
    sessions,
)
from orchestrator.store.runs import Row

CHALLENGES_AT_MOST = 2000
"""Challenges that wait for their answers, each for minutes at most."""


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def open_session(conn: sa.Connection, secret: str, values: Mapping[str, Any]) -> None:
    conn.execute(sa.insert(sessions), {"hash": hashed(secret), **values})


def session(conn: sa.Connection, secret: str) -> Row | None:
    return conn.execute(sa.select(sessions).where(sessions.c.hash == hashed(secret))).one_or_none()


def sessions_of(conn: sa.Connection, person: str) -> Sequence[Row]:
    """The newest first."""
    query = sa.select(sessions).where(sessions.c.person == person).order_by(sessions.c.created_at.desc())
    return conn.execute(query).all()


def change_session(conn: sa.Connection, session_id: str, **values: Any) -> None:
    conn.execute(sa.update(sessions).where(sessions.c.id == session_id).values(values))


def end_session(conn: sa.Connection, session_id: str, person: str) -> bool:
    query = sa.delete(sessions).where(sessions.c.id == session_id, sessions.c.person == person)
    return conn.execute(query.returning(sessions.c.id)).one_or_none() is not None


def keep_token(conn: sa.Connection, secret: str, values: Mapping[str, Any]) -> None:
    conn.execute(sa.insert(api_tokens), {"hash": hashed(secret), **values})


def token(conn: sa.Connection, secret: str) -> Row | None:
    """With its person's columns `disabled_at` and `program`."""
    query = (
        sa.select(api_tokens, people.c.disabled_at, people.c.program)
        .join(people, people.c.name == api_tokens.c.person)
        .where(api_tokens.c.hash == hashed(secret))
    )
    return conn.execute(query).one_or_none()


def tokens_of(conn: sa.Connection, person: str = "") -> Sequence[Row]:
    """Of one person, or of all; the newest first."""
    query = sa.select(api_tokens).order_by(api_tokens.c.created_at.desc())
    return conn.execute(query.where(api_tokens.c.person == person) if person else query).all()


def last_seen(conn: sa.Connection) -> Mapping[str, float]:
    """Of everybody who has a session or a token that was used: when the last one was; UTC seconds."""
    signed_in = sa.select(sessions.c.person, sa.func.max(sessions.c.seen_at).label("at")).group_by(sessions.c.person)
    used = sa.select(api_tokens.c.person, sa.func.max(api_tokens.c.used_at)).group_by(api_tokens.c.person)
    found: dict[str, float] = {}
    for name, at in [*conn.execute(signed_in), *conn.execute(used)]:
        if at is not None:
            found[name] = max(found.get(name, 0.0), float(at))
    return found


def invited_until(conn: sa.Connection) -> Mapping[str, float]:
    """Until when the link of each person who has one opens something; UTC seconds."""
    query = sa.select(invitations.c.person, invitations.c.expires_at)
    return {name: float(at) for name, at in conn.execute(query)}


def used_token(conn: sa.Connection, token_id: str, at: float) -> None:
    conn.execute(sa.update(api_tokens).where(api_tokens.c.id == token_id).values(used_at=at))


def end_token(conn: sa.Connection, token_id: str) -> Row | None:
    """The token that went; None when there is none of this id."""
    query = sa.delete(api_tokens).where(api_tokens.c.id == token_id).returning(api_tokens)
    return conn.execute(query).one_or_none()


def invite(conn: sa.Connection, secret: str, person: str, by: str, at: float, until: float) -> None:
    """One link a person: an older one opens nothing any more."""
    conn.execute(sa.delete(invitations).where(invitations.c.person == person))
    row = {"hash": hashed(secret), "person": person, "created_at": at, "created_by": by, "expires_at": until}
    conn.execute(sa.insert(invitations), row)


def invitation(conn: sa.Connection, secret: str) -> Row | None:
    return conn.execute(sa.select(invitations).where(invitations.c.hash == hashed(secret))).one_or_none()


def use_invitation(conn: sa.Connection, secret: str) -> Row | None:
    """Once: the invitation, which is gone now."""
    query = sa.delete(invitations).where(invitations.c.hash == hashed(secret)).returning(invitations)
    return conn.execute(query).one_or_none()


ASKED_AT_MOST = 50
"""Challenges of one person for one purpose: whoever asks in somebody's name pushes out the oldest of these alone."""


def challenge(
    conn: sa.Connection, secret: str, person: str, purpose: str, value: str, until: float, now: float
) -> bool:
    """False when too many of nobody's wait already: whoever asks need not be known. Outdated ones go.

    What strangers ask for takes no place of what people do who are signed in.
    """
    conn.execute(sa.delete(challenges).where(challenges.c.expires_at < now))
    if person:
        _push_out(conn, person, purpose)
    else:
        count = sa.select(sa.func.count()).select_from(challenges).where(challenges.c.person == "")
        if conn.execute(count).scalar_one() >= CHALLENGES_AT_MOST:
            return False
    row = {"hash": hashed(secret), "person": person, "purpose": purpose, "value": value, "expires_at": until}
    conn.execute(sa.insert(challenges), row)
    return True


def _push_out(conn: sa.Connection, person: str, purpose: str) -> None:
    mine = sa.and_(challenges.c.person == person, challenges.c.purpose == purpose)
    newest = sa.select(challenges.c.hash).where(mine).order_by(challenges.c.expires_at.desc()).limit(ASKED_AT_MOST - 1)
    kept = conn.execute(newest).scalars().all()
    if len(kept) == ASKED_AT_MOST - 1:
        conn.execute(sa.delete(challenges).where(mine, challenges.c.hash.not_in(kept)))


def use_challenge(conn: sa.Connection, secret: str, now: float) -> Row | None:
    """Once. Those that nobody answered in time go at the same occasion."""
    query = sa.delete(challenges).where(challenges.c.hash == hashed(secret)).returning(challenges)
    found = conn.execute(query).one_or_none()
    conn.execute(sa.delete(challenges).where(challenges.c.expires_at < now))
    return found if found is not None and found.expires_at >= now else None


def keys_of(conn: sa.Connection, person: str) -> Sequence[Row]:
    query = sa.select(security_keys).where(security_keys.c.person == person).order_by(security_keys.c.created_at)
    return conn.execute(query).all()


def add_key(conn: sa.Connection, values: Mapping[str, Any]) -> None:
    conn.execute(sa.insert(security_keys), dict(values))


def used_key(conn: sa.Connection, key_id: str, counter: int, at: float) -> None:
    said = {"counter": counter, "used_at": at}
    conn.execute(sa.update(security_keys).where(security_keys.c.id == key_id).values(said))


def end_key(conn: sa.Connection, key_id: str, person: str) -> bool:
    query = sa.delete(security_keys).where(security_keys.c.id == key_id, security_keys.c.person == person)
    return conn.execute(query.returning(security_keys.c.id)).one_or_none() is not None


def end_keys(conn: sa.Connection, person: str) -> None:
    conn.execute(sa.delete(security_keys).where(security_keys.c.person == person))


def seal_codes(conn: sa.Connection, codes: Sequence[str], values: Mapping[str, Any]) -> None:
    """A new bundle. The one before it opens nothing any more; while the new one waits for a second person, it does."""
    former = sa.delete(sealed_codes)
    conn.execute(former if values["confirmed_by"] else former.where(sealed_codes.c.confirmed_by.is_(None)))
    rows = [{"hash": hashed(code), "number": number, **values} for number, code in enumerate(codes, 1)]
    conn.execute(sa.insert(sealed_codes), rows)


def confirm_bundle(conn: sa.Connection, bundle: str, by: str) -> None:
    """It opens from now on, and no other does."""
    conn.execute(sa.delete(sealed_codes).where(sealed_codes.c.bundle != bundle))
    conn.execute(sa.update(sealed_codes).where(sealed_codes.c.bundle == bundle).values(confirmed_by=by))


def sealed(conn: sa.Connection, codes: Sequence[str]) -> Sequence[Row]:
    """The rows of those codes that are genuine."""
    return conn.execute(sa.select(sealed_codes).where(sealed_codes.c.hash.in_([hashed(one) for one in codes]))).all()


def bundles(conn: sa.Connection) -> Sequence[Row]:
    return conn.execute(sa.select(sealed_codes).order_by(sealed_codes.c.number)).all()


def break_bundle(conn: sa.Connection, bundle: str) -> bool:
    """False when somebody was sooner."""
    query = sa.delete(sealed_codes).where(sealed_codes.c.bundle == bundle).returning(sealed_codes.c.hash)
    return bool(conn.execute(query).all())


def end_all(conn: sa.Connection) -> dict[str, int]:
    """Everything that lets somebody in without a password or key of their own; how many there were of each."""
    tables = {
        "sessions": sessions, "tokens": api_tokens, "invitations": invitations, "challenges": challenges,
        "codes": sealed_codes,
    }  # fmt: skip
    return {name: conn.execute(sa.delete(table)).rowcount for name, table in tables.items()}


def end_outdated(conn: sa.Connection, now: float) -> None:
    """What has expired goes."""
    for table in (sessions, invitations, challenges):
        conn.execute(sa.delete(table).where(table.c.expires_at < now))
