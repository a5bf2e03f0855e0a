"""What Bascule made at one cloud, found by its tags, whoever's run it was; and the release of one such thing."""

from collections.abc import Iterable

from libcloud.compute.base import Node

from providers.base import Context, ProviderError
from providers.compute.clouds import cloud
from providers.compute.driver import CloudDriver, Part, PartKind
from providers.compute.marked import SERVER, Made
from providers.compute.proof import MARK, RUN_TAG, STEP_TAG, is_marked, record
from providers.compute.release import finish, release
from providers.vendor_http import Deadline


def made_at(context: Context, provider: str) -> list[Made]:
    """Everything with Bascule's mark at this cloud, servers first. Reads only. Raises ProviderError."""
    with cloud(context, provider, Deadline(context.deadline)) as driver:
        servers = [_server(provider, node) for node in driver.list_nodes(ex_tags={MARK})]
        parts = [_part(provider, part) for part in driver.ex_parts({MARK})]
    return servers + sorted(parts, key=lambda part: (part.kind, part.id))


def release_made(context: Context, thing: Made) -> bool:
    """Release one thing that still carries Bascule's mark; False while that is under way.

    Raises ProviderError: permanent when it is not Bascule's any more, or is in use by a server.
    """
    with cloud(context, thing.provider, Deadline(context.deadline)) as driver:
        if thing.kind == SERVER:
            return _release_server(driver, thing)
        return _release_part(driver, thing)


def _release_server(driver: CloudDriver, thing: Made) -> bool:
    node = driver.ex_get_node(thing.id)
    if node is None:
        return True
    if not is_marked(node):
        raise ProviderError(f"Server {thing.id} no longer carries Bascule's tags, so it stays.", permanent=True)
    release(driver, node)
    return finish(driver, record(node, thing.provider))


def _release_part(driver: CloudDriver, thing: Made) -> bool:
    part = driver.ex_part(PartKind(thing.kind), thing.id)
    part = part or next((one for one in driver.ex_parts({MARK}) if one.id == thing.id), None)
    if part is None:
        return True
    if MARK not in part.tags:
        raise ProviderError(f"{thing.kind} {thing.id} no longer carries Bascule's tags, so it stays.", permanent=True)
    if part.holders:
        held = ", ".join(sorted(part.holders))
        raise ProviderError(f"{thing.kind} {thing.id} is in use by {held}; release that server first.", permanent=True)
    driver.ex_delete_part(part)
    return True


def _server(provider: str, node: Node) -> Made:
    run, step = _owner(node.extra["tags"])
    return Made(provider, SERVER, str(node.id), str(node.name), run, step, str(node.extra["state"]))


def _part(provider: str, part: Part) -> Made:
    run, step = _owner(part.tags)
    return Made(provider, part.kind.value, part.id, part.name, run, step, part.state, tuple(sorted(part.holders)))


def _owner(tags: Iterable[str]) -> tuple[str, str]:
    """The run and the step that the tags name."""
    named = list(tags)
    run = next((tag.removeprefix(RUN_TAG) for tag in named if tag.startswith(RUN_TAG)), "")
    step = next((tag.removeprefix(STEP_TAG) for tag in named if tag.startswith(STEP_TAG)), "")
    return run, step
