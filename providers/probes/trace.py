"""What leads from a host to who runs it: its aliases, its addresses, and the names that these are given."""

from collections.abc import Callable
from dataclasses import dataclass

from providers.base import Context, ProviderError
from providers.dns.deadline import Deadline
from providers.probes.resolver import Names, UnresolvedError
from providers.probes.standing import issuer_of
from providers.reach import literal


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
    """Follow a host through the scope's resolvers. Connects to it only for its certificate. Never raises.

    Aliases count also where they lead to no address now.
    """
    deadline = Deadline(context.deadline)
    names = Names(context.scope, deadline)
    if literal(host) is not None:
        return Trace(host, addresses=(host,), names=tuple(_found(names.reverse, host)[0]))
    aliases, _ = _found(names.aliases, host)
    addresses, message = _found(names.published, host)
    reverse = dict.fromkeys(name for one in addresses for name in _found(names.reverse, one)[0])
    issuer = issuer_of(context, host, deadline) if certificate and addresses else None
    return Trace(host, tuple(aliases), tuple(addresses), tuple(reverse), issuer or "", message)


def _found(ask: Callable[[str], list[str]], name: str) -> tuple[list[str], str]:
    """What was found, and what went wrong: most addresses have no name, and some resolvers refuse to be asked."""
    try:
        return ask(name), ""
    except UnresolvedError as error:
        return [], str(error)
    except ProviderError as error:
        return [], error.message
