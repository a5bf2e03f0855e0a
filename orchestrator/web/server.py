"""Runs the web application: on loopback unless told otherwise, and stops in good order."""

import ipaddress
import logging
import os
import signal
import socket
import sys

import uvicorn
from fastapi import FastAPI

from orchestrator.operations.request import RequestError
from orchestrator.web.api import create_app
from orchestrator.web.service import Service

log = logging.getLogger("bascule.web")

STOP_WITHIN = 8
"""Seconds that answers under way have when the service stops."""


class Server(uvicorn.Server):
    """Says when it listens, and ends the live streams first when it stops."""

    def __init__(self, bascule: Service, listener: socket.socket) -> None:
        self._bascule = bascule
        self._listener = listener
        self._web: FastAPI = create_app(bascule)
        self.url = _url(listener)
        super().__init__(_config(self._web))

    def serve_until_stopped(self) -> None:
        if not self.should_exit:
            self.run(sockets=[self._listener])

    def stop(self, *_: object) -> None:
        """Also a signal handler: while the service starts, and when uvicorn hands on the signal that ended it."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._bascule.announce_address(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._web.state.parts.live.close()
        await super().shutdown(sockets)


def serve(bascule: Service, host: str = "127.0.0.1", port: int = 8700) -> None:
    """Start the service, answer on host and port (0: any free one) until SIGTERM or SIGINT, then stop it.

    Raises RequestError when the address can't be listened on.
    """
    listener = listen(host, port)
    server = Server(bascule, listener)
    handlers = {number: signal.signal(number, server.stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        bascule.start()
        try:
            _tell(bascule, server.url, host)
            server.serve_until_stopped()
        finally:
            bascule.stop()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        listener.close()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises RequestError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=1024)
        # Connections inherit it. asyncio sets it only on sockets that were made as IPPROTO_TCP, which this is not, and
        # without it each answer on a connection that is kept waits 40 ms for an acknowledgement of its first half.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise RequestError(
            f"{host}:{port} can't be listened on ({error.strerror or error}): "
            "stop what listens there, or give --port another number (0 finds a free one)."
        ) from error
    return listener


def _tell(bascule: Service, url: str, host: str) -> None:
    """The link with the token is for a person's own terminal; a log that is kept gets the token's place."""
    if not _is_loopback(host):
        log.warning("%s is not loopback, and what is sent is not encrypted: put a TLS proxy in front of it", host)
    invitation = bascule.people.register.first_invitation()
    if invitation is None:
        bascule.paths.first_admin.unlink(missing_ok=True)
    else:
        _tell_first_admin(bascule, f"{url}/welcome?code={invitation}")
    if sys.stderr.isatty():
        log.info("open %s/?token=%s", url, bascule.token)
    else:
        log.info("listening on %s; the token is in %s", url, bascule.paths.token)


def _tell_first_admin(bascule: Service, link: str) -> None:
    """While there is nobody: the link goes to a terminal, or into a file of its owner's alone, never into a log."""
    if sys.stderr.isatty():
        log.info("nobody is let in yet; the first admin opens this within a day, once: %s", link)
        return
    file = bascule.paths.first_admin
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as written:
        written.write(f"{link}\n")
    log.info("nobody is let in yet; the first admin's link, used once, within a day, is in %s", file)


def _config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=1000,
        timeout_keep_alive=20,
        timeout_graceful_shutdown=STOP_WITHIN,
        h11_max_incomplete_event_size=32 * 1024,
    )


def _url(listener: socket.socket) -> str:
    bound, port = listener.getsockname()[:2]
    if ipaddress.ip_address(bound).is_unspecified:
        bound = "::1" if ":" in bound else "127.0.0.1"
    return f"http://[{bound}]:{port}" if ":" in bound else f"http://{bound}:{port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
