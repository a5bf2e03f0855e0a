"""One step's server at one cloud: looked for by its tags, and brought up from wherever an earlier attempt stopped."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
import tenacity
from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from providers.base import Finding, Presence, ProviderError, Report, Tag
from providers.compute.driver import UNFINISHED, CloudDriver, NoCapacityError, Offer, Order, Part, PartKind, Rule
from providers.compute.images import Images
from providers.compute.proof import RUN_TAG, ids, is_of, record, seen, state_of, tags_of
from providers.compute.sent import begun_file, in_flight, sent_file
from providers.compute.sizing import serving
from providers.vendor_http import RefusedError, is_lost, repeated
from providers.wants import Server

SIZES_TRIED = 3
"""How many sizes that serve a need are asked for at one cloud, when the cheaper ones are out of stock."""


IMAGES = Images()


@dataclass(frozen=True, slots=True)
class Look:
    """What one cloud had of a step: all of it as a finding, and what `bring_up` goes on from."""

    finding: Finding
    server: Node | None = None
    firewall: Part | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """One cloud as one step sees it. `workspace` keeps, across restarts, that a create request has no answer yet.

    `block`: the scope's entry of this cloud.
    """

    driver: CloudDriver
    provider: str
    block: Mapping[str, Any]
    want: Server
    tag: Tag
    workspace: Path
    user_data: str | None = None

    def look(self) -> Look:
        """What this cloud has of the step's server and, where it has none, of its name."""
        # Asked before the lists: what appears after them must not be taken for what never will.
        server_in_flight, wall_in_flight = in_flight(self._sent), in_flight(self._wall_sent)
        nodes = self.driver.ex_servers_of(self.want.name, tags_of(self.tag))
        ours = [node for node in nodes if is_of(node, self.tag)]
        others = [node for node in nodes if not is_of(node, self.tag)]
        values = {"servers": [seen(node, self.provider) for node in others]}
        if len(ours) > 1:
            message = f"Several servers carry the tags of this step ({ids(ours)}); undo the step, which destroys them."
            effect = {"servers": [record(node, self.provider) for node in ours]}
            return Look(Finding(Presence.CONFLICT, values, effect=effect, message=message))
        if ours:
            return Look(state_of(ours[0], values, self.provider), ours[0])
        if others:
            return Look(Finding(Presence.CONFLICT, values, message=_taken(self.want.name, others)))
        if server_in_flight:
            message = f"The answer of {self.provider} to the creation was lost; the server may still appear."
            return Look(Finding(Presence.PENDING, values, message=message))
        firewall = self._firewall_made()
        if firewall is None and wall_in_flight:
            message = f"The answer of {self.provider} to the creation of a firewall was lost; it may still appear."
            return Look(Finding(Presence.PENDING, values, message=message))
        effect = {"parts": [_part(firewall, self.provider)]} if firewall else {}
        message = f"No server {self.want.name} exists."
        return Look(Finding(Presence.ABSENT, values, effect=effect, message=message), firewall=firewall)

    def bring_up(self, look: Look, report: Report) -> Finding:
        """From where an earlier attempt stopped, as `look` has just shown: firewall, create, complete, power on.

        The look must not have shown a conflict. Raises NoCapacityError.
        """
        found = look.finding
        if found.presence is Presence.OURS or (found.presence is Presence.PENDING and look.server is None):
            return found
        if look.server is not None and look.server.extra.get("no_capacity"):
            raise self._no_room(str(look.server.extra["no_capacity"]))
        node = look.server or self._make(look.firewall, report)
        if node is None:
            return Finding(Presence.PENDING, message="The answer to the creation was lost; looking for the server.")
        if node.state in {NodeState.STOPPED, NodeState.STARTING}:
            self.driver.ex_complete(node, self._order("", "", None))
        if node.state == NodeState.STOPPED:
            report(f"Powering on server {node.name} ({node.id})")
            self._power_on(node)
        return self._came_up(node)

    def _came_up(self, node: Node) -> Finding:
        fresh = self.driver.ex_get_node(str(node.id))
        if fresh is None:
            raise ProviderError(
                f"Server {node.id} vanished while it was brought up; see who deleted it, then try again.",
                permanent=False,
                effect_possible=True,
            )
        found = state_of(fresh, {}, self.provider)
        if found.presence is Presence.CONFLICT:
            raise ProviderError(found.message, permanent=True, effect_possible=True)
        # Powered on just now: a state that still says stopped lags behind.
        return replace(found, presence=Presence.PENDING) if found.presence is Presence.ABSENT else found

    def _make(self, made: Part | None, report: Report) -> Node | None:
        """The server in the first of the sizes that is in stock; None when the answer was lost."""
        image = IMAGES.id_of(self.block, str(self.want.image), self.driver.ex_image)
        sizes = self._sizes()
        firewall = self._firewall(made, report)
        for size, disk in sizes[:-1]:
            try:
                return self._create(self._order(size, image, firewall, disk), report)
            except NoCapacityError as error:
                report(f"{error.message} Trying the next size.")
        size, disk = sizes[-1]
        return self._create(self._order(size, image, firewall, disk), report)

    def _sizes(self) -> list[tuple[str, float]]:
        """The sizes to try, each with the GB of the root volume that it needs. Never empty."""
        need = self.want.resources
        if need is None:
            return [(str(self.want.size), 0.0)]
        offers: list[Offer] = serving(self.driver.ex_offers(), need)[:SIZES_TRIED]
        if not offers:
            raise NoCapacityError(
                f"{self.driver.where} has no size in stock with {need.cpu} CPUs, {need.memory:g} GB of memory and "
                f"{need.disk:g} GB of disk ({need.architecture}); ask for less, or name another provider."
            )
        return [(offer.name, need.disk if offer.disk == 0 else 0.0) for offer in offers]

    def _order(self, size: str, image: str, firewall: Part | None, disk: float = 0.0) -> Order:
        held = firewall.id if firewall else None
        return Order(
            self.want.name,
            size,
            image,
            tags_of(self.tag),
            self.user_data,
            self.block.get("ssh_key"),
            disk=disk,
            firewall=held,
        )

    def _create(self, order: Order, report: Report) -> Node | None:
        """One create request; when its answer is lost, look for the tags instead of asking again."""
        report(f"Creating server {order.name} at {self.provider} ({order.size}, {self.want.image})")
        begun_file(self.workspace, self.provider).touch()
        self._sent.touch()
        try:
            node = self.driver.ex_create(order)
        except (requests.RequestException, BaseHTTPError) as error:
            if not is_lost(error):
                self._sent.unlink(missing_ok=True)
                IMAGES.forget(self.block, str(self.want.image))
                raise self._refused(error) or error from None
            if isinstance(error, BaseHTTPError):
                raise
            return self._found_after_all()
        self._sent.unlink(missing_ok=True)
        return node

    def _found_after_all(self) -> Node | None:
        """The server of a create request without an answer, read a few times: lists may lag."""
        look = repeated(
            self.driver.deadline,
            retry=tenacity.retry_if_result(lambda nodes: not nodes),
            retry_error_callback=lambda _: [],
        )
        nodes: list[Node] = look(self.driver.list_nodes, ex_tags=tags_of(self.tag))
        return nodes[0] if nodes else None

    def _power_on(self, node: Node) -> None:
        """Power on; refused because it already comes up is as good."""
        try:
            self.driver.start_node(node)
        except RefusedError as error:
            no_room = self._refused(error)
            if no_room is not None:
                raise no_room from error
            fresh = self.driver.ex_get_node(str(node.id))
            if is_lost(error) or fresh is None or fresh.state == NodeState.STOPPED:
                raise

    def _firewall_made(self) -> Part | None:
        if not self.want.firewall:
            return None
        parts = self.driver.ex_parts(tags_of(self.tag))
        return next((part for part in parts if part.kind is PartKind.FIREWALL), None)

    def _firewall(self, made: Part | None, report: Report) -> Part | None:
        """The step's own firewall, made once: `made` is what the look found by its tags."""
        if not self.want.firewall:
            return None
        if made is not None and made.state != UNFINISHED:
            return made
        report(f"Creating the firewall of server {self.want.name}")
        rules = [Rule(rule.protocol, rule.port, rule.port, rule.source) for rule in self.want.firewall]
        begun_file(self.workspace, self.provider).touch()
        self._wall_sent.touch()
        try:
            firewall = self.driver.ex_create_firewall(self.want.name, tags_of(self.tag), rules)
        except (requests.RequestException, BaseHTTPError) as error:
            if is_lost(error):
                raise
            self._wall_sent.unlink(missing_ok=True)
            if made is None and not self.driver.connection.wrote:
                begun_file(self.workspace, self.provider).unlink(missing_ok=True)
            raise self._refused(error) or error from None
        self._wall_sent.unlink(missing_ok=True)
        return firewall

    def _refused(self, error: Exception) -> NoCapacityError | None:
        lacks = self.driver.ex_no_capacity(error) if isinstance(error, RefusedError) else None
        return self._no_room(lacks) if lacks else None

    def _no_room(self, lacks: str) -> NoCapacityError:
        return NoCapacityError(
            f"{self.driver.where} refused server {self.want.name}: there is no room, {lacks}; "
            "have the quota raised, release servers, or name another provider, then retry."
        )

    @property
    def _sent(self) -> Path:
        return sent_file(self.workspace, self.provider)

    @property
    def _wall_sent(self) -> Path:
        return self.workspace / f"firewall-sent-{self.provider}"


def _part(part: Part, provider: str) -> dict[str, Any]:
    """A part that no server holds yet, as an effect records it."""
    return {"provider": provider, "kind": part.kind.value, "id": part.id}


def _taken(name: str, others: list[Node]) -> str:
    runs = sorted(part for node in others for part in node.extra["tags"] if part.startswith(RUN_TAG))
    if runs:
        return f"Server {name} exists from another run ({', '.join(runs)}; {ids(others)}); release it first."
    return f"A server {name} that Bascule did not make exists ({ids(others)}); rename one of the two."
