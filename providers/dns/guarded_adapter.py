"""A transport for requests that connects only within a scope's networks, whatever a name is looked up as."""

import socket
from typing import Any

import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from providers.base import JsonMap, ProviderError
from providers.dns.endpoint import require_allowed


class GuardedAdapter(requests.adapters.HTTPAdapter):
    """Checks the address of each connection once it is there, before anything is sent through it.

    So a name that is looked up as something else the next time gains nothing.
    """

    def __init__(self, scope: JsonMap) -> None:
        self._pools = _pools(scope)
        super().__init__()

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        super().init_poolmanager(*args, **settings)
        self.poolmanager.pool_classes_by_scheme = self._pools


def _pools(scope: JsonMap) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """urllib3's pools, of connections that keep to the scope."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _checked(scope, super()._new_conn())

    class Tls(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _checked(scope, super()._new_conn())

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def _checked(scope: JsonMap, line: socket.socket) -> socket.socket:
    """Raises ProviderError(permanent), and closes the line, when it leads out of the scope's networks."""
    try:
        require_allowed(scope, line.getpeername()[0])
    except ProviderError:
        line.close()
        raise
    return line
