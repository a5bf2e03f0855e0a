"""Volumes, snapshots and security groups of the simulated OUTSCALE API."""

import time
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import GB
from providers.simulator.fleet_parts import Firewall, Snapshot, Volume, stamp
from providers.simulator.outscale_answers import OscError, find, is_tagged, page, passes, vendor_id, wrong_state
from providers.simulator.outscale_requests import (
    Action,
    CreateSecurityGroup,
    CreateSecurityGroupRule,
    CreateSnapshot,
    CreateVolume,
    DeleteSecurityGroup,
    DeleteSnapshot,
    DeleteVolume,
    LinkVolume,
    ReadSecurityGroups,
    ReadSnapshots,
    ReadVolumes,
    UnlinkVolume,
)
from providers.simulator.outscale_shapes import GIB, group_shape, snapshot_shape, volume_shape

MAKING_SECONDS = 0.1
"""How long a volume is `creating` and a snapshot `pending`."""

Made = TypeVar("Made", Volume, Snapshot)


class Storage:
    """The actions on what belongs to machines; the caller holds the fleet's lock."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def actions(self) -> dict[str, tuple[type[Action], Any]]:
        return {
            "CreateVolume": (CreateVolume, self.create_volume),
            "ReadVolumes": (ReadVolumes, self.read_volumes),
            "LinkVolume": (LinkVolume, self.link),
            "UnlinkVolume": (UnlinkVolume, self.unlink),
            "DeleteVolume": (DeleteVolume, self.delete_volume),
            "CreateSnapshot": (CreateSnapshot, self.create_snapshot),
            "ReadSnapshots": (ReadSnapshots, self.read_snapshots),
            "DeleteSnapshot": (DeleteSnapshot, self.delete_snapshot),
            "CreateSecurityGroup": (CreateSecurityGroup, self.create_group),
            "CreateSecurityGroupRule": (CreateSecurityGroupRule, self.add_rules),
            "ReadSecurityGroups": (ReadSecurityGroups, self.read_groups),
            "DeleteSecurityGroup": (DeleteSecurityGroup, self.delete_group),
        }

    def create_volume(self, asked: CreateVolume) -> Mapping[str, Any]:
        made = _of_token(self._fleet.volumes.values(), asked)
        return {"Volume": volume_shape(made or self._fleet.add_volume(self._volume(asked)))}

    def read_volumes(self, asked: ReadVolumes) -> Mapping[str, Any]:
        wanted = asked.filters
        found = [
            volume_shape(volume)
            for volume in sorted(self._fleet.volumes.values(), key=lambda volume: volume.created)
            if is_tagged(volume.tags, wanted)
            and passes([vendor_id("volume", volume.id)], wanted.volume_ids)
            and passes([volume.facts.get("client_token")], wanted.client_tokens)
        ]
        return page("Volumes", found, asked)

    def link(self, asked: LinkVolume) -> Mapping[str, Any]:
        volume = find("volume", self._fleet.volumes.values(), asked.volume_id)
        server = find("server", self._fleet.servers.values(), asked.vm_id)
        if volume.zone != server.zone:
            raise OscError(409, "9071", "ResourceConflict", "Volume and VM are in different Subregions.")
        if any(other.facts.get("device") == asked.device_name for other in server.volumes.values()):
            raise OscError(409, "9004", "ResourceConflict", f"The device {asked.device_name} is in use.")
        if volume_shape(volume)["State"] == "creating" or server.state not in {"running", "stopped"}:
            raise wrong_state("Volume and VM must be ready.")
        self._fleet.attach(volume, server)
        volume.facts["device"] = asked.device_name
        return {}

    def unlink(self, asked: UnlinkVolume) -> Mapping[str, Any]:
        self._fleet.detach(find("volume", self._fleet.volumes.values(), asked.volume_id))
        return {}

    def delete_volume(self, asked: DeleteVolume) -> Mapping[str, Any]:
        self._fleet.delete_volume(find("volume", self._fleet.volumes.values(), asked.volume_id))
        return {}

    def create_snapshot(self, asked: CreateSnapshot) -> Mapping[str, Any]:
        made = _of_token(self._fleet.snapshots.values(), asked)
        return {"Snapshot": snapshot_shape(self._fleet, made or self._fleet.add_snapshot(self._snapshot(asked)))}

    def read_snapshots(self, asked: ReadSnapshots) -> Mapping[str, Any]:
        wanted = asked.filters
        found = [
            snapshot_shape(self._fleet, snapshot)
            for snapshot in sorted(self._fleet.snapshots.values(), key=lambda snapshot: snapshot.created)
            if is_tagged(snapshot.tags, wanted)
            and passes([vendor_id("snapshot", snapshot.id)], wanted.snapshot_ids)
            and passes([snapshot.facts.get("client_token")], wanted.client_tokens)
        ]
        return page("Snapshots", found, asked)

    def delete_snapshot(self, asked: DeleteSnapshot) -> Mapping[str, Any]:
        self._fleet.delete_snapshot(find("snapshot", self._fleet.snapshots.values(), asked.snapshot_id))
        return {}

    def create_group(self, asked: CreateSecurityGroup) -> Mapping[str, Any]:
        """Names are unique; the group lets nothing in."""
        name = asked.security_group_name
        if asked.net_id is not None:
            raise OscError(400, "5065", "InvalidResource", f"The Net '{asked.net_id}' doesn't exist.")
        if any(name == group.facts["name"] for group in self._fleet.firewalls.values()):
            raise OscError(409, "9008", "ResourceConflict", f"The group {name} exists.")
        facts = {"name": name, "description": asked.description}
        group = Firewall(str(uuid.uuid4()), name, self._fleet.catalogue.zones[0], facts=facts)
        return {"SecurityGroup": group_shape(self._fleet, self._fleet.add_firewall(group))}

    def add_rules(self, asked: CreateSecurityGroupRule) -> Mapping[str, Any]:
        group = find("firewall", self._fleet.firewalls.values(), asked.security_group_id)
        new = [rule.model_dump(by_alias=True, exclude_none=True) for rule in asked.rules]
        if any(rule in group.rules for rule in new):
            raise OscError(409, "9000", "ResourceConflict", "The rule exists.")
        group.rules = group.rules + new
        self._fleet.effect("firewall.rules", group.name, group.tags)
        return {"SecurityGroup": group_shape(self._fleet, group)}

    def read_groups(self, asked: ReadSecurityGroups) -> Mapping[str, Any]:
        wanted = asked.filters
        found = [
            group_shape(self._fleet, group)
            for group in self._fleet.firewalls.values()
            if is_tagged(group.tags, wanted)
            and passes([vendor_id("firewall", group.id)], wanted.security_group_ids)
            and passes([group.facts["name"]], wanted.security_group_names)
            and passes([group.facts["description"]], wanted.descriptions)
        ]
        return page("SecurityGroups", found, asked)

    def delete_group(self, asked: DeleteSecurityGroup) -> Mapping[str, Any]:
        self._fleet.delete_firewall(find("firewall", self._fleet.firewalls.values(), asked.security_group_id))
        return {}

    def _volume(self, asked: CreateVolume) -> Volume:
        if asked.subregion_name not in self._fleet.catalogue.zones:
            raise OscError(400, "5009", "InvalidResource", f"The Subregion '{asked.subregion_name}' doesn't exist.")
        least = 0
        if asked.snapshot_id is not None:
            least = find("snapshot", self._fleet.snapshots.values(), asked.snapshot_id).size // GIB
        size = asked.size or least
        if size < max(least, 1):
            raise OscError(400, "4078", "InvalidParameterValue", f"The size {size} is too small.")
        self._fleet.check_quota("volume_gb", 0, size * GIB // GB)
        facts = {**_facts(asked), "snapshot": asked.snapshot_id}
        return Volume(str(uuid.uuid4()), "", size * GIB, asked.volume_type, asked.subregion_name, facts=facts)

    def _snapshot(self, asked: CreateSnapshot) -> Snapshot:
        volume = find("volume", self._fleet.volumes.values(), asked.volume_id)
        facts = {**_facts(asked), "description": asked.description}
        return Snapshot(str(uuid.uuid4()), "", volume.size, volume.zone, volume.id, stamp(), facts=facts)


def _facts(asked: CreateVolume | CreateSnapshot) -> dict[str, Any]:
    return {
        "client_token": asked.client_token,
        "wish": asked.model_dump(exclude={"dry_run"}),
        "made_at": time.monotonic() + MAKING_SECONDS,
    }


def _of_token(things: Iterable[Made], asked: CreateVolume | CreateSnapshot) -> Made | None:
    """What the same token made before. Raises OscError when it was asked for with other parameters."""
    for thing in things:
        if asked.client_token and thing.facts.get("client_token") == asked.client_token:
            if thing.facts["wish"] != asked.model_dump(exclude={"dry_run"}):
                raise OscError(400, "4091", "InvalidParameterValue", "The client token was used with other parameters.")
            return thing
    return None
