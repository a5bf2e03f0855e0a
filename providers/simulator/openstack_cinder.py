"""Cinder 3: volumes, snapshots and limits."""

import uuid
from dataclasses import dataclass

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import GB
from providers.simulator.fleet_parts import Refusal, Snapshot, Volume, stamp
from providers.simulator.http_service import Response
from providers.simulator.openstack_answers import (
    MOST,
    ApiError,
    Call,
    Routes,
    answer,
    checked,
    fault,
    paged,
    routed,
    sent,
    tags_in,
)
from providers.simulator.openstack_shapes import LOCAL_DISK, snapshot_shape, volume_shape, volume_status

LAG_TEXT = (
    "Invalid volume: Volume status must be available or error or error_restoring or error_extending or "
    "error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, "
    "or be disassociated from snapshots after volume transfer."
)


@dataclass(frozen=True, slots=True)
class Cinder:
    """Volumes of the project; the root disks of flavors are not among them."""

    fleet: Fleet
    most: int = MOST

    def handle(self, call: Call) -> Response:
        try:
            return routed(self._routes(), call, fault)
        except Refusal as refused:
            return _refused(refused)

    def _routes(self) -> Routes:
        root = rf"/v3/{self.fleet.catalogue.project}"
        return (
            ("GET", rf"{root}/volumes/detail", self._list_volumes),
            ("POST", rf"{root}/volumes", self._create_volume),
            ("GET", rf"{root}/volumes/([^/]+)", self._get_volume),
            ("DELETE", rf"{root}/volumes/([^/]+)", self._delete_volume),
            ("GET", rf"{root}/snapshots/detail", self._list_snapshots),
            ("POST", rf"{root}/snapshots", self._create_snapshot),
            ("GET", rf"{root}/snapshots/([^/]+)", self._get_snapshot),
            ("DELETE", rf"{root}/snapshots/([^/]+)", self._delete_snapshot),
            ("GET", rf"{root}/limits", self._limits),
        )

    def _list_volumes(self, call: Call) -> Response:
        with self.fleet.lock:
            found = [volume_shape(volume) for volume in self._volumes()]
        return paged(call, "volumes", found, fault, self.most)

    def _create_volume(self, call: Call) -> Response:
        asked = sent(call.request, "volume", fault)
        known = ("name", "description", "snapshot_id", "availability_zone", "volume_type")
        checked(asked, {"size": int, "metadata": dict, **dict.fromkeys(known, str)}, fault)
        size = int(asked.get("size", 0))
        if size < 1:
            raise ApiError(fault(400, "Invalid input received: Invalid volume size provided for create request."))
        snapshot = asked.get("snapshot_id")
        if snapshot is not None:
            self._snapshot(snapshot)
        kind = asked.get("volume_type", "classic")
        metadata = asked.get("metadata", {})
        volume = Volume(
            str(uuid.uuid4()),
            asked.get("name", ""),
            size * GB,
            kind,
            self.fleet.catalogue.zones[0],
            created=stamp(),
            tags=tags_in(metadata),
            facts={"metadata": metadata, "snapshot_id": snapshot},
        )
        return answer(202, {"volume": volume_shape(self.fleet.add_volume(volume))})

    def _get_volume(self, call: Call) -> Response:
        with self.fleet.lock:
            return answer(200, {"volume": volume_shape(self._volume(call.ids[0]))})

    def _delete_volume(self, call: Call) -> Response:
        with self.fleet.lock:
            volume = self._volume(call.ids[0])
            copied = any(snapshot.volume == volume.id for snapshot in self.fleet.snapshots.values())
            if volume_status(volume) != "available" or copied:
                raise ApiError(fault(400, LAG_TEXT))
            self.fleet.delete_volume(volume)
        return Response(202)

    def _list_snapshots(self, call: Call) -> Response:
        with self.fleet.lock:
            found = [snapshot_shape(snapshot) for snapshot in self.fleet.snapshots.values()]
        return paged(call, "snapshots", found, fault, self.most)

    def _create_snapshot(self, call: Call) -> Response:
        asked = sent(call.request, "snapshot", fault)
        checked(asked, {"volume_id": str, "name": str, "description": str, "force": bool, "metadata": dict}, fault)
        with self.fleet.lock:
            volume = self._volume(asked.get("volume_id", ""))
            status = volume_status(volume)
            if status != "available" and not (status == "in-use" and asked.get("force")):
                text = f"Invalid volume: Volume {volume.id} status must be available, but current status is: {status}."
                raise ApiError(fault(400, text))
            metadata = asked.get("metadata", {})
            snapshot = Snapshot(
                str(uuid.uuid4()),
                asked.get("name", ""),
                volume.size,
                volume.zone,
                volume.id,
                stamp(),
                tags_in(metadata),
                {"metadata": metadata},
            )
            return answer(202, {"snapshot": snapshot_shape(self.fleet.add_snapshot(snapshot))})

    def _get_snapshot(self, call: Call) -> Response:
        with self.fleet.lock:
            return answer(200, {"snapshot": snapshot_shape(self._snapshot(call.ids[0]))})

    def _delete_snapshot(self, call: Call) -> Response:
        with self.fleet.lock:
            snapshot = self._snapshot(call.ids[0])
            if snapshot_shape(snapshot)["status"] == "creating":
                raise ApiError(fault(400, "Invalid snapshot: Snapshot status must be available or error."))
            self.fleet.delete_snapshot(snapshot)
        return Response(202)

    def _limits(self, _: Call) -> Response:
        quotas = self.fleet.catalogue.quotas
        with self.fleet.lock:
            volumes = self._volumes()
            snapshots = len(self.fleet.snapshots)
        absolute = {
            "maxTotalVolumes": quotas.get("volumes", -1),
            "maxTotalVolumeGigabytes": quotas.get("volume_gb", -1),
            "maxTotalSnapshots": quotas.get("snapshots", -1),
            "totalVolumesUsed": len(volumes),
            "totalGigabytesUsed": sum(volume.size for volume in volumes) // GB,
            "totalSnapshotsUsed": snapshots,
        }
        return answer(200, {"limits": {"rate": [], "absolute": absolute}})

    def _volumes(self) -> list[Volume]:
        found = (volume for volume in self.fleet.volumes.values() if volume.volume_type != LOCAL_DISK)
        return sorted(found, key=lambda volume: volume.created, reverse=True)

    def _volume(self, volume_id: str) -> Volume:
        found = next((volume for volume in self._volumes() if volume.id == volume_id), None)
        if found is None:
            raise ApiError(fault(404, f"Volume {volume_id} could not be found."))
        return found

    def _snapshot(self, snapshot_id: str) -> Snapshot:
        found = self.fleet.snapshots.get(snapshot_id)
        if found is None:
            raise ApiError(fault(404, f"Snapshot {snapshot_id} could not be found."))
        return found


def _refused(refused: Refusal) -> Response:
    """A used-up quota is 413 here, with a `Retry-After` of nothing."""
    match refused.cause:
        case "quota" if refused.resource == "volume_gb":
            text = "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 1G, quota is"
            told = f"{text} {refused.limit}G and {refused.limit}G has been consumed."
            return fault(413, f"VolumeSizeExceedsAvailableQuota: {told}")
        case "quota":
            kind = {"volumes": "Volume", "snapshots": "Snapshot"}.get(refused.resource, "Quota")
            told = f"Maximum number of {refused.resource} allowed ({refused.limit}) exceeded for quota"
            return fault(413, f"{kind}LimitExceeded: {told} '{refused.resource}'.")
        case "not_found":
            return fault(404, f"{refused.resource.capitalize()} {refused.resource_id} could not be found.")
        case _:
            return fault(400, LAG_TEXT)
