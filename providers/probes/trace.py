"""What leads from a host to who runs it: its aliases, its addresses, and the names that these are given."""

from dataclasses import dataclass

from providers.base import Context, ProviderError
from providers.dns.deadline import Deadline
from providers.dns.endpoint import literal
from providers.probes.resolver import Names, UnresolvedError
from providers.probes.standing import issuer_of


@dataclass(frozen=True, slots=True)
class Trace:
    """`names`: of reverse DNS. `issuer`: of the certificate, where one was asked for. `message`: what went wrong."""

    host: str
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    issuer: str = ""
    message: str = ""


def trace(context: Context, host: str, *, certificate: bool = False) -> Trace:
    """Follow a host through the scope's resolvers. Connects to it only for its certificate. Never raises."""
    deadline = Deadline(context.deadline)
    names = Names(context.scope, deadline)
    address = literal(host)
    try:
        aliases = [] if address else names.aliases(host)
        addresses = [str(address)] if address else names.published(host)
    except (UnresolvedError, ProviderError) as error:
        return Trace(host, message=_words(error))
    reverse = [name for one in addresses for name in _reverse(names, one)]
    issuer = issuer_of(context, host, deadline) if certificate else None
    return Trace(host, tuple(aliases), tuple(addresses), tuple(dict.fromkeys(reverse)), issuer or "")


def _reverse(names: Names, address: str) -> list[str]:
    """Most addresses have no name, and some resolvers refuse to be asked."""
    try:
        return names.reverse(address)
    except (UnresolvedError, ProviderError):
        return []


def _words(error: Exception) -> str:
    return error.message if isinstance(error, ProviderError) else str(error)
