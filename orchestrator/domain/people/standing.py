"""Approvals and who may still give them: a change of somebody's roles voids what they approved before. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.people.role import Grant, Permission, allows


@dataclass(frozen=True, slots=True)
class Standing:
    """A person as they stand now. `revision` grows with every change of what they may, and of how they prove it."""

    name: str
    revision: int
    grants: tuple[Grant, ...]

    def may_approve(self, services: Collection[str]) -> bool:
        return allows(self.grants, Permission.APPROVE, services)


@dataclass(frozen=True, slots=True)
class Yes:
    """One person's approval, with the revision that they had when they gave it; None where nobody had to be proved."""

    name: str
    revision: int | None


def void(given: Sequence[Yes], now: Mapping[str, Standing], services: Collection[str]) -> list[Yes]:
    """Those that count no more: the person went, may not approve any more, or was changed since."""
    return [one for one in given if not _holds(one, now.get(one.name), services)]


def _holds(one: Yes, standing: Standing | None, services: Collection[str]) -> bool:
    if standing is None or one.revision != standing.revision:
        return False
    return standing.may_approve(services)
