"""All that is looked at from one place: the estate's block and the catalogue, made into single looks. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.catalogue import Catalogue, Denial, Vendor
from orchestrator.domain.references import UNKNOWN_YET, Reference, substitute
from orchestrator.domain.signals.observation import Observation, Outcome
from orchestrator.domain.signals.probes import OwnSensor, Probes, WatchedVendor
from providers.wants import Words


@dataclass(frozen=True, slots=True)
class Look:
    """One sensor: what it asks, and what its readings are of. `measure`: which of the probe's measures they carry, or
    empty. `every`: seconds."""

    vendor: str
    aspect: str
    sensor: str
    title: Words
    uses: str
    with_: Mapping[str, Any] = field(hash=False)
    every: float
    account: str | None = None
    measure: str = ""
    denials: tuple[Denial, ...] = field(default=(), hash=False)

    @property
    def key(self) -> str:
        """Its own among all looks of a lookout, and the same tomorrow."""
        return f"{self.vendor}.{self.aspect}.{self.sensor}"


@dataclass(frozen=True, slots=True)
class Lookout:
    """A place to look from, and every look from there. `scope`: whose networks and secrets they use."""

    scope: str
    vantage: str
    trust_domain: str
    looks: tuple[Look, ...]

    def observed(self, look: Look, at: float, outcome: Outcome, value: float | None) -> Observation:
        """What one look saw. `at`: when, in seconds since the epoch, UTC."""
        return Observation(
            at, look.vendor, look.aspect, look.sensor, self.vantage, self.trust_domain, outcome, value, look.account
        )


def lookout_of(probes: Probes, vendors: Iterable[str], catalogue: Catalogue) -> Lookout:
    """`vendors`: those that the estate's services depend on. Of a vendor that the catalogue does not know, only the
    sensors that the block itself names look."""
    every = probes.every
    chosen = probes.vendors if probes.vendors is not None else {name: WatchedVendor() for name in sorted({*vendors})}
    looks = [one for name, said in chosen.items() for one in _of_vendor(catalogue.vendors.get(name), said, every)]
    looks += [
        Look(name, one.aspect, "site", one.title or _plain(name), one.uses, one.with_, one.every or every)
        for name, one in probes.controls.items()
    ]
    looks += [_own(name, one, every, catalogue) for name, one in probes.sensors.items()]
    looks += [_own(name, one, every, catalogue, one.account) for name, one in probes.accounts.items()]
    return Lookout(probes.scope, probes.vantage, probes.trust_domain, tuple(looks))


def spoken_of(probes: Probes | None, vendors: Iterable[str]) -> frozenset[str]:
    """The vendors that an estate's services and probes have to do with."""
    watched = [*(probes.vendors or ())] if probes else []
    own = [one.vendor for one in (*probes.sensors.values(), *probes.accounts.values())] if probes else []
    return frozenset([*vendors, *watched, *own])


def _of_vendor(vendor: Vendor | None, said: WatchedVendor, every: float) -> Iterator[Look]:
    if vendor is None:
        return
    told = {name: one.default for name, one in vendor.parameters.items() if one.default is not None}
    given = {**told, **said.parameters}

    def look_up(reference: Reference) -> object:
        return given.get(reference[1], UNKNOWN_YET) if reference[0] == "parameters" else UNKNOWN_YET

    seen: dict[str, int] = {}
    for sensor in vendor.sensors:
        count = seen[sensor.aspect] = seen.get(sensor.aspect, 0) + 1
        yield Look(
            vendor=vendor.vendor,
            aspect=sensor.aspect,
            sensor=sensor.aspect if count == 1 else f"{sensor.aspect}-{count}",
            title=sensor.title,
            uses=sensor.uses,
            with_=substitute(sensor.with_, look_up),
            every=said.every or every,
            denials=vendor.denials,
        )


def _own(name: str, one: OwnSensor, every: float, catalogue: Catalogue, account: str | None = None) -> Look:
    vendor = catalogue.vendors.get(one.vendor)
    denials = vendor.denials if vendor else ()
    title = one.title or _plain(name)
    time = one.every or every
    return Look(one.vendor, one.aspect, name, title, one.uses, one.with_, time, account, one.value or "", denials)


def _plain(name: str) -> Words:
    return Words(fr=name, en=name)
