"""Nova 2.1: servers, their actions and attachments, flavors and limits."""

import base64
import binascii
import re
from dataclasses import dataclass, replace
from typing import Any

from providers.simulator.fleet import Fleet
from providers.simulator.fleet_catalogue import GB, Image, Size
from providers.simulator.fleet_parts import Refusal, Server, ServerOrder, Volume
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
    quota_fault,
    routed,
    sent,
    tags_in,
)
from providers.simulator.openstack_shapes import (
    EXTERNAL,
    INTERNAL,
    LOCAL_DISK,
    flavor_shape,
    named_id,
    server_shape,
    status_of,
    volume_status,
)

KEY_PAIRS = ("bascule",)
FIELDS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "imageRef": str,
    "flavorRef": (str, int),
    "metadata": dict,
    "user_data": str,
    "key_name": str,
    "security_groups": list,
    "networks": (list, str),
    "availability_zone": str,
    "block_device_mapping_v2": list,
    "config_drive": (str, bool),
    "adminPass": str,
    "OS-DCF:diskConfig": str,
    "min_count": (int, str),
    "max_count": (int, str),
}
"""Of a new server, by Nova's schema, as far as it is simulated."""
ROOT_FIELDS: dict[str, type | tuple[type, ...]] = {
    "boot_index": (int, str),
    "uuid": str,
    "source_type": str,
    "destination_type": str,
    "volume_size": (int, str),
    "delete_on_termination": bool,
}
QUOTA_NAMES = {"servers": "instances", "cpu": "cores"}
METADATA_KEY = re.compile(r"[a-zA-Z0-9\-_:. ]{1,255}")
ACTIONS = {"os-start": "poweron", "os-stop": "poweroff", "reboot": "reboot"}


@dataclass(frozen=True, slots=True)
class Nova:
    """Servers boot as they are made, and end in ERROR when no host has room."""

    fleet: Fleet
    most: int = MOST

    def handle(self, call: Call) -> Response:
        try:
            return routed(self._routes(), call, fault)
        except Refusal as refused:
            return _refused(refused)

    def _routes(self) -> Routes:
        server = r"/v2\.1/servers/([^/]+)"
        return (
            ("GET", r"/v2\.1/servers/detail", self._list),
            ("POST", r"/v2\.1/servers", self._create),
            ("GET", server, self._get),
            ("DELETE", server, self._delete),
            ("POST", rf"{server}/action", self._act),
            ("POST", rf"{server}/os-volume_attachments", self._attach),
            ("DELETE", rf"{server}/os-volume_attachments/([^/]+)", self._detach),
            ("GET", r"/v2\.1/flavors/detail", self._flavors),
            ("GET", r"/v2\.1/limits", self._limits),
        )

    # Servers

    def _list(self, call: Call) -> Response:
        pattern = call.request.query.get("name", "")
        with self.fleet.lock:
            found = [
                server_shape(self.fleet, server, ends_told=_ends_told(call))
                for server in sorted(self.fleet.servers.values(), key=lambda server: server.created, reverse=True)
                if re.search(pattern, server.name)
            ]
        return paged(call, "servers", found, fault, self.most)

    def _get(self, call: Call) -> Response:
        with self.fleet.lock:
            shape = server_shape(self.fleet, self._server(call.ids[0]), ends_told=_ends_told(call))
        return answer(200, {"server": shape})

    def _create(self, call: Call) -> Response:
        asked = sent(call.request, "server", fault)
        checked(asked, FIELDS, fault)
        if not asked.get("name") or "flavorRef" not in asked:
            raise ApiError(fault(400, "Invalid input for field/attribute server. 'name' is a required property"))
        size = self._size(str(asked["flavorRef"]))
        image, volumes = self._root(asked, size)
        metadata = _metadata(asked.get("metadata", {}))
        facts = {
            "metadata": metadata,
            "network": _network(asked.get("networks")),
            "key_name": _key_pair(asked.get("key_name")),
        }
        firewall = self._group(asked.get("security_groups", []))
        order = ServerOrder(
            asked["name"],
            self.fleet.catalogue.zones[0],
            self.fleet.catalogue.project,
            size,
            image,
            tags_in(metadata),
            volumes=volumes,
            user_data=_user_data(asked.get("user_data")),
            firewall=firewall,
            facts=facts,
        )
        with self.fleet.lock:
            server = self._made(order)
            for volume in server.volumes.values():
                volume.facts["root"] = True
        links = [{"rel": "self", "href": f"{call.root}/v2.1/servers/{server.id}"}]
        told = {"id": server.id, "links": links, "OS-DCF:diskConfig": "MANUAL", "adminPass": "zJ3bSrTgXk9v"}
        found = answer(202, {"server": told | {"security_groups": [{"name": firewall or "default"}]}})
        found.headers["Location"] = links[0]["href"]
        return found

    def _made(self, order: ServerOrder) -> Server:
        """A server that boots; or one that is in vain, because the scheduler comes after the answer."""
        try:
            return self.fleet.create(replace(order, started_later=False))
        except Refusal as refused:
            if refused.cause != "stock":
                raise
        server = self.fleet.create(order)
        server.state = "error"
        return server

    def _delete(self, call: Call) -> Response:
        with self.fleet.lock:
            server = self._server(call.ids[0])
            if server.state == "error":
                server.state = "stopped"
            if server.state == "stopped":
                self.fleet.delete(server, with_its_volumes=True)
            elif server.state_detail != "terminate":
                self._begin(server, "terminate", "delete")
        return Response(204)

    def _act(self, call: Call) -> Response:
        with self.fleet.lock:
            server = self._server(call.ids[0])
            asked = _only_key(call)
            action = ACTIONS.get(asked)
            if action is None:
                raise ApiError(fault(400, f"There is no such action: {asked}"))
            self._begin(server, action, asked.removeprefix("os-"))
            server.facts["started_again"] = True
        return Response(202)

    def _begin(self, server: Server, action: str, word: str) -> None:
        """Begins it, or refuses as Nova does in a state that does not allow it."""
        status, task, _ = status_of(server)
        wanted = {"poweron": "stopped", "poweroff": "running", "reboot": "running", "terminate": "running"}[action]
        if server.state != wanted:
            what = f"task_state {task}" if task else f"vm_state {status.lower()}"
            raise ApiError(fault(409, f"Cannot '{word}' instance {server.id} while it is in {what}"))
        self.fleet.act(server, action)

    # Volumes

    def _attach(self, call: Call) -> Response:
        asked = sent(call.request, "volumeAttachment", fault)
        checked(asked, {"volumeId": str, "device": str}, fault)
        with self.fleet.lock:
            server = self._server(call.ids[0])
            volume = self._volume(asked.get("volumeId", ""))
            status = volume_status(volume)
            if status != "available":
                text = f"Invalid volume: Volume {volume.id} status must be available or downloading to reserve"
                raise ApiError(fault(400, f"{text}, but the current status is {status}."))
            self.fleet.attach(volume, server)
        told = {"id": volume.id, "volumeId": volume.id, "serverId": server.id, "device": "/dev/vdb"}
        return answer(200, {"volumeAttachment": told})

    def _detach(self, call: Call) -> Response:
        with self.fleet.lock:
            server, volume = self._server(call.ids[0]), self._volume(call.ids[1])
            if volume.server != server.id:
                raise ApiError(fault(404, f"Instance {server.id} is not attached to volume {volume.id}"))
            if volume.facts.get("root"):
                raise ApiError(fault(403, "Cannot detach a root device volume"))
            self.fleet.detach(volume)
        return Response(202)

    # Flavors and limits

    def _flavors(self, call: Call) -> Response:
        sizes = [flavor_shape(size) for size in self.fleet.catalogue.sizes.values()]
        return paged(call, "flavors", sizes, fault, self.most)

    def _limits(self, _: Call) -> Response:
        quotas = self.fleet.catalogue.quotas
        with self.fleet.lock:
            servers = list(self.fleet.servers.values())
        absolute = {
            "maxTotalInstances": quotas.get("servers", -1),
            "maxTotalCores": quotas.get("cpu", -1),
            "maxTotalRAMSize": quotas.get("memory", -1),
            "totalInstancesUsed": len(servers),
            "totalCoresUsed": sum(server.size.cpu for server in servers),
            "totalRAMUsed": sum(int(server.size.ram_gb * 1024) for server in servers),
            "maxServerMeta": 128,
            "maxTotalKeypairs": 100,
        }
        return answer(200, {"limits": {"rate": [], "absolute": absolute}})

    # What a request names

    def _server(self, server_id: str) -> Server:
        server = self.fleet.servers.get(server_id)
        if server is None:
            raise ApiError(fault(404, f"Instance {server_id} could not be found."))
        return server

    def _volume(self, volume_id: str) -> Volume:
        volume = self.fleet.volumes.get(volume_id)
        if volume is None or volume.volume_type == LOCAL_DISK:
            raise ApiError(fault(404, f"Volume {volume_id} could not be found."))
        return volume

    def _size(self, reference: str) -> Size:
        for size in self.fleet.catalogue.sizes.values():
            if named_id("flavor", size.name) == reference:
                return size
        raise ApiError(fault(400, f"Flavor {reference} could not be found."))

    def _image(self, image_id: str) -> Image:
        image = self.fleet.catalogue.image(image_id)
        if image is None or image.id != image_id:
            raise ApiError(fault(400, f"Can not find requested image {image_id}"))
        return image

    def _root(self, asked: dict[str, Any], size: Size) -> tuple[Image, dict[str, dict[str, Any]]]:
        """The image, and the root disk: the flavor's own or a volume."""
        mappings = asked.get("block_device_mapping_v2", [])
        if not mappings:
            if not size.max_gb:
                raise ApiError(fault(403, "Only volume-backed servers are allowed for flavors with zero disk."))
            disk = {"volume_type": LOCAL_DISK, "size": size.max_gb * GB, "goes_with_server": True}
            return self._image(asked.get("imageRef", "")), {"0": disk}
        root = mappings[0]
        checked(root, ROOT_FIELDS, fault)
        if len(mappings) > 1 or (root.get("source_type"), root.get("destination_type")) != ("image", "volume"):
            raise ApiError(fault(400, "Block Device Mapping is Invalid."))
        image = self._image(root.get("uuid", ""))
        size_gb = int(root.get("volume_size") or 0)
        if size_gb < 1:
            raise ApiError(fault(400, "Block Device Mapping is Invalid: no size for the volume."))
        ends = bool(root.get("delete_on_termination"))
        return image, {"0": {"volume_type": "classic", "size": size_gb * GB, "goes_with_server": ends}}

    def _group(self, groups: list[dict[str, Any]]) -> str | None:
        """The id of a security group by its name or id; None for the default one."""
        for group in groups:
            name = str(group.get("name", ""))
            known = [each for each in self.fleet.firewalls.values() if name in (each.id, each.name)]
            if known:
                return known[0].id
            if name != "default":
                raise ApiError(fault(400, f"Security group {name} not found for project."))
        return None


def _ends_told(call: Call) -> bool:
    """Whether the request asked for microversion 2.3 or later."""
    text = call.request.headers.get("OpenStack-API-Version", "").removeprefix("compute ")
    found = re.fullmatch(r"2\.(\d+)", text)
    return found is not None and int(found[1]) >= 3


def _only_key(call: Call) -> str:
    found = re.match(rb'\s*\{\s*"([A-Za-z\-]+)"\s*:', call.request.body)
    if found is None:
        raise ApiError(fault(400, "Malformed request body"))
    return found[1].decode()


def _metadata(given: dict[str, Any]) -> dict[str, str]:
    for key, value in given.items():
        if not METADATA_KEY.fullmatch(key) or not isinstance(value, str) or len(value) > 255:
            raise ApiError(fault(400, f"Invalid input for field/attribute {key}. Value: {value}."))
    return dict(given)


def _network(given: Any) -> str:
    """The name of the one network that is wished; a project's own when none is."""
    if given is None or given == "auto":
        return INTERNAL
    wished = [str(each.get("uuid")) for each in given if isinstance(each, dict)]
    known = {named_id("network", name): name for name in (EXTERNAL, INTERNAL)}
    for identifier in wished:
        if identifier not in known:
            raise ApiError(fault(400, f"Network {identifier} could not be found."))
    return known[wished[0]] if wished else INTERNAL


def _key_pair(name: str | None) -> str | None:
    if name is not None and name not in KEY_PAIRS:
        raise ApiError(fault(400, "Invalid key_name provided."))
    return name


def _user_data(text: str | None) -> dict[str, bytes]:
    if text is None:
        return {}
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        decoded = b""
    if not decoded or len(text) > 65535:
        raise ApiError(fault(400, "User data needs to be valid base 64."))
    return {"cloud-init": decoded}


def _refused(refused: Refusal) -> Response:
    match refused.cause:
        case "not_found":
            return fault(404, f"{refused.resource} {refused.resource_id} could not be found.")
        case "quota":
            return quota_fault(refused, QUOTA_NAMES)
        case "in_use" | "stock":
            return fault(409, refused.message)
        case "state":
            return fault(409, f"Cannot 'act' instance {refused.resource_id} while it is in {refused.message}")
