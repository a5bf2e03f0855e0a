"""Taking a person's name out of every table that shows one; the chains, which hold pseudonyms, are not touched."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.domain.journal import fold
from orchestrator.domain.model import ENDED_RUN
from orchestrator.store import identities
from orchestrator.store.people_tables import (
    api_tokens,
    challenges,
    invitations,
    people,
    person_grants,
    sealed_codes,
    security_keys,
    sessions,
)
from orchestrator.store.proposals import waiting
from orchestrator.store.runs import graph_of, list_events, views_of
from orchestrator.store.standing_approvals import open_ones
from orchestrator.store.standing_tables import standing_approvals
from orchestrator.store.tables import (
    acknowledgements,
    estate_commits,
    halts,
    proposal_events,
    proposals,
    runs,
    sealed_secrets,
    steps,
    strays,
)

_NAMED: "Sequence[sa.Column[str]]" = (
    runs.c.requested_by,
    estate_commits.c.accepted_by,
    strays.c.decided_by,
    halts.c.by,
    halts.c.lifted_by,
    acknowledgements.c.by,
    proposals.c.ended_by,
    proposal_events.c.actor,
    people.c.created_by,
    person_grants.c.granted_by,
    person_grants.c.confirmed_by,
    api_tokens.c.created_by,
    invitations.c.created_by,
    sealed_codes.c.sealed_by,
    sealed_codes.c.confirmed_by,
    sealed_secrets.c.set_by,
    standing_approvals.c.asked_by,
    standing_approvals.c.ended_by,
)
_OWN = (
    people.c.name,
    *(table.c.person for table in (person_grants, security_keys, sessions, api_tokens, invitations, challenges)),
)
"""What is the person's own, and goes with them: they can't sign in any more."""


def under_way(conn: sa.Connection, name: str, pseudonyms: Sequence[str]) -> list[str]:
    """Runs and proposals that are not over and in which the person has a part: who may approve depends on it."""
    mine = sa.or_(runs.c.requested_by == name, runs.c.id.in_(identities.runs_of(conn, pseudonyms)))
    query = sa.select(runs.c.id).where(mine, runs.c.state.not_in([state.value for state in ENDED_RUN]))
    found = [str(one) for one in conn.execute(query.order_by(runs.c.id)).scalars()]
    found += [row.id for row in waiting(conn) if any(one["by"] == name for one in row.approvals)]
    signed = [(row.id, {row.asked_by, *(one["by"] for one in row.signatures)}) for row in open_ones(conn)]
    return found + [approval_id for approval_id, people_of in signed if name in people_of]


def take_out(conn: sa.Connection, name: str, pseudonyms: Sequence[str]) -> list[str]:
    """Remove who the pseudonyms are, and write the first of them where the name stood; answers the runs concerned.

    A run's rows are folded from its journal anew, which tells the pseudonym from now on.
    """
    identities.remove(conn, name)
    for own in _OWN:
        conn.execute(sa.delete(own.table).where(own == name))
    concerned = list(identities.runs_of(conn, pseudonyms))
    for column in _NAMED:
        conn.execute(sa.update(column.table).where(column == name).values({column.name: pseudonyms[0]}))
    _rewrite(conn, proposals.c.id, proposals.c.approvals, name, pseudonyms[0])
    _rewrite(conn, standing_approvals.c.id, standing_approvals.c.signatures, name, pseudonyms[0])
    for run_id in concerned:
        _fold_again(conn, run_id)
    return concerned


def _rewrite(conn: sa.Connection, key: "sa.Column[str]", column: "sa.Column[Any]", name: str, pseudonym: str) -> None:
    """In a list of what several people said, each with `by`."""
    for row in conn.execute(sa.select(key, column)).all():
        if any(one["by"] == name for one in row[1]):
            said = [{**one, "by": pseudonym if one["by"] == name else one["by"]} for one in row[1]]
            conn.execute(sa.update(key.table).where(key == row[0]).values({column.name: said}))


def _fold_again(conn: sa.Connection, run_id: str) -> None:
    run, views = fold(graph_of(conn, run_id), list_events(conn, run_id))
    values = {"releases": list(run.releases), "message": run.message}
    conn.execute(sa.update(runs).where(runs.c.id == run_id).values(values))
    for step_id, old in views_of(conn, run_id).items():
        new = views[step_id]
        if new != old:
            where = (steps.c.run_id == run_id, steps.c.step_id == step_id)
            said = {"message": new.message, "outputs": new.outputs, "waits_for": new.waits_for}
            conn.execute(sa.update(steps).where(*where).values(said))
