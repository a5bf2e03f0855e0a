"""Named queries on people and their roles."""

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from orchestrator.domain.people.role import GUARDED, Grant, Permission, Role, allows
from orchestrator.domain.people.standing import Standing
from orchestrator.store.people_tables import api_tokens, invitations, people, person_grants, security_keys, sessions
from orchestrator.store.runs import Row, insert_or_ignore

_COUNTS = sa.or_(
    person_grants.c.role.not_in([role.value for role in GUARDED]), person_grants.c.confirmed_by.is_not(None)
)


def get(conn: sa.Connection, name: str) -> Row | None:
    return conn.execute(sa.select(people).where(people.c.name == name)).one_or_none()


def locked(conn: sa.Connection, name: str) -> Row | None:
    """The person, whom nobody else changes before this transaction ends."""
    if conn.dialect.name == "postgresql":  # before the row, so that nobody who holds `exclude` waits for it meanwhile
        conn.execute(sa.text("LOCK TABLE people IN ROW EXCLUSIVE MODE"))
    return conn.execute(sa.select(people).where(people.c.name == name).with_for_update()).one_or_none()


def of_subject(conn: sa.Connection, subject: str) -> Row | None:
    return conn.execute(sa.select(people).where(people.c.subject == subject)).one_or_none()


def listed(conn: sa.Connection) -> Sequence[Row]:
    return conn.execute(sa.select(people).order_by(people.c.name)).all()


def is_empty(conn: sa.Connection) -> bool:
    """Nobody was ever let in. Programs do not count: nobody signs in as one."""
    return conn.execute(sa.select(people.c.name).where(~people.c.program).limit(1)).first() is None


def exclude(conn: sa.Connection) -> None:
    """Until this transaction ends, nobody else adds people or changes roles. On SQLite writers take turns anyway."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.text("LOCK TABLE people IN SHARE ROW EXCLUSIVE MODE"))


def insert(conn: sa.Connection, name: str, title: str, by: str, at: float, *, program: bool) -> bool:
    """False when there is somebody of this name."""
    row = {
        "name": name, "title": title, "program": program, "created_at": at, "created_by": by, "revision": 1,
        "totp_last": 0, "failures": 0,
    }  # fmt: skip
    return insert_or_ignore(conn, people, row)


def change(conn: sa.Connection, name: str, **values: object) -> None:
    """Change what is not a matter of what the person may: a used code, a failure."""
    conn.execute(sa.update(people).where(people.c.name == name).values(values))


def sealed_seeds(conn: sa.Connection) -> list[tuple[str, str]]:
    """Of everybody who has an authenticator app: the name, and what the app was told, sealed."""
    query = sa.select(people.c.name, people.c.totp).where(people.c.totp.is_not(None)).order_by(people.c.name)
    return [(row.name, row.totp) for row in conn.execute(query)]


def reseal_seed(conn: sa.Connection, name: str, old: str, new: str) -> bool:
    """The same by another key; False when the person has another one meanwhile, which stays."""
    query = sa.update(people).where(people.c.name == name, people.c.totp == old).values(totp=new)
    return conn.execute(query.returning(people.c.name)).one_or_none() is not None


def revise(conn: sa.Connection, name: str, **values: object) -> None:
    """Change the person, and with it every approval that they gave and that has not led to anything yet."""
    conn.execute(sa.update(people).where(people.c.name == name).values(**values, revision=people.c.revision + 1))


def grant_rows(conn: sa.Connection, name: str = "") -> Sequence[Row]:
    """Of one person, or of all; also those that wait for a second person."""
    query = sa.select(person_grants).order_by(person_grants.c.person, person_grants.c.role, person_grants.c.service)
    return conn.execute(query.where(person_grants.c.person == name) if name else query).all()


def grants_of(conn: sa.Connection, name: str) -> tuple[Grant, ...]:
    """Those that count."""
    query = sa.select(person_grants.c.role, person_grants.c.service).where(person_grants.c.person == name, _COUNTS)
    return tuple(Grant(Role(row.role), row.service) for row in conn.execute(query))


def standings(conn: sa.Connection, names: Collection[str]) -> Mapping[str, Standing]:
    """Those of the names who are let in at present; within a transaction that writes, until it ends."""
    query = sa.select(people.c.name, people.c.revision).where(people.c.name.in_(names), people.c.disabled_at.is_(None))
    query = query.where(~people.c.program).order_by(people.c.name)
    if conn.get_execution_options().get("isolation_level") is None:  # readers see one moment, and hold nobody up
        query = query.with_for_update(read=True)
    rows = conn.execute(query).all()
    return {row.name: Standing(row.name, row.revision, grants_of(conn, row.name)) for row in rows}


def give(conn: sa.Connection, name: str, grant: Grant, by: str, at: float, *, confirmed: bool) -> bool:
    """False when the person has it already."""
    row = {"person": name, "role": grant.role.value, "service": grant.service, "granted_at": at, "granted_by": by}
    sure = {"confirmed_at": at if confirmed else None, "confirmed_by": by if confirmed else None}
    return insert_or_ignore(conn, person_grants, {**row, **sure})


def confirm(conn: sa.Connection, name: str, grant: Grant, by: str, at: float) -> None:
    conn.execute(sa.update(person_grants).where(*_is(name, grant)).values(confirmed_at=at, confirmed_by=by))


def doubt(conn: sa.Connection, name: str, by: str) -> None:
    """Guarded roles wait for a second person again, who is another one than `by`."""
    guarded = person_grants.c.role.in_([role.value for role in GUARDED])
    said = {"confirmed_at": None, "confirmed_by": None, "granted_by": by}
    conn.execute(sa.update(person_grants).where(person_grants.c.person == name, guarded).values(said))


def take(conn: sa.Connection, name: str, grant: Grant) -> bool:
    """False when the person does not have it."""
    query = sa.delete(person_grants).where(*_is(name, grant)).returning(person_grants.c.person)
    return conn.execute(query).one_or_none() is not None


def confirmers(conn: sa.Connection, besides: Collection[str]) -> list[str]:
    """Who else could confirm a guarded role now: approvers and admins of the organisation who can sign in."""
    rows = conn.execute(sa.select(people).where(people.c.disabled_at.is_(None), ~people.c.program)).all()
    keyed = set(conn.execute(sa.select(security_keys.c.person).distinct()).scalars())
    enrolled = [row.name for row in rows if row.totp or row.name in keyed]
    return [name for name in enrolled if name not in besides and _may_confirm(grants_of(conn, name))]


def guardians(conn: sa.Connection, besides: Collection[str]) -> list[str]:
    """Who else was given a guarded role for the whole organisation: whether it counts or not, let in or not."""
    guarded = person_grants.c.role.in_([role.value for role in GUARDED])
    query = sa.select(person_grants.c.person).where(guarded, person_grants.c.service == "").distinct()
    return [str(name) for name in conn.execute(query).scalars() if name not in besides]


def _may_confirm(grants: Collection[Grant]) -> bool:
    return allows(grants, Permission.APPROVE, ()) or allows(grants, Permission.MANAGE, ())


def let_out(conn: sa.Connection, name: str, *, tokens: bool) -> None:
    """End the person's sessions and invitations, and their tokens as well."""
    for table in (sessions, invitations, *((api_tokens,) if tokens else ())):
        conn.execute(sa.delete(table).where(table.c.person == name))


def _is(name: str, grant: Grant) -> tuple["sa.ColumnElement[bool]", ...]:
    columns = person_grants.c
    return columns.person == name, columns.role == grant.role.value, columns.service == grant.service
