"""OVHcloud's native Public Cloud API over HTTP: signatures, rights, routes and refusals as the vendor has them.

Routes, parameters and shapes: the vendor's own description (cloud.json of
https://eu.api.ovh.com/1.0); only what a server's life needs is here, everything
else answers 404. How the vendor words the refusals of OpenStack behind it is not
described: here it hands on OpenStack's status and sentence.
"""

import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

from providers.simulator.faults import Fault
from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import GB
from providers.simulator.fleet_parts import Refusal, Server, ServerOrder, Snapshot, Volume, not_found, stamp
from providers.simulator.http_service import Request, Response
from providers.simulator.ovh_answers import (
    ApiError,
    Holder,
    NewInstance,
    NewSnapshot,
    NewVolume,
    Reboot,
    answer,
    found_in,
    host_name,
    not_granted,
    parsed,
    refusal_of,
    undescribed,
)
from providers.simulator.ovh_shapes import (
    Moves,
    credential_shape,
    flavor_id,
    flavor_shape,
    image_id,
    image_shape,
    instance_detail,
    instance_shape,
    key_id,
    key_shape,
    quota_shape,
    snapshot_shape,
    volume_shape,
)
from providers.simulator.ovh_signature import SignatureError, Signatures

ROOT = "/1.0"


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, with the path's ids."""

    request: Request
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OvhApi:
    """Answers requests that are rightly signed, and granted to the consumer key.

    `rules`: `METHOD path`, with `{project}` and `*`. `keys`: public keys by name. `now`: the vendor's clock.
    `scheme`: how clients reach it, since they sign the whole URL.
    """

    fleet: Fleet
    signatures: Signatures
    rules: Sequence[str]
    keys: dict[str, str]
    now: Callable[[], float] = time.time
    scheme: str = "http"
    moves: Moves = field(default_factory=Moves)
    expiration: str | None = None
    """When the consumer key ends (RFC 3339); None for never."""

    def handle(self, request: Request) -> Response:
        try:
            return self._route(request)
        except SignatureError as refused:
            return answer(refused.status, refused.body)
        except ApiError as refused:
            return answer(refused.status, refused.body)
        except Refusal as refused:
            return refusal_of(refused)

    def refusal(self, fault: Fault, request: Request) -> Response:
        if fault.kind == "quota":
            resource = "volumes" if "/volume" in request.path else "servers"
            return refusal_of(
                Refusal("quota", "simulated", resource=resource, limit=self.fleet.catalogue.quotas[resource])
            )
        if fault.status in (401, 403):
            return answer(fault.status, not_granted())
        return answer(fault.status, {"class": "Server::InternalServerError", "message": "simulated refusal"})

    def _route(self, request: Request) -> Response:
        if (request.method, request.path) == ("GET", f"{ROOT}/auth/time"):
            return answer(200, int(self.now()))
        if (request.method, request.path) == ("GET", f"{ROOT}/auth/currentCredential"):
            self._authenticate(request)
            return answer(200, credential_shape(self._rules(), self.expiration))
        project = re.fullmatch(rf"{re.escape(ROOT)}/cloud/project/([^/]+)(/.+)", request.path)
        for method, pattern, action in self._routes() if project else ():
            found = re.fullmatch(pattern, project[2]) if project else None
            if found is not None and method == request.method:
                self._authenticate(request)
                self._check_project(project[1] if project else "")
                return action(_Call(request, tuple(unquote(part) for part in found.groups())))
        raise ApiError(404, "Client::NotFound", "Got an invalid (or empty) URL")

    def _authenticate(self, request: Request) -> None:
        query = f"?{request.raw_query}" if request.raw_query else ""
        url = f"{self.scheme}://{request.headers.get('Host', '')}{request.path}{query}"
        self.signatures.verify(request.method, url, request.body, request.headers, self.now())
        path = f"{request.method} {request.path.removeprefix(ROOT)}"
        if not any(fnmatchcase(path, rule) for rule in self._rules()):
            raise SignatureError(403, "NOT_GRANTED_CALL", "This call has not been granted")

    def _rules(self) -> list[str]:
        return [rule.replace("{project}", self.fleet.catalogue.project) for rule in self.rules]

    def _check_project(self, project: str) -> None:
        if project != self.fleet.catalogue.project:
            raise ApiError(404, "Client::NotFound", "This service does not exist")

    def _routes(self) -> Sequence[tuple[str, str, Callable[[_Call], Response]]]:
        one = "/([^/]+)"
        return (
            ("GET", "/region", lambda _: answer(200, list(self.fleet.catalogue.zones))),
            ("GET", f"/region{one}/quota", self._quota),
            ("GET", "/flavor", self._flavors),
            ("GET", f"/flavor{one}", self._flavor),
            ("GET", "/image", self._images),
            ("GET", f"/image{one}", self._image),
            ("GET", "/snapshot", lambda _: answer(200, [])),
            ("GET", "/sshkey", self._ssh_keys),
            ("GET", "/instance", self._instances),
            ("POST", "/instance", self._create),
            ("GET", f"/instance{one}", self._instance),
            ("DELETE", f"/instance{one}", self._delete),
            ("POST", f"/instance{one}/start", self._start),
            ("POST", f"/instance{one}/stop", self._stop),
            ("POST", f"/instance{one}/reboot", self._reboot),
            ("GET", "/volume/snapshot", self._snapshots),
            ("GET", f"/volume/snapshot{one}", self._get_snapshot),
            ("DELETE", f"/volume/snapshot{one}", self._delete_snapshot),
            ("GET", "/volume", self._volumes),
            ("POST", "/volume", self._create_volume),
            ("GET", f"/volume{one}", self._get_volume),
            ("DELETE", f"/volume{one}", self._delete_volume),
            ("POST", f"/volume{one}/attach", self._attach),
            ("POST", f"/volume{one}/detach", self._detach),
            ("POST", f"/volume{one}/snapshot", self._create_snapshot),
            ("GET", "/ip/failover", lambda _: answer(200, [])),
            ("GET", f"/ip/failover{one}", self._failover),
        )

    # What there is

    def _region(self, call: _Call) -> str | None:
        """The region that a list is to be of; None for all."""
        unknown = sorted(set(call.request.query) - {"region", "flavorType", "osType"})
        if unknown:
            raise undescribed(unknown)
        region = call.request.query.get("region")
        if region is not None and region not in self.fleet.catalogue.zones:
            raise ApiError(404, "Client::NotFound", f"Region {region} not found")
        return region

    def _regions(self, call: _Call) -> tuple[str, ...]:
        region = self._region(call)
        return self.fleet.catalogue.zones if region is None else (region,)

    def _quota(self, call: _Call) -> Response:
        if call.ids[0] not in self.fleet.catalogue.zones:
            raise ApiError(404, "Client::NotFound", f"Region {call.ids[0]} not found")
        with self.fleet.lock:
            return answer(200, quota_shape(self.fleet, call.ids[0]))

    def _all_flavors(self, regions: Sequence[str]) -> list[dict[str, Any]]:
        with self.fleet.lock:
            sizes = self.fleet.catalogue.sizes.values()
            return [flavor_shape(self.fleet, size, region) for region in regions for size in sizes]

    def _flavors(self, call: _Call) -> Response:
        return answer(200, self._all_flavors(self._regions(call)))

    def _flavor(self, call: _Call) -> Response:
        return found_in(self._all_flavors(self.fleet.catalogue.zones), "Flavor", call.ids[0])

    def _images(self, call: _Call) -> Response:
        images = self.fleet.catalogue.images
        return answer(200, [image_shape(image, region) for region in self._regions(call) for image in images])

    def _image(self, call: _Call) -> Response:
        zones, images = self.fleet.catalogue.zones, self.fleet.catalogue.images
        return found_in([image_shape(image, zone) for zone in zones for image in images], "Image", call.ids[0])

    def _ssh_keys(self, call: _Call) -> Response:
        region = self._region(call) or self.fleet.catalogue.zones[0]
        return answer(200, [key_shape(name, public, region) for name, public in sorted(self.keys.items())])

    def _failover(self, call: _Call) -> Response:
        raise ApiError(404, "Client::NotFound", f"Failover IP {call.ids[0]} not found")

    # Instances

    def _instances(self, call: _Call) -> Response:
        region = self._region(call)
        with self.fleet.lock:
            servers = sorted(self.fleet.servers.values(), key=lambda server: server.created, reverse=True)
            found = [instance_shape(self.fleet, server) for server in servers if region in {None, server.zone}]
        return answer(200, found)

    def _create(self, call: _Call) -> Response:
        asked = parsed(NewInstance, call.request.body)
        catalogue = self.fleet.catalogue
        size = next((one for one in catalogue.sizes.values() if flavor_id(asked.region, one) == asked.flavorId), None)
        image = next((one for one in catalogue.images if image_id(asked.region, one) == asked.imageId), None)
        if asked.region not in catalogue.zones:
            raise ApiError(404, "Client::NotFound", f"Region {asked.region} not found")
        if size is None:
            raise ApiError(404, "Client::NotFound", f"Flavor {asked.flavorId} not found in {asked.region}")
        if image is None:
            raise ApiError(404, "Client::NotFound", f"Image {asked.imageId} not found in {asked.region}")
        if asked.sshKeyId is not None and asked.sshKeyId not in map(key_id, self.keys):
            raise ApiError(404, "Client::NotFound", f"SSH key {asked.sshKeyId} not found")
        data = {} if asked.userData is None else {"cloud-init": asked.userData.encode()}
        server = self.fleet.create(
            ServerOrder(
                asked.name,
                asked.region,
                catalogue.project,
                size,
                image,
                [],
                user_data=data,
                started_later=False,
                root_is_volume=False,
                facts={"hostname": host_name(asked.name), "key": asked.sshKeyId},
            )
        )
        return self._detail(server)

    def _instance(self, call: _Call) -> Response:
        return self._detail(self._server(call.ids[0]))

    def _detail(self, server: Server) -> Response:
        with self.fleet.lock:
            return answer(200, instance_detail(self.fleet, server, self.keys))

    def _delete(self, call: _Call) -> Response:
        with self.fleet.lock:
            server = self._server(call.ids[0])
            if server.state == "stopped":
                self.fleet.delete(server)
            elif (server.state, server.state_detail) != ("stopping", "terminate"):
                self.fleet.act(server, "terminate")
        return answer(200, None)

    def _start(self, call: _Call) -> Response:
        with self.fleet.lock:
            server = self._server(call.ids[0])
            self.fleet.act(server, "poweron")
            server.facts["started"] = True
        return answer(200, None)

    def _stop(self, call: _Call) -> Response:
        self.fleet.act(self._server(call.ids[0]), "poweroff")
        return answer(200, None)

    def _reboot(self, call: _Call) -> Response:
        parsed(Reboot, call.request.body)
        self.fleet.act(self._server(call.ids[0]), "reboot")
        return answer(200, None)

    def _server(self, server_id: str) -> Server:
        server = self.fleet.servers.get(server_id)
        if server is None:
            raise not_found("instance", server_id)
        return server

    # Volumes and snapshots

    def _volumes(self, call: _Call) -> Response:
        region = self._region(call)
        with self.fleet.lock:
            volumes = sorted(self.fleet.volumes.values(), key=lambda volume: volume.created)
            return answer(200, [volume_shape(one, self.moves) for one in volumes if region in {None, one.zone}])

    def _create_volume(self, call: _Call) -> Response:
        asked = parsed(NewVolume, call.request.body)
        if asked.region not in self.fleet.catalogue.zones:
            raise ApiError(404, "Client::NotFound", f"Region {asked.region} not found")
        if asked.snapshotId is not None and asked.size < self._snapshot(asked.snapshotId).size // GB:
            raise ApiError(400, "Client::BadRequest", "Invalid input received: Volume size is less than the snapshot's")
        volume = Volume(
            str(uuid.uuid4()),
            asked.name or "",
            asked.size * GB,
            asked.type,
            asked.region,
            facts={"description": asked.description},
        )
        self.moves.begin(volume.id, "creating")
        return self._volume_answer(self.fleet.add_volume(volume))

    def _get_volume(self, call: _Call) -> Response:
        return self._volume_answer(self._volume(call.ids[0]))

    def _delete_volume(self, call: _Call) -> Response:
        with self.fleet.lock:
            volume = self._settled(call.ids[0])
            if any(snapshot.volume == volume.id for snapshot in self.fleet.snapshots.values()):
                raise ApiError(400, "Client::BadRequest", "Invalid volume: Volume must not have snapshots")
            self.fleet.delete_volume(volume)
        return answer(200, None)

    def _attach(self, call: _Call) -> Response:
        asked = parsed(Holder, call.request.body)
        with self.fleet.lock:
            volume, server = self._settled(call.ids[0]), self._server(asked.instanceId)
            if server.zone != volume.zone:
                raise ApiError(400, "Client::BadRequest", "Volume and instance are in different regions")
            self.fleet.attach(volume, server)
            self.moves.begin(volume.id, "attaching")
        return self._volume_answer(volume)

    def _detach(self, call: _Call) -> Response:
        asked = parsed(Holder, call.request.body)
        with self.fleet.lock:
            volume = self._settled(call.ids[0])
            if volume.server != asked.instanceId:
                raise ApiError(404, "Client::NotFound", "Volume is not attached to this instance")
            self.fleet.detach(volume)
            self.moves.begin(volume.id, "detaching")
        return self._volume_answer(volume)

    def _volume_answer(self, volume: Volume) -> Response:
        return answer(200, volume_shape(volume, self.moves))

    def _volume(self, volume_id: str) -> Volume:
        volume = self.fleet.volumes.get(volume_id)
        if volume is None:
            raise not_found("volume", volume_id)
        return volume

    def _settled(self, volume_id: str) -> Volume:
        """A volume that is not just changing; Block Storage refuses the others so."""
        volume = self._volume(volume_id)
        if self.moves.of(volume.id):
            raise ApiError(400, "Client::BadRequest", "Invalid volume: Volume status must be available or in-use")
        return volume

    def _snapshots(self, call: _Call) -> Response:
        region = self._region(call)
        with self.fleet.lock:
            snapshots = sorted(self.fleet.snapshots.values(), key=lambda snapshot: snapshot.created)
            return answer(200, [snapshot_shape(one, self.moves) for one in snapshots if region in {None, one.zone}])

    def _create_snapshot(self, call: _Call) -> Response:
        asked = parsed(NewSnapshot, call.request.body)
        volume = self._settled(call.ids[0])
        facts = {"description": asked.description}
        snapshot = Snapshot(
            str(uuid.uuid4()), asked.name or "", volume.size, volume.zone, volume.id, stamp(), facts=facts
        )
        self.moves.begin(snapshot.id, "creating")
        return answer(200, snapshot_shape(self.fleet.add_snapshot(snapshot), self.moves))

    def _get_snapshot(self, call: _Call) -> Response:
        return answer(200, snapshot_shape(self._snapshot(call.ids[0]), self.moves))

    def _delete_snapshot(self, call: _Call) -> Response:
        with self.fleet.lock:
            snapshot = self._snapshot(call.ids[0])
            if self.moves.of(snapshot.id):
                raise ApiError(400, "Client::BadRequest", "Invalid snapshot: status must be available or error")
            self.fleet.delete_snapshot(snapshot)
        return answer(200, None)

    def _snapshot(self, snapshot_id: str) -> Snapshot:
        snapshot = self.fleet.snapshots.get(snapshot_id)
        if snapshot is None:
            raise not_found("snapshot", snapshot_id)
        return snapshot
