"""What was found when a scope was examined, as pages show it: what is missing first; states by icon and word. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_STATES = {
    "missing": ("failed", "bad"),
    "needless": ("decide", "waits"),
    "unknown": ("check", "odd"),
    "held": ("done", "good"),
}
"""State of a right, in the order in which they are told: icon and tone."""
_STANDINGS = {
    "guarded": ("failed", "bad"),
    "unknown": ("check", "odd"),
    "clear": ("done", "good"),
    "own": ("done", "good"),
    "told": ("later", "quiet"),
}
"""The same for what Bascule relies on."""


@dataclass(frozen=True, slots=True)
class RightView:
    state: str
    icon: str
    tone: str
    name: str
    advice: str


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry of a scope. `standing`: `broken`, `wide` or `good`. `held`: rights that need no word each."""

    kind: str
    entry: str
    where: str
    standing: str
    icon: str
    tone: str
    message: str
    rights: Sequence[RightView]
    held: int


@dataclass(frozen=True, slots=True)
class RelianceView:
    standing: str
    icon: str
    tone: str
    kind: str
    name: str
    host: str
    operator: str
    country: str
    advice: str
    record: str


def entries_of(found: Mapping[str, Any]) -> list[EntryView]:
    """Of a check-up's plain form, what is not ready first; none where nothing was ever examined."""
    views = [_entry(one) for one in found.get("examinations", ())]
    order = ["broken", "wide", "good"]
    return sorted(views, key=lambda one: order.index(one.standing))


def reliances_of(found: Mapping[str, Any]) -> list[RelianceView]:
    """Of a self map's plain form, the gravest first."""
    order = list(_STANDINGS)
    rows = sorted(found.get("findings", ()), key=lambda one: order.index(one["standing"]))
    said = ("kind", "name", "host", "operator", "country", "advice", "record")
    return [RelianceView(one["standing"], *_STANDINGS[one["standing"]], *(one[name] for name in said)) for one in rows]


def _entry(one: Mapping[str, Any]) -> EntryView:
    rights = sorted(one["rights"], key=lambda right: list(_STATES).index(right["state"]))
    told = [right for right in rights if right["advice"] or right["state"] != "held"]
    needless = any(right["state"] == "needless" for right in rights)
    standing = "broken" if not one["ok"] else "wide" if needless else "good"
    icon, tone = {"broken": ("failed", "bad"), "wide": ("decide", "waits"), "good": ("done", "good")}[standing]
    where = one["where"] if one["where"] != one["entry"] else ""
    views = [RightView(right["state"], *_STATES[right["state"]], right["name"], right["advice"]) for right in told]
    return EntryView(
        one["kind"], one["entry"], where, standing, icon, tone, one["message"], views, len(rights) - len(told)
    )
