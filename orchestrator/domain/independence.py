"""Whether Bascule could be cut off together with those it guards against: whom it relies on itself. Pure."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.estate import Estate
from orchestrator.domain.recognition import OwnerOf, Sign, recognised
from orchestrator.domain.sovereignty import Place, file_of, judge, product_of


class Standing(StrEnum):
    """What one reliance is worth. Only GUARDED keeps Bascule from being ready."""

    GUARDED = "guarded"
    """It leads to a vendor that a service depends on, to one of the same owner, or to one below the policy."""
    UNKNOWN = "unknown"
    """The catalogue does not know who it is, or the name has no answer."""
    TOLD = "told"
    """Not needed while Bascule runs."""
    OWN = "own"
    """On this machine, or at an address that is not routed in public."""
    CLEAR = "clear"
    """It leads to somebody that the policy allows, and that nothing depends on."""


@dataclass(frozen=True, slots=True)
class Reliance:
    """One thing that Bascule relies on. `host` empty: this machine. `at_run_time`: it is needed while Bascule runs.

    `untold`: why the host can't be told; it is then not known to be this machine.
    """

    kind: str
    name: str
    host: str = ""
    at_run_time: bool = True
    issuer: bool = False
    """`host` is the organisation of a certificate's authority, and no host."""
    untold: str = ""


@dataclass(frozen=True, slots=True)
class Signs:
    """What was seen on the way from the host: each with its words."""

    seen: tuple[tuple[Sign, str, str], ...] = ()
    """Sign, name, and where it was seen, such as `CNAME of git.town.example`."""
    addresses: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A reliance with what was found. `record`: what shows whose it is; `advice`: one sentence."""

    reliance: Reliance
    standing: Standing
    product: str = ""
    operator: str = ""
    country: str = ""
    record: str = ""
    advice: str = ""
    addresses: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The plain form: what `json.dumps` takes."""
        told = {"kind": self.reliance.kind, "name": self.reliance.name, "host": self.reliance.host}
        found = {"product": self.product, "operator": self.operator, "country": self.country}
        shown = {"record": self.record, "advice": self.advice, "addresses": list(self.addresses)}
        return {**told, "standing": self.standing.value, **found, **shown}


def weigh(
    reliance: Reliance,
    signs: Signs,
    estate: Estate,
    catalogue: Catalogue,
    today: datetime.date,
    owner_of: OwnerOf | None = None,
) -> Finding:
    """What this reliance is worth. `owner_of`: whose network an address is in, where a table of them is there."""
    if reliance.untold:
        return Finding(reliance, Standing.UNKNOWN, advice=reliance.untold)
    if not reliance.host or (not reliance.issuer and _is_private(reliance.host)):
        where = "this machine" if not reliance.host else "a private address"
        return Finding(reliance, Standing.OWN, operator=where)
    named = next(_owners(reliance, signs, catalogue, owner_of), None)
    if named is None:
        own = bool(signs.addresses) and all(map(_is_private, signs.addresses))
        return _nobody(reliance, signs, own=own)
    product_name, record = named
    return _known(reliance, signs, estate, catalogue, today, product_name, record)


def ready(findings: Sequence[Finding]) -> bool:
    return not any(one.standing is Standing.GUARDED for one in findings)


def _owners(
    reliance: Reliance, signs: Signs, catalogue: Catalogue, owner_of: OwnerOf | None
) -> Iterator[tuple[str, str]]:
    """Who it is, by each sign in turn: the host itself, what it leads through, and whose addresses these are."""
    first: Sign = "issuer" if reliance.issuer else "host"
    for sign, name, where in [(first, reliance.host, ""), *signs.seen]:
        found = recognised(catalogue, sign, name)
        if found:
            yield found, f"{name}{f', {where}' if where else ''}"
    for address in signs.addresses if owner_of else ():
        network = owner_of(address) if owner_of else None
        found = (recognised(catalogue, "network", network) or network) if network else None
        if found and product_of(catalogue, found):
            yield found, f"{address} is in the network {network}"


def _nobody(reliance: Reliance, signs: Signs, *, own: bool) -> Finding:
    if own:
        return Finding(reliance, Standing.OWN, operator="a private address", addresses=signs.addresses)
    standing = Standing.UNKNOWN if reliance.at_run_time else Standing.TOLD
    advice = signs.message or "Nobody that the catalogue knows is recognised there: find out who runs it."
    return Finding(reliance, standing, advice=advice, addresses=signs.addresses)


def _known(
    reliance: Reliance,
    signs: Signs,
    estate: Estate,
    catalogue: Catalogue,
    today: datetime.date,
    name: str,
    record: str,
) -> Finding:
    product = product_of(catalogue, name)
    assert product is not None, "who is recognised is in the catalogue"
    verdict = judge(estate.policy.sovereignty, Place("", name, keeps_data=False), catalogue, today)
    advice = _depends(estate, catalogue, name) or next((f"It {reason}." for reason in verdict.reasons), "")
    standing = Standing.GUARDED if advice else Standing.CLEAR
    if not reliance.at_run_time:
        standing, advice = Standing.TOLD, ""
    shown = f"{record}; {file_of(product, name)}"
    control = product.control
    return Finding(reliance, standing, name, control.owner, control.country, shown, advice, signs.addresses)


def _depends(estate: Estate, catalogue: Catalogue, name: str) -> str:
    """Why a product is guarded against: a service depends on it, or on another product of its owner."""
    owners = _owners_of_vendors(estate, catalogue)
    product = product_of(catalogue, name)
    for service, one in estate.services.items():
        if one.vendor == name:
            return f"The service {service} depends on {name}, and Bascule would be cut off with it."
        if product is not None and product.control.owner == owners.get(service):
            owner = product.control.owner
            return f"{owner} also owns {one.vendor}, on which {service} depends: both can be cut off at once."
    return ""


def _owners_of_vendors(estate: Estate, catalogue: Catalogue) -> Mapping[str, str]:
    vendors = {name: catalogue.vendors.get(one.vendor) for name, one in estate.services.items()}
    return {name: vendor.control.owner for name, vendor in vendors.items() if vendor is not None}


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost"
