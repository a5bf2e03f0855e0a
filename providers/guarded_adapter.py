"""A transport for requests that connects only where a scope reaches, whatever a name is looked up as."""

import socket
from functools import partial
from typing import Any

from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from providers.bounded_transport import BoundedAdapter, Left
from providers.reach import Reach


class GuardedAdapter(BoundedAdapter):
    """Looks a name up once for each connection, judges its addresses, and connects to one that was judged.

    Nothing is sent elsewhere, not even the beginning of a connection.
    """

    def __init__(self, reach: Reach, left: Left) -> None:
        self._reach = reach
        super().__init__(left)

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        super().init_poolmanager(*args, **settings)
        makers = self.poolmanager.pool_classes_by_scheme
        guarded: Any = {scheme: partial(_pool, make, self._reach) for scheme, make in makers.items()}
        self.poolmanager.pool_classes_by_scheme = guarded


def _pool(make: Any, reach: Reach, *args: Any, **settings: Any) -> Any:
    """A pool as it would be made, whose connections keep to the reach."""
    pool = make(*args, **settings)
    kind: Any = pool.ConnectionCls

    class Guarded(kind):  # type: ignore[misc]  # the class of connection is the pool's
        def _new_conn(self) -> socket.socket:
            return _connected(self, reach)

    pool.ConnectionCls = Guarded
    return pool


def _connected(connection: Any, reach: Reach) -> socket.socket:
    """As urllib3's own, but to an address that was judged. Raises urllib3's errors, ProviderError(permanent)."""
    host = connection._dns_host
    try:
        return reach.connected(host, connection.port, connection.timeout, connection.socket_options or ())
    except socket.gaierror as error:
        raise NameResolutionError(host, connection, error) from error
    except TimeoutError as error:
        said = f"Connection to {host} timed out. (connect timeout={connection.timeout})"
        raise ConnectTimeoutError(connection, said) from error
    except OSError as error:
        raise NewConnectionError(connection, f"Failed to establish a new connection: {error}") from error
