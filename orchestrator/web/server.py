"""Runs the web application: on loopback unless told otherwise, and stops in good order."""

import asyncio
import gc
import ipaddress
import logging
import os
import signal
import socket
import sys

import uvicorn
from fastapi import FastAPI

from orchestrator.operations.request import RequestError
from orchestrator.web.application import create_app
from orchestrator.web.edge.listening import Listening, is_loopback
from orchestrator.web.edge.tls import ServingTls
from orchestrator.web.service import Service

log = logging.getLogger("bascule.web")

STOP_WITHIN = 8
"""Seconds that answers under way have when the service stops."""
LOOK_EVERY = 5.0
"""Seconds between two looks whether the certificate's files were replaced."""


class Server(uvicorn.Server):
    """Says when it listens, and ends the live streams first when it stops.

    With TLS it also listens without, on loopback: for the command line of this machine, which no certificate that has
    ended can lock out.
    """

    def __init__(
        self,
        bascule: Service,
        listener: socket.socket,
        listening: Listening | None = None,
        *,
        look_every: float = LOOK_EVERY,
    ) -> None:
        """Raises RequestError when the certificate can't be used."""
        listening = listening or Listening(host=bascule.settings.host)
        self._bascule = bascule
        self._listener = listener
        self._look_every = look_every
        self._looking: asyncio.Task[None] | None = None
        self._web: FastAPI = create_app(bascule, listening)
        self.tls = ServingTls(listening.tls) if listening.tls is not None else None
        self.url = _url(listener, "http" if self.tls is None else "https")
        self.local_url = self.url
        """Where the command line of this machine asks."""
        super().__init__(_config(self._web))

    def serve_until_stopped(self) -> None:
        if not self.should_exit:
            self.run(sockets=[self._listener])

    def stop(self, *_: object) -> None:
        """Also a signal handler: while the service starts, and when uvicorn hands on the signal that ended it."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self.tls is not None:
            self.config.ssl = self.tls.context
        await super().startup(sockets)
        if not self.started:
            return
        if self.tls is not None:
            await self._listen_locally()
            self._looking = asyncio.create_task(self._keep_looking(self.tls))
        self._bascule.announce_address(self.local_url)

    async def _listen_locally(self) -> None:
        local = listen("127.0.0.1", 0)
        self.local_url = _url(local, "http")
        config = self.config

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(protocol, sock=local, backlog=config.backlog))

    async def _keep_looking(self, tls: ServingTls) -> None:
        while True:
            await asyncio.sleep(self._look_every)
            tls.look()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._looking is not None:
            self._looking.cancel()
        self._web.state.parts.live.close()
        await super().shutdown(sockets)


def serve(bascule: Service, listening: Listening) -> None:
    """Start the service, answer where it is to listen (port 0: any free one) until SIGTERM or SIGINT, then stop it.

    Raises RequestError when the address can't be listened on, the certificate can't be used, or what is sent would
    cross a network in clear.
    """
    listening.require_encryption()
    listener = listen(listening.host, listening.port)
    try:
        server = Server(bascule, listener, listening)
    except RequestError:
        listener.close()
        raise
    handlers = {number: signal.signal(number, server.stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        bascule.start()
        try:
            _tell(bascule, server.url, listening)
            settle()
            server.serve_until_stopped()
        finally:
            bascule.stop()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        listener.close()


def settle() -> None:
    """What is loaded by now stays: the collector of garbage looks at it no more.

    Else a large answer waits a fifth of a second while it looks at every module, class and route for nothing.
    """
    gc.collect()
    gc.freeze()


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


def _tell(bascule: Service, url: str, listening: Listening) -> None:
    """The link with the token is for a person's own terminal; a log that is kept gets the token's place."""
    if listening.insecure_http and listening.tls is None and not listening.proxies and not is_loopback(listening.host):
        log.warning(
            "INSECURE: %s is not loopback, and nothing that is sent there is encrypted, tokens and decisions included. "
            "Give --tls-cert and --tls-key, or put a TLS proxy in front of it",
            listening.host,
        )
    if listening.public is not None:
        url = f"{listening.public.scheme}://{listening.public.netloc}"
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


def _url(listener: socket.socket, scheme: str) -> str:
    bound, port = listener.getsockname()[:2]
    if ipaddress.ip_address(bound).is_unspecified:
        bound = "::1" if ":" in bound else "127.0.0.1"
    return f"{scheme}://[{bound}]:{port}" if ":" in bound else f"{scheme}://{bound}:{port}"
