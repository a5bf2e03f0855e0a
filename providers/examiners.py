"""Who examines which entry of a scope: one line per kind and driver, imported when first used.

An examiner asks harmless questions only: it reads, or asks the vendor whether something would be allowed.
"""

from collections.abc import Callable
from importlib import import_module

from providers.base import Context, ProviderError
from providers.rights import Examination, Subject

Examiner = Callable[[Context, Subject], Examination]

NO_DRIVER = ""

EXAMINERS: dict[tuple[str, str], str] = {
    ("compute", "openstack"): "providers.compute.openstack_rights:examine",
    ("compute", "outscale"): "providers.compute.outscale_rights:examine",
    ("compute", "ovhcloud"): "providers.compute.ovhcloud_rights:examine",
    ("compute", "scaleway"): "providers.compute.scaleway_rights:examine",
    ("dns", "rfc2136"): "providers.dns.rights:examine_rfc2136",
    **{("dns", host): "providers.dns.rights:examine_hosted" for host in ("gandi", "ovhcloud", "powerdns", "scaleway")},
    ("dns", "resolvers"): "providers.dns.rights:examine_resolvers",
    ("storage", "s3"): "providers.storage.rights:examine",
    ("sources", "aws"): "providers.sources.aws_rights:examine",
    ("ssh", NO_DRIVER): "providers.probes.ssh_key:examine",
    ("plays", NO_DRIVER): "providers.ansible.rights:examine",
    ("tls", NO_DRIVER): "providers.probes.authorities:examine",
    ("people", NO_DRIVER): "providers.people.rights:examine",
    ("social", "mastodon"): "providers.social.rights:examine",
    ("notify", "smtp"): "providers.notify_rights:examine_smtp",
    ("notify", "apprise"): "providers.notify_rights:examine_apprise",
}

GENERIC: dict[str, str] = {
    "compute": "providers.compute.rights:examine",
    "dns": "providers.dns.rights:examine_servers",
}
"""For drivers without an examiner of their own: what can be asked of every one of the kind."""


def examine(context: Context, subject: Subject) -> Examination:
    """Examine one entry. Never raises ProviderError: what went wrong is the finding."""
    path = EXAMINERS.get((subject.kind, subject.driver)) or GENERIC.get(subject.kind)
    if path is None:
        return subject.found("", (), f"Not examined: nothing is known of the driver {subject.driver!r}.")
    module, name = path.split(":")
    examiner: Examiner = getattr(import_module(module), name)
    try:
        return examiner(context, subject)
    except ProviderError as error:
        return subject.failed("", error.message)
