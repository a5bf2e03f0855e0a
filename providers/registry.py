"""Which class does which kind of step: one line per kind and driver.

Classes are named by path and imported when first used, so that a probe does not
load libcloud and nothing but a play loads Ansible.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Any

from providers.base import Context, JsonMap, Provider, ProviderError

Driver = Callable[[Any, Context], str]

NO_DRIVER = ""

MANY_ZONES = "providers.dns.many_zones:ManyZones"
"""Does a step that names several zones, each by the provider of its own driver."""

CLASSES: dict[tuple[str, str], str] = {
    ("compute.server", "scaleway"): "providers.compute.server:ComputeServer",
    ("ansible.play", NO_DRIVER): "providers.ansible:AnsiblePlay",
    ("dns.records", "rfc2136"): "providers.dns.rfc2136:Rfc2136Records",
    ("dns.records", "powerdns"): "providers.dns.powerdns:PowerDnsRecords",
    ("dns.ttl", "rfc2136"): "providers.dns.rfc2136:Rfc2136Ttl",
    ("dns.ttl", "powerdns"): "providers.dns.powerdns:PowerDnsTtl",
    ("storage.copy", "s3"): "providers.storage.copy:StorageCopy",
    ("storage.verify", "s3"): "providers.storage.verify:StorageVerify",
    ("probe.http", NO_DRIVER): "providers.probes.http:HttpCheck",
    ("probe.tcp", NO_DRIVER): "providers.probes.tcp:TcpCheck",
    ("probe.tls", NO_DRIVER): "providers.probes.tls:TlsCheck",
    ("probe.dns", NO_DRIVER): "providers.probes.dns:DnsCheck",
    ("probe.smtp", NO_DRIVER): "providers.probes.smtp:SmtpCheck",
    ("probe.ssh", NO_DRIVER): "providers.probes.ssh:SshCheck",
    ("notify.send", "smtp"): "providers.notify:SmtpMessage",
    ("notify.send", "apprise"): "providers.notify:AppriseMessage",
}


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


DRIVERS: dict[str, Driver] = {
    "compute.server": _compute,
    "dns.records": _dns,
    "dns.ttl": _dns,
    "storage.copy": _storage,
    "storage.verify": _storage,
    "notify.send": _notify,
}
