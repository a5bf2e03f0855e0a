"""What a step of each kind asks for: its `with` block, checked before anything runs.

The models are the one description of a kind's inputs: the validator, the JSON
Schema for editors and the providers all read them.
"""

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"^(?:\d{1,9}(?:ms|s|m|h|d)){1,9}\Z", re.ASCII)
_MOST_SECONDS = 1e9


def seconds(text: object) -> float:
    """`1h30m`, `10m`, `500ms` -> seconds. Raises ValueError with the accepted form."""
    if isinstance(text, timedelta):
        return text.total_seconds()
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError("a duration such as 30s, 10m or 1h30m")
    if not isinstance(text, str):
        if not 0 <= text <= _MOST_SECONDS:
            raise ValueError("a duration such as 30s, 10m or 1h30m")
        return float(text)
    if not _DURATION.match(text):
        raise ValueError("a duration such as 30s, 10m or 1h30m")
    return sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)(ms|s|m|h|d)", text))


Seconds = Annotated[
    float,
    BeforeValidator(seconds, json_schema_input_type=str),
    Field(examples=["30s", "10m", "1h30m"], json_schema_extra={"pattern": r"^(\d{1,9}(ms|s|m|h|d)){1,9}$"}),
]
"""A duration, written `30s`, `10m`, `1h30m`; in code, seconds."""

HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_.:][A-Za-z0-9_.:\-]*$")]
"""A name or address; never one that a program could take for an option."""
Zone = Annotated[
    str, Field(max_length=253, pattern=r"^(?:[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9])?\.)+[a-z0-9\-]{2,63}$")
]
Port = Annotated[int, Field(ge=1, le=65535)]
EstatePath = Annotated[
    str, Field(max_length=500, pattern=r"^\.?[A-Za-z0-9_\-][A-Za-z0-9_.\-]*(?:/\.?[A-Za-z0-9_\-][A-Za-z0-9_.\-]*)*/?$")
]
"""A file of the estate, relative to its root; never absolute, never `..`."""
Name = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?$")]
"""A short lower-case name with digits and hyphens."""
SecretRef = Annotated[str, Field(pattern=r"^secret://[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?$")]


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise PydanticCustomError(
            "no_network", "This is not a network.", {"remedy": 'Write it such as 192.0.2.0/24 or "2001:db8::/32".'}
        ) from None
    return text


Network = Annotated[str, Field(max_length=60), AfterValidator(_network)]
"""`192.0.2.0/24` or `2001:db8::/32`."""


class Wish(BaseModel):
    """The base of every `with` block: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Words(Wish):
    """A text for people, in French and in English."""

    fr: str = Field(min_length=1, max_length=4000)
    en: str = Field(min_length=1, max_length=4000)


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


class Play(Wish):
    """`ansible.play`: one play of the estate on hosts given by name and address."""

    play: EstatePath
    hosts: dict[Name, HostName] = Field(min_length=1, description="inventory name: address")
    vars: dict[Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")], Any] = Field(default_factory=dict)
    secrets: dict[Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$")], SecretRef] = Field(default_factory=dict)


LONGEST_TTL = 604800
"""Seconds: no resolver should keep a record longer, whatever its TTL says (RFC 8767 §4)."""

RecordType = Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"]


RecordOwner = Annotated[
    str, Field(max_length=253, pattern=r"^(?:@|\*|[A-Za-z0-9_*](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_])?)$")
]
"""A record's name inside its zone; `@` is the zone's own."""


class Record(Wish):
    """A wanted record set: all values of one name and type. `@` is the zone's own name."""

    name: RecordOwner
    type: RecordType
    state: Literal["present", "absent"] = "present"
    ttl: int = Field(default=300, ge=1, le=LONGEST_TTL, description="seconds")
    values: list[str] = Field(
        default_factory=list, max_length=100, description="in zone-file form; an MX is '10 mx.example.net.'"
    )

    @model_validator(mode="after")
    def _values(self) -> Self:
        if self.state == "present" and not self.values:
            raise PydanticCustomError(
                "no_values",
                "A record set that must be present needs values.",
                {"remedy": "Add `values`, a list in zone-file form, or write `state: absent`."},
            )
        if self.state == "absent" and self.values:
            raise PydanticCustomError(
                "needless_values",
                "A record set that must be absent has no values.",
                {"remedy": "Remove `values`, or remove `state: absent`."},
            )
        return self


MOST_ZONES = 1000
"""Zones that one step may name."""


class InZones(Wish):
    """The base of what concerns one zone, or the same in each of several. Invariant: exactly one of the two is given.

    A provider's drivers are given wishes of one zone, see `at`.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["zone"]}, {"required": ["zones"]}]})

    zone: Zone = ""
    zones: list[Zone] = Field(default_factory=list, max_length=MOST_ZONES, description="in place of `zone`")

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if bool(self.zone) == bool(self.zones):
            raise PydanticCustomError(
                "zone_or_zones",
                "A step names its `zone`, or several `zones`, and not both.",
                {"remedy": "Write `zone: example.net`, or `zones: [example.net, example.org]`."},
            )
        twice = sorted({zone for zone in self.zones if self.zones.count(zone) > 1})
        if twice:
            raise PydanticCustomError(
                "zone_twice",
                "The zone {zone} stands in `zones` more than once.",
                {
                    "zone": twice[0],
                    "remedy": "Name each zone once; see also the scope's `zones`, which may map two to one.",
                },
            )
        return self

    def at(self, zone: str) -> Self:
        """The same wish for this zone alone."""
        return self.model_copy(update={"zone": zone, "zones": []})


class Records(InZones):
    """`dns.records`: record sets of a zone, changed together from what the plan saw to what is wanted."""

    records: list[Record] = Field(min_length=1, max_length=500)


class RecordName(Wish):
    """A record set, by its name and type alone."""

    name: RecordOwner
    type: RecordType


class Ttl(InZones):
    """`dns.ttl`: the TTL of record sets, whose values stay; over when no cache can hold an older TTL any more."""

    ttl: int = Field(ge=1, le=LONGEST_TTL, description="seconds")
    records: list[RecordName] = Field(min_length=1, max_length=500)
    change: Literal["lower", "set"] = Field(
        default="lower", description="lower leaves alone what is at or below `ttl` already, set also raises"
    )
    longest: Annotated[Seconds, Field(gt=0, le=LONGEST_TTL)] = Field(
        default=float(LONGEST_TTL), description="the longest old TTL that is waited for; the step refuses one above"
    )


class Place(Wish):
    """A bucket at a store of the scope's `storage` block."""

    store: Name
    bucket: str = Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.\-]+[a-z0-9]$")


class Copy(Wish):
    """`storage.copy`: objects missing or different at the target are copied; what is only there stays."""

    source: Place = Field(alias="from")
    target: Place = Field(alias="to")
    prefix: str = Field(default="", max_length=1000)


def _sample(value: object) -> int | float:
    """`200` -> 200 objects; `5%` -> 0.05, a share. Raises ValueError with the accepted form."""
    if isinstance(value, float) and 0 < value <= 1:
        return value  # a share that was read before
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000_000:
        return value
    if isinstance(value, str) and _SHARE.match(value) and 0 < float(value[:-1]) <= 100:
        return float(value[:-1]) / 100
    raise ValueError("a number of objects or a share of them, such as 200 or 5%")


_SHARE = re.compile(r"^\d{1,3}(?:\.\d{1,6})?%\Z", re.ASCII)

Sample = Annotated[
    int | float,
    BeforeValidator(_sample, json_schema_input_type=int | str),
    Field(
        examples=[200, "5%"],
        description="a number of objects or a share of them, such as 200 or 5%",
        json_schema_extra={"pattern": r"^\d{1,3}(\.\d{1,6})?%$"},
    ),
]
"""How many objects are read: a number, or a share written `5%`; in code, an int or a float up to 1."""


class Verify(Wish):
    """`storage.verify`: every object of the source is at the target with the same content. Changes nothing."""

    source: Place = Field(alias="from")
    target: Place = Field(alias="to")
    prefix: str = Field(default="", max_length=1000)
    how: Literal["listing", "sample", "full"] = Field(
        default="listing", description="by the stores' checksums, or by reading some or all objects on both sides"
    )
    sample: Sample | None = None

    @model_validator(mode="after")
    def _sample_is_meant(self) -> Self:
        if self.sample is not None and self.how != "sample":
            raise PydanticCustomError(
                "needless_sample",
                "A sample has a size, and this comparison takes none.",
                {"remedy": "Write `how: sample`, or remove `sample`."},
            )
        return self


class HttpProbe(Wish):
    """`probe.http`: names resolve through the scope's resolvers."""

    url: str = Field(max_length=2000, pattern=r"^https?://[^\s]+$")
    status: int = Field(default=200, ge=100, le=599)
    contains: str | None = Field(default=None, max_length=1000)
    address: HostName | None = Field(default=None, description="connect here instead of what the name resolves to")


class TcpProbe(Wish):
    """`probe.tcp`: the port accepts a connection."""

    host: HostName
    port: Port


class TlsProbe(Wish):
    """`probe.tls`: the certificate is valid for the name, under the scope's authorities."""

    host: HostName
    port: Port = 443
    server_name: HostName | None = None
    days_left: int = Field(default=1, ge=0, le=400)


class DnsProbe(Wish):
    """`probe.dns`: every authoritative server of the zone answers these values, in any order."""

    zone: Zone
    name: str = Field(default="@", max_length=253)
    type: RecordType
    values: list[str] = Field(min_length=1, max_length=100)


class SmtpProbe(Wish):
    """`probe.smtp`: every MX of the domain greets; with `deliver_to` one of them takes a canary message."""

    domain: Zone
    port: Port = 25
    mx: list[HostName] = Field(default_factory=list, description="the MX hosts that must be published, no others")
    deliver_to: str | None = Field(default=None, max_length=254, pattern=r"^[^\s@]+@[^\s@]+$")


class SshProbe(Wish):
    """`probe.ssh`: the server greets with SSH-2.0 and, given the scope's key, lets it in."""

    host: HostName
    port: Port = 22


class Approval(Wish):
    """`human.approval`: a hold point; `count` distinct people of the role say yes."""

    role: Literal["operator", "approver"] = "approver"
    count: int = Field(default=1, ge=1, le=5)
    instructions: EstatePath | None = None


class Task(Wish):
    """`human.task`: a paper procedure that a person does and acknowledges by name."""

    instructions: EstatePath
    role: Literal["operator", "approver"] = "operator"


class Wait(Wish):
    """`wait.for`: a pause that needs nobody."""

    duration: Seconds


class Message(Wish):
    """`notify.send`: one message to a channel of the scope's `notify` block."""

    channel: Name
    title: Words
    body: Words


class Nested(Wish):
    """`runbook.run`: the steps of another runbook, in place of this one."""

    runbook: Name
    parameters: dict[str, Any] = Field(default_factory=dict)
