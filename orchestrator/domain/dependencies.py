"""Whom an organisation depends on: what was seen, held against what its estate declares. Pure.

A dependency is a row (a service of the estate, or a use that it has no service
for) and a product of the catalogue, or a third party that the catalogue does not
know. What a recognised product itself stands on is that product's affair and not
listed. Invariant: each pair of row and product stands once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import Service
from orchestrator.domain.recognition import Recogniser
from orchestrator.domain.uses import Uses, ordered
from providers.discovery.sign import Discovery, Sign

Standing = Literal["confirmed", "target", "undeclared", "elsewhere", "unknown", "dead", "unrecognisable"]
"""`confirmed`: declared and seen; `target`: what the service falls back to, seen already; `undeclared`: seen alone;
`elsewhere`: declared, and the vendor is seen for something else; `unknown`: declared and not seen, and
some records had no answer, so that nothing follows; `dead`: declared, and nothing of it is seen;
`unrecognisable`: declared, and the catalogue does not say how it shows."""

_MARKS = frozenset({"txt", "caa"})
"""Signs that something was once allowed or proven; by themselves no use."""

_UNION = ("AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE", "EU")
EUROPEAN = frozenset(code for codes in (*_UNION, "IS LI NO CH") for code in codes.split())
"""The Union's members, the other states of the European Economic Area, and Switzerland."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who a dependency is on: a product of the catalogue, or a third party by its host alone (`known` false)."""

    name: str
    known: bool = False
    title: Mapping[str, str] = field(default_factory=dict)
    company: str = ""
    jurisdiction: str = ""
    owner: str = ""
    country: str = ""
    """Whose law binds the owner."""

    @property
    def exposed(self) -> bool:
        """Whether somebody outside Europe decides over it, or nobody knows who does."""
        return not self.known or not {self.jurisdiction, self.country} <= EUROPEAN


@dataclass(frozen=True, slots=True)
class Dependency:
    """`in_estate`: the row is a service of the estate. `runbook`, `tested`, `fresh`: what is prepared for its loss."""

    row: str
    in_estate: bool
    holder: Holder
    standing: Standing
    signs: tuple[Sign, ...] = ()
    runbook: bool = False
    tested: bool = False
    fresh: bool = False

    @property
    def only_marks(self) -> bool:
        """Seen by verification marks and permissions alone."""
        return bool(self.signs) and all(sign.kind in _MARKS for sign in self.signs)

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(sorted({sign.domain for sign in self.signs if sign.domain}))

    def as_json(self) -> dict[str, Any]:
        told = asdict(self)
        told["holder"]["exposed"] = self.holder.exposed
        return {**told, "only_marks": self.only_marks, "domains": list(self.domains)}


@dataclass(frozen=True, slots=True)
class Proven:
    """What the journal and the stored readings say of a service; seconds since the epoch, None when never.

    `tested_at`: the end of its latest run that succeeded, in a rehearsal or a drill.
    `copied_at`: its latest inventory or copy.
    """

    tested_at: float | None = None
    copied_at: float | None = None


def dependencies_of(
    discovery: Discovery,
    services: Mapping[str, Service],
    catalogue: Catalogue,
    mentioned: Mapping[str, frozenset[str]],
    proven: Mapping[str, Proven],
    now: float,
) -> tuple[Dependency, ...]:
    """In the order in which they are told: by row, the declared first. `now`: seconds since the epoch, UTC."""
    recogniser = Recogniser(catalogue)
    seen = _seen(discovery, recogniser, Uses(catalogue, services, mentioned))
    found = [
        _covered(_seen_one(row, holder, signs, services, catalogue), services, proven, now)
        for (row, holder), signs in seen.items()
    ]
    found += [
        _covered(one, services, proven, now) for one in _unseen(set(seen), discovery, services, catalogue, recogniser)
    ]
    place = {row: at for at, row in enumerate(ordered({one.row for one in found}, services))}
    return tuple(
        sorted(
            found, key=lambda one: (place[one.row], one.standing == "undeclared", not one.holder.known, one.holder.name)
        )
    )


Pair = tuple[str, str]
"""A row, and a holder's name: a product's, or what the third party is called where it was seen."""


def _seen(discovery: Discovery, recogniser: Recogniser, uses: Uses) -> dict[Pair, list[Sign]]:
    found: dict[Pair, list[Sign]] = {}
    for sign in discovery.signs:
        if any(recogniser.hosts(host) for host in sign.through):
            continue
        for name in recogniser.products(sign) or _stranger(sign):
            for row in uses.rows(sign, name):
                found.setdefault((row, name), []).append(sign)
    return found


def _stranger(sign: Sign) -> tuple[str, ...]:
    """A third party that the catalogue does not know; whom it stands on in its turn stays its affair.

    A text that nobody recognises shows nobody.
    """
    return () if sign.kind == "txt" or sign.through else (sign.value,)


def _seen_one(
    row: str, name: str, signs: list[Sign], services: Mapping[str, Service], catalogue: Catalogue
) -> Dependency:
    service = services.get(row)
    standing: Standing = "undeclared"
    if service is not None and service.vendor == name:
        standing = "confirmed"
    elif service is not None and service.target == name:
        standing = "target"
    return Dependency(row, service is not None, holder_of(name, catalogue), standing, tuple(signs))


def _unseen(
    seen: set[Pair],
    discovery: Discovery,
    services: Mapping[str, Service],
    catalogue: Catalogue,
    recogniser: Recogniser,
) -> Iterator[Dependency]:
    """What the estate declares, and nothing shows for that service."""
    anywhere = {name for _, name in seen}
    silent = any(one.kind == "record" for one in discovery.unread)
    for row, service in services.items():
        if (row, service.vendor) in seen:
            continue
        standing: Standing = "unknown" if silent else "dead"
        if service.vendor in anywhere:
            standing = "elsewhere"
        elif not recogniser.recognisable(service.vendor):
            standing = "unrecognisable"
        yield Dependency(row, True, holder_of(service.vendor, catalogue), standing)


def holder_of(name: str, catalogue: Catalogue) -> Holder:
    product = catalogue.product(name)
    if product is None:
        return Holder(name)
    return Holder(
        name,
        True,
        product.title.model_dump(),
        product.company,
        product.jurisdiction,
        product.control.owner,
        product.control.country,
    )


def _covered(one: Dependency, services: Mapping[str, Service], proven: Mapping[str, Proven], now: float) -> Dependency:
    """With what is prepared against losing it: a runbook leads away from a service's declared vendor alone."""
    service = services.get(one.row)
    if service is None or service.vendor != one.holder.name:
        return one
    shown = proven.get(one.row, Proven())
    fresh = service.rpo is not None and shown.copied_at is not None and now - shown.copied_at <= service.rpo
    return Dependency(
        one.row,
        one.in_estate,
        one.holder,
        one.standing,
        one.signs,
        runbook=service.failover is not None,
        tested=shown.tested_at is not None,
        fresh=fresh,
    )
