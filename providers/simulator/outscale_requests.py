"""What the OUTSCALE API's actions take: the parameters that are checked here, in the vendor's names.

Source: the vendor's published OpenAPI description 1.42. It has more parameters
and filters than these; one that is not here is refused, not ignored.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

Ids = list[str]


class Asked(BaseModel):
    """The body of a request: no unknown names, no values of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_pascal)


class Action(Asked):
    dry_run: bool = False


class Tag(Asked):
    key: Annotated[str, Field(min_length=1, max_length=255)]
    value: Annotated[str, Field(max_length=255)]

    @property
    def text(self) -> str:
        return f"{self.key}={self.value}" if self.value else self.key


class Tagged(Asked):
    """The filters that everything with tags has."""

    tags: list[str] | None = None
    tag_keys: list[str] | None = None
    tag_values: list[str] | None = None


class Page(Action):
    next_page_token: str | None = None
    results_per_page: Annotated[int, Field(ge=1, le=1000)] = 1000


# Servers


class Bsu(Asked):
    delete_on_vm_deletion: bool = True
    iops: int | None = None
    snapshot_id: str | None = None
    volume_size: int | None = None
    volume_type: Literal["standard", "io1", "gp2"] = "standard"


class Device(Asked):
    bsu: Bsu | None = None
    device_name: str | None = None
    no_device: str | None = None


class Placement(Asked):
    subregion_name: str | None = None
    tenancy: str | None = None


class CreateVms(Action):
    image_id: str
    vm_type: str = "t2.small"
    boot_on_creation: bool = True
    block_device_mappings: list[Device] = Field(default_factory=list)
    client_token: str | None = None
    keypair_name: str | None = None
    max_vms_count: Literal[1] = 1
    min_vms_count: Literal[1] = 1
    performance: Literal["medium", "high", "highest"] = "high"
    placement: Placement | None = None
    security_group_ids: Ids = Field(default_factory=list)
    user_data: str | None = None


class VmFilters(Tagged):
    vm_ids: Ids | None = None
    client_tokens: list[str] | None = None
    security_group_ids: Ids | None = None
    vm_state_names: list[str] | None = None


class ReadVms(Page):
    filters: VmFilters = Field(default_factory=VmFilters)


class Vms(Action):
    vm_ids: Annotated[Ids, Field(min_length=1)]


class StopVms(Vms):
    force_stop: bool = False


class UpdateVm(Action):
    vm_id: str
    user_data: str | None = None


class CreateTags(Action):
    resource_ids: Ids
    tags: list[Tag]


# Storage


class CreateVolume(Action):
    subregion_name: str
    client_token: str | None = None
    iops: int | None = None
    size: Annotated[int, Field(ge=1, le=14901)] | None = None
    snapshot_id: str | None = None
    volume_type: Literal["standard", "io1", "gp2"] = "standard"


class VolumeFilters(Tagged):
    volume_ids: Ids | None = None
    client_tokens: list[str] | None = None


class ReadVolumes(Page):
    filters: VolumeFilters = Field(default_factory=VolumeFilters)


class LinkVolume(Action):
    device_name: str
    vm_id: str
    volume_id: str


class UnlinkVolume(Action):
    volume_id: str
    force_unlink: bool = False


class DeleteVolume(Action):
    volume_id: str


class CreateSnapshot(Action):
    volume_id: str
    client_token: str | None = None
    description: str = ""


class SnapshotFilters(Tagged):
    snapshot_ids: Ids | None = None
    client_tokens: list[str] | None = None


class ReadSnapshots(Page):
    filters: SnapshotFilters = Field(default_factory=SnapshotFilters)


class DeleteSnapshot(Action):
    snapshot_id: str


# Security groups


class CreateSecurityGroup(Action):
    description: Annotated[str, Field(max_length=255, pattern=r"^[\w .\-:/()#,@\[\]+=&;{}!$*]+$")]
    security_group_name: Annotated[str, Field(max_length=255, pattern=r"^[a-zA-Z0-9 _.\-:/()#,@\[\]+=&;{}!$*]+$")]
    net_id: str | None = None


class SecurityGroupRule(Asked):
    ip_protocol: Literal["tcp", "udp", "icmp", "-1"] = "-1"
    from_port_range: int | None = None
    to_port_range: int | None = None
    ip_ranges: list[str]


class CreateSecurityGroupRule(Action):
    security_group_id: str
    flow: Literal["Inbound"]
    rules: Annotated[list[SecurityGroupRule], Field(min_length=1)]


class SecurityGroupFilters(Tagged):
    security_group_ids: Ids | None = None
    security_group_names: list[str] | None = None
    descriptions: list[str] | None = None


class ReadSecurityGroups(Page):
    filters: SecurityGroupFilters = Field(default_factory=SecurityGroupFilters)


class DeleteSecurityGroup(Action):
    security_group_id: str


# What there is


class ImageFilters(Asked):
    image_ids: Ids | None = None
    image_names: list[str] | None = None
    account_aliases: list[str] | None = None
    architectures: list[str] | None = None
    states: list[str] | None = None


class ReadImages(Page):
    filters: ImageFilters = Field(default_factory=ImageFilters)


class PublicIpFilters(Tagged):
    public_ip_ids: Ids | None = None


class ReadPublicIps(Page):
    filters: PublicIpFilters = Field(default_factory=PublicIpFilters)


class DeletePublicIp(Action):
    public_ip: str | None = None
    public_ip_id: str | None = None


class QuotaFilters(Asked):
    quota_types: list[str] | None = None


class ReadQuotas(Page):
    filters: QuotaFilters = Field(default_factory=QuotaFilters)
