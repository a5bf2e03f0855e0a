"""What a product's own hosts and domains stand on, as DNS and certificates show it."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

from providers.base import Context, ProviderError, Tag
from providers.dns.deadline import Deadline
from providers.probes.check import Attempt, DoesNotHoldError
from providers.probes.connection import connect, tls_context
from providers.probes.resolver import Names, UnresolvedError

AT_ONCE = 8
HTTPS = 443
Part = Literal["name-servers", "mail-servers", "certificates", "delivery", "hosting"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record that was seen: as words, and the host, organisation or address in it that tells whose it is."""

    part: Part
    words: str
    name: str


def look(context: Context, hosts: Sequence[str], *, port: int = HTTPS) -> list[Record]:
    """What shows of these hosts and their domains through the scope's resolvers, within the context's deadline.

    What does not answer is left out: nothing seen is no evidence.
    """
    deadline = Deadline(context.deadline)
    looks: list[Callable[[], list[Record]]] = [partial(_names, context, host, deadline) for host in hosts]
    looks += [partial(_places, context, host, deadline) for host in hosts]
    looks += [partial(_issuer, context, host, deadline, port) for host in hosts]
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="standing") as pool:
        found = [record for records in pool.map(lambda one: one(), looks) for record in records]
    return sorted(set(found), key=lambda record: (record.part, record.words))


def issuer_of(context: Context, host: str, deadline: Deadline, port: int = HTTPS) -> str | None:
    """The organisation that issued the certificate which a host shows and which is valid for it; None without one."""
    names = Names(context.scope, deadline)
    attempt = Attempt(context, Tag("look", host), deadline, names, writing=False)
    try:
        line, _ = connect(host, port, attempt)
        line.settimeout(deadline.within(3.0))
        with line, tls_context(context).wrap_socket(line, server_hostname=host) as secured:
            certificate = secured.getpeercert() or {}
    except (DoesNotHoldError, UnresolvedError, ProviderError, OSError):
        return None
    named = {key: value for group in _pairs(certificate.get("issuer")) for key, value in group}
    return named.get("organizationName") or named.get("commonName")


def _pairs(issuer: object) -> Iterator[tuple[tuple[str, str], ...]]:
    """The groups of names of a certificate as `ssl` hands them out."""
    yield from issuer if isinstance(issuer, tuple) else ()


def _names(context: Context, host: str, deadline: Deadline) -> list[Record]:
    names = Names(context.scope, deadline)
    found: list[Record] = []
    try:
        for domain in _domains(host):
            servers = names.name_servers(domain)
            if servers:
                found += [Record("name-servers", f"NS {server}. of {domain}", server) for server in servers]
                found += [
                    Record("mail-servers", f"MX {mail}. of {domain}", mail) for _, mail in names.mail_servers(domain)
                ]
                break
    except (UnresolvedError, ProviderError):
        return found
    return found


def _places(context: Context, host: str, deadline: Deadline) -> list[Record]:
    """Where the host itself is: the names that its aliases lead through, and its addresses."""
    names = Names(context.scope, deadline)
    try:
        found = [Record("delivery", f"CNAME {alias}. of {host}", alias) for alias in names.aliases(host)]
        return [*found, *(Record("hosting", f"address {one} of {host}", one) for one in names.addresses(host))]
    except (UnresolvedError, ProviderError):
        return []


def _domains(host: str) -> Iterator[str]:
    """The host's name, and each name above it of at least two labels: the first with name servers is its zone."""
    labels = host.split(".")
    for start in range(len(labels) - 1):
        yield ".".join(labels[start:])


def _issuer(context: Context, host: str, deadline: Deadline, port: int) -> list[Record]:
    issuer = issuer_of(context, host, deadline, port)
    return [Record("certificates", f"certificate of {host} issued by {issuer}", issuer)] if issuer else []
