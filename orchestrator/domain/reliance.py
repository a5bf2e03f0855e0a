"""Whom a plan relies on: the targets, where its endpoints move, and the providers that its steps use. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import Scope
from orchestrator.domain.model import Direction
from orchestrator.domain.plan import Plan, PlannedStep
from orchestrator.domain.recognition import recognised
from orchestrator.domain.sovereignty import Place
from orchestrator.domain.zones import DNS_KINDS, zones_of

OWN_DRIVERS = frozenset({"openstack", "powerdns", "rfc2136", "s3"})
"""Drivers that speak a protocol, and say nothing of who is on the other side; the others are named for a vendor."""


def relied_on(plan: Plan, bundle: Bundle) -> list[Place]:
    """Every place once a service, with all that it is relied on for.

    A failback leads home: neither the targets that are left nor the estate's vendors that are returned to are judged.
    """
    back = plan.direction == Direction.FAILBACK
    found = [] if back else [Place(name, bundle.estate.services[name].target) for name in plan.services]
    scope = bundle.estate.scopes[plan.scope]
    found += [Place(step.service, step.moves_to, roles=("endpoint",)) for step in plan.steps if step.moves_to]
    for service, section, entry in dict.fromkeys(used for step in plan.steps for used in _entries(step)):
        place = _provider(bundle.catalogue, service, section, entry, _block(scope, section, entry))
        found += [place] if place is not None else []
    if back:
        left = {bundle.estate.services[name].target for name in plan.services}
        home = {service.vendor for service in bundle.estate.services.values()}
        found = [place for place in found if place.product not in left | home]
    return _together(found)


def _entries(step: PlannedStep) -> Iterator[tuple[str, str, str]]:
    """Service, section and entry of the scope that a step puts something into; reading and releasing rely on nobody."""
    if step.uses.startswith("compute.") and step.with_.get("state", "present") != "absent":
        named = step.with_.get("provider")
        yield from ((step.service, "compute", str(name)) for name in (named if isinstance(named, list) else [named]))
    elif step.uses == "storage.copy":
        yield step.service, "storage", str(step.with_["to"]["store"])
    elif step.uses in DNS_KINDS:
        yield from ((step.service, "dns", zone) for zone in zones_of(step.with_))


def _block(scope: Scope, section: str, entry: str) -> Mapping[str, Any]:
    shelf: Mapping[str, Any] = scope.dns.zones if section == "dns" else getattr(scope, section)
    found = shelf.get(entry)
    return found.model_dump(mode="json") if found is not None else {}


def _provider(catalogue: Catalogue, service: str, section: str, entry: str, block: Mapping[str, Any]) -> Place | None:
    """The product behind an entry of a scope; None for an address that only the organisation itself can reach."""
    driver, roles, keeps = str(block.get("driver", "")), (f"{section} {entry}",), section != "dns"
    host = urlsplit(str(block.get("url") or "")).hostname or ""
    signs = [sign for sign in (host, block.get("domain")) if sign]
    product = next((found for sign in signs if (found := recognised(catalogue, "host", sign))), None)
    if product is None and driver and driver not in OWN_DRIVERS:
        known = driver in catalogue.targets or driver in catalogue.vendors
        return Place(service, driver if known else None, driver, roles, keeps)
    if product is None and (not host or _is_own(host)):
        return None
    return Place(service, product, host, roles, keeps)


def _is_own(host: str) -> bool:
    """An address that is not routed in public, or is a name of this machine alone."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host


def _together(places: Sequence[Place]) -> list[Place]:
    """One entry for each service and place, with all roles; every rule is asked where any role asks it."""
    found: dict[tuple[str, str], Place] = {}
    for place in places:
        key = (place.service, place.name)
        known = found.get(key, place)
        roles = tuple(dict.fromkeys([*known.roles, *place.roles]))
        keeps = known.keeps_data or place.keeps_data
        found[key] = Place(place.service, place.product, place.host, roles, keeps)
    return list(found.values())
