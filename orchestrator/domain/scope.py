"""A scope: where everything is in a rehearsal, a drill or a live run, and which secrets open it.

Every address, port, authority and credential reference of a provider is data
here; the models say which keys each driver has.
"""

import ipaddress
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.domain.model import Mode
from orchestrator.domain.salvage import Part
from providers.wants import EstatePath, HostName, Name, Network, Port, SecretRef, Zone
from providers.wants import WebAddress as Url

Authorities = Annotated[
    str,
    Field(
        max_length=500,
        pattern=r"^(?:[^:]|:[^/]|:/[^/])+$",
        description="a PEM file: in the estate, or absolute",
    ),
]
Mailbox = Annotated[
    str, Field(max_length=254, pattern=r"^[^\s@]+@[^\s@]+$", description="a mail address such as crisis@example.net")
]
Region = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9\-]{0,40}$", description="a region such as fr-par")]
_DOMAIN = r"^(?:[a-z0-9][a-z0-9\-]*\.)+[a-z][a-z0-9\-]+$"
ImageName = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9.\-]{0,60}$", description="a neutral image name such as debian-12")
]
Identifier = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        description="an identifier such as 7a1b0c5e-0000-4000-8000-000000000001",
    ),
]


def _address(text: str) -> str:
    """`192.0.2.53`, `192.0.2.53:53` or `[2001:db8::1]:53`: looking a name up would need a resolver first."""
    host, port = text, "53"
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or (port if closed else "")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        ipaddress.ip_address(host)
        right = port.isdecimal() and 0 < int(port[:6]) < 65536
    except ValueError:
        right = False
    if not right:
        raise PydanticCustomError(
            "no_address",
            "This is not an IP address with a port.",
            {"remedy": "Write it such as 192.0.2.53:53 or [2001:db8::53]:53."},
        )
    return text


Address = Annotated[str, Field(max_length=60), AfterValidator(_address)]


class Cloud(Part):
    """What every cloud's entry may say: names of images, and how many steps may be there at once."""

    ca: Authorities | None = None
    ssh_key: str | None = Field(default=None, max_length=100, description="the name of a public key kept there")
    images: dict[ImageName, Annotated[str, Field(max_length=100)]] = Field(
        default_factory=dict, description="image name of the runbooks: the vendor's own name or id"
    )
    concurrency: int | None = Field(default=None, ge=1, le=64, description="steps at this cloud at the same time")
    requests_per_second: float | None = Field(default=None, gt=0, le=1000, description="to this cloud, of all steps")


class ScalewayCompute(Cloud):
    """Scaleway's Instance API; without `url`, the vendor's own."""

    driver: Literal["scaleway"]
    url: Url | None = None
    zone: Region
    project: Identifier
    organization: Identifier | None = None
    token: SecretRef


class OpenStackCompute(Cloud):
    """Any OpenStack cloud, by an application credential of Keystone v3.

    `domain`: the cloud's services may be on hosts of it, besides Keystone's own.
    `endpoints`: where a service is, instead of what Keystone says. `network`: what
    servers are attached to; `floating_network`: the external network that gives
    them public addresses, where their own has none.
    """

    driver: Literal["openstack"]
    url: Url
    region: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,60}$", description="a region such as RegionOne")
    ]
    credential: SecretRef
    secret: SecretRef
    interface: Literal["public", "internal"] = "public"
    domain: Annotated[str, Field(pattern=_DOMAIN, description="a domain such as cloud.ovh.net")] | None = None
    endpoints: dict[Literal["compute", "volume", "network", "image"], Url] = Field(default_factory=dict)
    network: str | None = Field(default=None, max_length=255, description="a network's name or id")
    floating_network: str | None = Field(default=None, max_length=255, description="an external network's name or id")
    availability_zone: str | None = Field(default=None, max_length=255)


class OvhCloudCompute(Cloud):
    """OVHcloud Public Cloud by its native API; without `url`, the vendor's own in Europe."""

    driver: Literal["ovhcloud"]
    url: Url | None = None
    region: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9\-]{1,40}$", description="a region such as GRA11")]
    project: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", description="a project's id, 32 digits and letters a-f")]
    application_key: SecretRef
    application_secret: SecretRef
    consumer_key: SecretRef


class OutscaleCompute(Cloud):
    """The OUTSCALE API of one region; without `url`, the vendor's own, without `zone`, the region's first Subregion."""

    driver: Literal["outscale"]
    url: Url | None = None
    region: Region
    zone: Region | None = None
    access_key: SecretRef
    secret_key: SecretRef
    security_group: (
        Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8}$", description="a security group such as sg-0123abcd")] | None
    ) = None


Compute = Annotated[
    OpenStackCompute | OutscaleCompute | OvhCloudCompute | ScalewayCompute, Field(discriminator="driver")
]


class Rfc2136Zone(Part):
    """A zone changed by RFC 2136 updates, signed with a TSIG key; the first server is the primary."""

    driver: Literal["rfc2136"]
    servers: list[Address] = Field(min_length=1, max_length=13)
    key_name: HostName
    key_algorithm: Literal["hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    key: SecretRef


class PowerDnsZone(Part):
    """A zone changed through PowerDNS's HTTP API; `servers` answer for it."""

    driver: Literal["powerdns"]
    url: Url
    server_id: Annotated[str, Field(max_length=60, pattern=r"^[A-Za-z0-9_.\-]+$", description="a server id")] = (
        "localhost"
    )
    servers: list[Address] = Field(min_length=1, max_length=13)
    api_key: SecretRef
    ca: Authorities | None = None


class OvhcloudZone(Part):
    """A zone at OVHcloud; without `url`, the vendor's own API. The keys are those of one application and account."""

    driver: Literal["ovhcloud"]
    url: Url | None = None
    servers: list[Address] = Field(min_length=1, max_length=13)
    application_key: SecretRef
    application_secret: SecretRef
    consumer_key: SecretRef
    ca: Authorities | None = None


class ScalewayZone(Part):
    """A zone of one project at Scaleway; without `url`, the vendor's own API."""

    driver: Literal["scaleway"]
    url: Url | None = None
    servers: list[Address] = Field(min_length=1, max_length=13)
    project: Identifier
    token: SecretRef
    ca: Authorities | None = None


class GandiZone(Part):
    """A zone at Gandi's LiveDNS; without `url`, the vendor's own API. The token is a personal access token."""

    driver: Literal["gandi"]
    url: Url | None = None
    servers: list[Address] = Field(min_length=1, max_length=13)
    token: SecretRef
    ca: Authorities | None = None


DnsZone = Annotated[Rfc2136Zone | PowerDnsZone | OvhcloudZone | ScalewayZone | GandiZone, Field(discriminator="driver")]


class Dns(Part):
    """`resolvers` look up the names that probes and mail ask for; `zones` are those that runbooks change."""

    resolvers: list[Address] = Field(default_factory=list, max_length=20)
    zones: dict[Zone, DnsZone] = Field(default_factory=dict)


class S3Store(Part):
    """An object store that speaks S3; where vendors differ is data here."""

    driver: Literal["s3"]
    url: Url
    region: Region | None = None
    access_key: SecretRef
    secret_key: SecretRef
    ca: Authorities | None = None
    addressing: Literal["path", "virtual"] = Field(
        default="path", description="the bucket in the path, or as the first label of the host"
    )
    part_mib: int = Field(
        default=16, ge=5, le=5120, description="MiB above which an object goes in parts, and of one part"
    )
    max_parts: int = Field(default=10_000, ge=1, le=10_000, description="parts that one object may have")
    parallel: int = Field(default=4, ge=1, le=32, description="transfers side by side")


class AwsSource(Part):
    """An account at AWS that is read, never changed: EC2 in one region, S3, Route 53; without URLs, AWS's own."""

    driver: Literal["aws"]
    region: Region
    ec2_url: Url | None = None
    s3_url: Url | None = None
    route53_url: Url | None = None
    access_key: SecretRef
    secret_key: SecretRef
    ca: Authorities | None = None


class Ssh(Part):
    """How plays and probes enter servers."""

    user: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]{0,31}$", description="a user name")] = "root"
    port: Port = 22
    key: SecretRef
    host_keys: Literal["accept-new"] = "accept-new"


class Smtp(Part):
    """Who the mail probes say they are."""

    helo: HostName | None = None
    from_: Mailbox | None = Field(default=None, alias="from")
    ca: Authorities | None = None


class Tls(Part):
    """The authorities that certificates are checked against; `verify` also checks those of mail servers."""

    ca: SecretRef | Authorities | None = Field(
        default=None, description="a PEM file, in the estate or absolute, or a secret that holds it"
    )
    verify: bool = False


class SmtpChannel(Part):
    """Messages go out as mail."""

    driver: Literal["smtp"]
    host: HostName
    port: Port = 25
    from_: Mailbox = Field(alias="from")
    to: list[Mailbox] = Field(min_length=1, max_length=100)


class AppriseChannel(Part):
    """Messages go out through Apprise; its URL holds a token, so it is a secret."""

    driver: Literal["apprise"]
    url: SecretRef
    sms: bool = Field(default=False, description="each message is an SMS: people.inform then sends a short text")


Channel = Annotated[SmtpChannel | AppriseChannel, Field(discriminator="driver")]


class MastodonAccount(Part):
    """An account at a server with Mastodon's API: the token has write:statuses, write:accounts and read:accounts."""

    driver: Literal["mastodon"]
    url: Url
    token: SecretRef


class People(Part):
    """What shows that a notice to people is the organisation's. All of it is optional.

    `certificate` and its `signing_key`: S/MIME, for mail. `notice_key`: Ed25519, for the text itself; its public
    half is published beforehand. `page`: where the organisation publishes its notices, an address that people know.
    """

    certificate: EstatePath | None = None
    signing_key: SecretRef | None = None
    notice_key: SecretRef | None = None
    page: Url | None = None

    @model_validator(mode="after")
    def _whole_certificate(self) -> Self:
        if (self.certificate is None) != (self.signing_key is None):
            raise PydanticCustomError(
                "half_a_certificate",
                "A certificate for mail has both a `certificate` and a `signing_key`.",
                {"remedy": "Give both, or neither."},
            )
        return self


class Scope(Part):
    """One scope. `networks` are the only addresses that its providers may reach; without them, any."""

    mode: Mode
    prefix: Annotated[
        str,
        Field(pattern=r"^(?:[a-z0-9][a-z0-9\-]{0,20})?$", description="a short prefix of server names, such as drill-"),
    ] = ""
    networks: list[Network] | None = Field(default=None, max_length=100)
    zones: dict[Zone, Zone] = Field(default_factory=dict, description="runbook's zone: the zone used in this scope")
    compute: dict[Name, Compute] = Field(default_factory=dict)
    dns: Dns = Dns()
    storage: dict[Name, S3Store] = Field(default_factory=dict)
    sources: dict[Name, AwsSource] = Field(default_factory=dict, description="what is inventoried while it answers")
    ssh: Ssh | None = None
    smtp: Smtp = Smtp()
    tls: Tls = Tls()
    notify: dict[Name, Channel] = Field(default_factory=dict)
    social: dict[Name, MastodonAccount] = Field(default_factory=dict)
    people: People = People()

    @model_serializer(mode="wrap")
    def _without_absent_blocks(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A block that the estate does not have is not there for providers either."""
        found: dict[str, Any] = serialize(self)
        return {key: value for key, value in found.items() if value is not None}
