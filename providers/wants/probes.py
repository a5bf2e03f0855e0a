"""What steps of the kinds `probe.*` ask for: one fact of the world each, which must hold."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import AtAddress, HostName, Port, Wish, Zone
from providers.wants.dns import RecordType

MailAddress = Annotated[str, Field(max_length=254, pattern=r"^[^\s@<>\"]+@[^\s@<>\"]+$")]


class HttpProbe(AtAddress):
    """`probe.http`: names resolve through the scope's resolvers."""

    url: str = Field(max_length=2000, pattern=r"^https?://[^\s]+$")
    status: int = Field(default=200, ge=100, le=599)
    contains: str | None = Field(default=None, max_length=1000)


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
    """`probe.dns`: every authoritative server of the zone answers these values, in any order.

    `at: resolvers` asks each of the scope's resolvers instead, which answer from their caches. `match: among` lets
    other values be there too.
    """

    zone: Zone
    name: str = Field(default="@", max_length=253)
    type: RecordType
    values: list[str] = Field(min_length=1, max_length=100)
    at: Literal["authorities", "resolvers"] = "authorities"
    match: Literal["exactly", "among"] = "exactly"


class SmtpProbe(Wish):
    """`probe.smtp`: every MX of the domain greets; with `deliver_to` the first of them takes a canary message.

    `servers` are asked in place of the published MX: a new side shows that it takes the domain's mail before any
    mail is led to it. `tls: required` wants STARTTLS with a certificate that is valid for the host's name.
    """

    domain: Zone
    port: Port = 25
    mx: list[HostName] = Field(default_factory=list, description="the MX hosts that must be published, no others")
    servers: list[HostName] = Field(default_factory=list, max_length=20, description="asked in place of the MX hosts")
    tls: Literal["reported", "required"] = "reported"
    deliver_to: MailAddress | None = None

    @model_validator(mode="after")
    def _published_or_named(self) -> Self:
        if self.mx and self.servers:
            raise PydanticCustomError(
                "mx_and_servers",
                "The check looks at what is published, or at the servers that it names, and not at both.",
                {"remedy": "Write `mx`, or else `servers`."},
            )
        return self


class SshProbe(Wish):
    """`probe.ssh`: the server greets with SSH-2.0 and, given the scope's key, lets it in."""

    host: HostName
    port: Port = 22
