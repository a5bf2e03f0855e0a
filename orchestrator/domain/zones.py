"""The DNS steps of a plan or a runbook: in which zones they act, and what is said of each zone apart. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

DNS_KINDS = frozenset({"dns.records", "dns.ttl"})
"""Kinds whose `with` names a `zone`, or several `zones`, and `records`."""

Key = tuple[str, str, str]
"""Zone, name in lower case, type."""


def zones_of(with_: Mapping[str, Any]) -> list[str]:
    """The zones that a step names, in their order; what is not known yet stays as it is written."""
    several = with_.get("zones")
    if isinstance(several, list) and several:
        return [str(zone) for zone in several]
    return [str(with_["zone"])] if with_.get("zone") else []


def keys_of(with_: Mapping[str, Any]) -> Iterator[Key]:
    """Every record set that a step names, in each of its zones."""
    for zone in zones_of(with_):
        for record in with_.get("records", []):
            yield zone, str(record.get("name")).lower(), str(record.get("type"))


def by_zone(with_: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What was found, zone by zone: a step of one zone has it bare, one of several under `zones`."""
    if with_.get("zones"):
        found = values.get("zones")
        return dict(found) if isinstance(found, Mapping) else {}
    return dict.fromkeys(zones_of(with_), values) if values else {}


def new_ttl(with_: Mapping[str, Any], ttl: int | None) -> int | None:
    """The TTL that a record set has after a `dns.ttl` step; None for one that is absent."""
    wanted = int(with_["ttl"])
    return ttl if ttl is None or (with_.get("change", "lower") == "lower" and ttl <= wanted) else wanted


def longest_wait(with_: Mapping[str, Any], values: Mapping[str, Any]) -> float:
    """Seconds that caches keep what a `dns.ttl` step changes: the largest TTL that it changes."""
    if not isinstance(with_.get("ttl"), int):
        return 0.0
    held = [one.get("ttl") for found in by_zone(with_, values).values() for one in found.get("records", [])]
    return float(max((ttl for ttl in held if ttl is not None and new_ttl(with_, ttl) != ttl), default=0))
