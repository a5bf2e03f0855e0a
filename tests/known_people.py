"""People who are let in, for tests of what they may do: enrolled in the tables, and signed in with a session."""

from collections.abc import Sequence

import httpx

from orchestrator.app import Bascule
from orchestrator.domain.people.actor import Proof
from orchestrator.domain.people.role import Grant, Role
from orchestrator.store import people
from orchestrator.store.database import Database


def enrol(database: Database, name: str, *grants: Grant | Role, at: float = 0.0) -> None:
    """A person with these roles, which count; somebody who is there already gets those that are new."""
    with database.write() as conn:
        people.insert(conn, name, "", "test", at, program=False)
        for one in grants:
            grant = one if isinstance(one, Grant) else Grant(one)
            people.give(conn, name, grant, "test", at, confirmed=True)


def session(bascule: Bascule, name: str, proof: Proof = Proof.TOTP) -> str:
    """The secret of a new session of somebody who is enrolled."""
    with bascule.database.write() as conn:
        return bascule.people.sign_in.open(conn, name, proof, "test").secret


def token_of(client: httpx.Client) -> str:
    """What the client shows, for programs that show the same."""
    return str(client.headers["Authorization"]).removeprefix("Bearer ")


def signed_in(
    bascule: Bascule, url: str, name: str, roles: Sequence[Grant | Role] = (), proof: Proof = Proof.TOTP
) -> httpx.Client:
    """A client of the API in this person's name, who is enrolled with the roles."""
    enrol(bascule.database, name, *roles)
    headers = {"Authorization": f"Bearer {session(bascule, name, proof)}"}
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)
