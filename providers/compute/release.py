"""Letting a server go with everything that came with it: local and block volumes, its dynamic address."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

import tenacity
from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from providers.base import JsonMap, ProviderError
from providers.compute.scaleway import InstanceDriver
from providers.vendor_http import RefusedError

TRANSIENT = frozenset({400, 404, 409, 412})
"""What Scaleway answers to an action on a server or volume that is just changing its state."""
GOES_WITH_SERVER = frozenset({"l_ssd", "scratch"})
"""Kinds of volumes that `terminate` deletes; others it only detaches."""
FINISH_SECONDS = 30.0


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
        if error.code == 404:
            return  # gone, though reading it may lag behind and show it for a while
        fresh = driver.ex_get_node(str(node.id))
        if error.code not in TRANSIENT or (fresh is not None and fresh.state == node.state):
            raise


def leaves_something(node: Node) -> bool:
    """Whether volumes outlive the server: block volumes always, all of them when it is deleted while stopped."""
    kinds = set(node.extra["volumes"].values())
    return bool(kinds) and (node.state == NodeState.STOPPED or not kinds <= GOES_WITH_SERVER)


def finish(driver: InstanceDriver, server: JsonMap) -> None:
    """Wait some seconds until a server under release is gone, then delete what it left behind."""

    def gone() -> bool:
        if driver.ex_get_node(server["id"]) is not None:
            return False
        return release_recorded(driver, server) is not Released.UNDER_WAY

    within = min(FINISH_SECONDS, driver.deadline.left())
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda done: not done),
        wait=tenacity.wait_exponential(multiplier=0.1, max=2.0),
        stop=tenacity.stop_before_delay(within),
        sleep=driver.deadline.sleep,
        retry_error_callback=lambda _: False,
    )(gone)


def release_recorded(driver: InstanceDriver, server: JsonMap) -> Released:
    """Delete the volumes and addresses recorded of a server that is gone itself.

    What is meanwhile attached to something else is not ours any more.
    """
    outcome = Released.GONE
    for kind, part, api in _parts(server):
        one = _release_part(driver, kind, part, api, str(server["id"]))
        if one is Released.TAKEN or outcome is Released.GONE:
            outcome = one
    return outcome


def has_left(driver: InstanceDriver, server: JsonMap) -> bool:
    """Whether a server that is gone left something that should go too. Reads only."""
    states = (_holders(driver.ex_resource(kind, part, api)) for kind, part, api in _parts(server))
    return any(holders is not None and not holders - {str(server["id"])} for holders in states)


def _parts(server: JsonMap) -> Iterator[tuple[str, str, str]]:
    """Kind, id and API of everything recorded with a server."""
    for volume, kind in server.get("volumes", {}).items():
        yield "volumes", volume, "block" if kind.startswith("sbs") else "instance"
    for address in server.get("ips", []):
        yield "ips", address, "instance"


def _holders(resource: dict[str, Any] | None) -> set[str] | None:
    """The ids of what a volume or address is attached to; None when it does not exist."""
    if resource is None:
        return None
    named = [(resource.get("server") or {}).get("id")]
    named += [reference.get("product_resource_id") for reference in resource.get("references") or []]
    return {str(holder) for holder in named if holder}


def _release_part(driver: InstanceDriver, kind: str, part: str, api: str, server_id: str) -> Released:
    holders = _holders(driver.ex_resource(kind, part, api))
    if holders is None:
        return Released.GONE
    if holders:
        return Released.UNDER_WAY if holders == {server_id} else Released.TAKEN
    try:
        driver.ex_delete_resource(kind, part, api)
    except RefusedError as error:
        if error.code == 404:
            return Released.GONE
        if error.code not in TRANSIENT:
            raise
        return Released.UNDER_WAY
    return Released.GONE
