"""`compute.server`: one server, made, found again by its tags, and released.

The proof is the tags that the create request itself carries: `bascule`,
`bascule-run=<run>` and `bascule-step=<step>`. Scaleway's names are not unique,
so a second server of the same name could be made; it is refused all the same,
because nobody could tell later which of the two the runbook meant.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import requests
import tenacity
from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.base import Node, NodeImage, NodeSize
from libcloud.compute.types import NodeState

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.compute.earlier import look_absent, look_existing, make_absent
from providers.compute.proof import MARK, ids, is_of, record, seen, state_of, tags_of
from providers.compute.release import Released, release, release_recorded
from providers.compute.scaleway import VENDOR_URL, InstanceDriver
from providers.vendor_http import Deadline, Endpoint, RefusedError, is_lost, provider_errors, repeated
from providers.wants import Server

IN_FLIGHT_SECONDS = 10.0
"""How long after a create request without an answer its server may still appear in a list."""


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
                return make_absent(driver, want, before, report)
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
        if node is not None and not is_of(node, tag):
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
            return look_absent(driver, want, before)
        if want.state == "existing":
            return look_existing(driver, want)
        ours = driver.list_nodes(ex_tags=tags_of(tag))
        others = [node for node in driver.list_nodes(ex_name=want.name) if not is_of(node, tag)]
        values = {"servers": [seen(node) for node in others]}
        if len(ours) > 1:
            message = f"Several servers carry the tags of this step ({ids(ours)}); undo the step, which destroys them."
            effect = {"servers": [record(node) for node in ours]}
            return Finding(Presence.CONFLICT, values, effect=effect, message=message)
        if ours:
            return state_of(ours[0], values)
        if others:
            return Finding(Presence.CONFLICT, values, message=_taken(want.name, others))
        if self._create_in_flight():
            message = "The answer to the creation was lost; the server may still appear."
            return Finding(Presence.PENDING, values, message=message)
        return Finding(Presence.ABSENT, values, message=f"No server {want.name} exists.")

    def _bring_up(self, driver: InstanceDriver, want: Server, tag: Tag, report: Report) -> Finding:
        """From wherever an earlier attempt stopped: create, user data, power on."""
        user_data = None if want.user_data is None else self._user_data(want.user_data)
        ours = driver.list_nodes(ex_tags=tags_of(tag))
        if not ours and self._create_in_flight():
            return Finding(Presence.PENDING, message="Waiting for a server whose creation got no answer.")
        node = ours[0] if ours else self._create(driver, want, tag, report)
        if node is None:
            return Finding(Presence.PENDING, message="The answer to the creation was lost; looking for the server.")
        if node.state == NodeState.STOPPED:
            if user_data is not None:
                driver.ex_set_user_data(node, user_data)
            report(f"Powering on server {node.name} ({node.id})")
            _power_on(driver, node)
        fresh = driver.ex_get_node(str(node.id))
        if fresh is None:
            raise ProviderError(
                f"Server {node.id} vanished while it was brought up; see who deleted it, then try again.",
                permanent=False,
                effect_possible=True,
            )
        found = state_of(fresh, {})
        if found.presence is Presence.CONFLICT:
            raise ProviderError(found.message, permanent=True, effect_possible=True)
        # Powered on just now: a state that still says stopped lags behind.
        return replace(found, presence=Presence.PENDING) if found.presence is Presence.ABSENT else found

    def _create(self, driver: InstanceDriver, want: Server, tag: Tag, report: Report) -> Node | None:
        """One create request; when its answer is lost, look for the tags instead of asking again."""
        report(f"Creating server {want.name} ({want.size}, {want.image})")
        size = NodeSize(str(want.size), str(want.size), 0, 0, 0, 0, driver)
        image = NodeImage(str(want.image), str(want.image), driver)
        self._sent.touch()
        try:
            node = driver.create_node(want.name, size, image, ex_tags=sorted(tags_of(tag)))
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


def _found_after_all(driver: InstanceDriver, tag: Tag) -> Node | None:
    """The server of a create request without an answer, read a few times: lists may lag."""
    look = repeated(
        driver.deadline,
        retry=tenacity.retry_if_result(lambda nodes: not nodes),
        retry_error_callback=lambda _: [],
    )
    nodes: list[Node] = look(driver.list_nodes, ex_tags=tags_of(tag))
    return nodes[0] if nodes else None


def _power_on(driver: InstanceDriver, node: Node) -> None:
    """Power on; refused because it already comes up is as good."""
    try:
        driver.start_node(node)
    except RefusedError as error:
        fresh = driver.ex_get_node(str(node.id))
        if is_lost(error) or fresh is None or fresh.state == NodeState.STOPPED:
            raise


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


def _taken(name: str, others: list[Node]) -> str:
    runs = sorted(part for node in others for part in node.extra["tags"] if part.startswith(f"{MARK}-run="))
    if runs:
        return f"Server {name} exists from another run ({', '.join(runs)}; {ids(others)}); release it first."
    return f"A server {name} that Bascule did not make exists ({ids(others)}); rename one of the two."
