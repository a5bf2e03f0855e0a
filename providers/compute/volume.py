"""`compute.volume` and `compute.snapshot`: disks beside servers, made, attached, copied and taken back.

The proof is the same as a server's: the tags that the create request itself
carries, or a token from which the driver knows the thing as ours. A volume holds
data, so it is only ever deleted by the undo of the step that made it, or where a
runbook says `state: absent`; and never while a server holds it that is not ours
to take it from.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import requests
import tenacity
from libcloud.common.exceptions import BaseHTTPError
from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.compute.clouds import cloud
from providers.compute.driver import UNFINISHED, CloudDriver, NoCapacityError, Part, PartKind, VolumeOrder
from providers.compute.proof import MARK, RUN_TAG, is_still_of, tags_of
from providers.compute.sent import in_flight
from providers.vendor_http import Deadline, RefusedError, is_lost
from providers.wants import Snapshot, Volume

MOVING = frozenset(
    {"creating", "attaching", "detaching", "snapshotting", "resizing", "in-queue", "pending", "deleting"}
)
"""Vendors' words for a part that will be in another state by itself."""
BROKEN = frozenset({"error", "error_deleting", "locked"})

ATTACH_SECONDS = 5.0
"""What is left of a call for attaching a volume, once it has waited for it to be made."""

Made = TypeVar("Made")


class ComputeVolume:
    """A volume at one of the scope's `compute` entries, attached to a server when the step names one."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def observe(self, want: Volume, tag: Tag, before: JsonMap | None) -> Finding:
        with cloud(self._context, want.provider, Deadline.of(self._context)) as driver:
            return self._look(driver, want, tag)

    def apply(self, want: Volume, tag: Tag, before: JsonMap, report: Report) -> Finding:
        with cloud(self._context, want.provider, Deadline.of(self._context)) as driver:
            found = self._look(driver, want, tag)
            if found.presence is Presence.CONFLICT:
                raise ProviderError(found.message, permanent=True, effect_possible=bool(found.effect))
            if found.presence is not Presence.ABSENT:
                return found
            volume = _one(driver, PartKind.VOLUME, tag)
            if volume is None or volume.state == UNFINISHED:
                report(f"Creating volume {want.name} at {want.provider} ({want.size:g} GB)")
                order = VolumeOrder(want.name, want.size, tags_of(tag), want.snapshot)
                volume = _sent_once(self._context, driver, lambda: driver.ex_create_volume(order))
            if volume is not None and want.server:
                self._attach(driver, want, _settled(driver, volume), report)
            after = self._look(driver, want, tag)
            # Asked for just now: what is read may lag behind.
            return replace(after, presence=Presence.PENDING) if after.presence is Presence.ABSENT else after

    def undo(self, want: Volume, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        """Detach and delete the volume that the effect names, while it still carries our tags."""
        if not effect:
            return Finding(Presence.ABSENT, message="No volume was made, so none is deleted.")
        with cloud(self._context, effect["provider"], Deadline.of(self._context)) as driver:
            volume = driver.ex_part(PartKind.VOLUME, effect["id"], effect.get("flavour", ""))
            if volume is None:
                return Finding(Presence.ABSENT, message=f"Volume {want.name} is gone.")
            if not is_still_of(driver, volume, tag):
                message = f"Volume {want.name} ({volume.id}) no longer carries our tags, so it was left alone."
                return Finding(Presence.CONFLICT, message=message)
            return self._take_back(driver, want, volume, effect, report)

    def _take_back(self, driver: CloudDriver, want: Volume, volume: Part, effect: JsonMap, report: Report) -> Finding:
        pending = Finding(Presence.PENDING, effect=effect, message=f"Volume {want.name} is being released.")
        if volume.state in MOVING:
            return pending
        foreign = volume.holders - {effect.get("server")}
        if foreign:
            message = f"Volume {want.name} is attached to {', '.join(sorted(foreign))} by now, so it was left alone."
            return Finding(Presence.CONFLICT, message=message)
        try:
            if volume.holders:
                report(f"Detaching volume {want.name} ({volume.id})")
                driver.ex_detach(volume, _node(driver, str(effect["server"])))
            else:
                report(f"Deleting volume {want.name} ({volume.id})")
                driver.ex_delete_part(volume)
        except RefusedError as error:
            if error.code != 404 and not driver.ex_is_passing(error):
                raise
        return pending

    def _look(self, driver: CloudDriver, want: Volume, tag: Tag) -> Finding:
        volume = _one(driver, PartKind.VOLUME, tag)
        if volume is None:
            return _none(self._context, driver, PartKind.VOLUME, want.name, tag)
        effect = {"provider": want.provider, "id": volume.id, "flavour": volume.flavour, "server": want.server}
        about = f"Volume {want.name} ({volume.id}) at {want.provider}"
        if volume.state in BROKEN:
            message = f"{about} is {volume.state}; look at it with the vendor, or undo the step."
            return Finding(Presence.CONFLICT, effect=effect, message=message)
        if volume.holders and volume.holders != {want.server}:
            message = f"{about} is attached to {', '.join(sorted(volume.holders))}, which this step did not ask for."
            return Finding(Presence.CONFLICT, effect=effect, message=message)
        if volume.state == UNFINISHED:
            return Finding(Presence.ABSENT, effect=effect, message=f"{about} was made and is to be tagged.")
        if want.server and not volume.holders and volume.state != "attaching":
            # Also while it is still being made: it is not attached by itself afterwards.
            return Finding(Presence.ABSENT, effect=effect, message=f"{about} is to be attached to {want.server}.")
        if volume.state in MOVING:
            return Finding(Presence.PENDING, effect=effect, message=f"{about} is {volume.state}.")
        outputs = {"id": volume.id, "name": want.name, "size": volume.size, "provider": want.provider}
        return Finding(Presence.OURS, {}, outputs, effect, f"{about} is there.")

    def _attach(self, driver: CloudDriver, want: Volume, volume: Part, report: Report) -> None:
        if not want.server or volume.holders or volume.state in MOVING:
            return
        report(f"Attaching volume {want.name} to server {want.server}")
        try:
            driver.ex_attach(volume, _node(driver, want.server))
        except RefusedError as error:
            if not driver.ex_is_passing(error):
                raise


class ComputeSnapshot:
    """A snapshot of a volume, complete when the vendor says so."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def observe(self, want: Snapshot, tag: Tag, before: JsonMap | None) -> Finding:
        with cloud(self._context, want.provider, Deadline.of(self._context)) as driver:
            return self._look(driver, want, tag)

    def apply(self, want: Snapshot, tag: Tag, before: JsonMap, report: Report) -> Finding:
        with cloud(self._context, want.provider, Deadline.of(self._context)) as driver:
            found = self._look(driver, want, tag)
            if found.presence is Presence.CONFLICT:
                raise ProviderError(found.message, permanent=True, effect_possible=bool(found.effect))
            if found.presence is not Presence.ABSENT:
                return found
            volume = driver.ex_part(PartKind.VOLUME, want.volume, want.flavour)
            if volume is None:
                raise ProviderError(
                    f"{driver.where} has no volume {want.volume}; correct `volume`, or make it by an earlier step.",
                    permanent=True,
                )
            report(f"Taking snapshot {want.name} of volume {want.volume}")
            _sent_once(self._context, driver, lambda: driver.ex_create_snapshot(volume, want.name, tags_of(tag)))
            after = self._look(driver, want, tag)
            return replace(after, presence=Presence.PENDING) if after.presence is Presence.ABSENT else after

    def undo(self, want: Snapshot, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        if not effect:
            return Finding(Presence.ABSENT, message="No snapshot was taken, so none is deleted.")
        with cloud(self._context, effect["provider"], Deadline.of(self._context)) as driver:
            snapshot = driver.ex_part(PartKind.SNAPSHOT, effect["id"])
            if snapshot is None:
                return Finding(Presence.ABSENT, message=f"Snapshot {want.name} is gone.")
            if not is_still_of(driver, snapshot, tag):
                message = f"Snapshot {want.name} ({snapshot.id}) no longer carries our tags, so it was left alone."
                return Finding(Presence.CONFLICT, message=message)
            try:
                driver.ex_delete_part(snapshot)
            except RefusedError as error:
                if error.code != 404 and not driver.ex_is_passing(error):
                    raise
            return Finding(Presence.PENDING, effect=effect, message=f"Snapshot {want.name} is being deleted.")

    def _look(self, driver: CloudDriver, want: Snapshot, tag: Tag) -> Finding:
        snapshot = _one(driver, PartKind.SNAPSHOT, tag)
        if snapshot is None:
            return _none(self._context, driver, PartKind.SNAPSHOT, want.name, tag)
        effect = {"provider": want.provider, "id": snapshot.id}
        about = f"Snapshot {want.name} ({snapshot.id}) at {want.provider}"
        if snapshot.state in BROKEN:
            return Finding(Presence.CONFLICT, effect=effect, message=f"{about} is {snapshot.state}; undo the step.")
        if snapshot.state in MOVING:
            return Finding(Presence.PENDING, effect=effect, message=f"{about} is {snapshot.state}.")
        if snapshot.state == UNFINISHED:
            return Finding(Presence.ABSENT, effect=effect, message=f"{about} was made and is to be tagged.")
        outputs = {"id": snapshot.id, "name": want.name, "size": snapshot.size, "provider": want.provider}
        return Finding(Presence.OURS, {}, outputs, effect, f"{about} is complete.")


def _settled(driver: CloudDriver, volume: Part) -> Part:
    """The volume once it is made: it can be attached only then. As it is, when that takes longer than the call may."""
    look = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda part: part is not None and part.state in MOVING),
        wait=tenacity.wait_exponential(multiplier=0.1, max=2.0),
        stop=tenacity.stop_before_delay(max(0.0, driver.deadline.left() - ATTACH_SECONDS)),
        sleep=driver.deadline.sleep,
        retry_error_callback=lambda _: volume,
    )
    found: Part | None = look(driver.ex_part, PartKind.VOLUME, volume.id, volume.flavour)
    return found or volume


def _one(driver: CloudDriver, kind: PartKind, tag: Tag) -> Part | None:
    """The step's own part of this kind. Raises ProviderError when there are several."""
    ours = [part for part in driver.ex_parts(tags_of(tag)) if part.kind is kind]
    if len(ours) > 1:
        listed = ", ".join(part.id for part in ours)
        raise ProviderError(
            f"{driver.where} has several {kind}s with the tags of this step ({listed}); delete all but one.",
            permanent=True,
            effect_possible=True,
        )
    return ours[0] if ours else None


def _none(context: Context, driver: CloudDriver, kind: PartKind, name: str, tag: Tag) -> Finding:
    """Nothing with our tags: the name may be taken by another run, or our request may be on its way."""
    named = [part for part in driver.ex_parts({MARK}) if part.kind is kind and part.name == name]
    others = [part for part in named if not tags_of(tag) <= part.tags]
    if named and not others:
        message = f"The {kind} {name} appears in one list of {driver.where} and not yet in another."
        return Finding(Presence.PENDING, message=message)
    if others:
        runs = sorted(text for part in others for text in part.tags if text.startswith(RUN_TAG))
        message = f"A {kind} {name} exists from another run ({', '.join(runs)}); release it first."
        return Finding(Presence.CONFLICT, message=message)
    if in_flight(_sent(context)):
        message = f"The answer to the creation of {kind} {name} was lost; it may still appear."
        return Finding(Presence.PENDING, message=message)
    return Finding(Presence.ABSENT, message=f"No {kind} {name} exists.")


def _sent_once(context: Context, driver: CloudDriver, send: Callable[[], Made]) -> Made | None:
    """The answer to a create request; None when it was lost. Raises NoCapacityError where there is no room."""
    sent = _sent(context)
    sent.touch()
    try:
        made = send()
    except (requests.RequestException, BaseHTTPError) as error:
        if is_lost(error):
            if isinstance(error, BaseHTTPError):
                raise
            return None
        sent.unlink(missing_ok=True)
        lacks = driver.ex_no_capacity(error) if isinstance(error, RefusedError) else None
        if lacks:
            raise NoCapacityError(f"{driver.where} has no room: {lacks}; have the quota raised, then retry.") from error
        raise
    sent.unlink(missing_ok=True)
    return made


def _node(driver: CloudDriver, server: str) -> Node:
    """Raises ProviderError when the server is not there, or comes up only now."""
    node = driver.ex_get_node(server)
    if node is None:
        raise ProviderError(f"{driver.where} has no server {server}; correct `server` of the step.", permanent=True)
    if node.state in {NodeState.STARTING, NodeState.STOPPING}:
        raise ProviderError(f"Server {server} is changing its state; try again.", permanent=False)
    return node


def _sent(context: Context) -> Path:
    """Exists while the step's create request has no answer."""
    return context.workspace / "create-sent"
