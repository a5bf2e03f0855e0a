"""A mail provider's web server for the MTA-STS policies of its customers (RFC 8461 §3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from providers.simulator.condition import unavailable
from providers.simulator.http_service import Request, Response

POLICY = "/.well-known/mta-sts.txt"


@dataclass(frozen=True, slots=True)
class MtaSts:
    """One policy, the same under every name. `mx`: the hosts that it allows."""

    mx: Sequence[str]

    def handle(self, request: Request) -> Response:
        if request.path != POLICY:
            return Response(404, b"not found\n", {"Content-Type": "text/plain"})
        lines = ["version: STSv1", "mode: enforce", *(f"mx: {host}" for host in self.mx), "max_age: 604800", ""]
        return Response(200, "\r\n".join(lines).encode(), {"Content-Type": "text/plain"})

    def in_maintenance(self, request: Request) -> Response:
        return unavailable(request)

    def read_only(self, request: Request) -> Response:
        return self.handle(request)
