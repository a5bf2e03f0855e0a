"""Bascule's own independence: whom this installation relies on, traced and held against the estate's policy.

Nothing outside changes: configuration is read, names are looked up through the scope's resolvers, and the estate's
Git server is asked for its certificate.
"""

import datetime
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.domain.independence import Finding, Reliance, Signs, ready, weigh
from orchestrator.domain.recognition import OwnerOf
from orchestrator.domain.scope import Scope
from orchestrator.engine.workshop import EstateWorkshop
from orchestrator.operations.doctor import authorities_of
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import RequestError
from providers import machine, notify_host
from providers.base import Context, ProviderError
from providers.probes import authorities
from providers.probes.trace import Trace, trace

TRACE_FOR = 6.0
"""Seconds that following one host may take."""
AT_ONCE = 8
_SHELL_ADDRESS = re.compile(r"^(?:[^@/\s]+@)?([A-Za-z0-9.\-]+):(?!//)")
"""`git@host:path`, as ssh writes it."""


@dataclass(frozen=True, slots=True)
class SelfMap:
    """All that this installation relies on, as seen from one scope at one commit of the estate."""

    scope: str
    commit: str
    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """None leads to a vendor that is guarded against."""
        return ready(self.findings)

    def as_json(self) -> dict[str, Any]:
        """The plain form: what `json.dumps` takes, and the API answers."""
        told = [one.as_json() for one in self.findings]
        return {"scope": self.scope, "commit": self.commit, "ready": self.ready, "findings": told}


class Independence:
    """`database`: the URL of the database. `root`: where this machine's configuration is.

    `owner_of`: whose network an address is in; without it, names alone tell whose a host is.
    """

    def __init__(
        self,
        estates: Estates,
        workshop: EstateWorkshop,
        clock: Callable[[], float],
        database: str,
        *,
        owner_of: OwnerOf | None = None,
        root: Path = Path("/"),
    ) -> None:
        self._estates = estates
        self._workshop = workshop
        self._clock = clock
        self._database = database
        self._owner_of = owner_of
        self._root = root

    def map(self, scope: str) -> SelfMap:
        """Everything, traced through the resolvers of this scope. Raises RequestError when there is no such scope."""
        commit = self._estates.newest()
        bundle = self._estates.bundle(commit)
        if scope not in bundle.estate.scopes:
            raise RequestError(f"The estate has no scope {scope!r}; it has {', '.join(sorted(bundle.estate.scopes))}.")
        context = self._workshop.looking(commit, scope, TRACE_FOR)
        today = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC).date()

        def finding(reliance: Reliance) -> Finding:
            signs = _signs(reliance, context)
            return weigh(reliance, signs, bundle.estate, bundle.catalogue, today, self._owner_of)

        reliances = [*self._own(scope), *self._of_machine(), *_of_scope(bundle.estate.scopes[scope], scope, context)]
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="map") as pool:
            return SelfMap(scope, commit, tuple(pool.map(finding, reliances)))

    def _own(self, scope: str) -> Iterator[Reliance]:
        yield Reliance("estate", "Git remote of the estate", host_of(self._estates.url))
        yield Reliance("database", "journal and queue", urlsplit(self._database).hostname or "")
        yield Reliance("secrets", f"secrets/{scope} in the data directory")
        yield Reliance("identity", "sign-in by this installation's own token")

    def _of_machine(self) -> Iterator[Reliance]:
        for address in machine.resolvers(self._root):
            yield Reliance("resolver", "of this machine", address)
        for host in machine.time_servers(self._root):
            yield Reliance("time", "of this machine", host)
        for host in machine.package_sources(self._root):
            yield Reliance("packages", "of this machine, for updates", host, at_run_time=False)


def host_of(url: str) -> str:
    """The host of a Git remote; empty for a directory of this machine."""
    shell = _SHELL_ADDRESS.match(url)
    return (shell[1] if shell else urlsplit(url).hostname) or ""


def _of_scope(scope: Scope, name: str, context: Context) -> Iterator[Reliance]:
    for text in scope.dns.resolvers:
        yield Reliance("resolver", f"dns.resolvers of {name}", _address(text))
    for entry in sorted(scope.notify):
        yield _channel(context, name, entry)
    for file in authorities_of(scope):
        yield from _authorities(context, file)


def _channel(context: Context, scope: str, entry: str) -> Reliance:
    named = f"notify.{entry} of {scope}"
    try:
        host = notify_host.host_of(context, entry)
    except ProviderError as error:
        return Reliance("messages", named, untold=error.message)
    untold = "" if host else "The service behind its URL names no host: find out who runs it."
    return Reliance("messages", named, host, untold=untold)


def _authorities(context: Context, file: str) -> Sequence[Reliance]:
    named = f"trusted in {file}"
    try:
        found = authorities.organisations(context.estate / file)
    except ProviderError as error:
        return [Reliance("authority", named, untold=error.message)]
    return [Reliance("authority", named, organisation, issuer=True) for organisation in found]


def _address(text: str) -> str:
    """A resolver without its port."""
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _signs(reliance: Reliance, context: Context) -> Signs:
    """Follow what is a host; what is none, or is this machine, has nothing to follow."""
    if not reliance.host or reliance.issuer or not any(sign in reliance.host for sign in ".:"):
        return Signs()
    seen = trace(context, reliance.host, certificate=reliance.kind == "estate")
    return Signs(tuple(_told(seen)), seen.addresses, seen.message)


def _told(seen: Trace) -> Iterator[tuple[Any, str, str]]:
    yield from (("host", alias, f"CNAME of {seen.host}") for alias in seen.aliases)
    yield from (("host", name, f"reverse name of an address of {seen.host}") for name in seen.names)
    if seen.issuer:
        yield "issuer", seen.issuer, f"issuer of the certificate of {seen.host}"
