"""Letting a server go with everything that came with it: volumes, addresses, the firewall that was made for it."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial

import tenacity
from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from providers.base import JsonMap, ProviderError, Tag
from providers.compute.driver import CloudDriver, Part, PartKind
from providers.compute.proof import MARK, record, tags_of
from providers.vendor_http import RefusedError

FINISH_SECONDS = 30.0


class Released(StrEnum):
    """What became of the volumes and addresses of a server that is gone."""

    GONE = "gone"
    UNDER_WAY = "still being detached"
    TAKEN = "attached to something else, so left alone"


def release(driver: CloudDriver, node: Node) -> None:
    """Take the next step towards the server's end: one call, repeated until it is gone.

    A running or stopped server is destroyed; one that is paused is stopped first;
    one that starts or stops is waited for.
    """
    if node.state in {NodeState.STARTING, NodeState.STOPPING}:
        return
    if node.state == NodeState.ERROR and not node.extra.get("no_capacity"):
        raise ProviderError(f"Server {node.id} is locked by the vendor; ask its support to unlock it.", permanent=True)
    act: Callable[[Node], bool] = driver.stop_node if node.state == NodeState.SUSPENDED else driver.destroy_node
    try:
        act(node)
    except RefusedError as error:
        if error.code == 404:
            return  # gone, though reading it may lag behind and show it for a while
        fresh = driver.ex_get_node(str(node.id))
        if not driver.ex_is_passing(error) or (fresh is not None and fresh.state == node.state):
            raise


def finish(driver: CloudDriver, server: JsonMap) -> bool:
    """Wait some seconds until a server under release is gone, then delete what it left behind; False if it is not."""

    def gone() -> bool:
        if driver.ex_get_node(server["id"]) is not None:
            return False
        return release_recorded(driver, server) is not Released.UNDER_WAY

    return _in_time(driver, gone)


def clear(driver: CloudDriver, tag: Tag, provider: str) -> bool:
    """Release whatever this step made at this cloud, so that another can be tried; False if that takes longer."""
    for node in driver.list_nodes(ex_tags=tags_of(tag)):
        # `release` does nothing about a server that is just starting.
        _in_time(driver, partial(_is_at_rest, driver, str(node.id)))
        fresh = driver.ex_get_node(str(node.id)) or node
        release(driver, fresh)
        if not finish(driver, record(fresh, provider)):
            return False
    return _in_time(driver, lambda: all(_gone(driver, part) for part in driver.ex_parts(tags_of(tag))))


def _is_at_rest(driver: CloudDriver, node_id: str) -> bool:
    node = driver.ex_get_node(node_id)
    return node is None or node.state not in {NodeState.STARTING, NodeState.STOPPING}


def _gone(driver: CloudDriver, part: Part) -> bool:
    return _release_part(driver, part, "") is Released.GONE


def _in_time(driver: CloudDriver, done: Callable[[], bool]) -> bool:
    within = min(FINISH_SECONDS, driver.deadline.left())
    answer: bool = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda over: not over),
        wait=tenacity.wait_exponential(multiplier=0.1, max=2.0),
        stop=tenacity.stop_before_delay(within),
        sleep=driver.deadline.sleep,
        retry_error_callback=lambda _: False,
    )(done)
    return answer


def release_recorded(driver: CloudDriver, server: JsonMap) -> Released:
    """Delete what is recorded of a server that is gone itself.

    What is meanwhile attached to something else is not ours any more; a firewall
    that Bascule did not make never was.
    """
    outcome = Released.GONE
    for part in _left(driver, server):
        one = _release_part(driver, part, str(server["id"]))
        if one is Released.TAKEN or outcome is Released.GONE:
            outcome = one
    return outcome


def has_left(driver: CloudDriver, server: JsonMap) -> bool:
    """Whether a server that is gone left something that should go too. Reads only."""
    return any(not part.holders - {str(server["id"])} for part in _left(driver, server))


def _left(driver: CloudDriver, server: JsonMap) -> Iterator[Part]:
    """What is still there of everything recorded with a server."""
    recorded: list[tuple[PartKind, str, str]] = [
        *((PartKind.VOLUME, volume, flavour) for volume, flavour in server.get("volumes", {}).items()),
        *((PartKind.ADDRESS, address, "") for address in server.get("ips", ())),
        *((PartKind.FIREWALL, firewall, "") for firewall in server.get("firewalls", ())),
    ]
    for kind, part_id, flavour in recorded:
        part = driver.ex_part(kind, part_id, flavour)
        if part is not None and (kind is not PartKind.FIREWALL or MARK in part.tags):
            yield part


def _release_part(driver: CloudDriver, part: Part, server_id: str) -> Released:
    if part.holders:
        return Released.UNDER_WAY if part.holders == {server_id} else Released.TAKEN
    try:
        driver.ex_delete_part(part)
    except RefusedError as error:
        if error.code == 404:
            return Released.GONE
        if not driver.ex_is_passing(error):
            raise
        return Released.UNDER_WAY
    return Released.GONE
