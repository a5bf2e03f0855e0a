"""What shows whose server it is: tags that the create request itself carries, and what goes with a server."""

from typing import Any

from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from providers.base import Finding, JsonMap, Presence, Tag
from providers.compute.driver import CloudDriver, Part

MARK = "bascule"
"""The tag of everything that Bascule makes, whatever the run."""
RUN_TAG, STEP_TAG = f"{MARK}-run=", f"{MARK}-step="


def tags_of(tag: Tag) -> frozenset[str]:
    """The tags of one step's server."""
    return frozenset({MARK, f"{RUN_TAG}{tag.run}", f"{STEP_TAG}{tag.step}"})


def is_of(node: Node, tag: Tag) -> bool:
    """Whether this run and step made the server."""
    return tags_of(tag) <= set(node.extra["tags"])


def is_still_of(driver: CloudDriver, thing: Node | Part, tag: Tag) -> bool:
    """Whether a server or part found by its id is this run's and step's.

    A cloud that keeps a long tag shortened knows it again when it is asked for it.
    """
    wanted = tags_of(tag)
    if isinstance(thing, Part):
        return wanted <= thing.tags or any(one.id == thing.id for one in driver.ex_parts(wanted))
    return is_of(thing, tag) or any(one.id == thing.id for one in driver.list_nodes(ex_tags=wanted))


def is_marked(node: Node) -> bool:
    """Whether any run of Bascule made the server."""
    return MARK in node.extra["tags"]


def record(node: Node, provider: str) -> dict[str, Any]:
    """What must go with the server: its volumes by flavour, the addresses and firewalls that came with it."""
    return {
        "provider": provider,
        "id": str(node.id),
        "volumes": dict(sorted(node.extra["volumes"].items())),
        "ips": sorted(node.extra["ips"]),
        "firewalls": sorted(node.extra.get("firewalls", ())),
    }


def seen(node: Node, provider: str) -> dict[str, Any]:
    """A server as the plan shows it."""
    return {"tags": sorted(node.extra["tags"]), "state": node.extra["state"], **record(node, provider)}


def state_of(node: Node, values: JsonMap, provider: str) -> Finding:
    """What one server of ours amounts to: PENDING when it comes up by itself, ABSENT when it must be powered on."""
    effect = {"servers": [record(node, provider)]}
    about = f"Server {node.name} ({node.id}) at {provider} is {node.extra['state']}"
    address = next(iter([*node.public_ips, *node.private_ips]), None)
    if node.state == NodeState.RUNNING and address:
        outputs = {"id": node.id, "name": node.name, "address": address}
        outputs |= {"zone": node.extra["zone"], "provider": provider}
        return Finding(Presence.OURS, values, outputs, effect, f"Server {node.name} runs at {provider}, {address}.")
    if node.state in {NodeState.STARTING, NodeState.RUNNING}:
        return Finding(Presence.PENDING, values, effect=effect, message=f"{about}, without an address so far.")
    if node.state == NodeState.STOPPED or node.extra.get("no_capacity"):
        return Finding(Presence.ABSENT, values, effect=effect, message=f"{about}: it was made and does not run yet.")
    message = f"{about}, which this step did not ask for; start it or undo the step."
    return Finding(Presence.CONFLICT, values, effect=effect, message=message)


def ids(nodes: list[Node]) -> str:
    return ", ".join(str(node.id) for node in nodes)
