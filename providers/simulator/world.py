"""One simulator put together: what starts, in which order, and how all of it ends."""

import json
import mimetypes
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import dns.name
import dns.tsig
import yaml

from providers.simulator import addresses as ports
from providers.simulator import kernel
from providers.simulator.addresses import Addresses
from providers.simulator.authority import Authority
from providers.simulator.control import Control
from providers.simulator.credentials import Credentials, kept
from providers.simulator.directory import DirectoryListener
from providers.simulator.dns_server import DnsListener, DnsService
from providers.simulator.dns_zones import ZoneBook
from providers.simulator.effects import EffectLog
from providers.simulator.faults import FaultTable
from providers.simulator.fleet import Fleet, Hosts
from providers.simulator.fleet_catalogue import Catalogue
from providers.simulator.gandi_dns import GandiDns
from providers.simulator.hosted_zones import HostedZones
from providers.simulator.http_service import (
    FaultAnswer,
    Handler,
    HttpListener,
    HttpService,
    Request,
    Response,
    plain_refusal,
)
from providers.simulator.machines import NamespaceMachines
from providers.simulator.mail import Mailbox, MailListeners, MailService
from providers.simulator.network import NETNS, Network
from providers.simulator.openstack_api import OpenStackApi
from providers.simulator.openstack_keystone import ApplicationCredential, Keystone
from providers.simulator.outscale_api import OutscaleApi
from providers.simulator.outscale_signature import AccessKey as OscKey
from providers.simulator.ovh_api import OvhApi
from providers.simulator.ovh_dns import OvhDns
from providers.simulator.ovh_signature import Secrets, Signatures
from providers.simulator.portal import Portal
from providers.simulator.products import Products
from providers.simulator.s3_service import S3Service
from providers.simulator.s3_signature import AccessKey
from providers.simulator.s3_store import Store
from providers.simulator.scaleway_api import ScalewayApi
from providers.simulator.scaleway_dns import ScalewayDns

SEED = Path(__file__).parent / "seed"
DOMAIN = "valbourg.example"
AUTHORITY = "simulator-authority"
"""The secret with the certificate that the products' own are signed with: `secret://simulator-authority`."""
CRISIS_MAILBOX = f"crise@{DOMAIN}"
DNS_KEY = "bascule"
SOURCE_REGION, TARGET_REGION = "eu-west-1", "fr-par"
OUTSCALE_REGION = "eu-west-2"
CLOUDS = ("scaleway", "outscale", "ovhcloud", "openstack")
"""Each has a seed file of its name, and an API of its own."""
OLD_BUCKETS = {"valbourg-portal": "portal", "valbourg-identity": "identity"}
"""Bucket of the source store: folder of the seed."""


class ListenError(Exception):
    """An address is not to be had; the message holds the remedy."""


class Listener(Protocol):
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the listeners serve."""

    addresses: Addresses
    credentials: Credentials
    effects: EffectLog
    faults: FaultTable
    zones: ZoneBook
    updatable: frozenset[str]
    stores: dict[str, Store]
    mailboxes: dict[str, Mailbox]
    fleets: Mapping[str, Fleet]
    authority: Authority


class World:
    """A running simulator, from `start` to `stop`. The process must have private mounts (kernel.py)."""

    def __init__(self, addresses: Addresses, data: Path, image: Path) -> None:
        self.addresses = addresses
        self.data = data
        self.faults = FaultTable()
        credentials = kept(data / "secrets")
        self.network = Network(addresses)
        self.machines = NamespaceMachines(addresses, self.network, image, data / "disks", credentials.ssh_public)
        (data / "certificates").mkdir(exist_ok=True, mode=0o700)
        authority = Authority(data / "certificates", data / "secrets" / AUTHORITY)
        self.parts = _parts(addresses, credentials, self.faults, self.machines, authority)
        self._listeners: list[Listener] = []

    def start(self) -> None:
        """Everything listens when this returns; DIR/ready then says where. Raises ListenError."""
        NETNS.mkdir(parents=True, exist_ok=True)
        kernel.mount("tmpfs", str(NETNS), "tmpfs", 0, "mode=755,size=64k")
        self.network.create()
        self.machines.prepare()
        for where, listen in _listeners(self.parts):
            try:
                self._listeners.append(listen())
            except OSError as error:
                raise ListenError(
                    f"The simulator cannot listen at {where}: {error.strerror}. "
                    "Stop what uses that address, or choose another --index."
                ) from error
        self._write_ready()

    def stop(self) -> None:
        """Ends listeners first, then servers and the network."""
        (self.data / "ready").unlink(missing_ok=True)
        self.faults.stopping.set()
        for listener in reversed(self._listeners):
            listener.stop()
        for fleet in self.parts.fleets.values():
            fleet.settle()
        self.machines.stop_all()
        self.network.remove()

    def _write_ready(self) -> None:
        catalogue = self.parts.fleets["scaleway"].catalogue
        ovhcloud = self.parts.fleets["ovhcloud"].catalogue
        facts = {
            "index": self.addresses.index,
            "pid": os.getpid(),
            "addresses": self.addresses.listed(),
            "scaleway": {
                "project": catalogue.project,
                "organization": catalogue.organization,
                "zone": catalogue.zones[0],
            },
            "ovhcloud": {"project": ovhcloud.project, "region": ovhcloud.zones[0]},
        }
        partial = self.data / "ready.partial"
        partial.write_text(json.dumps(facts, indent=2) + "\n")
        give_to_caller(self.data)
        partial.rename(self.data / "ready")


def give_to_caller(data: Path) -> None:
    """Under sudo, what was written belongs to the person who called it (not the servers' disks)."""
    if "SUDO_UID" not in os.environ:
        return
    owner = int(os.environ["SUDO_UID"]), int(os.environ.get("SUDO_GID", "-1"))
    for path in (data, data / "ready.partial", data / "secrets", *(data / "secrets").iterdir()):
        os.chown(path, *owner)


def _parts(
    addresses: Addresses,
    credentials: Credentials,
    faults: FaultTable,
    machines: NamespaceMachines,
    authority: Authority,
) -> Parts:
    effects, hosts = EffectLog(), Hosts()
    zones = _seed("zones.yaml", addresses)
    return Parts(
        addresses=addresses,
        credentials=credentials,
        effects=effects,
        faults=faults,
        zones=ZoneBook({name: zone["records"] for name, zone in zones.items()}),
        updatable=frozenset(name for name, zone in zones.items() if zone.get("updates")),
        stores={"s3-source": Store(_old_objects()), "s3-target": Store({})},
        mailboxes={name: Mailbox() for name in ("smtp-old", "smtp-new", "smtp-crisis")},
        fleets={
            vendor: Fleet(
                vendor,
                Catalogue.from_seed(_seed(f"{vendor}.yaml", addresses)),
                addresses,
                hosts,
                machines,
                effects,
                faults.wait,
                faults,
            )
            for vendor in CLOUDS
        },
        authority=authority,
    )


def _listeners(parts: Parts) -> list[tuple[str, Callable[[], Listener]]]:
    """Each address with what begins to listen there."""
    where, credentials = parts.addresses, parts.credentials

    def http(
        name: str, host: str, port: int, handler: Handler, refusal: FaultAnswer = plain_refusal
    ) -> tuple[str, Callable[[], Listener]]:
        return f"{host}:{port}", lambda: HttpListener(HttpService(name, handler, parts.faults, refusal), host, port)

    api = ScalewayApi(parts.fleets["scaleway"], credentials.scaleway_token)
    openstack = _openstack(parts)
    outscale = OutscaleApi(
        parts.fleets["outscale"],
        OscKey(credentials.outscale_access, credentials.outscale_secret, OUTSCALE_REGION),
    )
    ovhcloud = _ovhcloud(parts)
    source = _store(parts, "s3-source", credentials.source_access, credentials.source_secret, SOURCE_REGION)
    target = _store(parts, "s3-target", credentials.target_access, credentials.target_secret, TARGET_REGION)
    portal = Portal(parts.stores["s3-source"], "valbourg-portal")
    hosted = HostedZones(parts.zones)
    ovh_dns = _ovh_dns(parts, hosted)
    scaleway_dns = ScalewayDns(
        hosted, credentials.scaleway_token, parts.fleets["scaleway"].catalogue.project, parts.effects
    )
    gandi_dns = GandiDns(hosted, credentials.gandi_token, parts.effects)
    control = Control(parts.fleets, parts.zones, parts.stores, parts.mailboxes, parts.effects, parts.faults, ovh_dns)
    names = _dns(parts)

    def products() -> Listener:
        control.products = Products(DOMAIN, where, credentials, parts.authority, parts.effects, parts.faults)
        return control.products

    def mirror(request: Request) -> Response:
        """The mirror, at an address that servers reach: a host's loopback is not theirs."""
        assert control.products is not None
        return control.products.sites["apt-mirror"].handle(request)

    return [
        http("scaleway", where.api, ports.API_PORT, api.handle, api.refusal),
        http("openstack", where.openstack, ports.API_PORT, openstack.handle, openstack.refusal),
        http("outscale", where.outscale, ports.API_PORT, outscale.handle, outscale.refusal),
        http("ovhcloud", where.ovhcloud, ports.API_PORT, ovhcloud.handle, ovhcloud.refusal),
        (f"{where.dns}:{ports.DNS_PORT}", lambda: DnsListener(names, where.dns, ports.DNS_PORT)),
        (f"{where.gateway}:{ports.DNS_PORT}", lambda: DnsListener(names, where.gateway, ports.DNS_PORT)),
        http("ovh-dns", where.ovh_dns, ports.API_PORT, ovh_dns.handle, ovh_dns.refusal),
        http("scaleway-dns", where.scaleway_dns, ports.API_PORT, scaleway_dns.handle, scaleway_dns.refusal),
        http("gandi-dns", where.gandi_dns, ports.API_PORT, gandi_dns.handle, gandi_dns.refusal),
        http("s3-source", where.source, ports.STORAGE_PORT, source.handle, source.refusal),
        http("s3-target", where.target, ports.STORAGE_PORT, target.handle, target.refusal),
        http("s3-target", where.gateway, ports.STORAGE_PORT, target.handle, target.refusal),
        http("portal-old", where.portal, ports.HTTP_PORT, portal.handle),
        (
            f"{where.identity}:{ports.LDAP_PORT}",
            lambda: DirectoryListener(parts.faults, where.identity, ports.LDAP_PORT),
        ),
        (f"{where.service(25)}-27:{ports.SMTP_PORT}", lambda: MailListeners(_mail(parts))),
        (f"{where.service(101)}-127:{ports.HTTPS_PORT}", products),
        http("apt-mirror", where.gateway, ports.MIRROR_PORT, mirror),
        http("control", where.control, ports.CONTROL_PORT, control.handle),
    ]


def _openstack(parts: Parts) -> OpenStackApi:
    fleet, credentials = parts.fleets["openstack"], parts.credentials
    credential = ApplicationCredential(credentials.openstack_credential, credentials.openstack_secret)
    base = f"http://{parts.addresses.openstack}:{ports.API_PORT}"
    return OpenStackApi(fleet, Keystone(fleet.catalogue, credential, base))


def _ovhcloud(parts: Parts) -> OvhApi:
    held = parts.credentials
    secrets = Secrets(held.ovh_application_secret, held.ovh_consumer_key)
    rules = _seed("ovhcloud.yaml", parts.addresses)["access_rules"]
    signatures = Signatures({held.ovh_application_key: secrets})
    return OvhApi(parts.fleets["ovhcloud"], signatures, rules, {"bascule": held.ssh_public})


def _store(parts: Parts, name: str, access: str, secret: str, region: str) -> S3Service:
    return S3Service(name, parts.stores[name], AccessKey(access, secret, region), parts.effects)


def _dns(parts: Parts) -> DnsService:
    name = dns.name.from_text(DNS_KEY)
    keyring = {name: dns.tsig.Key(name, parts.credentials.dns_tsig, dns.tsig.HMAC_SHA256)}
    return DnsService(parts.zones, keyring, parts.updatable, parts.effects, parts.faults)


def _ovh_dns(parts: Parts, hosted: HostedZones) -> OvhDns:
    keys = parts.credentials
    secrets = Secrets(keys.ovh_application_secret, keys.ovh_consumer_key)
    return OvhDns(hosted, Signatures({keys.ovh_application_key: secrets}), parts.effects)


def _mail(parts: Parts) -> list[tuple[MailService, str, int]]:
    def service(name: str, host: str, serves: Callable[[str], bool]) -> tuple[MailService, str, int]:
        mailbox = parts.mailboxes[name]
        return MailService(name, serves, mailbox, parts.effects, parts.faults), host, ports.SMTP_PORT

    where = parts.addresses
    return [
        service("smtp-old", where.smtp_old, lambda address: address.endswith(f"@{DOMAIN}")),
        service("smtp-new", where.smtp_new, lambda address: address.endswith(f"@{DOMAIN}")),
        service("smtp-crisis", where.smtp_crisis, lambda address: address == CRISIS_MAILBOX),
    ]


def _seed(name: str, addresses: Addresses) -> dict[str, Any]:
    text = (SEED / name).read_text().replace("{net}", addresses.service(0).rpartition(".")[0])
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def _old_objects() -> dict[str, dict[str, tuple[bytes, str]]]:
    """The source store's buckets: the files of the seed's folders."""
    return {
        bucket: {
            path.relative_to(SEED / folder).as_posix(): (path.read_bytes(), _content_type(path))
            for path in sorted((SEED / folder).rglob("*"))
            if path.is_file()
        }
        for bucket, folder in OLD_BUCKETS.items()
    }


def _content_type(path: Path) -> str:
    if path.suffix == ".ldif":
        return "text/x-ldif; charset=utf-8"
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed.startswith("text/") else guessed
