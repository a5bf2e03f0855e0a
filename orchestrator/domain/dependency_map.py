"""What follows from the dependencies: single points, what breaks first, and how much is prepared for. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.dependencies import Dependency, Holder, Proven, dependencies_of
from orchestrator.domain.estate import Service
from orchestrator.domain.uses import MAIL, OF_ALL, by_place, ordered, place
from providers.discovery.sign import Discovery, Sign, Unread

Role = Literal["name-servers", "mail-servers", "certificates", "sign-in", "hosting"]

_ROLES: Mapping[str, Role] = {
    "ns": "name-servers",
    "mx": "mail-servers",
    "issuer": "certificates",
    "login": "sign-in",
    "network": "hosting",
    "cname": "hosting",
}
"""What a sign shows that others may stand on."""

_NOT_DEPENDED_ON = frozenset({"dead", "target"})
"""Standings of what would not be missed today."""

_INSTEAD = frozenset({"name-servers", "mail-servers"})
"""Where a second one answers in the place of the first; of all others each one is needed."""


@dataclass(frozen=True, slots=True)
class SinglePoint:
    """Somebody on whom several rows, or several domains, stand with nobody beside."""

    role: Role
    holder: str
    rows: tuple[str, ...]
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Breaking:
    """What runs out by itself once a vendor is gone, `after` so many seconds without contact."""

    after: float
    holder: str
    clock: str
    title: Mapping[str, str]
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of `exposed` dependencies that somebody outside Europe decides over, how many are prepared for.

    `runbook`: one leads away from it; `tested`: and a rehearsal or drill of it succeeded;
    `fresh`: the latest inventory or copy is younger than the service's RPO.
    """

    exposed: int
    runbook: int
    tested: int
    fresh: int


@dataclass(frozen=True, slots=True)
class DependencyMap:
    """All of it, as of `read_at` (seconds since the epoch, UTC)."""

    scope: str
    domains: tuple[str, ...]
    read_at: float
    services: Mapping[str, Mapping[str, str]]
    dependencies: tuple[Dependency, ...]
    single_points: tuple[SinglePoint, ...]
    breaking: tuple[Breaking, ...]
    coverage: Coverage
    unread: tuple[Unread, ...]

    def as_json(self) -> dict[str, Any]:
        """The plain form: what `json.dumps` takes, and the API answers."""
        told = asdict(self)
        return {**told, "dependencies": [one.as_json() for one in self.dependencies]}

    @property
    def dead(self) -> tuple[Dependency, ...]:
        return tuple(one for one in self.dependencies if one.standing == "dead")

    @property
    def undeclared(self) -> tuple[Dependency, ...]:
        return tuple(one for one in self.dependencies if one.standing == "undeclared")


def map_of(
    discovery: Discovery,
    services: Mapping[str, Service],
    catalogue: Catalogue,
    mentioned: Mapping[str, frozenset[str]],
    proven: Mapping[str, Proven],
    now: float,
) -> DependencyMap:
    """The whole map. `now`: seconds since the epoch, UTC."""
    found = dependencies_of(discovery, services, catalogue, mentioned, proven, now)
    return DependencyMap(
        discovery.scope,
        discovery.domains,
        discovery.read_at,
        {name: service.title.model_dump() for name, service in services.items()},
        found,
        tuple(single_points(found, services)),
        tuple(breaking(found, catalogue, services)),
        coverage(found),
        discovery.unread,
    )


def coverage(found: Iterable[Dependency]) -> Coverage:
    exposed = [one for one in found if one.holder.exposed and one.standing not in _NOT_DEPENDED_ON]
    return Coverage(
        len(exposed),
        sum(one.runbook for one in exposed),
        sum(one.runbook and one.tested for one in exposed),
        sum(one.fresh for one in exposed),
    )


def breaking(found: Iterable[Dependency], catalogue: Catalogue, services: Mapping[str, Service]) -> Iterator[Breaking]:
    """The clocks of every vendor that is depended on, the one that runs out first in front."""
    rows: dict[str, set[str]] = {}
    for one in found:
        if one.standing not in _NOT_DEPENDED_ON:
            rows.setdefault(one.holder.name, set()).add(one.row)
    clocks = [
        (clock.lasts, name, clock)
        for name in rows
        if (vendor := catalogue.vendors.get(name)) is not None
        for clock in vendor.clocks
    ]
    for lasts, name, clock in sorted(clocks, key=lambda one: (one[0], one[1], one[2].name)):
        yield Breaking(lasts, name, clock.name, clock.title.model_dump(), tuple(ordered(rows[name], services)))


def single_points(found: Sequence[Dependency], services: Mapping[str, Service]) -> Iterator[SinglePoint]:
    """Those on whom several rows or domains stand alone, the most depended on first."""
    held: dict[tuple[Role, str], dict[str, set[str]]] = {}
    for role, domain, holders in _roles(found):
        if role not in _INSTEAD or len(holders) == 1:
            for holder, rows in holders.items():
                held.setdefault((role, holder), {})[domain] = rows
    points = [
        SinglePoint(role, holder, tuple(ordered(set().union(*domains.values()), services)), tuple(sorted(domains)))
        for (role, holder), domains in held.items()
    ]
    several = [one for one in points if len(one.rows) > 1 or len(one.domains) > 1]
    yield from sorted(several, key=lambda one: (-len(one.rows), -len(one.domains), one.role, one.holder))


def _roles(found: Sequence[Dependency]) -> Iterator[tuple[Role, str, dict[str, set[str]]]]:
    """Role and domain -> who has it there, and the rows that stand on them."""
    standing: dict[str, set[str]] = {}
    for one in found:
        if one.row not in OF_ALL:
            for domain in one.domains:
                standing.setdefault(domain, set()).add(one.row)
    holders: dict[tuple[Role, str], dict[str, set[str]]] = {}
    for one in found:
        for sign in one.signs:
            if (role := _role(sign)) is not None:
                rows = standing.get(sign.domain, set()) if one.row in OF_ALL else {one.row}
                name = _name(one.holder, sign)
                holders.setdefault((role, sign.domain), {}).setdefault(name, set()).update(rows)
    for (role, domain), names in holders.items():
        yield role, domain, names


def _role(sign: Sign) -> Role | None:
    """A name by which mail programs find their server (autodiscover, a signing key) hosts nothing."""
    names_mail = sign.kind == "cname" and by_place(place(sign), sign.domain) == MAIL
    return None if names_mail else _ROLES.get(sign.kind)


def _name(holder: Holder, sign: Sign) -> str:
    """The servers of one unknown company have hosts of their own: what their names end in stands for it."""
    return holder.name if holder.known or sign.kind not in ("ns", "mx") else ".".join(holder.name.split(".")[-2:])
