"""Which class does which kind of step: one line per kind and driver.

Classes are named by path and imported when first used, so that a probe does not
load libcloud and nothing but a play loads Ansible.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from providers.base import Context, JsonMap, Provider, ProviderError
from providers.compute.marked import Made
from providers.compute.table import CLOUDS
from providers.inventory import Source
from providers.kept import Kept
from providers.wants import Server

if TYPE_CHECKING:
    from providers.compute.capacity import Placement

Driver = Callable[[Any, Context], str]

NO_DRIVER = ""

MANY_ZONES = "providers.dns.many_zones:ManyZones"
"""Does a step that names several zones, each by the provider of its own driver."""

CLASSES: dict[tuple[str, str], str] = {
    **{("compute.server", driver): "providers.compute.server:ComputeServer" for driver in CLOUDS},
    **{("compute.volume", driver): "providers.compute.volume:ComputeVolume" for driver in CLOUDS},
    **{("compute.snapshot", driver): "providers.compute.volume:ComputeSnapshot" for driver in CLOUDS},
    ("ansible.play", NO_DRIVER): "providers.ansible:AnsiblePlay",
    ("dns.records", "rfc2136"): "providers.dns.rfc2136:Rfc2136Records",
    ("dns.records", "powerdns"): "providers.dns.powerdns:PowerDnsRecords",
    ("dns.records", "ovhcloud"): "providers.dns.ovhcloud:OvhcloudRecords",
    ("dns.records", "scaleway"): "providers.dns.scaleway:ScalewayRecords",
    ("dns.records", "gandi"): "providers.dns.gandi:GandiRecords",
    ("dns.ttl", "rfc2136"): "providers.dns.rfc2136:Rfc2136Ttl",
    ("dns.ttl", "powerdns"): "providers.dns.powerdns:PowerDnsTtl",
    ("dns.ttl", "ovhcloud"): "providers.dns.ovhcloud:OvhcloudTtl",
    ("dns.ttl", "scaleway"): "providers.dns.scaleway:ScalewayTtl",
    ("dns.ttl", "gandi"): "providers.dns.gandi:GandiTtl",
    ("storage.copy", "s3"): "providers.storage.copy:StorageCopy",
    ("storage.verify", "s3"): "providers.storage.verify:StorageVerify",
    ("probe.http", NO_DRIVER): "providers.probes.http:HttpCheck",
    ("probe.tcp", NO_DRIVER): "providers.probes.tcp:TcpCheck",
    ("probe.tls", NO_DRIVER): "providers.probes.tls:TlsCheck",
    ("probe.dns", NO_DRIVER): "providers.probes.dns:DnsCheck",
    ("probe.smtp", NO_DRIVER): "providers.probes.smtp:SmtpCheck",
    ("probe.spf", NO_DRIVER): "providers.probes.spf:SpfCheck",
    ("probe.mta-sts", NO_DRIVER): "providers.probes.mta_sts:MtaStsCheck",
    ("probe.imap", NO_DRIVER): "providers.probes.imap:ImapCheck",
    ("probe.mailbox", NO_DRIVER): "providers.probes.mailbox:MailboxCheck",
    ("probe.mail", NO_DRIVER): "providers.probes.mail:MailCheck",
    ("probe.ssh", NO_DRIVER): "providers.probes.ssh:SshCheck",
    ("probe.webdav", NO_DRIVER): "providers.probes.webdav:WebdavCheck",
    ("probe.nextcloud", NO_DRIVER): "providers.probes.nextcloud:NextcloudCheck",
    ("probe.onlyoffice", NO_DRIVER): "providers.probes.onlyoffice:OnlyofficeCheck",
    ("probe.collabora", NO_DRIVER): "providers.probes.collabora:CollaboraCheck",
    ("probe.cryptpad", NO_DRIVER): "providers.probes.cryptpad:CryptpadCheck",
    ("probe.meet", NO_DRIVER): "providers.probes.meet:MeetCheck",
    ("probe.jitsi", NO_DRIVER): "providers.probes.jitsi:JitsiCheck",
    ("probe.completion", NO_DRIVER): "providers.probes.completion:CompletionCheck",
    ("probe.mastodon", NO_DRIVER): "providers.probes.mastodon:MastodonCheck",
    ("probe.nodeinfo", NO_DRIVER): "providers.probes.nodeinfo:NodeInfoCheck",
    ("probe.relme", NO_DRIVER): "providers.probes.relme:RelMeCheck",
    ("probe.oidc", NO_DRIVER): "providers.probes.oidc:OidcCheck",
    ("probe.aws", NO_DRIVER): "providers.probes.aws:AwsCheck",
    ("probe.token", NO_DRIVER): "providers.probes.token:TokenCheck",
    ("probe.apt", NO_DRIVER): "providers.probes.apt:AptCheck",
    ("social.post", "mastodon"): "providers.social.post:MastodonPost",
    ("social.profile", "mastodon"): "providers.social.profile:MastodonProfile",
    ("notify.send", "smtp"): "providers.notify:SmtpMessage",
    ("notify.send", "apprise"): "providers.notify:AppriseMessage",
    ("people.inform", NO_DRIVER): "providers.people.inform:PeopleInform",
    ("calendar.reissue", NO_DRIVER): "providers.calendars.reissue:CalendarReissue",
}


SOURCES: dict[str, str] = {
    "aws": "providers.sources.aws:AwsSource",
}
"""Driver of a scope's `sources` block -> what reads such an account."""


def provider_for(kind: str, want: Any, context: Context) -> Provider[Any]:
    """The provider of this kind of step, for what is wanted in this scope.

    Raises ProviderError(permanent) when the scope does not configure what the
    step names, or configures a driver that does not exist.
    """
    if getattr(want, "zones", ()):
        several: Provider[Any] = _named(MANY_ZONES)(context, partial(provider_for, kind))
        return several
    driver = DRIVERS[kind](want, context) if kind in DRIVERS else NO_DRIVER
    path = CLASSES.get((kind, driver))
    if path is None:
        raise ProviderError(_unknown(kind, driver), permanent=True)
    made: Provider[Any] = _named(path)(context)
    return made


def placements(servers: Mapping[str, Server], context: Context) -> Mapping[str, "Placement"]:
    """Where the servers of a plan, by step, would be made now, all of them together. Reads only."""
    capacity = import_module("providers.compute.capacity")
    rooms = {
        name: capacity.room_at(context, name) for name in sorted({n for s in servers.values() for n in s.provider})
    }
    placed: Mapping[str, Placement] = capacity.place(servers, rooms)
    return placed


def keep_object(context: Context, want: Kept) -> str:
    """Keep one object at a store of the scope, never over another. Raises ProviderError."""
    told: str = import_module("providers.storage.kept").keep_object(context, want)
    return told


def made_at(context: Context, provider: str) -> list[Made]:
    """Everything with Bascule's tags at one `compute` entry of the scope. Reads only. Raises ProviderError."""
    found: list[Made] = import_module("providers.compute.made").made_at(context, provider)
    return found


def release_made(context: Context, thing: Made) -> bool:
    """Release one thing that carries Bascule's tags; False while that is under way. Raises ProviderError."""
    gone: bool = import_module("providers.compute.made").release_made(context, thing)
    return gone


def source_for(context: Context, scope: str, name: str) -> Source:
    """What reads `sources.NAME` of this scope. Raises ProviderError(permanent) when there is no such source."""
    driver = _driver_at(context.scope, "sources", name)
    path = SOURCES.get(driver)
    if path is None:
        raise ProviderError(
            f"sources.{name} has no driver {driver!r}; set `driver` in the scope to one of: {', '.join(SOURCES)}.",
            permanent=True,
        )
    module, made = path.split(":")
    source: Source = getattr(import_module(module), made)(context, scope, name)
    return source


def _named(path: str) -> Any:
    module, name = path.split(":")
    return getattr(import_module(module), name)


def _unknown(kind: str, driver: str) -> str:
    known = sorted(known_driver for known_kind, known_driver in CLASSES if known_kind == kind)
    if not known:
        kinds = ", ".join(sorted({known_kind for known_kind, _ in CLASSES}))
        return f"No provider does steps of kind {kind!r}; known kinds: {kinds}."
    return f"{kind} has no driver {driver!r}; set `driver` in the scope to one of: {', '.join(known)}."


def _driver_at(scope: JsonMap, *path: str) -> str:
    """The `driver` of the scope's block at this path, such as compute, scaleway."""
    block: Any = scope
    for key in path:
        block = block.get(key) if isinstance(block, Mapping) else None
    if not isinstance(block, Mapping) or not isinstance(block.get("driver"), str):
        raise ProviderError(
            f"The scope has no `{'.'.join(path)}` with a `driver`; add it to bascule.yaml.", permanent=True
        )
    driver: str = block["driver"]
    return driver


def _compute(want: Any, context: Context) -> str:
    """A server may be at several clouds: its class finds their drivers itself, and each must be known."""
    drivers = [_driver_at(context.scope, "compute", name) for name in want.provider]
    return next((driver for driver in drivers if driver not in CLOUDS), drivers[0])


def _disk(want: Any, context: Context) -> str:
    return _driver_at(context.scope, "compute", want.provider)


def _dns(want: Any, context: Context) -> str:
    return _driver_at(context.scope, "dns", "zones", want.zone)


def _storage(want: Any, context: Context) -> str:
    """Both stores must speak the same protocol: objects are compared by its checksums."""
    source = _driver_at(context.scope, "storage", want.source.store)
    target = _driver_at(context.scope, "storage", want.target.store)
    return source if source == target else f"{source}+{target}"


def _notify(want: Any, context: Context) -> str:
    return _driver_at(context.scope, "notify", want.channel)


def _social(want: Any, context: Context) -> str:
    return _driver_at(context.scope, "social", want.account)


DRIVERS: dict[str, Driver] = {
    "compute.server": _compute,
    "compute.volume": _disk,
    "compute.snapshot": _disk,
    "dns.records": _dns,
    "dns.ttl": _dns,
    "storage.copy": _storage,
    "storage.verify": _storage,
    "notify.send": _notify,
    "social.post": _social,
    "social.profile": _social,
}
