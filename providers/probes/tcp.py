"""A port that accepts connections."""

from providers.probes.check import Attempt, Check, Seen
from providers.probes.connection import connect
from providers.wants import TcpProbe


class TcpCheck(Check[TcpProbe]):
    """`probe.tcp`. Outputs: `address`."""

    def _look(self, want: TcpProbe, attempt: Attempt) -> Seen:
        line, address = connect(want.host, want.port, attempt)
        line.close()
        return Seen(f"{want.host} port {want.port} takes connections at {address}.", {"address": address})
