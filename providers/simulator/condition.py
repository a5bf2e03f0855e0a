"""The conditions that a service can be in, switched while it runs.

site = Site("cloud", Nextcloud(...), "127.77.1.20", 443, Certificates(right, wrong))
site.become(Condition.MAINTENANCE)
"""

import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from providers.simulator.faults import FaultTable
from providers.simulator.http_service import Handler, HttpListener, HttpService, Request, Response

PARKED_PAGE = (
    b"<!doctype html><html><head><title>Domain parked</title></head>"
    b"<body><h1>This domain may be for sale</h1></body></html>\n"
)


class Condition(StrEnum):
    HEALTHY = "healthy"
    DOWN = "down"
    """Nobody listens: connections are refused."""
    PARKED = "parked"
    """Every page is a parking page, with status 200."""
    MAINTENANCE = "maintenance"
    """The service says so, in its vendor's way."""
    WRONG_CERTIFICATE = "wrong-certificate"
    """TLS under a trusted authority, for another name."""
    READ_ONLY = "read-only"
    """Reading works; what people write is refused, in the vendor's way."""


class Service(Protocol):
    """One vendor's stand-in: how it answers when all is well, and when it is not."""

    def handle(self, request: Request) -> Response: ...

    def in_maintenance(self, request: Request) -> Response: ...

    def read_only(self, request: Request) -> Response: ...


@dataclass(frozen=True, slots=True)
class Certificates:
    """The server's side of TLS with the right certificate, and with one for another name."""

    right: ssl.SSLContext
    wrong: ssl.SSLContext


class Site:
    """A service at one address whose condition can be changed at any time, from any thread.

    Port 0 takes a free one, which it keeps. Without certificates it speaks plain HTTP.
    """

    def __init__(
        self,
        name: str,
        service: Service,
        host: str,
        port: int = 0,
        certificates: Certificates | None = None,
        faults: FaultTable | None = None,
    ) -> None:
        self.condition = Condition.HEALTHY
        self.service = service
        self.host = host
        self._http = HttpService(name, self.handle, faults or FaultTable())
        self._certificates = certificates
        self._answers: dict[Condition, Handler] = {
            Condition.PARKED: parked,
            Condition.MAINTENANCE: service.in_maintenance,
            Condition.READ_ONLY: service.read_only,
        }
        self._healthy = service.handle
        listener = self._listening(port)
        self.port = listener.port
        self._listener: HttpListener | None = listener

    def handle(self, request: Request) -> Response:
        """As the service in its present condition."""
        return self._answers.get(self.condition, self._healthy)(request)

    def become(self, condition: Condition) -> None:
        self.condition = condition
        if condition is Condition.DOWN:
            self.stop()
        elif self._listener is None:
            self._listener = self._listening(self.port)

    def stop(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def _listening(self, port: int) -> HttpListener:
        return HttpListener(self._http, self.host, port, self._shown if self._certificates else None)

    def _shown(self) -> ssl.SSLContext:
        assert self._certificates is not None
        wrong = self.condition is Condition.WRONG_CERTIFICATE
        return self._certificates.wrong if wrong else self._certificates.right


def parked(_: Request) -> Response:
    """The page of a name that somebody else holds now."""
    return Response(200, PARKED_PAGE, {"Content-Type": "text/html; charset=utf-8"})


def unavailable(_: Request) -> Response:
    """What a reverse proxy answers while what is behind it is stopped."""
    page = b"<html><head><title>503 Service Temporarily Unavailable</title></head></html>\n"
    return Response(503, page, {"Content-Type": "text/html"})
