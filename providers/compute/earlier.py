"""Servers that an earlier run made, at one cloud: found again (`state: existing`) or released (`state: absent`)."""

from typing import Any

from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from providers.base import Finding, JsonMap, Presence, ProviderError, Report
from providers.compute.driver import CloudDriver
from providers.compute.proof import ids, is_marked, record, seen, state_of
from providers.compute.release import finish, has_left, release, release_recorded
from providers.wants import Server


def look_existing(driver: CloudDriver, provider: str, want: Server) -> Finding:
    """The one server of that name that an earlier run of Bascule made: never ours, so never undone."""
    nodes = driver.list_nodes(ex_name=want.name)
    values = {"servers": [seen(node, provider) for node in nodes]}
    if len(nodes) > 1 or not all(is_marked(node) for node in nodes):
        message = f"Which server {want.name} is meant cannot be told ({ids(nodes)}); keep one that Bascule made."
        return Finding(Presence.CONFLICT, values, message=message)
    if not nodes:
        message = f"No server {want.name} exists; bring the service to its fallback first, or correct the name."
        return Finding(Presence.ABSENT, values, message=message)
    found = state_of(nodes[0], values, provider)
    presence = Presence.ALREADY if found.presence is Presence.OURS else found.presence
    return Finding(presence, values, found.outputs, message=found.message)


def look_absent(driver: CloudDriver, provider: str, want: Server, before: JsonMap | None) -> Finding:
    """Whether every server of that name is gone, with what it left behind."""
    nodes = driver.list_nodes(ex_name=want.name)
    gone = _gone(nodes, provider, before)
    left = [server for server in gone if has_left(driver, server)]
    values = {"servers": [seen(node, provider) for node in nodes] + left}
    foreign = [node for node in nodes if not is_marked(node)]
    if foreign:
        return Finding(Presence.CONFLICT, values, message=_not_ours(want.name, foreign))
    if nodes and all(node.state == NodeState.STOPPING for node in nodes):
        return Finding(Presence.PENDING, values, message=f"Server {want.name} is being released.")
    if nodes or left:
        message = f"{len(nodes)} server(s) {want.name} to release, {len(left)} that left volumes."
        return Finding(Presence.ABSENT, values, message=message)
    return Finding(
        Presence.OURS if gone else Presence.ALREADY, values, message=f"No server {want.name} exists any more."
    )


def make_absent(driver: CloudDriver, provider: str, want: Server, before: JsonMap, report: Report) -> Finding:
    """Release every server of that name that Bascule made; one of somebody else's refuses the whole step."""
    nodes = driver.list_nodes(ex_name=want.name)
    foreign = [node for node in nodes if not is_marked(node)]
    if foreign:
        raise ProviderError(_not_ours(want.name, foreign), permanent=True)
    for node in nodes:
        report(f"Releasing server {node.name} ({node.id}) at {provider}")
        outlives = driver.ex_outlives(node)
        release(driver, node)
        if outlives:
            finish(driver, record(node, provider))
    for server in _gone(nodes, provider, before):
        release_recorded(driver, server)
    found = look_absent(driver, provider, want, before)
    if found.presence is Presence.ABSENT:
        raise ProviderError(
            f"Server {want.name} is not gone yet ({found.message}); try again.", permanent=False, effect_possible=True
        )
    return found


def _gone(nodes: list[Node], provider: str, before: JsonMap | None) -> list[dict[str, Any]]:
    """The servers that were there before and are not any more."""
    there = {str(node.id) for node in nodes}
    recorded = (before or {}).get("servers", [])
    return [server for server in recorded if server["id"] not in there and server.get("provider") == provider]


def _not_ours(name: str, foreign: list[Node]) -> str:
    return (
        f"Server {name} ({ids(foreign)}) was not made by Bascule and is not released; rename it or correct the runbook."
    )
