"""`compute.server`: one server, made, found again by its tags, and released.

The proof is the tags that the create request itself carries: `bascule`,
`bascule-run=<run>` and `bascule-step=<step>`. Scaleway's names are not unique,
so a second server of the same name could be made; it is refused all the same,
because nobody could tell later which of the two the runbook meant.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
import tenacity
from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.base import Node, NodeImage, NodeSize
from libcloud.compute.types import NodeState

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.compute.release import Released, release, release_recorded
from providers.compute.scaleway import VENDOR_URL, InstanceDriver
from providers.vendor_http import Deadline, Endpoint, RefusedError, is_lost, provider_errors, repeated
from providers.wants import Server

MARK = "bascule"
"""The tag of every server that Bascule makes, whatever the run."""
IN_FLIGHT_SECONDS = 10.0
"""How long after a create request without an answer its server may still appear in a list."""
COMES_UP = {NodeState.STARTING, NodeState.STOPPED}


class ComputeServer:
    """A server at Scaleway, or another cloud that speaks its Instance API at the scope's `url`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def observe(self, want: Server, tag: Tag, before: JsonMap | None) -> Finding:
        with self._vendor(want) as driver:
            return self._look(driver, want, tag, before)

    def apply(self, want: Server, tag: Tag, before: JsonMap, report: Report) -> Finding:
        with self._vendor(want) as driver:
            if want.state == "absent":
                return _make_absent(driver, want, before, report)
            found = self._look(driver, want, tag, before)
            missing = want.state == "existing" and found.presence is Presence.ABSENT
            if missing or found.presence is Presence.CONFLICT:
                raise ProviderError(found.message, permanent=True, effect_possible=bool(found.effect))
            if want.state == "existing" or found.presence is Presence.OURS:
                return found
            return self._bring_up(driver, want, tag, report)

    def undo(self, want: Server, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        """Destroys only servers that `effect` names and that still carry our tags."""
        recorded = effect.get("servers", [])
        if not recorded:
            return Finding(Presence.ABSENT, message="Nothing was made, so nothing is destroyed.")
        with self._vendor(want) as driver:
            done = [self._take_back(driver, server, tag, report) for server in recorded]
        worst = next((found for found in done if found.presence is Presence.CONFLICT), None)
        pending = next((found for found in done if found.presence is Presence.PENDING), None)
        return worst or pending or Finding(Presence.ABSENT, message=f"Server {want.name} is gone.")

    def _take_back(self, driver: InstanceDriver, server: JsonMap, tag: Tag, report: Report) -> Finding:
        node = driver.ex_get_node(server["id"])
        if node is not None and not _tags(tag) <= set(node.extra["tags"]):
            message = f"Server {node.name} ({node.id}) no longer carries our tags, so it was left alone."
            return Finding(Presence.CONFLICT, message=message)
        if node is not None:
            report(f"Destroying server {node.name} ({node.id})")
            release(driver, node)
            return Finding(
                Presence.PENDING, effect={"servers": [server]}, message=f"Server {node.name} is being destroyed."
            )
        return _finding_of(release_recorded(driver, server), server)

    def _look(self, driver: InstanceDriver, want: Server, tag: Tag, before: JsonMap | None) -> Finding:
        if want.state == "absent":
            return _look_absent(driver, want, before)
        if want.state == "existing":
            return _look_existing(driver, want)
        ours = driver.list_nodes(ex_tags=_tags(tag))
        others = [node for node in driver.list_nodes(ex_name=want.name) if not _tags(tag) <= set(node.extra["tags"])]
        values = {"servers": [_seen(node) for node in others]}
        if len(ours) > 1:
            ids = ", ".join(str(node.id) for node in ours)
            message = f"Several servers carry the tags of this step ({ids}); undo the step, which destroys them."
            return Finding(Presence.CONFLICT, values, effect=_effect(ours), message=message)
        if ours:
            return _state_of(ours[0], values)
        if others:
            return Finding(Presence.CONFLICT, values, message=_taken(want.name, others))
        if self._create_in_flight():
            message = "The answer to the creation was lost; the server may still appear."
            return Finding(Presence.PENDING, values, message=message)
        return Finding(Presence.ABSENT, values, message=f"No server {want.name} exists.")

    def _bring_up(self, driver: InstanceDriver, want: Server, tag: Tag, report: Report) -> Finding:
        """From wherever an earlier attempt stopped: create, user data, power on."""
        ours = driver.list_nodes(ex_tags=_tags(tag))
        if not ours and self._create_in_flight():
            return Finding(Presence.PENDING, message="Waiting for a server whose creation got no answer.")
        node = ours[0] if ours else self._create(driver, want, tag, report)
        if node is None:
            return Finding(Presence.PENDING, message="The answer to the creation was lost; looking for the server.")
        if node.state == NodeState.STOPPED:
            if want.user_data is not None:
                driver.ex_set_user_data(node, self._user_data(want.user_data))
            report(f"Powering on server {node.name} ({node.id})")
            _power_on(driver, node)
        fresh = driver.ex_get_node(str(node.id))
        if fresh is None:
            raise ProviderError(
                f"Server {node.id} vanished while it was brought up; see who deleted it, then try again.",
                permanent=False,
                effect_possible=True,
            )
        return _state_of(fresh, {})

    def _create(self, driver: InstanceDriver, want: Server, tag: Tag, report: Report) -> Node | None:
        """One create request; when its answer is lost, look for the tags instead of asking again."""
        report(f"Creating server {want.name} ({want.size}, {want.image})")
        size = NodeSize(str(want.size), str(want.size), 0, 0, 0, 0, driver)
        image = NodeImage(str(want.image), str(want.image), driver)
        self._sent.touch()
        try:
            node = driver.create_node(want.name, size, image, ex_tags=sorted(_tags(tag)))
        except (requests.RequestException, BaseHTTPError) as error:
            if not is_lost(error):
                self._sent.unlink(missing_ok=True)
                raise _quota(error, want) or error from None
            if isinstance(error, BaseHTTPError):
                raise
            return _found_after_all(driver, tag)
        self._sent.unlink(missing_ok=True)
        return node

    @property
    def _sent(self) -> Any:
        """A file that exists while a create request has no answer; its age says since when."""
        return self._context.workspace / "create-sent"

    def _create_in_flight(self) -> bool:
        try:
            return bool(time.time() - self._sent.stat().st_mtime < IN_FLIGHT_SECONDS)
        except FileNotFoundError:
            return False

    def _user_data(self, path: str) -> str:
        try:
            return (self._context.estate / path).read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise ProviderError(
                f"The user data {path} cannot be read from the estate; check that the file is in Git.", permanent=True
            ) from error

    @contextmanager
    def _vendor(self, want: Server) -> Iterator[InstanceDriver]:
        """A driver of its own for each call: libcloud's are not thread-safe."""
        block = self._context.scope["compute"][want.provider]
        missing = [name for name in ("zone", "project", "token") if not block.get(name)]
        if missing:
            raise ProviderError(
                f"compute.{want.provider} of the scope has no {', '.join(missing)}; add it to bascule.yaml.",
                permanent=True,
            )
        driver = InstanceDriver(
            self._context.reveal(block["token"]),
            Endpoint.at(block.get("url") or VENDOR_URL, block.get("ca")),
            block["zone"],
            block["project"],
            Deadline(self._context.deadline),
        )
        with provider_errors(driver.connection, f"Scaleway ({want.provider}, zone {block['zone']})"):
            yield driver


def _look_existing(driver: InstanceDriver, want: Server) -> Finding:
    """The one server of that name that an earlier run of Bascule made: never ours, so never undone."""
    nodes = driver.list_nodes(ex_name=want.name)
    values = {"servers": [_seen(node) for node in nodes]}
    foreign = [node for node in nodes if MARK not in node.extra["tags"]]
    if foreign or len(nodes) > 1:
        ids = ", ".join(str(node.id) for node in nodes)
        message = f"Which server {want.name} is meant cannot be told ({ids}); keep one that Bascule made."
        return Finding(Presence.CONFLICT, values, message=message)
    if not nodes:
        message = f"No server {want.name} exists; bring the service to its fallback first, or correct the name."
        return Finding(Presence.ABSENT, values, message=message)
    found = _state_of(nodes[0], values)
    presence = Presence.ALREADY if found.presence is Presence.OURS else found.presence
    return Finding(presence, values, found.outputs, message=found.message)


def _look_absent(driver: InstanceDriver, want: Server, before: JsonMap | None) -> Finding:
    nodes = driver.list_nodes(ex_name=want.name)
    values = {"servers": [_seen(node) for node in nodes]}
    foreign = [node for node in nodes if MARK not in node.extra["tags"]]
    if foreign:
        return Finding(Presence.CONFLICT, values, message=_not_ours(want.name, foreign))
    if nodes:
        return Finding(Presence.ABSENT, values, message=f"{len(nodes)} server(s) {want.name} to release.")
    released = bool(before and before.get("servers"))
    message = f"No server {want.name} exists."
    return Finding(Presence.OURS if released else Presence.ALREADY, values, message=message)


def _make_absent(driver: InstanceDriver, want: Server, before: JsonMap, report: Report) -> Finding:
    """Release every server of that name that Bascule made; one of somebody else's refuses the whole step."""
    nodes = driver.list_nodes(ex_name=want.name)
    foreign = [node for node in nodes if MARK not in node.extra["tags"]]
    if foreign:
        raise ProviderError(_not_ours(want.name, foreign), permanent=True)
    for node in nodes:
        report(f"Releasing server {node.name} ({node.id})")
        release(driver, node)
    if nodes:
        return Finding(Presence.PENDING, message=f"Server {want.name} is being released.")
    for server in before.get("servers", []):
        found = _finding_of(release_recorded(driver, server), server)
        if found.presence is not Presence.ABSENT:
            return found
    return _look_absent(driver, want, before)


def _found_after_all(driver: InstanceDriver, tag: Tag) -> Node | None:
    """The server of a create request without an answer, read a few times: lists may lag."""
    look = repeated(
        driver.deadline,
        retry=tenacity.retry_if_result(lambda nodes: not nodes),
        retry_error_callback=lambda _: [],
    )
    nodes: list[Node] = look(driver.list_nodes, ex_tags=_tags(tag))
    return nodes[0] if nodes else None


def _power_on(driver: InstanceDriver, node: Node) -> None:
    """Power on; refused because it already comes up is as good."""
    try:
        driver.start_node(node)
    except RefusedError as error:
        fresh = driver.ex_get_node(str(node.id))
        if is_lost(error) or fresh is None or fresh.state == NodeState.STOPPED:
            raise


def _state_of(node: Node, values: JsonMap) -> Finding:
    """What one server of ours amounts to."""
    effect = _effect([node])
    address = next(iter([*node.public_ips, *node.private_ips]), None)
    if node.state == NodeState.RUNNING and address:
        outputs = {"id": node.id, "name": node.name, "address": address, "zone": node.extra["zone"]}
        return Finding(Presence.OURS, values, outputs, effect, f"Server {node.name} runs at {address}.")
    if node.state in COMES_UP or node.state == NodeState.RUNNING:
        message = f"Server {node.name} ({node.id}) is {node.extra['state']}."
        return Finding(Presence.PENDING, values, effect=effect, message=message)
    message = (
        f"Server {node.name} ({node.id}) is {node.extra['state']}, which this step did not ask for; "
        "start it or undo the step."
    )
    return Finding(Presence.CONFLICT, values, effect=effect, message=message)


def _finding_of(released: Released, server: JsonMap) -> Finding:
    presence = {
        Released.GONE: Presence.ABSENT,
        Released.UNDER_WAY: Presence.PENDING,
        Released.TAKEN: Presence.CONFLICT,
    }[released]
    effect = {} if presence is Presence.ABSENT else {"servers": [server]}
    return Finding(presence, effect=effect, message=f"What server {server['id']} left behind: {released.value}.")


def _quota(error: Exception, want: Server) -> ProviderError | None:
    """Scaleway's `quotas_exceeded`: 403 with the resources in `details`."""
    if not isinstance(error, RefusedError) or error.kind != "quotas_exceeded":
        return None
    details = [part for part in error.details or [] if isinstance(part, Mapping)]
    used = ", ".join(f"{part.get('resource')} ({part.get('current')} of {part.get('quota')})" for part in details)
    return ProviderError(
        f"Server {want.name} was refused: the quota of {used or want.size} is used up; "
        "have the quota raised or release servers, then retry.",
        permanent=True,
    )


def _tags(tag: Tag) -> frozenset[str]:
    return frozenset({MARK, f"{MARK}-run={tag.run}", f"{MARK}-step={tag.step}"})


def _seen(node: Node) -> dict[str, Any]:
    """A server as the plan shows it: nothing that changes by itself."""
    return {"tags": sorted(node.extra["tags"]), "state": node.extra["state"], **_record(node)}


def _effect(nodes: list[Node]) -> dict[str, Any]:
    return {"servers": [_record(node) for node in nodes]}


def _record(node: Node) -> dict[str, Any]:
    """What must go with the server: its volumes by type, and the addresses that came with it."""
    volumes = dict(sorted(node.extra["volumes"].items()))
    return {"id": str(node.id), "volumes": volumes, "ips": sorted(node.extra["dynamic_ips"])}


def _taken(name: str, others: list[Node]) -> str:
    runs = sorted(part for node in others for part in node.extra["tags"] if part.startswith(f"{MARK}-run="))
    ids = ", ".join(str(node.id) for node in others)
    if runs:
        return f"Server {name} exists from another run ({', '.join(runs)}; {ids}); release it first."
    return f"A server {name} that Bascule did not make exists ({ids}); rename one of the two."


def _not_ours(name: str, foreign: list[Node]) -> str:
    ids = ", ".join(str(node.id) for node in foreign)
    return f"Server {name} ({ids}) was not made by Bascule and is not released; rename it or correct the runbook."
