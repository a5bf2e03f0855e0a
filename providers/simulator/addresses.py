"""Where each part of one simulator listens: everything follows from its index."""

from dataclasses import dataclass

API_PORT = 8080
CONTROL_PORT = 8079
STORAGE_PORT = 9000
MIRROR_PORT = 8085
DNS_PORT = 53
SMTP_PORT = 25
HTTP_PORT = 80
HTTPS_PORT = 443
LDAP_PORT = 389

MAX_INDEX = 250


class BadIndexError(ValueError):
    """The index is not one that has addresses."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of simulator `index`: 127.77.index.x for services, 198.18.index.x for servers (RFC 2544 range)."""

    index: int

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_INDEX:
            raise BadIndexError(f"The index {self.index} has no addresses: choose one from 0 to {MAX_INDEX}.")

    def service(self, host: int) -> str:
        return f"127.77.{self.index}.{host}"

    def server(self, host: int) -> str:
        return f"198.18.{self.index}.{host}"

    @property
    def api(self) -> str:
        return self.service(1)

    @property
    def outscale(self) -> str:
        return self.service(3)

    @property
    def ovhcloud(self) -> str:
        return self.service(4)

    @property
    def control(self) -> str:
        return self.service(2)

    @property
    def openstack(self) -> str:
        return self.service(5)

    @property
    def dns(self) -> str:
        return self.service(53)

    @property
    def ovh_dns(self) -> str:
        return self.service(61)

    @property
    def scaleway_dns(self) -> str:
        return self.service(62)

    @property
    def gandi_dns(self) -> str:
        return self.service(63)

    @property
    def source(self) -> str:
        return self.service(90)

    @property
    def target(self) -> str:
        return self.service(91)

    @property
    def smtp_old(self) -> str:
        return self.service(25)

    @property
    def smtp_new(self) -> str:
        return self.service(26)

    @property
    def smtp_crisis(self) -> str:
        return self.service(27)

    @property
    def portal(self) -> str:
        return self.service(80)

    @property
    def identity(self) -> str:
        return self.service(81)

    @property
    def gateway(self) -> str:
        """The host's own address on the servers' network."""
        return self.server(1)

    @property
    def bridge(self) -> str:
        """The host's network interface on the servers' network."""
        return f"basc{self.index}"

    def namespace(self, name: str | int) -> str:
        """The network namespace of server number `name`, or `hub` for the one that holds the bridge."""
        return f"{self.bridge}-{name}"

    def listed(self) -> dict[str, str]:
        """Every listener by name, for the ready file and for people."""
        return {
            "control": f"http://{self.control}:{CONTROL_PORT}",
            "scaleway": f"http://{self.api}:{API_PORT}",
            "openstack": f"http://{self.openstack}:{API_PORT}/identity",
            "outscale": f"http://{self.outscale}:{API_PORT}/api/v1",
            "ovhcloud": f"http://{self.ovhcloud}:{API_PORT}/1.0",
            "dns": f"{self.dns}:{DNS_PORT}",
            "ovh-dns": f"http://{self.ovh_dns}:{API_PORT}",
            "scaleway-dns": f"http://{self.scaleway_dns}:{API_PORT}",
            "gandi-dns": f"http://{self.gandi_dns}:{API_PORT}",
            "s3-source": f"http://{self.source}:{STORAGE_PORT}",
            "s3-target": f"http://{self.target}:{STORAGE_PORT}",
            "s3-target-for-servers": f"http://{self.gateway}:{STORAGE_PORT}",
            "apt-mirror-for-servers": f"http://{self.gateway}:{MIRROR_PORT}/debian",
            "smtp-old": f"{self.smtp_old}:{SMTP_PORT}",
            "smtp-new": f"{self.smtp_new}:{SMTP_PORT}",
            "smtp-crisis": f"{self.smtp_crisis}:{SMTP_PORT}",
            "portal-old": f"http://{self.portal}:{HTTP_PORT}",
            "products": f"https://{self.service(101)}-127:{HTTPS_PORT}",
            "identity-old": f"ldap://{self.identity}:{LDAP_PORT}",
        }
