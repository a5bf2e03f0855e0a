"""What an organisation asks of the places it falls back to, and when it proposes to go: the block `policy`.

The least is said by default and per service; a service's block replaces, rule by
rule, what the default says. An exception lifts one rule for one target of one
service, with a reason, in somebody's name, until a day.
"""

import datetime
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from orchestrator.domain.audit.policy import Audit
from orchestrator.domain.catalogue import Objective
from orchestrator.domain.limits import Limits
from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.salvage import Part
from providers.wants import Name

_UNION = (
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK "  # members of the Union
    "EU"  # what the catalogue writes for a company of the Union's own law
)
AREAS: Mapping[str, frozenset[str]] = {
    "EU": frozenset(_UNION.split()),
    "EEA": frozenset([*_UNION.split(), "IS", "LI", "NO"]),
}
"""Countries by ISO 3166-1; the European Economic Area is the Union with Iceland, Liechtenstein and Norway."""

Rule = Literal["operated_from", "controlled_from", "secnumcloud", "levels", "unknown"]
RULES: tuple[Rule, ...] = get_args(Rule)
Basis = Literal["name-servers", "mail-servers", "certificates", "registry", "hosting", "delivery", "subprocessor"]
"""What a product stands on, as the catalogue's `foundations` name it."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Place = Annotated[str, Field(pattern=r"^[A-Z]{2}$|^EEA$", description="EU, EEA, or a country such as CH")]
Places = Annotated[
    tuple[Place, ...],
    BeforeValidator(_listed, json_schema_input_type=Place | list[Place]),
    Field(min_length=1, max_length=60, description="EU, EEA, a country such as CH, or several of them"),
]
Level = Annotated[int, Field(ge=0, le=4)]
Day = Annotated[
    datetime.date,
    Field(
        json_schema_extra={"pattern": r"^\d{4}-\d{2}-\d{2}$", "description": "a day such as 2027-03-31"},
    ),
]
Judged = Annotated[
    str,
    Field(
        max_length=253,
        pattern=r"^[a-z0-9](?:[a-z0-9.:\-]*[a-z0-9])?$",
        description="a target's name, or the host of a provider that the catalogue does not know, such as mailo",
    ),
]


def within(country: str, places: Iterable[str]) -> bool:
    """Whether a country is one of these places, or in one of these areas."""
    return any(country == place or country in AREAS.get(place, ()) for place in places)


class Least(Part):
    """The least that a target must be; what is not said is not asked.

    `operated_from`: whose law the operating company answers to, and where the data is.
    `controlled_from`: whose law its owner answers to. `levels`: objective of the EU Cloud
    Sovereignty Framework -> the lowest SEAL. `stands_on`: the foundations whose places are
    asked as well; all of them where it is not said. `unknown`: what becomes of a provider
    that the catalogue does not know: it is shown, or the plan is refused.
    """

    operated_from: Places | None = None
    controlled_from: Places | None = None
    secnumcloud: bool | None = None
    levels: dict[Objective, Level] = Field(default_factory=dict)
    stands_on: tuple[Basis, ...] | None = None
    unknown: Literal["show", "refuse"] | None = None

    def asks_of(self, basis: Basis) -> bool:
        """Whether this foundation is judged."""
        return self.stands_on is None or basis in self.stands_on

    @property
    def asks_nothing(self) -> bool:
        places = self.operated_from or self.controlled_from
        return not (places or self.secnumcloud or any(self.levels.values()) or self.unknown == "refuse")


class Exemption(Part):
    """One rule is lifted for one target of one service, up to and with the day `until`.

    `stands_on`: the rule is lifted for this foundation of the target, and not for the target itself.
    """

    service: Name
    target: Judged
    rule: Rule
    stands_on: Basis | None = None
    reason: str = Field(min_length=1, max_length=1000)
    until: Day
    by: str = Field(min_length=1, max_length=200, description="who answers for it")


class Sovereignty(Part):
    """Least and exceptions, as they are written."""

    default: Least = Least()
    services: dict[Name, Least] = Field(default_factory=dict)
    exceptions: tuple[Exemption, ...] = ()

    def least(self, service: str) -> Least:
        """What is asked for a service: the default, with what the service's own block says in its place."""
        own = self.services.get(service)
        if own is None:
            return self.default
        said = {name: getattr(own, name) for name in own.model_fields_set - {"levels"}}
        return self.default.model_copy(update={**said, "levels": {**self.default.levels, **own.levels}})


class Warned(Part):
    """Who is told of clocks that run out: channels of a scope's `notify` block."""

    scope: Name = "live"
    notify: tuple[Name, ...] = Field(min_length=1, max_length=20)


class Policy(Part):
    """The block `policy`; an estate without one asks nothing, and proposes nothing."""

    sovereignty: Sovereignty = Sovereignty()
    proposals: dict[Name, ProposalRule] = Field(default_factory=dict, max_length=200)
    limits: Limits = Limits()
    warnings: Warned | None = None
    audit: Audit = Audit()
