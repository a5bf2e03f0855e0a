"""A transport for requests that connects only within a scope's networks, whatever a name is looked up as."""

import socket
from functools import partial
from typing import Any

from providers.base import JsonMap, ProviderError
from providers.bounded_transport import BoundedAdapter, Left
from providers.dns.endpoint import require_allowed


class GuardedAdapter(BoundedAdapter):
    """Checks the address of each connection once it is there, before anything is sent through it.

    So a name that is looked up as something else the next time gains nothing.
    """

    def __init__(self, scope: JsonMap, left: Left) -> None:
        self._scope = scope
        super().__init__(left)

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        super().init_poolmanager(*args, **settings)
        makers = self.poolmanager.pool_classes_by_scheme
        guarded: Any = {scheme: partial(_pool, make, self._scope) for scheme, make in makers.items()}
        self.poolmanager.pool_classes_by_scheme = guarded


def _pool(make: Any, scope: JsonMap, *args: Any, **settings: Any) -> Any:
    """A pool as it would be made, whose connections keep to the scope."""
    pool = make(*args, **settings)
    kind: Any = pool.ConnectionCls

    class Guarded(kind):  # type: ignore[misc]  # the class of connection is the pool's
        def _new_conn(self) -> socket.socket:
            return _checked(scope, super()._new_conn())

    pool.ConnectionCls = Guarded
    return pool


def _checked(scope: JsonMap, line: socket.socket) -> socket.socket:
    """Raises ProviderError(permanent), and closes the line, when it leads out of the scope's networks."""
    try:
        require_allowed(scope, line.getpeername()[0])
    except ProviderError:
        line.close()
        raise
    return line
