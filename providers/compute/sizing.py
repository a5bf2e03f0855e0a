"""Which of a cloud's sizes serves a need, and how much of its quotas a plan takes. Pure."""

from collections.abc import Iterable, Sequence

from providers.compute.driver import Offer, Quota, Resource
from providers.wants import Resources


def serving(offers: Iterable[Offer], need: Resources) -> list[Offer]:
    """The sizes in stock that have what is needed, the cheapest first; without prices, the smallest first.

    A size without a disk of its own gets a volume, so it serves any disk.
    """
    fit = [offer for offer in offers if offer.available and _serves(offer, need)]
    return sorted(fit, key=lambda offer: (_price(offer), offer.cpu, offer.memory, offer.name))


def _serves(offer: Offer, need: Resources) -> bool:
    enough_disk = offer.disk == 0 or offer.disk >= need.disk
    enough = offer.cpu >= need.cpu and offer.memory >= need.memory
    return offer.architecture == need.architecture and enough and enough_disk


def _price(offer: Offer) -> float:
    return float("inf") if offer.hourly is None else offer.hourly


def lacking(quotas: Iterable[Quota], sizes: Sequence[Offer]) -> list[tuple[Quota, float]]:
    """The quotas that servers of these sizes together would exceed, each with what they need of it."""
    needed = {
        Resource.SERVERS: float(len(sizes)),
        Resource.CPU: float(sum(size.cpu for size in sizes)),
        Resource.MEMORY: float(sum(size.memory for size in sizes)),
    }
    return [
        (quota, needed[quota.resource])
        for quota in quotas
        if quota.limit is not None and quota.resource in needed and quota.used + needed[quota.resource] > quota.limit
    ]
