"""The servers of the Scaleway stand-in: their states, volumes and addresses, and the machines behind them."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from providers.simulator.addresses import Addresses
from providers.simulator.effects import EffectLog
from providers.simulator.faults import FaultTable
from providers.simulator.scaleway_catalogue import GB, ROOT_GB, Catalogue, Image, Size

FIRST_HOST = 10
LAST_HOST = 250
SHORTEST_BOOT = 0.3
"""Seconds that a server stays `starting` at least, so that a client that does not wait is found out."""


class ApiError(Exception):
    """A refusal: HTTP status and the vendor's JSON body."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("message", body.get("type"))))
        self.status = status
        self.body = body


class MachineError(Exception):
    """A machine could not be started."""


class Machines(Protocol):
    """Makes real hosts."""

    def start(self, server_id: str, hostname: str, host: int, user_data: bytes | None) -> None:
        """Returns when SSH answers; raises MachineError. The disk of an earlier start is kept."""
        ...

    def stop(self, server_id: str) -> None:
        """Returns when every process is gone."""
        ...

    def forget(self, server_id: str) -> None:
        """Throws the disk away."""
        ...


@dataclass(slots=True)
class Volume:
    id: str
    name: str
    size: int
    volume_type: str
    zone: str
    server: str | None = None
    created: str = ""


@dataclass(slots=True)
class Server:
    id: str
    name: str
    zone: str
    project: str
    size: Size
    image: Image
    tags: list[str]
    created: str
    modified: str
    dynamic_ip: bool = True
    state: str = "stopped"
    state_detail: str = ""
    host: int | None = None
    ip_id: str = ""
    volumes: dict[str, Volume] = field(default_factory=dict)
    user_data: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServerOrder:
    """What a creation asks for, checked."""

    name: str
    zone: str
    project: str
    size: Size
    image: Image
    tags: list[str]
    dynamic_ip: bool
    volumes: dict[str, dict[str, Any]]


def stamp() -> str:
    return datetime.now(UTC).isoformat()


def not_found(resource: str, resource_id: str) -> ApiError:
    return ApiError(
        404,
        {
            "type": "unknown_resource",
            "message": f'"{resource_id}" not found',
            "resource": resource,
            "resource_id": resource_id,
        },
    )


def quota_exceeded(quota: int, current: int) -> ApiError:
    return ApiError(
        403,
        {
            "type": "quotas_exceeded",
            "message": "Quota exceeded for this resource.",
            "details": [{"resource": "InstanceServers", "quota": quota, "current": current, "scope": "project"}],
        },
    )


class Cloud:
    """All servers and volumes. Thread-safe; machines start and stop in threads of their own."""

    def __init__(
        self,
        catalogue: Catalogue,
        addresses: Addresses,
        machines: Machines,
        effects: EffectLog,
        wait: Callable[[float], None],
        faults: FaultTable | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.addresses = addresses
        self.lock = threading.RLock()
        self.servers: dict[str, Server] = {}
        self.volumes: dict[str, Volume] = {}
        self._machines = machines
        self._effects = effects
        self._wait = wait
        self._faults = faults or FaultTable()
        self._moves: set[threading.Thread] = set()

    def server(self, server_id: str, zone: str) -> Server:
        """Raises ApiError 404."""
        server = self.servers.get(server_id)
        if server is None or server.zone != zone:
            raise not_found("instance_server", server_id)
        return server

    def create(self, order: ServerOrder) -> Server:
        with self.lock:
            if len(self.servers) >= self.catalogue.server_quota:
                raise quota_exceeded(self.catalogue.server_quota, len(self.servers))
            now = stamp()
            server = Server(
                str(uuid.uuid4()),
                order.name,
                order.zone,
                order.project,
                order.size,
                order.image,
                list(order.tags),
                now,
                now,
                order.dynamic_ip,
            )
            for slot, volume in _volumes(order):
                volume.server = server.id
                server.volumes[slot] = self.volumes[volume.id] = volume
            self.servers[server.id] = server
            self._count("server.create", server)
            return server

    def delete(self, server: Server) -> None:
        """Deletes a stopped server; its volumes stay, as at the vendor."""
        with self.lock:
            if server.state != "stopped":
                raise ApiError(400, {"type": "invalid_request_error", "message": "instance should be powered off"})
            self._remove(server, with_local_volumes=False)
        self._machines.forget(server.id)

    def act(self, server: Server, action: str) -> None:
        """Begins an action; it ends in a thread of its own. Raises ApiError when the state does not allow it."""
        with self.lock:
            if action not in allowed_actions(server):
                raise ApiError(
                    400,
                    {"type": "invalid_request_error", "message": f"server should be {_needed_state(action)}"},
                )
            server.modified = stamp()
            match action:
                case "poweron":
                    self._allocate(server)
                    server.state, server.state_detail = "starting", "allocating node"
                    self._move(self._power_on, server)
                case "reboot":
                    server.state, server.state_detail = "starting", "rebooting"
                    self._move(self._reboot, server)
                case "poweroff" | "terminate":
                    server.state, server.state_detail = "stopping", action
                    self._move(self._power_off if action == "poweroff" else self._terminate, server)
            self._count(f"server.{action}", server)

    def attach_user_data(self, server: Server, key: str, value: bytes | None) -> None:
        with self.lock:
            if value is None:
                server.user_data.pop(key, None)
            else:
                server.user_data[key] = value
                self._count("server.user_data", server)

    def delete_volume(self, volume: Volume) -> None:
        with self.lock:
            if volume.server is not None:
                raise ApiError(
                    412,
                    {
                        "type": "precondition_failed",
                        "precondition": "resource_still_in_use",
                        "message": "volume is attached to a server",
                    },
                )
            del self.volumes[volume.id]
            self._effects.add("scaleway", "volume.delete", volume.name)

    def reset(self) -> None:
        """No servers and no volumes: what was moving is waited for first."""
        self.settle()
        with self.lock:
            for server in list(self.servers.values()):
                self._machines.stop(server.id)
                self._machines.forget(server.id)
            self.servers.clear()
            self.volumes.clear()

    def settle(self) -> None:
        """Returns when no action is under way."""
        with self.lock:
            moves = list(self._moves)
        for move in moves:
            move.join(30)

    def state(self) -> dict[str, list[dict[str, object]]]:
        """Servers and volumes without their random ids, so that two worlds can be compared."""
        with self.lock:
            servers: list[dict[str, object]] = [
                {
                    "name": server.name,
                    "zone": server.zone,
                    "state": server.state,
                    "address": self.address(server),
                    "tags": sorted(server.tags),
                    "size": server.size.name,
                    "image": server.image.label,
                    "project": server.project,
                }
                for server in self.servers.values()
            ]
            volumes: list[dict[str, object]] = [
                {"name": volume.name, "zone": volume.zone, "size": volume.size, "attached": volume.server is not None}
                for volume in self.volumes.values()
            ]
        return {"servers": sorted(servers, key=repr), "volumes": sorted(volumes, key=repr)}

    def address(self, server: Server) -> str | None:
        return None if server.host is None else self.addresses.server(server.host)

    def _allocate(self, server: Server) -> None:
        taken = {other.host for other in self.servers.values()}
        server.host = next(host for host in range(FIRST_HOST, LAST_HOST) if host not in taken)
        server.ip_id = str(uuid.uuid4())

    def _move(self, work: Callable[[Server], None], server: Server) -> None:
        def run() -> None:
            try:
                work(server)
            finally:
                with self.lock:
                    self._moves.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"server-{server.name}", daemon=True)
        self._moves.add(thread)
        thread.start()

    def _power_on(self, server: Server) -> None:
        assert server.host is not None
        started = time.monotonic()
        try:
            if not self._may_boot(server):
                return
            self._machines.start(server.id, server.name, server.host, server.user_data.get("cloud-init"))
        except MachineError as failed:
            with self.lock:
                server.state, server.state_detail, server.host = "stopped", f"boot failed: {failed}", None
            return
        self._wait(max(0.0, SHORTEST_BOOT - (time.monotonic() - started)))
        with self.lock:
            server.state, server.state_detail, server.modified = "running", "booted", stamp()

    def _may_boot(self, server: Server) -> bool:
        """False when a fault keeps the server `starting` for good; raises MachineError when one fails the boot."""
        fault = self._faults.take("scaleway", f"BOOT {server.name}")
        if fault is not None and fault.kind == "delay":
            self._wait(fault.seconds or 0)
        elif fault is not None and fault.kind == "hang":
            return False
        elif fault is not None:
            raise MachineError("simulated fault")
        return True

    def _reboot(self, server: Server) -> None:
        self._machines.stop(server.id)
        self._power_on(server)

    def _power_off(self, server: Server) -> None:
        self._machines.stop(server.id)
        with self.lock:
            server.state, server.state_detail, server.host, server.modified = "stopped", "", None, stamp()

    def _terminate(self, server: Server) -> None:
        self._machines.stop(server.id)
        with self.lock:
            self._remove(server, with_local_volumes=True)
        self._machines.forget(server.id)

    def _remove(self, server: Server, *, with_local_volumes: bool) -> None:
        del self.servers[server.id]
        for volume in server.volumes.values():
            volume.server = None
            if with_local_volumes and volume.volume_type == "l_ssd":
                del self.volumes[volume.id]
        if not with_local_volumes:
            self._count("server.delete", server)

    def _count(self, action: str, server: Server) -> None:
        self._effects.add("scaleway", action, server.name, ",".join(server.tags))


def allowed_actions(server: Server) -> list[str]:
    return {"stopped": ["poweron", "backup"], "running": ["poweroff", "terminate", "reboot", "stop_in_place"]}.get(
        server.state, []
    )


def _needed_state(action: str) -> str:
    return "stopped" if action == "poweron" else "running"


def _volumes(order: ServerOrder) -> Iterator[tuple[str, Volume]]:
    """The root volume, as asked or of the size's own kind, and what else was asked for."""
    asked: dict[str, dict[str, Any]] = {"0": {}} | order.volumes
    for slot, wish in sorted(asked.items()):
        kind = wish.get("volume_type") or order.size.storage
        name = wish.get("name") or (f"{order.image.label}-{order.name}" if slot == "0" else f"{order.name}-{slot}")
        size = int(wish.get("size") or ROOT_GB * GB)
        yield slot, Volume(str(uuid.uuid4()), name, size, kind, order.zone, created=stamp())
