"""The servers of one simulated cloud: their states, volumes and addresses, and the machines behind them.

The same for every vendor; each vendor's API is a face of its own in front of it,
which puts requests, states and refusals into the vendor's words.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from providers.simulator.addresses import Addresses
from providers.simulator.effects import EffectLog
from providers.simulator.faults import FaultTable
from providers.simulator.fleet_catalogue import GB, ROOT_GB, Catalogue, Size
from providers.simulator.fleet_parts import (
    LOCAL,
    Firewall,
    FloatingAddress,
    MachineError,
    Machines,
    Refusal,
    Server,
    ServerOrder,
    Snapshot,
    Volume,
    allowed_actions,
    not_found,
    stamp,
)

FIRST_HOST = 10
LAST_HOST = 250
SHORTEST_BOOT = 0.3
"""Seconds that a server stays `starting` at least, so that a client that does not wait is found out."""


class Hosts:
    """The host numbers of all simulated clouds together: no two servers have the same address."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[int] = set()

    def take(self) -> int:
        with self._lock:
            host = next(host for host in range(FIRST_HOST, LAST_HOST) if host not in self._taken)
            self._taken.add(host)
            return host

    def give_back(self, host: int | None) -> None:
        with self._lock:
            self._taken.discard(host or 0)


class Fleet:
    """Everything in one cloud. Thread-safe; machines start and stop in threads of their own."""

    def __init__(
        self,
        vendor: str,
        catalogue: Catalogue,
        addresses: Addresses,
        hosts: Hosts,
        machines: Machines,
        effects: EffectLog,
        wait: Callable[[float], None],
        faults: FaultTable | None = None,
    ) -> None:
        self.vendor = vendor
        self.catalogue = catalogue
        self.addresses = addresses
        self._hosts = hosts
        self.lock = threading.RLock()
        self.servers: dict[str, Server] = {}
        self.ended: dict[str, Server] = {}
        """Servers that are gone, for vendors that go on listing them for a while."""
        self.volumes: dict[str, Volume] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.firewalls: dict[str, Firewall] = {}
        self.floating: dict[str, FloatingAddress] = {}
        self._machines = machines
        self._effects = effects
        self._wait = wait
        self._faults = faults or FaultTable()
        self._stock = dict(catalogue.stock)
        self._moves: set[threading.Thread] = set()

    def server(self, server_id: str, zone: str) -> Server:
        """Raises Refusal."""
        server = self.servers.get(server_id)
        if server is None or server.zone != zone:
            raise not_found("server", server_id)
        return server

    def create(self, order: ServerOrder) -> Server:
        with self.lock:
            self.check_quota("servers", len(self.servers), 1)
            self.check_quota("cpu", sum(server.size.cpu for server in self.servers.values()), order.size.cpu)
            self.check_quota("volumes", len(self.volumes), len(list(_volumes(order))))
            if not order.started_later:
                self._check_stock(order.size)
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
                facts=dict(order.facts),
            )
            server.user_data.update(order.user_data)
            server.firewall = order.firewall
            for slot, volume in _volumes(order):
                volume.server = server.id
                server.volumes[slot] = self.volumes[volume.id] = volume
            self.servers[server.id] = server
            self._count("server.create", server)
            if not order.started_later:
                self._begin("poweron", server)
            return server

    def delete(self, server: Server, *, with_its_volumes: bool = False) -> None:
        """Deletes a stopped server; its volumes stay (Scaleway), or those go that are to go with it (others)."""
        with self.lock:
            if server.state != "stopped":
                raise Refusal("state", "instance should be powered off", resource="server", resource_id=server.id)
            self._remove(server, with_its_volumes=with_its_volumes)
            self._count("server.delete", server)
        self._machines.forget(server.id)

    def act(self, server: Server, action: str) -> None:
        """Begins an action; it ends in a thread of its own. Raises Refusal when state or stock do not allow it."""
        with self.lock:
            if action not in allowed_actions(server):
                message = f"server should be {_needed_state(action)}"
                raise Refusal("state", message, resource="server", resource_id=server.id)
            if action == "poweron":
                self._check_stock(server.size)
            server.modified = stamp()
            self._begin(action, server)
            self._count(f"server.{action}", server)

    def _begin(self, action: str, server: Server) -> None:
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

    def check_quota(self, resource: str, used: int, more: int) -> None:
        """Raises Refusal when `more` of this resource would be over its quota."""
        limit = self.catalogue.quotas.get(resource)
        if limit is not None and used + more > limit:
            raise Refusal("quota", f"quota of {resource} exceeded", resource=resource, limit=limit)

    def _check_stock(self, size: Size) -> None:
        """Takes one of the stock. Raises Refusal when there is none left."""
        left = self.catalogue.stock.get(size.name)
        if left is not None and left < 1:
            raise Refusal("stock", f"{size.name} is out of stock", resource=size.name)
        if left is not None:
            self.catalogue.stock[size.name] = left - 1

    def set_user_data(self, server: Server, key: str, value: bytes | None) -> None:
        with self.lock:
            if value is None:
                server.user_data.pop(key, None)
            else:
                server.user_data[key] = value
                self._count("server.user_data", server)

    def delete_volume(self, volume: Volume) -> None:
        with self.lock:
            if volume.server is not None:
                raise Refusal("in_use", "volume is attached to a server", resource="volume", resource_id=volume.id)
            del self.volumes[volume.id]
            self.effect("volume.delete", volume.name, volume.tags)

    def add_volume(self, volume: Volume) -> Volume:
        with self.lock:
            self.check_quota("volumes", len(self.volumes), 1)
            used = sum(each.size for each in self.volumes.values()) // GB
            self.check_quota("volume_gb", used, volume.size // GB)
            volume.created = volume.created or stamp()
            self.volumes[volume.id] = volume
            self.effect("volume.create", volume.name, volume.tags)
            return volume

    def attach(self, volume: Volume, server: Server) -> str:
        """Attaches at the next free slot; answers the slot."""
        with self.lock:
            if volume.server is not None:
                raise Refusal("in_use", "volume is attached to a server", resource="volume", resource_id=volume.id)
            slot = next(str(n) for n in range(1, 100) if str(n) not in server.volumes)
            server.volumes[slot] = volume
            volume.server = server.id
            self.effect("volume.attach", volume.name, volume.tags)
            return slot

    def detach(self, volume: Volume) -> None:
        with self.lock:
            server = self.servers.get(volume.server or "")
            if server is None:
                raise Refusal("state", "volume is not attached", resource="volume", resource_id=volume.id)
            server.volumes = {slot: each for slot, each in server.volumes.items() if each.id != volume.id}
            volume.server = None
            self.effect("volume.detach", volume.name, volume.tags)

    def add_snapshot(self, snapshot: Snapshot) -> Snapshot:
        with self.lock:
            self.check_quota("snapshots", len(self.snapshots), 1)
            self.snapshots[snapshot.id] = snapshot
            self.effect("snapshot.create", snapshot.name, snapshot.tags)
            return snapshot

    def delete_snapshot(self, snapshot: Snapshot) -> None:
        with self.lock:
            del self.snapshots[snapshot.id]
            self.effect("snapshot.delete", snapshot.name, snapshot.tags)

    def add_firewall(self, firewall: Firewall) -> Firewall:
        with self.lock:
            self.check_quota("firewalls", len(self.firewalls), 1)
            self.firewalls[firewall.id] = firewall
            self.effect("firewall.create", firewall.name, firewall.tags)
            return firewall

    def delete_firewall(self, firewall: Firewall) -> None:
        with self.lock:
            if any(server.firewall == firewall.id for server in self.servers.values()):
                raise Refusal("in_use", "firewall is in use", resource="firewall", resource_id=firewall.id)
            del self.firewalls[firewall.id]
            self.effect("firewall.delete", firewall.name, firewall.tags)

    def add_floating(self, floating: FloatingAddress, server: Server | None) -> None:
        with self.lock:
            self.check_quota("addresses", len(self.floating), 1)
            self.floating[floating.id] = floating
            self._lead(floating, server)
            self.effect("address.create", floating.address, floating.tags)

    def move_floating(self, floating: FloatingAddress, server: Server | None) -> None:
        with self.lock:
            self._lead(floating, server)
            self.effect("address.move", floating.address, floating.tags)

    def delete_floating(self, floating: FloatingAddress) -> None:
        with self.lock:
            del self.floating[floating.id]
            self.effect("address.delete", floating.address, floating.tags)

    def _lead(self, floating: FloatingAddress, server: Server | None) -> None:
        """A machine here has one address, so a floating one becomes that of the server it leads to."""
        floating.server = server.id if server else None
        led = self.address(server) if server else None
        floating.address = led or floating.address or f"203.0.113.{len(self.floating) % 250}"

    def reset(self) -> None:
        """No servers and no volumes: what was moving is waited for first."""
        self.settle()
        with self.lock:
            for server in list(self.servers.values()):
                self._machines.stop(server.id)
                self._machines.forget(server.id)
                self._hosts.give_back(server.host)
            for things in (self.servers, self.ended, self.volumes, self.snapshots, self.firewalls, self.floating):
                things.clear()
            self.catalogue.stock = dict(self._stock)

    def settle(self) -> None:
        """Returns when no action is under way."""
        with self.lock:
            moves = list(self._moves)
        for move in moves:
            move.join(30)

    def state(self) -> dict[str, list[dict[str, object]]]:
        """Everything without random ids and times, so that two worlds can be compared."""
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
            snapshots: list[dict[str, object]] = [
                {"name": each.name, "zone": each.zone, "size": each.size} for each in self.snapshots.values()
            ]
            firewalls: list[dict[str, object]] = [
                {"name": each.name, "zone": each.zone, "rules": sorted(map(repr, each.rules))}
                for each in self.firewalls.values()
            ]
            floating: list[dict[str, object]] = [
                {"zone": each.zone, "attached": each.server is not None, "tags": sorted(each.tags)}
                for each in self.floating.values()
            ]
        parts = {
            "servers": servers,
            "volumes": volumes,
            "snapshots": snapshots,
            "firewalls": firewalls,
            "addresses": floating,
        }
        return {name: sorted(things, key=repr) for name, things in parts.items()}

    def address(self, server: Server) -> str | None:
        return None if server.host is None else self.addresses.server(server.host)

    def _allocate(self, server: Server) -> None:
        server.host = self._hosts.take()
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
            hostname = str(server.facts.get("hostname") or server.name)
            self._machines.start(server.id, hostname, server.host, server.user_data.get("cloud-init"))
        except MachineError as failed:
            with self.lock:
                self._hosts.give_back(server.host)
                server.state, server.state_detail, server.host = "stopped", f"boot failed: {failed}", None
            return
        self._wait(max(0.0, SHORTEST_BOOT - (time.monotonic() - started)))
        with self.lock:
            server.state, server.state_detail, server.modified = "running", "booted", stamp()

    def _may_boot(self, server: Server) -> bool:
        """False when a fault keeps the server `starting` for good; raises MachineError when one fails the boot."""
        fault = self._faults.take(self.vendor, f"BOOT {server.name}")
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
            self._hosts.give_back(server.host)
            server.state, server.state_detail, server.host, server.modified = "stopped", "", None, stamp()

    def _terminate(self, server: Server) -> None:
        self._machines.stop(server.id)
        with self.lock:
            self._remove(server, with_its_volumes=True)
        self._machines.forget(server.id)

    def _remove(self, server: Server, *, with_its_volumes: bool) -> None:
        self.ended[server.id] = self.servers.pop(server.id)
        self._hosts.give_back(server.host)
        for volume in server.volumes.values():
            volume.server = None
            if with_its_volumes and volume.goes_with_server:
                del self.volumes[volume.id]
        for floating in self.floating.values():
            if floating.server == server.id:
                floating.server = None

    def _count(self, action: str, server: Server) -> None:
        self.effect(action, server.name, server.tags)

    def effect(self, action: str, target: str, tags: Iterable[str] = ()) -> None:
        """Note a write."""
        self._effects.add(self.vendor, action, target, ",".join(tags))


def _needed_state(action: str) -> str:
    return "stopped" if action == "poweron" else "running"


def _volumes(order: ServerOrder) -> Iterator[tuple[str, Volume]]:
    """The root volume, as asked or of the size's own kind, and what else was asked for."""
    asked: dict[str, dict[str, Any]] = ({"0": {}} if order.root_is_volume else {}) | order.volumes
    for slot, wish in sorted(asked.items()):
        kind = wish.get("volume_type") or order.size.storage
        name = wish.get("name") or (f"{order.image.label}-{order.name}" if slot == "0" else f"{order.name}-{slot}")
        size = int(wish.get("size") or ROOT_GB * GB)
        goes = bool(wish.get("goes_with_server", kind == LOCAL))
        yield slot, Volume(str(uuid.uuid4()), name, size, kind, order.zone, created=stamp(), goes_with_server=goes)
