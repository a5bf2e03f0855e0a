"""Letting a server go with everything that came with it: local and block volumes, its dynamic address."""

from collections.abc import Callable
from enum import StrEnum

from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from providers.base import JsonMap, ProviderError
from providers.compute.scaleway import InstanceDriver
from providers.vendor_http import RefusedError

TRANSIENT = frozenset({400, 404, 409, 412})
"""What Scaleway answers to an action on a server or volume that is just changing its state."""


class Released(StrEnum):
    """What became of the volumes and addresses of a server that is gone."""

    GONE = "gone"
    UNDER_WAY = "still being detached"
    TAKEN = "attached to something else, so left alone"


def release(driver: InstanceDriver, node: Node) -> None:
    """Take the next step towards the server's end: one call, repeated until it is gone.

    A running or stopped server is destroyed; one that is paused is stopped first;
    one that starts or stops is waited for.
    """
    if node.state in {NodeState.STARTING, NodeState.STOPPING}:
        return
    if node.state == NodeState.ERROR:
        raise ProviderError(f"Server {node.id} is locked by the vendor; ask its support to unlock it.", permanent=True)
    act: Callable[[Node], bool] = driver.stop_node if node.state == NodeState.SUSPENDED else driver.destroy_node
    try:
        act(node)
    except RefusedError as error:
        fresh = driver.ex_get_node(str(node.id))
        if error.code not in TRANSIENT or (fresh is not None and fresh.state == node.state):
            raise


def release_recorded(driver: InstanceDriver, server: JsonMap) -> Released:
    """Delete the volumes and addresses recorded of a server that is gone itself.

    `terminate` deletes local volumes and lets the dynamic address go; block
    volumes it only detaches, and a server deleted while stopped leaves all its
    volumes. What is meanwhile attached to something else is not ours any more.
    """
    outcome = Released.GONE
    parts = [
        ("volumes", volume, "block" if kind.startswith("sbs") else "instance") for volume, kind in _volumes(server)
    ]
    parts += [("ips", address, "instance") for address in server.get("ips", [])]
    for kind, part, api in parts:
        one = _release_part(driver, kind, part, api, str(server["id"]))
        if one is Released.TAKEN or outcome is Released.GONE:
            outcome = one
    return outcome


def _volumes(server: JsonMap) -> list[tuple[str, str]]:
    return list(server.get("volumes", {}).items())


def _release_part(driver: InstanceDriver, kind: str, part: str, api: str, server_id: str) -> Released:
    resource = driver.ex_resource(kind, part, api)
    if resource is None:
        return Released.GONE
    holders = {(resource.get("server") or {}).get("id")}
    holders |= {reference.get("product_resource_id") for reference in resource.get("references") or []}
    if holders - {None, server_id}:
        return Released.TAKEN
    if server_id in holders:
        return Released.UNDER_WAY
    try:
        driver.ex_delete_resource(kind, part, api)
    except RefusedError as error:
        if error.code == 404:
            return Released.GONE
        if error.code not in TRANSIENT:
            raise
        return Released.UNDER_WAY
    return Released.GONE
