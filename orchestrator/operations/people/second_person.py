"""When what one person does waits for another one: no admin alone makes two approvers, by whichever way."""

from orchestrator.store import people, sessions
from orchestrator.store.database import Connection


def is_alone(conn: Connection, by: str, name: str = "") -> bool:
    """Whether nobody could agree to what `by` does for `name`, so that it counts at once.

    For a person, everybody who was ever given a guarded role is somebody who could: shutting others out, or inviting
    them anew, makes nobody alone. For this machine's token and for sealed codes, who can sign in now: they are for the
    day on which nobody else can.
    """
    if people.get(conn, by) is not None:
        return not people.guardians(conn, (name, by))
    return not people.confirmers(conn, (name, by))


def is_enrolled(conn: Connection, name: str) -> bool:
    """Whether the person has a second factor."""
    row = people.get(conn, name)
    return row is not None and (bool(row.totp) or bool(sessions.keys_of(conn, name)))
