"""What several clouds, looked at for one server, amount to together. Pure."""

from collections.abc import Mapping

from providers.base import Finding, Presence

_TO_FIND = (Presence.CONFLICT, Presence.ALREADY, Presence.PENDING, Presence.ABSENT)
_TO_RELEASE = (Presence.CONFLICT, Presence.PENDING, Presence.ABSENT, Presence.OURS, Presence.ALREADY)


def made(found: Mapping[str, Finding]) -> Finding:
    """For a server that shall be present: it is at most at one of the clouds.

    What is ours anywhere decides; a name that is taken at one cloud, or a request
    without an answer, keeps the step from every other.
    """
    values = _values(found)
    ours = {name: one for name, one in found.items() if one.effect}
    if len(ours) > 1:
        message = f"This step has servers at {' and '.join(ours)}; undo the step, which releases them."
        servers = [server for one in ours.values() for server in one.effect.get("servers", ())]
        parts = [part for one in ours.values() for part in one.effect.get("parts", ())]
        return Finding(Presence.CONFLICT, values, effect={"servers": servers, "parts": parts}, message=message)
    chosen = next(iter(ours.values()), None) or _first(found, (Presence.CONFLICT, Presence.PENDING, Presence.ABSENT))
    return _with_values(chosen, values)


def found_again(found: Mapping[str, Finding]) -> Finding:
    """For `existing`: the one server of that name, wherever it is."""
    values = _values(found)
    there = [name for name, one in found.items() if one.presence in (Presence.ALREADY, Presence.PENDING)]
    if len(there) > 1:
        message = f"The server exists at {' and '.join(there)}; which one is meant cannot be told: name one provider."
        return Finding(Presence.CONFLICT, values, message=message)
    return _with_values(_first(found, _TO_FIND), values)


def released(found: Mapping[str, Finding]) -> Finding:
    """For `absent`: it is gone when it is gone everywhere."""
    return _with_values(_first(found, _TO_RELEASE), _values(found))


def _first(found: Mapping[str, Finding], order: tuple[Presence, ...]) -> Finding:
    return min(found.values(), key=lambda one: order.index(one.presence) if one.presence in order else len(order))


def _values(found: Mapping[str, Finding]) -> dict[str, object]:
    return {"servers": [server for one in found.values() for server in one.values.get("servers", ())]}


def _with_values(one: Finding, values: dict[str, object]) -> Finding:
    return Finding(one.presence, values, one.outputs, one.effect, one.message, one.again_after)
