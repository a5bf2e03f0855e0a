"""What steps of the kinds `compute.*` ask for: servers, volumes, snapshots."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import EstatePath, Name, Network, Port, Wish


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Providers = Annotated[
    list[Name],
    BeforeValidator(_listed, json_schema_input_type=Name | list[Name]),
    Field(min_length=1, max_length=5, description="a provider, or several in the order in which they are tried"),
]
"""One name, or several: the next is taken when one has no room."""


class Resources(Wish):
    """What a server must have at least: at each provider the cheapest size that has it is taken."""

    cpu: int = Field(ge=1, le=512)
    memory: float = Field(gt=0, le=8192, description="GB")
    disk: float = Field(default=10, gt=0, le=16384, description="GB of the root disk")
    architecture: Literal["x86_64", "arm64"] = "x86_64"


class FirewallRule(Wish):
    """Inbound traffic that is let in; what no rule names is dropped."""

    protocol: Literal["tcp", "udp", "icmp"] = "tcp"
    port: Port | None = None
    source: Network = Field(default="0.0.0.0/0", alias="from")

    @model_validator(mode="after")
    def _port(self) -> Self:
        if (self.port is None) != (self.protocol == "icmp"):
            raise PydanticCustomError(
                "rule_port",
                "A rule for tcp or udp needs a port, and one for icmp has none.",
                {"remedy": "Write it such as {port: 443}, or {protocol: icmp}."},
            )
        return self


class Server(Wish):
    """`compute.server`: one server at a provider of the scope's `compute` block."""

    provider: Providers
    name: Name
    size: str | None = Field(default=None, max_length=60, description="the provider's size, such as DEV1-S")
    resources: Resources | None = Field(default=None, description="in place of a size: what it must have at least")
    image: str | None = Field(default=None, max_length=80, description="such as debian-12, or the provider's own name")
    state: Literal["present", "existing", "absent"] = Field(
        default="present",
        description="existing finds a server that an earlier run of Bascule made, absent releases it",
    )
    user_data: EstatePath | None = Field(default=None, description="cloud-init file in the estate")
    firewall: list[FirewallRule] | None = Field(
        default=None, min_length=1, max_length=50, description="without it, the provider's default firewall holds"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.state != "present":
            return self
        if self.image is None or (self.size is None and self.resources is None):
            raise PydanticCustomError(
                "incomplete_server",
                "A server that must be present needs a size and an image.",
                {
                    "remedy": "Add `size` (or `resources`) and `image`, such as DEV1-S and debian-12, "
                    "or write `state: existing`."
                },
            )
        if self.size is not None and self.resources is not None:
            raise PydanticCustomError(
                "two_sizes",
                "A server has a size or resources, not both.",
                {"remedy": "Remove `size`: the cheapest that has the resources is taken."},
            )
        if self.size is not None and len(self.provider) > 1:
            raise PydanticCustomError(
                "size_of_several",
                "A size is one provider's own, and this server may be at several.",
                {"remedy": "Write `resources`, such as {cpu: 2, memory: 4}, in place of `size`."},
            )
        return self


class Volume(Wish):
    """`compute.volume`: a disk beside a server, empty or from a snapshot; attached to `server` when it is named."""

    provider: Name
    name: Name
    size: float = Field(ge=1, le=16384, description="GB")
    server: str | None = Field(default=None, max_length=100, description="the id of a server, an earlier step's output")
    snapshot: str | None = Field(default=None, max_length=100, description="the id of a snapshot to begin from")


class Snapshot(Wish):
    """`compute.snapshot`: a copy of a volume at one moment."""

    provider: Name
    name: Name
    volume: str = Field(min_length=1, max_length=100, description="the id of a volume, an earlier step's output")
    flavour: str = Field(default="sbs_volume", max_length=40, description="the vendor's kind of the volume")
