"""The catalogue: what Bascule knows of vendors and targets.

A vendor is what a service depends on, a target what it falls back to. What is
true of both (who owns and controls it, how it is recognised from outside, what it
stands on itself) is a Product. Every fact has a source and a date, and says when
nobody verified it.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import Field

from orchestrator.domain.recipe import Recipe, Role
from orchestrator.domain.runbook import Parameter, ParameterName, StepBody
from orchestrator.domain.salvage import Part
from providers.wants import EstatePath, Name, Seconds, Words

Country = Annotated[str, Field(pattern=r"^(?:[A-Z]{2}|EU)$", description="ISO 3166-1 alpha-2, or EU")]
Served = Literal["mail", "office", "visio", "ai", "social", "cloud", "identity", "dns", "search", "code", "updates"]
"""What a product is to the people who use it."""
Aspect = Literal["dns", "tcp", "tls", "auth", "denial", "semantic", "sync", "freshness"]
Pattern = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9_.\-*]+$")]
"""A host name in lower case without a final dot, where `*` stands for anything, such as *.awsdns-*."""
Objective = Literal["SOV-1", "SOV-2", "SOV-3", "SOV-4", "SOV-5", "SOV-6", "SOV-7", "SOV-8"]
"""An objective of the EU Cloud Sovereignty Framework (European Commission, October 2025)."""


class Fact(Part):
    """Where something that the file says comes from. `verified`: somebody of this project saw it hold on that day."""

    url: Annotated[str, Field(pattern=r"^https?://\S+$", max_length=500)]
    says: str = Field(min_length=1, max_length=500)
    date: datetime.date
    verified: bool = True


class Control(Part):
    """Who decides in the end over the product: the company at the top of its ownership, and whose law binds it."""

    owner: str = Field(min_length=1, max_length=200)
    country: Country
    reason: Words | None = None


class Recognised(Part):
    """How a product shows from outside. Each list is empty where that sign says nothing."""

    mx: tuple[Pattern, ...] = ()
    spf: tuple[Pattern, ...] = ()
    ns: tuple[Pattern, ...] = ()
    cname: tuple[Pattern, ...] = ()
    hosts: tuple[Pattern, ...] = ()
    caa: tuple[Pattern, ...] = ()
    txt: tuple[str, ...] = Field(default=(), description="how the text begins, such as MS=")
    issuers: tuple[str, ...] = Field(default=(), description="the organisation in a certificate's issuer")
    networks: tuple[Name, ...] = Field(default=(), description="names of the table of addresses, networks.yaml")


class Foundation(Part):
    """What a product itself stands on. `verified` false: said somewhere, and not seen."""

    part: Literal["name-servers", "mail-servers", "certificates", "registry", "hosting", "delivery", "subprocessor"]
    operator: str = Field(min_length=1, max_length=200)
    country: Country
    vendor: Name | None = Field(default=None, description="the catalogue's name of that operator")
    names: tuple[Pattern, ...] = Field(default=(), description="the hosts that show it")
    source: Fact


class Product(Part):
    """What vendors and targets have in common. `jurisdiction`: the law that the operating company answers to."""

    title: Words
    company: str = Field(min_length=1, max_length=200)
    jurisdiction: Country
    control: Control
    serves: tuple[Served, ...] = Field(min_length=1)
    recognised: Recognised = Recognised()
    foundations: tuple[Foundation, ...] = ()
    facts: dict[Name, dict[ParameterName, Any]] = Field(
        default_factory=dict, description="recipe: what it must know of this product"
    )
    sources: tuple[Fact, ...] = Field(min_length=1)


class Sensor(Part):
    """One look at a vendor, by a probe; `with` may name parameters, such as the tenant, that the estate gives."""

    aspect: Aspect
    title: Words
    uses: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")


class Clock(Part):
    """What runs out by itself once the vendor is gone, `lasts` after the last contact. `breaks`: what then stops."""

    name: Name
    title: Words
    breaks: Words | None = None
    lasts: Seconds
    source: Fact


class Denial(Part):
    """How a refusal looks, as against a fault: any of the codes, with any of the texts where texts are named."""

    means: Words
    codes: tuple[Annotated[int, Field(ge=100, le=599)], ...] = ()
    texts: tuple[str, ...] = ()
    source: Fact


class Vendor(Product):
    """A company's product that services depend on."""

    vendor: Name
    parameters: dict[ParameterName, Parameter] = Field(default_factory=dict)
    sensors: tuple[Sensor, ...] = ()
    clocks: tuple[Clock, ...] = ()
    denials: tuple[Denial, ...] = ()


class Prices(Part):
    """Euros an hour of a cloud's sizes, without taxes, volumes and addresses; for when its API tells none."""

    hourly: dict[Annotated[str, Field(min_length=1, max_length=60)], Annotated[float, Field(gt=0, le=100_000)]] = Field(
        min_length=1, max_length=500
    )
    source: Fact


class Onboarding(Part):
    """How an organisation becomes a customer or an operator: printable steps, in order."""

    how: Literal["wizard", "api", "self-hosted"]
    steps: tuple[Words, ...] = Field(min_length=1)


class Assurance(Part):
    """What has been attested of a target. `levels`: objective -> SEAL level 0 to 4, where known."""

    secnumcloud: bool = False
    levels: dict[Objective, Annotated[int, Field(ge=0, le=4)]] = Field(default_factory=dict)
    source: Fact | None = None


class Work(Part):
    """Who does what when a service moves here, and against what it was proven."""

    automatic: tuple[Words, ...] = ()
    by_person: tuple[Words, ...] = ()
    proven_against: Literal["stand-in", "real-server", "vendor"] = "stand-in"


class Target(Product):
    """The European product that a service falls back to. `recipe`: how the endpoint moves."""

    target: Name
    recipe: Name
    hosting: tuple[Country, ...] = Field(default=(), description="where the data is; empty where you choose")
    self_hosted: bool = False
    parameters: dict[ParameterName, Parameter] = Field(default_factory=dict)
    onboarding: Onboarding
    play: EstatePath | None = Field(default=None, description="the play of the starter estate that installs it")
    proofs: dict[Name, StepBody] = Field(
        default_factory=dict, description="checks that it works, at `${{ place.url }}`, where its recipe says `prove`"
    )
    limits: tuple[Words, ...] = ()
    prices: Prices | None = None
    assurance: Assurance = Assurance()
    work: Work = Work()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything known, by name."""

    vendors: Mapping[str, Vendor] = field(default_factory=dict)
    targets: Mapping[str, Target] = field(default_factory=dict)
    recipes: Mapping[str, Recipe] = field(default_factory=dict)

    def product(self, name: str) -> Product | None:
        """The vendor of this name, or the target."""
        return self.vendors.get(name) or self.targets.get(name)

    def parameters(self, target: Target) -> dict[str, Parameter]:
        """What a move to this target must be given: its recipe's parameters and its own."""
        return {**self.recipes[target.recipe].parameters, **target.parameters}

    def facts(self, recipe: str, role: Role, product: Product | None) -> dict[str, Any]:
        """What a recipe asks of one side of the move: what the product's file says, defaults for the rest."""
        said = product.facts.get(recipe, {}) if product else {}
        return {name: said.get(name, asked.default) for name, asked in self.recipes[recipe].asks[role].items()}


EMPTY = Catalogue()


def matches(pattern: str, host: str) -> bool:
    """Whether a host name is what the pattern speaks of; letter case and a final dot say nothing."""
    return fnmatchcase(host.lower().removesuffix("."), pattern)
