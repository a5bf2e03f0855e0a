"""Jitsi Meet: its configuration, and the BOSH sessions of the XMPP server behind it.

The configuration has the two forms of jitsi/jitsi-meet's Debian package and of jitsi/docker-jitsi-meet
(`web/rootfs/defaults/system-config.js`). The sessions answer as the `mod_bosh.lua` of Prosody 0.12 does (XEP-0124,
XEP-0206).
"""

from dataclasses import dataclass, field
from uuid import uuid4
from xml.etree import ElementTree as ET

from providers.simulator.condition import unavailable
from providers.simulator.http_service import Request, Response

BOSH = "http://jabber.org/protocol/httpbind"

_DEBIAN = """var config = {{
    hosts: {{
        // XMPP domain.
        domain: '{domain}',

        // When using authentication, domain for guest users.
        // anonymousdomain: 'guest.example.com',
        muc: 'conference.{domain}',
    }},
    bosh: '/http-bind',
}};
"""
_CONTAINER = """// Jitsi Meet configuration.
var config = {{}};

if (!config.hasOwnProperty('hosts')) config.hosts = {{}};

config.hosts.domain = '{domain}';
config.hosts.muc = 'muc.{domain}';
config.bosh = '/http-bind';
"""
_FEATURES = (
    "<stream:features xmlns='jabber:client'><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
    "<mechanism>ANONYMOUS</mechanism></mechanisms></stream:features>"
)


@dataclass(slots=True)
class Jitsi:
    """`domain`: what the pages are told; `hosts`: what the XMPP server serves. `sessions`: those that are open."""

    domain: str
    hosts: set[str] = field(default_factory=set)
    container: bool = False
    sessions: dict[str, str] = field(default_factory=dict)
    opened: int = 0

    def handle(self, request: Request) -> Response:
        if request.path == "/config.js":
            text = (_CONTAINER if self.container else _DEBIAN).format(domain=self.domain)
            return Response(200, text.encode(), {"Content-Type": "application/javascript"})
        if request.path == "/http-bind":
            return self._bosh(request)
        return Response(200, b"<html><title>Jitsi Meet</title></html>", {"Content-Type": "text/html"})

    def in_maintenance(self, request: Request) -> Response:
        return unavailable(request)

    def read_only(self, request: Request) -> Response:
        """Its pages are there, but nobody may open a session."""
        return Response(403) if request.path == "/http-bind" else self.handle(request)

    def _bosh(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(200, b"<html><body>It works! Now point your BOSH client to this URL.</body></html>")
        try:
            body = ET.fromstring(request.body)  # noqa: S314  # nosec B314  # nosemgrep: xml-expands  # only the checks of this machine post here
        except ET.ParseError:
            return Response(400)
        sid = body.get("sid")
        if sid is None:
            return self._opened(body.get("to", ""))
        if sid not in self.sessions:
            return _terminated("item-not-found")
        if body.get("type") == "terminate":
            del self.sessions[sid]
            return _terminated()
        return _bosh_answer(f"sid='{sid}'", "")

    def _opened(self, host: str) -> Response:
        if host not in (self.hosts or {self.domain}):
            return _terminated("improper-addressing")
        sid = str(uuid4())
        self.sessions[sid] = host
        self.opened += 1
        return _bosh_answer(
            f"sid='{sid}' authid='{sid}' ver='1.6' wait='5' hold='1' inactivity='60' polling='5' requests='2' "
            f"from='{host}' secure='true' xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0' "
            "xmlns:stream='http://etherx.jabber.org/streams'",
            _FEATURES,
        )


def _terminated(condition: str = "") -> Response:
    why = f" condition='{condition}'" if condition else ""
    return _bosh_answer(f"type='terminate'{why} xmlns:stream='http://etherx.jabber.org/streams'", "")


def _bosh_answer(attributes: str, inside: str) -> Response:
    text = f"<body xmlns='{BOSH}' {attributes}>{inside}</body>"
    return Response(200, text.encode(), {"Content-Type": "text/xml; charset=utf-8"})
