"""The sovereignty gate: whether a place may take a service, and by which record that is shown. Pure.

A target is judged with all that it stands on: the foundations that the catalogue
names, those of their operators in turn, and what was seen of its own domains.
What somebody said and nobody verified is a doubt: it is shown, and refuses nothing.
Invariant: a stricter policy never has fewer reasons, and an exception takes away
none but those of its rule.
"""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from orchestrator.domain.catalogue import Catalogue, Foundation, Product, Target
from orchestrator.domain.policy import Basis, Exemption, Least, Places, Rule, Sovereignty, within
from orchestrator.domain.recognition import Sign, recognised

PLACES: tuple[Rule, ...] = ("operated_from", "controlled_from")
_SIGNS: dict[Basis, Sign] = {
    "name-servers": "ns",
    "mail-servers": "mx",
    "certificates": "issuer",
    "delivery": "host",
    "hosting": "network",
}
_WORDS: dict[Basis, str] = {
    "name-servers": "name servers",
    "mail-servers": "mail servers",
    "certificates": "certificates",
    "registry": "a registry",
    "hosting": "hosting",
    "delivery": "a delivery network",
    "subprocessor": "a subprocessor",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Sighting(_Part):
    """One record seen of a product's own domains. `name`: the host, organisation or network in it; `at`: UTC."""

    part: Basis
    record: str
    name: str
    at: float

    def __str__(self) -> str:
        seen = datetime.datetime.fromtimestamp(self.at, datetime.UTC)
        return f"{self.record}, seen at {seen:%Y-%m-%d %H:%M} UTC"


class Reason(_Part):
    """Why a target is below the policy. `stands_on`: the foundation that it is about, where it is not the target."""

    rule: Rule
    stands_on: Basis | None = None
    says: str
    record: str
    """The record that shows it: a file of the catalogue and its fact, or what was seen and when."""

    def __str__(self) -> str:
        return f"{self.says} ({self.record})"


class Lifted(_Part):
    """A reason that an exception takes away."""

    reason: Reason
    because: str
    until: datetime.date
    by: str


class Verdict(_Part):
    """What the policy says of one place that a service would rely on. `roles`: what for, such as `target`."""

    service: str
    place: str
    roles: tuple[str, ...] = ("target",)
    reasons: tuple[Reason, ...] = ()
    lifted: tuple[Lifted, ...] = ()
    expired: tuple[str, ...] = ()
    """Exceptions that would have taken a reason away, and ended."""
    doubts: tuple[str, ...] = ()
    """What nobody verified, or nobody knows; it refuses nothing."""

    @property
    def ok(self) -> bool:
        return not self.reasons


class Used(_Part):
    """An exception that a run stands on."""

    service: str
    place: str
    lifted: Lifted


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service would rely on somebody: a product of the catalogue, or a host that nobody is known by.

    `keeps_data`: the service runs or keeps its data there, and every rule is asked; otherwise only whose it is.
    """

    service: str
    product: str | None
    host: str = ""
    roles: tuple[str, ...] = ("target",)
    keeps_data: bool = True

    @property
    def name(self) -> str:
        return self.product or self.host


def judge(
    policy: Sovereignty,
    place: Place,
    catalogue: Catalogue,
    today: datetime.date | None,
    sightings: Sequence[Sighting] = (),
) -> Verdict:
    """The verdict on one place. `today`: None where no exception has ended yet, for files that are only read."""
    least = policy.least(place.service)
    found, doubts = [*_reasons(least, place, catalogue, sightings)], [*_doubts(least, place, catalogue)]
    matching = [one for one in policy.exceptions if (one.service, one.target) == (place.service, place.name)]
    valid = [one for one in matching if today is None or today <= one.until]
    open_, lifted, expired = [], [], []
    for reason in found:
        lifts = next((one for one in valid if _lifts(one, reason)), None)
        ended = next((one for one in matching if _lifts(one, reason)), None)
        if lifts is not None:
            lifted.append(Lifted(reason=reason, because=lifts.reason, until=lifts.until, by=lifts.by))
            continue
        open_.append(reason)
        if ended is not None:
            expired.append(f"The exception of {ended.by} for `{ended.rule}` ended on {ended.until}.")
    return Verdict(
        service=place.service,
        place=place.name,
        roles=place.roles,
        reasons=tuple(open_),
        lifted=tuple(lifted),
        expired=tuple(dict.fromkeys(expired)),
        doubts=tuple(doubts),
    )


def refusal(verdicts: Sequence[Verdict]) -> str:
    """Why a plan is refused, in one sentence for a person; empty when every place may be relied on."""
    below = [verdict for verdict in verdicts if not verdict.ok]
    if not below:
        return ""
    told = [f"{verdict.place} for {verdict.service}: {_told(verdict)}" for verdict in below]
    return (
        f"The policy in bascule.yaml refuses {'; '.join(told)}. "
        "Choose another place, or write an exception with its reason and end into `policy.sovereignty.exceptions`."
    )


def used(verdicts: Sequence[Verdict]) -> list[Used]:
    """Every exception that these verdicts needed."""
    return [
        Used(service=verdict.service, place=verdict.place, lifted=lifted)
        for verdict in verdicts
        for lifted in verdict.lifted
    ]


def owned_from(product: Product, least: Least) -> Iterator[tuple[Rule, str, str]]:
    """Where a product itself is outside of what is asked: the rule, what is so, and the fact that says it."""
    if least.operated_from and not within(product.jurisdiction, least.operated_from):
        said = f"is operated from {product.jurisdiction} ({product.company})"
        yield "operated_from", _asked(said, least.operated_from), "jurisdiction"
    hosting = product.hosting if isinstance(product, Target) else ()
    for country in hosting if least.operated_from else ():
        if not within(country, least.operated_from or ()):
            yield "operated_from", _asked(f"keeps data in {country}", least.operated_from or ()), "hosting"
    if least.controlled_from and not within(product.control.country, least.controlled_from):
        said = f"is controlled from {product.control.country} ({product.control.owner})"
        yield "controlled_from", _asked(said, least.controlled_from), "control"


def product_of(catalogue: Catalogue, name: str) -> Product | None:
    """The target of this name, or the vendor."""
    return catalogue.targets.get(name) or catalogue.vendors.get(name)


def file_of(product: Product, name: str) -> str:
    return f"{'targets' if isinstance(product, Target) else 'vendors'}/{name}.yaml"


def _told(verdict: Verdict) -> str:
    words = ", ".join(map(str, verdict.reasons))
    ended = " ".join(verdict.expired)
    return f"it {words} [{ended.rstrip('.')}]" if ended else f"it {words}"


def _lifts(exemption: Exemption, reason: Reason) -> bool:
    return (exemption.rule, exemption.stands_on) == (reason.rule, reason.stands_on)


def _asked(said: str, places: Places) -> str:
    return f"{said} where the policy asks for {' or '.join(places)}"


def _reasons(least: Least, place: Place, catalogue: Catalogue, sightings: Sequence[Sighting]) -> Iterator[Reason]:
    product = product_of(catalogue, place.product) if place.product else None
    if product is None or place.product is None:
        if least.unknown == "refuse":
            yield Reason(rule="unknown", says="is nobody that the catalogue knows", record=place.host or place.name)
        return
    file = file_of(product, place.product)
    for rule, says, fact in owned_from(product, least):
        yield Reason(rule=rule, says=says, record=f"{file}: {fact}")
    if place.keeps_data:
        yield from _unassured(least, product, file)
    yield from _from_foundations(least, catalogue, place.product)
    yield from _from_sightings(least, catalogue, place.product, sightings)


def _unassured(least: Least, product: Product, file: str) -> Iterator[Reason]:
    """A vendor that is no target has nothing attested."""
    assurance = product.assurance if isinstance(product, Target) else None
    record = f"{file}: assurance"
    if least.secnumcloud and not (assurance and assurance.secnumcloud):
        yield Reason(rule="secnumcloud", says="has no SecNumCloud qualification", record=record)
    for objective, wanted in sorted(least.levels.items()):
        level = assurance.levels.get(objective) if assurance else None
        if wanted and (level is None or level < wanted):
            reached = "has no known level" if level is None else f"has SEAL-{level}"
            yield Reason(rule="levels", says=f"{reached} in {objective} where {wanted} is asked", record=record)


def _from_foundations(least: Least, catalogue: Catalogue, name: str) -> Iterator[Reason]:
    """For each foundation of the product itself, each rule once, from the nearest record that shows it."""
    for basis, found in _standing(least, catalogue, name, "", (name,)):
        told: set[Rule] = set()
        for rule, says, record in found:
            if rule not in told:
                told.add(rule)
                yield Reason(rule=rule, stands_on=basis, says=says, record=record)


Outside = tuple[Rule, str, str]
"""A rule that is not kept, what is so, and the record that shows it."""


def _standing(
    least: Least, catalogue: Catalogue, name: str, way: str, above: tuple[str, ...]
) -> Iterator[tuple[Basis, Iterator[Outside]]]:
    """Each verified foundation of a product, with all that is outside there and in what it stands on in turn."""
    product = product_of(catalogue, name)
    for index, one in enumerate(product.foundations if product else ()):
        if one.source.verified and least.asks_of(one.part) and product is not None:
            here = f"{way}stands on {_WORDS[one.part]} of {one.operator}, "
            record = f"{file_of(product, name)}: foundations[{index}], {one.source.url} of {one.source.date}"
            yield one.part, _outside(least, catalogue, one, here, record, above)


def _outside(
    least: Least, catalogue: Catalogue, one: Foundation, here: str, record: str, above: tuple[str, ...]
) -> Iterator[Outside]:
    """An operator's country says who controls it; where it is operated from, its own file knows better."""
    if least.controlled_from and not within(one.country, least.controlled_from):
        yield "controlled_from", here + _asked(f"of {one.country}", least.controlled_from), record
    vendor = product_of(catalogue, one.vendor) if one.vendor else None
    if vendor is None or one.vendor is None:
        if least.operated_from and not within(one.country, least.operated_from):
            yield "operated_from", here + _asked(f"of {one.country}", least.operated_from), record
    elif one.vendor not in above:
        for rule, says, fact in owned_from(vendor, least):
            yield rule, f"{here}which {says}", f"{file_of(vendor, one.vendor)}: {fact}"
        for _, found in _standing(least, catalogue, one.vendor, f"{here}which ", (*above, one.vendor)):
            yield from found


def _from_sightings(least: Least, catalogue: Catalogue, name: str, sightings: Sequence[Sighting]) -> Iterator[Reason]:
    """Whose names were seen, one reason for each rule, foundation and owner."""
    told: set[tuple[Rule, Basis, str]] = set()
    for sighting in sightings:
        sign = _SIGNS.get(sighting.part)
        owner = recognised(catalogue, sign, sighting.name) if sign else None
        vendor = product_of(catalogue, owner) if owner and owner != name else None
        if vendor is None or owner is None or not least.asks_of(sighting.part):
            continue
        here = f"stands on {_WORDS[sighting.part]} of {vendor.title.en}, which "
        for rule, says, fact in owned_from(vendor, least):
            if (rule, sighting.part, owner) not in told:
                told.add((rule, sighting.part, owner))
                record = f"{sighting}; {file_of(vendor, owner)}: {fact}"
                yield Reason(rule=rule, stands_on=sighting.part, says=here + says, record=record)


def _doubts(least: Least, place: Place, catalogue: Catalogue) -> Iterator[str]:
    product = product_of(catalogue, place.product) if place.product else None
    if product is None and least.unknown != "refuse":
        yield f"{place.host or place.name} is nobody that the catalogue knows, so it was not judged."
    for one in product.foundations if product else ():
        outside = least.controlled_from and not within(one.country, least.controlled_from)
        if outside and least.asks_of(one.part) and not one.source.verified:
            yield (
                f"{place.name} is said to stand on {_WORDS[one.part]} of {one.operator}, {one.country}; "
                f"nobody verified it ({one.source.url} of {one.source.date})."
            )
