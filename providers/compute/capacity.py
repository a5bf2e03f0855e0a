"""Whether the servers of a plan have room, all of them together: asked before anything is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from providers.base import Context, ProviderError
from providers.compute.clouds import cloud
from providers.compute.driver import Offer, Quota
from providers.compute.sizing import lacking, serving
from providers.vendor_http import Deadline
from providers.wants import Server


@dataclass(frozen=True, slots=True)
class Room:
    """What one cloud has: its sizes and quotas; `unknown` says why they can't be read, and is empty otherwise."""

    offers: Sequence[Offer] = ()
    quotas: Sequence[Quota] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a server would be made now. Without a provider there is no room for it; `message` says why."""

    provider: str | None
    size: str | None = None
    message: str = ""
    hourly: float | None = None
    """Euros, where the cloud tells."""


def room_at(context: Context, provider: str) -> Room:
    """Reads only. What can't be read is said in the answer: a plan is made all the same."""
    try:
        with cloud(context, provider, Deadline(context.deadline)) as driver:
            return Room(driver.ex_offers(), driver.ex_quotas())
    except ProviderError as error:
        return Room(unknown=error.message)


def place(servers: Mapping[str, Server], rooms: Mapping[str, Room]) -> dict[str, Placement]:
    """Each step's server at the first of its clouds that has room, beside those placed before. Pure."""
    taken: dict[str, list[Offer]] = {name: [] for name in rooms}
    placed: dict[str, Placement] = {}
    for step, want in servers.items():
        reasons: list[str] = []
        for name in want.provider:
            found = _at(name, rooms[name], want, taken[name])
            if found.provider is not None:
                placed[step] = replace(found, message=" ".join([*reasons, found.message]).strip())
                break
            reasons.append(found.message)
        else:
            placed[step] = Placement(None, message=" ".join(reasons))
    return placed


def _at(name: str, room: Room, want: Server, taken: list[Offer]) -> Placement:
    """The server beside those taken at this cloud; one that can't be asked is taken at its word."""
    if room.unknown:
        return Placement(name, want.size, f"Whether {name} has room is not known: {room.unknown}")
    candidates = _candidates(room, want)
    if not candidates:
        return Placement(None, message=f"{name} has no size in stock that serves.")
    fits = next((offer for offer in candidates if not lacking(room.quotas, [*taken, offer])), None)
    if fits is not None:
        taken.append(fits)
        return Placement(name, fits.name, hourly=fits.hourly)
    short = lacking(room.quotas, [*taken, candidates[0]])
    told = ", ".join(
        f"{quota.resource} ({quota.used:g} of {quota.limit} used, {need:g} needed)" for quota, need in short
    )
    return Placement(None, message=f"The quota of {name} is too small for all servers of this plan: {told}.")


def _candidates(room: Room, want: Server) -> list[Offer]:
    if want.resources is not None:
        return serving(room.offers, want.resources)
    return [offer for offer in room.offers if offer.name == want.size and offer.available]
