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
    """One person's approval, given at that time (UTC seconds), with the revision that they had then."""

    name: str
    revision: int | None
    at: float = 0.0


LASTS = 24 * 3600.0
"""Seconds that an approval counts while others are waited for: what was right yesterday is looked at again."""


def is_outdated(one: Yes, now: float) -> bool:
    """Also one from the future: a clock was set back since."""
    return not -60.0 <= now - one.at <= LASTS


def void(given: Sequence[Yes], people: Mapping[str, Standing], services: Collection[str], now: float) -> list[Yes]:
    """Those that count no more: too old, or the person went, may not approve any more, or was changed since."""
    return [one for one in given if is_outdated(one, now) or not _holds(one, people.get(one.name), services)]


def _holds(one: Yes, standing: Standing | None, services: Collection[str]) -> bool:
    if standing is None or one.revision != standing.revision:
        return False
    return standing.may_approve(services)
