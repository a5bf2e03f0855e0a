"""How much one run may make and touch at most: the block `policy.limits`, and what a plan exceeds of it. Pure.

Limits are for each run. Runs side by side are bounded by what they hold: no two of them have the same service, zone,
bucket or account in one scope, and each is released by itself.
Invariant: a stricter limit never has fewer excesses, and a plan without servers costs nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.domain.salvage import Part
from providers.wants import Name

Measure = Literal["services", "servers", "zones", "euros_per_hour"]
Count = Annotated[int, Field(ge=0, le=100_000)]
Euros = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
Size = Annotated[str, Field(min_length=1, max_length=60)]


class RunLimits(Part):
    """The most that one run may; what is not said is not limited.

    `unknown_price`: whether servers whose price nobody knows are within a limit of euros.
    """

    services: Annotated[int, Field(ge=1, le=100_000)] | None = None
    servers: Count | None = None
    zones: Count | None = None
    euros_per_hour: Euros | None = None
    unknown_price: Literal["refuse", "allow"] | None = None


class Limits(Part):
    """`scopes`: by scope, what replaces, one by one, what the default says.

    `prices`: euros an hour that the organisation pays, by the name of a `compute` entry and by size.
    """

    default: RunLimits = RunLimits()
    scopes: dict[Name, RunLimits] = Field(default_factory=dict, max_length=100)
    prices: dict[Name, dict[Size, Euros]] = Field(default_factory=dict, max_length=100)

    def of(self, scope: str) -> RunLimits:
        """What holds in a scope."""
        own = self.scopes.get(scope)
        if own is None:
            return self.default
        return self.default.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class PricedServer(_Part):
    """A server that a plan makes. `hourly`: euros, None where nobody knows; `known_from` says who does."""

    step: str
    provider: str
    size: str | None = None
    hourly: float | None = None
    known_from: Literal["policy", "cloud", "catalogue"] | None = None
    verified: bool = True
    """False where the price was read somewhere, and nobody of this project saw it hold."""


class Footprint(_Part):
    """What a run of a plan makes and touches."""

    services: tuple[str, ...] = ()
    servers: tuple[PricedServer, ...] = ()
    zones: tuple[str, ...] = ()

    @property
    def euros_per_hour(self) -> float:
        """Of the servers whose price is known."""
        return round(sum(one.hourly for one in self.servers if one.hourly is not None), 4)

    @property
    def unpriced(self) -> tuple[PricedServer, ...]:
        return tuple(one for one in self.servers if one.hourly is None)


class Excess(_Part):
    """One limit that a plan is over. `unpriced`: the servers without a known price, where they are the reason."""

    measure: Measure
    counted: float
    limit: float
    unpriced: tuple[str, ...] = ()
    fr: str
    en: str


class BlastRadius(_Part):
    """What a plan makes and touches, what it may at most, and what it exceeds."""

    footprint: Footprint
    limits: RunLimits
    excesses: tuple[Excess, ...] = ()


_WORDS: Mapping[Measure, tuple[str, str]] = {
    "services": ("{counted} services, au plus {limit}", "{counted} services, at most {limit}"),
    "servers": ("{counted} serveurs créés, au plus {limit}", "{counted} servers made, at most {limit}"),
    "zones": ("{counted} zones modifiées, au plus {limit}", "{counted} zones changed, at most {limit}"),
    "euros_per_hour": ("{counted} € par heure, au plus {limit} €", "{counted} € an hour, at most {limit} €"),
}


def exceeded(footprint: Footprint, limits: RunLimits) -> tuple[Excess, ...]:
    """Every limit that the footprint is over, in the order in which they are written."""
    return tuple(_exceeded(footprint, limits))


def refusal(excesses: Sequence[Excess], scope: str) -> dict[str, str]:
    """In French and in English: why such a plan is refused, and what to do."""
    fr, en = "; ".join(one.fr for one in excesses), "; ".join(one.en for one in excesses)
    return {
        "fr": f"Le plan dépasse ce qu'une exécution peut toucher dans la portée {scope} : {fr}. Demandez moins de "
        "services à la fois, ou changez policy.limits dans bascule.yaml.",
        "en": f"The plan is over what one run may touch in the scope {scope}: {en}. Plan for fewer services at a "
        "time, or change policy.limits in bascule.yaml.",
    }


def _exceeded(footprint: Footprint, limits: RunLimits) -> Iterator[Excess]:
    counts: tuple[tuple[Measure, int, int | None], ...] = (
        ("services", len(footprint.services), limits.services),
        ("servers", len(footprint.servers), limits.servers),
        ("zones", len(footprint.zones), limits.zones),
    )
    for measure, counted, limit in counts:
        if limit is not None and counted > limit:
            yield _excess(measure, counted, limit)
    most, euros = limits.euros_per_hour, footprint.euros_per_hour
    if most is None:
        return
    if euros > most:
        yield _excess("euros_per_hour", euros, most)
    elif footprint.unpriced and limits.unknown_price != "allow":
        steps = tuple(one.step for one in footprint.unpriced)
        names = ", ".join(steps)
        yield Excess(
            measure="euros_per_hour",
            counted=euros,
            limit=most,
            unpriced=steps,
            fr=f"le prix de {names} est inconnu, et {most:g} € par heure sont la limite "
            "(policy.limits.prices peut le dire)",
            en=f"the price of {names} is not known, and {most:g} € an hour is the limit "
            "(policy.limits.prices can say it)",
        )


def _excess(measure: Measure, counted: float, limit: float) -> Excess:
    fr, en = _WORDS[measure]
    values = {"counted": f"{counted:g}", "limit": f"{limit:g}"}
    return Excess(
        measure=measure,
        counted=counted,
        limit=limit,
        fr=fr.format(**values).replace(".", ",") if measure == "euros_per_hour" else fr.format(**values),
        en=en.format(**values),
    )
