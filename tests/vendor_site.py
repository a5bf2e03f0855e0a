"""A vendor and controls on loopback, in the condition that a test wants, and an estate that looks at them."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORKS, REFUSES, BROKEN = 200, 401, 503


class _Page(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        self.server.site.asked += 1
        self.server.site.gate.wait(10)
        self.send_response(self.server.site.status)
        self.end_headers()
        self.wfile.write(self.server.site.body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, site: "Site", port: int) -> None:
        self.site = site
        super().__init__(("127.0.0.1", port), _Page)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


@dataclass
class Site:
    """`status` is what it answers; `down` closes its port and `up` opens it again; `gate` closed, it hangs."""

    port: int = 0
    status: int = WORKS
    body: bytes = b"welcome"
    asked: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    _server: _Server | None = None

    def up(self) -> None:
        self._server = _Server(self, self.port)
        self.port = int(self._server.server_address[1])
        self.gate.set()
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def down(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def sites(count: int) -> Iterator[list[Site]]:
    made = [Site() for _ in range(count)]
    for one in made:
        one.up()
    try:
        yield made
    finally:
        for one in made:
            one.gate.set()
            one.down()


def vendor_file(name: str = "oldcloud") -> str:
    """A vendor of the estate's own catalogue; its port is a parameter."""
    return f"""
vendor: {name}
title: {{fr: Ancien nuage, en: Old cloud}}
company: Old Cloud Inc.
jurisdiction: US
control: {{owner: Old Cloud Inc., country: US}}
serves: [cloud]
parameters:
  port: {{type: integer}}
sensors:
  - aspect: auth
    title: {{fr: On entre, en: It lets in}}
    uses: probe.http
    with: {{url: "http://127.0.0.1:${{{{ parameters.port }}}}/login"}}
  - aspect: tcp
    title: {{fr: Le port répond, en: The port answers}}
    uses: probe.tcp
    with: {{host: 127.0.0.1, port: "${{{{ parameters.port }}}}"}}
denials:
  - means: {{fr: Sans abonnement, en: No active subscription}}
    codes: [402]
    texts: ["no active subscription"]
    source: {{url: "https://old.example", says: "402", date: 2026-11-20}}
sources:
  - {{url: "https://old.example", says: "x", date: 2026-11-20}}
"""


def probes_block(vendor: Site, control: Site, *, name: str = "oldcloud") -> str:
    """The block `probes`, for an estate or an agent."""
    return f"""probes:
  scope: live
  vantage: valbourg
  trust_domain: own-probes
  every: 1m
  vendors:
    {name}: {{parameters: {{port: {vendor.port}}}}}
  controls:
    control-near: {{country: FR, uses: probe.http, with: {{url: "http://127.0.0.1:{control.port}/"}}}}
  accounts:
    mayor-token:
      account: mayor
      vendor: {name}
      aspect: denial
      uses: probe.token
      with: {{url: "http://127.0.0.1:{vendor.port}/token", client_id: mayor, client_secret: secret://mayor}}
"""


def indented(block: str, by: int = 2) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in block.splitlines())


def free_listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))
