"""Approvals in drills and live runs: by people who are known, who may, and who still may when the last says yes."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.authority import BREAK_GLASS, Refused, proves_people
from orchestrator.domain.journal import Event
from orchestrator.domain.model import Mode
from orchestrator.domain.people.standing import Yes, is_outdated, void
from orchestrator.operations.people.security_key import SecurityKeys
from orchestrator.store import people, sessions
from orchestrator.store.database import Connection


@dataclass(frozen=True, slots=True)
class Signed:
    """What a security key answered to the challenge of an approval."""

    challenge: str
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Approvals:
    """`keys`: None where no security key can be asked; who has one then can't approve."""

    keys: SecurityKeys | None = None

    def given(
        self,
        conn: Connection,
        mode: Mode,
        name: str,
        services: Collection[str],
        subject: str,
        signed: Signed | None = None,
        reason: str = "",
    ) -> dict[str, Any]:
        """What is kept with an approval: the person's revision, and their key's signature where they have a key.

        `subject`: what is approved, such as a plan's digest. Raises Refused; nothing is kept in a rehearsal.
        """
        if not proves_people(mode):
            return {}
        if mode is Mode.LIVE and not reason.strip():
            raise Refused("This is the real thing: say why you approve it (`--comment`). It is kept.")
        if name.startswith(BREAK_GLASS):
            return {"revision": 0}
        standing = people.standings(conn, [name]).get(name)
        if standing is None or not standing.may_approve(services):
            where = ", ".join(sorted(services))
            raise Refused(f"{name} may not approve for {where}: an admin gives the role (`bascule people grant`).")
        if not sessions.keys_of(conn, name):
            return {"revision": standing.revision}
        if signed is None or self.keys is None:
            raise Refused(f"{name} has a security key, and approves with it: on the page of what is to be approved.")
        signature = self.keys.approved(conn, name, subject, signed.challenge, signed.answer)
        return {"revision": standing.revision, "signature": signature}

    @staticmethod
    def voided(conn: Connection, mode: Mode, given: Iterable[Yes], services: Collection[str], now: float) -> list[str]:
        """Names of those whose approval counts no more. `now`: UTC seconds."""
        if not proves_people(mode):
            return []
        given = list(given)
        proved = [one for one in given if not one.name.startswith(BREAK_GLASS)]
        found = void(proved, people.standings(conn, {one.name for one in proved}), services, now)
        return [one.name for one in given if one in found or is_outdated(one, now)]


def counted(events: Iterable[Event], names: Collection[str]) -> list[Yes]:
    """The last approval of each of these people, from a journal's events."""
    found = {event.actor: Yes(event.actor, event.data.get("revision"), event.at) for event in events}
    return [one for name, one in found.items() if name in names]


def yes(said: Mapping[str, Any]) -> Yes:
    """Of what a proposal keeps of an approval."""
    return Yes(str(said["by"]), said.get("revision"), float(said["at"]))
