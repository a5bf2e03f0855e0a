"""Where a channel's messages go first: a host, and never anything else of the channel's URL."""

from typing import Any
from urllib.parse import urlsplit

import apprise

from providers.base import Context, ProviderError
from providers.reach import literal

_OWN_URLS = ("notify_url", "api_url", "webhook_url", "cloud_notify_url", "service_url")
"""What Apprise's services call the vendor's address, in the order in which they are used."""


def host_of(context: Context, entry: str) -> str:
    """The host of `notify.ENTRY` of the scope; empty when it can't be told. Raises ProviderError(permanent)."""
    settings = context.scope["notify"][entry]
    if settings["driver"] == "smtp":
        return str(settings["host"])
    url = context.reveal(settings["url"]).reveal()
    channel = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if channel is None:
        raise ProviderError(f"`notify.{entry}` has no URL that Apprise knows; correct the secret.", permanent=True)
    return apprise_host(channel)


def apprise_host(channel: Any) -> str:
    """In many of Apprise's URLs the place of the host holds a token; only services that declare a host have one."""
    kind = type(channel)
    if "host" in kind.template_tokens and getattr(channel, "mode", "") != "cloud":
        host = str(getattr(channel, "smtp_host", "") or channel.host or "")
        return host if "." in host or literal(host) is not None else ""
    known = [str(value) for name in _OWN_URLS if isinstance(value := getattr(kind, name, None), str)]
    hosts = [urlsplit(url).hostname or "" for url in known]
    return next((host for host in hosts if host and "{" not in host), "")
