"""What this installation itself looks at, from where and how often: the block `probes` of `signals`."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from orchestrator.domain.catalogue import Aspect, Country
from orchestrator.domain.runbook import ParameterName
from orchestrator.domain.salvage import Part
from orchestrator.domain.wording import CONTROL_NAME
from providers.wants import Name, Seconds, Words

EVERY = 300.0
"""Seconds between two looks of one sensor where the estate says nothing."""
LEAST, MOST = 60.0, 3600.0
"""Seconds between two looks: more often would be a burden on the vendor, more seldom counts as silence."""

AccountName = Annotated[
    str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$", description="an account's name on one line")
]
ControlName = Annotated[str, Field(pattern=CONTROL_NAME)]


def _bounded(every: float) -> float:
    if not LEAST <= every <= MOST:
        raise PydanticCustomError(
            "not_so_often",
            "A sensor looks at least once an hour, and at most once a minute.",
            {"remedy": "Write a time from 1m to 1h."},
        )
    return every


Every = Annotated[Seconds, AfterValidator(_bounded)]


class WatchedVendor(Part):
    """A vendor whose sensors of the catalogue look, with the parameters that they ask for."""

    parameters: dict[ParameterName, Any] = Field(default_factory=dict)
    every: Every | None = None


class ControlSite(Part):
    """A site of your own choice that tells your own trouble from the vendor's. `country`: whose law its operator is
    under; where it is hosted counts as well, so choose one that stands on no vendor that is watched."""

    country: Country
    title: Words | None = None
    aspect: Aspect = "semantic"
    every: Every | None = None
    uses: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")


class OwnSensor(Part):
    """A sensor besides those of the catalogue. `value`: which of the probe's measures its reading carries, such as
    `age`; more is worse."""

    vendor: Name
    aspect: Aspect
    title: Words | None = None
    every: Every | None = None
    uses: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    value: Name | None = None


class AccountSensor(OwnSensor):
    """A sensor that uses one account, such as a canary's or the mayor's: a cutoff can hit one person."""

    account: AccountName


class Probes(Part):
    """From `scope` come the networks, resolvers, authorities and secrets. Without `vendors`, all that the estate's
    services depend on are watched; with it, these. `trust_domain`: who would have to be compromised to forge what
    is seen from here."""

    scope: Name
    vantage: Name = "own"
    trust_domain: Name = "own-probes"
    every: Every = EVERY
    vendors: dict[Name, WatchedVendor] | None = Field(default=None, max_length=200)
    controls: dict[ControlName, ControlSite] = Field(default_factory=dict, max_length=50)
    sensors: dict[Name, OwnSensor] = Field(default_factory=dict, max_length=200)
    accounts: dict[Name, AccountSensor] = Field(default_factory=dict, max_length=200)
