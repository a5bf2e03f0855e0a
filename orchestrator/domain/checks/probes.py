"""Own probes: whom they watch, by what, and how often; and whether their controls can tell us from the vendor."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.domain.catalogue import Vendor
from orchestrator.domain.checks.draft import Draft
from orchestrator.domain.checks.places import FILES
from orchestrator.domain.kinds import KINDS, check_inputs
from orchestrator.domain.parameters import misfit
from orchestrator.domain.policy import AREAS
from orchestrator.domain.problem import Complaint, Path, Problem
from orchestrator.domain.references import value_at
from orchestrator.domain.signals.lookout import Lookout, lookout_of
from orchestrator.domain.signals.probes import ControlSite, OwnSensor, Probes, WatchedVendor
from orchestrator.domain.signals.schedule import BUDGET, per_minute
from orchestrator.domain.wording import did_you_mean, listed, shown

AT: Path = ("signals", "probes")
MOST_LOOKS = 500
NEAR = frozenset([*AREAS["EEA"], "CH"])
FAR = "US"
PROBES = tuple(name for name in KINDS if name.startswith("probe."))


def check_probes(draft: Draft, at: Path = AT) -> Iterator[Problem]:
    """`at`: where the block stands in its file."""
    probes = draft.estate.estate.signals.probes
    if probes is not None:
        for complaint in _complaints(draft, probes):
            yield draft.in_estate(complaint.under(*at))


def advise_probes(draft: Draft, at: Path = AT) -> Iterator[Problem]:
    """What is allowed, and weakens what the probes can say."""
    estate = draft.estate.estate
    probes = estate.signals.probes
    if probes is None:
        return
    controls: Path = (*at, "controls") if probes.controls else at
    near = sum(one.country in NEAR for one in probes.controls.values())
    if near < 2:
        message = f"The probes have {near} of the two controls under a European law that they need."
        remedy = "Add sites that stand on none of your vendors: without controls, no verdict is ever `cut`."
        yield draft.in_estate(Complaint(controls, message, remedy, on_key=True))
    if not any(one.country == FAR for one in probes.controls.values()):
        message = "No control is an unrelated American site."
        remedy = "Add one: it tells a vendor's refusal from a line to America that is cut."
        yield draft.in_estate(Complaint(controls, message, remedy, on_key=True))
    scope = estate.scopes.get(probes.scope)
    if scope is not None and not scope.dns.resolvers:
        message = f"The scope `{probes.scope}` has no `dns.resolvers`: no probe can look a name up."
        remedy = f"Add `dns: {{resolvers: […]}}` to the scope `{probes.scope}`."
        yield draft.in_estate(Complaint((*at, "scope"), message, remedy))


def _complaints(draft: Draft, probes: Probes) -> Iterator[Complaint]:
    estate, catalogue = draft.estate.estate, draft.catalogue
    services = {one.vendor for one in estate.services.values()}
    if probes.scope not in estate.scopes:
        remedy = did_you_mean(probes.scope, estate.scopes.keys(), "Name a scope.")
        yield Complaint(("scope",), f"There is no scope `{probes.scope}`.", remedy)
    for name, said in (probes.vendors or {}).items():
        yield from _vendor(catalogue.vendors.get(name), name, said, catalogue.vendors)
    if probes.vendors is None:
        for name in sorted(services & catalogue.vendors.keys()):
            yield from _unasked(catalogue.vendors[name])
    for name, site in probes.controls.items():
        yield from _probe(draft, site, ("controls", name))
    for block, own in (("sensors", probes.sensors), ("accounts", probes.accounts)):
        for name, one in own.items():
            yield from _own(draft, one, (block, name), services | catalogue.vendors.keys())
    yield from _together(lookout_of(probes, services, catalogue), probes)


def _vendor(vendor: Vendor | None, name: str, said: WatchedVendor, known: Mapping[str, Vendor]) -> Iterator[Complaint]:
    path: Path = ("vendors", name)
    if vendor is None:
        remedy = did_you_mean(name, known.keys(), "Name a vendor of the catalogue.")
        yield Complaint(path, f"There is no vendor `{name}` in the catalogue.", remedy, on_key=True)
        return
    for parameter, value in said.parameters.items():
        asked = vendor.parameters.get(parameter)
        at: Path = (*path, "parameters", parameter)
        if asked is None:
            remedy = did_you_mean(parameter, vendor.parameters.keys(), "Remove it.")
            yield Complaint(at, f"The sensors of `{name}` ask for no `{parameter}`.", remedy, on_key=True)
        elif wanted := misfit(asked.type, value):
            yield Complaint(at, f"`{parameter}` is {shown(value)}.", f"Write {wanted}.")
    for parameter in _missing(vendor, said):
        message = f"The sensors of `{name}` need the parameter `{parameter}`."
        yield Complaint(path, message, f"Add `parameters: {{{parameter}: …}}`.", on_key=True)


def _unasked(vendor: Vendor) -> Iterator[Complaint]:
    """All vendors are watched, and one of them needs to be told something."""
    for parameter in _missing(vendor, WatchedVendor()):
        message = f"The sensors of `{vendor.vendor}` need the parameter `{parameter}`."
        remedy = (
            f"Write `vendors` with all that are watched, and `{vendor.vendor}: {{parameters: {{{parameter}: …}}}}`."
        )
        yield Complaint((), message, remedy, on_key=True)


def _missing(vendor: Vendor, said: WatchedVendor) -> list[str]:
    return [name for name, one in vendor.parameters.items() if one.default is None and name not in said.parameters]


def _own(draft: Draft, one: OwnSensor, path: Path, known: set[str]) -> Iterator[Complaint]:
    if one.vendor not in known:
        remedy = did_you_mean(one.vendor, known, "Name a vendor of the catalogue or of a service.")
        yield Complaint((*path, "vendor"), f"There is no vendor `{one.vendor}`.", remedy)
    yield from _probe(draft, one, path)
    if one.uses in PROBES and one.value is not None and one.value not in KINDS[one.uses].measures:
        measures = sorted(KINDS[one.uses].measures)
        remedy = f"Write one of {listed(measures)}." if measures else "Remove `value`."
        yield Complaint((*path, "value"), f"`{one.uses}` does not measure `{one.value}`.", remedy)


def _probe(draft: Draft, one: ControlSite | OwnSensor, path: Path) -> Iterator[Complaint]:
    if one.uses not in PROBES:
        yield Complaint((*path, "uses"), f"{shown(one.uses)} is no probe.", did_you_mean(one.uses, PROBES, "Name one."))
        return
    for wrong in check_inputs(one.uses, one.with_, resolved=True):
        yield wrong.under(*path, "with")
    for place in FILES.get(one.uses, ()):
        file: Any = value_at(one.with_, place)
        if isinstance(file, str) and file not in draft.files:
            yield Complaint((*path, "with", *place), f"The estate has no file {file}.", f"Write the file {file}.")


def _together(lookout: Lookout, probes: Probes) -> Iterator[Complaint]:
    """What only all of them show: one name twice, and more looks than are good for anybody."""
    counts = Counter(look.key for look in lookout.looks)
    for block in ("sensors", "accounts"):
        for name, one in getattr(probes, block).items():
            if counts[f"{one.vendor}.{one.aspect}.{name}"] > 1:
                message = f"Another sensor of `{one.vendor}` for `{one.aspect}` is named `{name}` as well."
                yield Complaint((block, name), message, "Give this one another name.", on_key=True)
    for vendor, often in per_minute(lookout.looks).items():
        if often > BUDGET:
            message = f"`{vendor}` would be looked at {often:.0f} times a minute, and {BUDGET} times is the most."
            yield Complaint(("every",) if "every" in probes.model_fields_set else (), message, "Look less often.")
    if len(lookout.looks) > MOST_LOOKS:
        message = f"These are {len(lookout.looks)} sensors, and {MOST_LOOKS} are the most."
        yield Complaint((), message, "Remove some, or let another installation look.")
