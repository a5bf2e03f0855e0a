"""What shows whose server it is: tags that the create request itself carries, and what goes with a server."""

from typing import Any

from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from providers.base import Finding, JsonMap, Presence, Tag

MARK = "bascule"
"""The tag of every server that Bascule makes, whatever the run."""


def tags_of(tag: Tag) -> frozenset[str]:
    """The tags of one step's server."""
    return frozenset({MARK, f"{MARK}-run={tag.run}", f"{MARK}-step={tag.step}"})


def is_of(node: Node, tag: Tag) -> bool:
    """Whether this run and step made the server."""
    return tags_of(tag) <= set(node.extra["tags"])


def is_marked(node: Node) -> bool:
    """Whether any run of Bascule made the server."""
    return MARK in node.extra["tags"]


def record(node: Node) -> dict[str, Any]:
    """What must go with the server: its volumes by type, and the addresses that came with it."""
    volumes = dict(sorted(node.extra["volumes"].items()))
    return {"id": str(node.id), "volumes": volumes, "ips": sorted(node.extra["dynamic_ips"])}


def seen(node: Node) -> dict[str, Any]:
    """A server as the plan shows it."""
    return {"tags": sorted(node.extra["tags"]), "state": node.extra["state"], **record(node)}


def state_of(node: Node, values: JsonMap) -> Finding:
    """What one server of ours amounts to: PENDING when it comes up by itself, ABSENT when it must be powered on."""
    effect = {"servers": [record(node)]}
    about = f"Server {node.name} ({node.id}) is {node.extra['state']}"
    address = next(iter([*node.public_ips, *node.private_ips]), None)
    if node.state == NodeState.RUNNING and address:
        outputs = {"id": node.id, "name": node.name, "address": address, "zone": node.extra["zone"]}
        return Finding(Presence.OURS, values, outputs, effect, f"Server {node.name} runs at {address}.")
    if node.state in {NodeState.STARTING, NodeState.RUNNING}:
        return Finding(Presence.PENDING, values, effect=effect, message=f"{about}, without an address so far.")
    if node.state == NodeState.STOPPED:
        return Finding(Presence.ABSENT, values, effect=effect, message=f"{about}: it was made and is to be powered on.")
    message = f"{about}, which this step did not ask for; start it or undo the step."
    return Finding(Presence.CONFLICT, values, effect=effect, message=message)


def ids(nodes: list[Node]) -> str:
    return ", ".join(str(node.id) for node in nodes)
