"""What a simulated cloud has: servers, their orders, volumes and addresses, and the words in which it refuses."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from providers.simulator.fleet_catalogue import Image, Size

LOCAL = "l_ssd"
"""The kind of volumes that live on the server's own host, and end with it."""


Cause = Literal["not_found", "state", "in_use", "quota", "stock"]


class Refusal(Exception):
    """The fleet does not do what was asked: why, of what kind of thing, and which one."""

    def __init__(
        self, cause: Cause, message: str, *, resource: str = "", resource_id: str = "", limit: int = 0
    ) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.resource = resource
        self.resource_id = resource_id
        self.limit = limit


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
    goes_with_server: bool = False
    tags: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Snapshot:
    id: str
    name: str
    size: int
    zone: str
    volume: str
    created: str
    tags: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Firewall:
    """`rules`: in the vendor's own shape."""

    id: str
    name: str
    zone: str
    rules: list[dict[str, Any]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class FloatingAddress:
    """A public address that is kept apart from servers. `server`: the one that it leads to."""

    id: str
    zone: str
    created: str
    server: str | None = None
    address: str = ""
    tags: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


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
    firewall: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    """What only this vendor's face knows of it: a client token, a key pair; `hostname` where the name is not one."""


@dataclass(frozen=True, slots=True)
class ServerOrder:
    """What a creation asks for, checked."""

    name: str
    zone: str
    project: str
    size: Size
    image: Image
    tags: list[str]
    dynamic_ip: bool = True
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    user_data: dict[str, bytes] = field(default_factory=dict)
    firewall: str | None = None
    started_later: bool = True
    """False where the vendor boots a server as it makes it."""
    root_is_volume: bool = True
    """False where the root disk is the host's own and no volume that the vendor speaks of."""
    facts: dict[str, Any] = field(default_factory=dict)


def stamp() -> str:
    return datetime.now(UTC).isoformat()


def not_found(resource: str, resource_id: str) -> Refusal:
    return Refusal("not_found", f"{resource} {resource_id} does not exist", resource=resource, resource_id=resource_id)


def allowed_actions(server: Server) -> list[str]:
    return {"stopped": ["poweron", "backup"], "running": ["poweroff", "terminate", "reboot", "stop_in_place"]}.get(
        server.state, []
    )
