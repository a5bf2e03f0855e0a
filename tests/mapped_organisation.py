"""A constructed organisation of many domains whose dependencies are known: BIND, web and mail servers on loopback.

Each domain is composed of a few choices, and each choice says the records, pages
and certificates that it brings and the third parties that it makes the domain
depend on: the truth is written down beside its cause, and knows nothing of how it
is found. Among them are things that look like dependencies and are none.
"""

import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from providers.base import Context, JsonMap, ProviderError, Secret
from providers.discovery.networks import NetworkOwner, NetworkTable
from tests.dns_servers import bind_of
from tests.probe_targets import Authority

NET = f"127.{100 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw')) % 100}"
"""Each worker has loopback addresses of its own: the ports are the real ones, 443 and 25."""
CLOUD, HOST, DELIVERY, NOWHERE, GATEWAY = (f"{NET}.{number}.1" for number in (1, 2, 3, 9, 4))
"""Addresses of the big cloud, the European host, the delivery network, of nobody known, and of a mail gateway."""

TABLE = NetworkTable(
    [
        NetworkOwner("big-cloud", "Big Cloud", "test", "2026-11-25", True, (f"{NET}.0.0/22",)),
        NetworkOwner("euro-host", "Euro Host", "test", "2026-11-25", True, (f"{NET}.2.0/24",)),
        NetworkOwner("fast-delivery", "Fast Delivery", "test", "2026-11-25", True, (f"{NET}.3.0/25",)),
    ]
)


@dataclass
class Site:
    """What one host shows: path -> status, further headers, body."""

    pages: dict[str, tuple[int, dict[str, str], str]] = field(default_factory=dict)
    authority: str = "letters"
    asked: list[str] = field(default_factory=list)
    """The paths that visitors asked for."""


@dataclass
class Domain:
    """One domain under construction. `truth`: the third parties that it depends on."""

    name: str
    records: list[str] = field(default_factory=list)
    sites: dict[str, Site] = field(default_factory=dict)
    truth: set[str] = field(default_factory=set)
    loads: list[str] = field(default_factory=list)
    """What is in the head of its start page."""

    def site(self, host: str, address: str, page: str = "") -> Site:
        """A host with an address and a start page."""
        label = "@" if host == self.name else host.removesuffix(f".{self.name}")
        self.records.append(f"{label} 300 A {address}")
        return self.page(host, page)

    def page(self, host: str, page: str = "") -> Site:
        made = self.sites.setdefault(host, Site())
        made.pages["/"] = (200, {}, page)
        return made


Choice = Callable[[Domain], None]

VENDOR_RECORDS = f"""
@ 300 NS ns.invalid.
ns.invalid. 300 A 127.0.0.1
acme.mail.protection.bigoffice.test. 300 A {NET}.4.1
spf.protection.bigoffice.test. 300 TXT "v=spf1 ip4:{NET}.1.0/26 include:spfd.bigoffice-inner.test -all"
spfd.bigoffice-inner.test. 300 TXT "v=spf1 ip4:{NET}.3.9 -all"
aspmx.l.searchmail.test. 300 A {NET}.4.1
_spf.searchmail.test. 300 TXT "v=spf1 include:_netblocks.searchmail-blocks.test ~all"
mx.facteur.test. 300 A {NET}.4.1
facteur.test. 300 TXT "v=spf1 ip4:{NET}.2.8 -all"
mx.petit-hebergeur.test. 300 A {NET}.4.1
spf.petit-hebergeur.test. 300 TXT "v=spf1 ip4:{NET}.9.7 -all"
sender.test. 300 TXT "v=spf1 include:inner.sender-deep.test -all"
ns-1.bigdns.test. 300 A {NET}.4.1
ns.petit-hebergeur.test. 300 A {NET}.9.1
site.apps.bigcloud.test. 300 A {NET}.1.1
edge.fastdelivery.test. 300 A {NET}.3.1
pages.forge.test. 300 CNAME edge.fastdelivery.test.
autodiscover.bigoffice.test. 300 A {NET}.4.1
sipfed.bigoffice-visio.test. 300 A {NET}.4.1
""".strip().splitlines()


def big_office(domain: Domain) -> None:
    domain.records += [
        "@ 300 MX 0 acme.mail.protection.bigoffice.test.",
        '@ 300 TXT "v=spf1 include:spf.protection.bigoffice.test -all"',
        '@ 300 TXT "BO=ms12345678"',
        "autodiscover 300 CNAME autodiscover.bigoffice.test.",
        "_sipfederationtls._tcp 300 SRV 100 1 5061 sipfed.bigoffice-visio.test.",
    ]
    domain.sites[f"autodiscover.{domain.name}"] = Site()
    domain.truth |= {"big-office", "big-visio"}


def search_mail(domain: Domain) -> None:
    domain.records += [
        "@ 300 MX 1 aspmx.l.searchmail.test.",
        '@ 300 TXT "v=spf1 include:_spf.searchmail.test ~all"',
        '@ 300 TXT "searchmail-site-verification=abc"',
    ]
    domain.truth |= {"search-mail"}


def facteur(domain: Domain) -> None:
    domain.records += ["@ 300 MX 10 mx.facteur.test.", '@ 300 TXT "v=spf1 include:facteur.test -all"']
    domain.truth |= {"facteur"}


def own_mail_in_the_cloud(domain: Domain) -> None:
    """Its own server on somebody's machine; newsletters go out through a sender that an include of its own names."""
    domain.records += [
        "@ 300 MX 10 mx1",
        f"mx1 300 A {CLOUD}",
        f'@ 300 TXT "v=spf1 include:_spf.{domain.name} -all"',
        f'_spf 300 TXT "v=spf1 mx include:sender.test ip4:{NET}.2.20 ~all"',
        f"mta-sts 300 A {HOST}",
        '_mta-sts 300 TXT "v=STSv1; id=1"',
    ]
    site = domain.sites.setdefault(f"mta-sts.{domain.name}", Site())
    policy = f"version: STSv1\nmode: enforce\nmx: mx1.{domain.name}\nmx: *.l.searchmail.test\nmax_age: 86400\n"
    site.pages["/.well-known/mta-sts.txt"] = (200, {"Content-Type": "text/plain"}, policy)
    domain.truth |= {"big-cloud", "mass-sender", "euro-host", "search-mail", "letters"}


def small_host_mail(domain: Domain) -> None:
    """A mail host that the catalogue does not know."""
    domain.records += [
        "@ 300 MX 10 mx.petit-hebergeur.test.",
        '@ 300 TXT "v=spf1 include:spf.petit-hebergeur.test -all"',
    ]
    domain.truth |= {"mx.petit-hebergeur.test", "spf.petit-hebergeur.test", "digits"}


def big_dns(domain: Domain) -> None:
    domain.records += ["@ 300 NS ns-1.bigdns.test.", "@ 300 NS ns-2.bigdns.test."]
    domain.truth |= {"big-dns"}


def own_dns(domain: Domain) -> None:
    domain.records += ["@ 300 NS ns1", f"ns1 300 A {HOST}"]
    domain.truth |= {"euro-host"}


def two_dns(domain: Domain) -> None:
    domain.records += ["@ 300 NS ns-1.bigdns.test.", "@ 300 NS ns.petit-hebergeur.test."]
    domain.truth |= {"big-dns", "ns.petit-hebergeur.test"}


def web_at_cloud(domain: Domain) -> None:
    domain.site(domain.name, CLOUD)
    domain.records.append("www 300 CNAME site.apps.bigcloud.test.")
    domain.page(f"www.{domain.name}")
    domain.truth |= {"big-cloud", "letters"}


def web_at_host(domain: Domain) -> None:
    domain.site(domain.name, HOST)
    domain.site(f"www.{domain.name}", HOST)
    domain.truth |= {"euro-host", "letters"}


def web_at_forge(domain: Domain) -> None:
    """Pages of a forge, which a delivery network serves in its turn: that one is the forge's own affair."""
    domain.site(domain.name, NOWHERE)
    domain.records.append("www 300 CNAME pages.forge.test.")
    domain.page(f"www.{domain.name}")
    domain.truth |= {"forge", "letters"}


def web_by_delivery(domain: Domain) -> None:
    domain.site(domain.name, DELIVERY)
    domain.site(f"www.{domain.name}", DELIVERY)
    for host in (domain.name, f"www.{domain.name}"):
        domain.sites[host].authority = "digits"
    domain.truth |= {"fast-delivery", "digits"}


def analytics(domain: Domain) -> None:
    domain.loads.append('<script async src="https://www.counting.test/count.js?id=1"></script>')
    domain.truth |= {"counting"}


def fonts(domain: Domain) -> None:
    """By a style sheet of its own that imports another."""
    domain.loads.append('<link rel="stylesheet" href="/theme.css">')
    for host in (domain.name, f"www.{domain.name}"):
        sheet = "@import url('//fonts.bigsearch.test/css?family=Marianne'); body { color: #000 }"
        domain.sites[host].pages["/theme.css"] = (200, {"Content-Type": "text/css"}, sheet)
    domain.truth |= {"big-fonts"}


def widget(domain: Domain) -> None:
    """From somebody unknown; and a video in a frame on the page after the start page."""
    domain.loads.append('<script src="https://widget.inconnu.test/w.js"></script><a href="/film">Film</a>')
    for host in (domain.name, f"www.{domain.name}"):
        film = '<iframe src="https://player.videos.test/embed/1"></iframe>'
        domain.sites[host].pages["/film"] = (200, {}, film)
    domain.truth |= {"widget.inconnu.test", "big-videos"}


def sign_in(domain: Domain) -> None:
    """People are sent to somebody else's sign-in page."""
    site = domain.site(f"sso.{domain.name}", HOST)
    place = "https://login.bigidentity.test/t/oauth2/v2.0/authorize?client_id=1&response_type=code"
    site.pages["/"] = (302, {"Location": place}, "")
    domain.truth |= {"big-identity", "euro-host"}


def form(domain: Domain) -> None:
    domain.loads.append('<form action="https://forms.collect.test/send" method="post"></form>')
    domain.truth |= {"forms.collect.test"}


def permission(domain: Domain) -> None:
    domain.records.append('@ 300 CAA 0 issue "digits.test; account=1"')
    domain.truth |= {"digits"}


def decoys(domain: Domain) -> None:
    """Links, comments, data, what robots may not read, a text that proves nothing: none is a dependency."""
    domain.loads.append(
        '<link rel="canonical" href="https://elsewhere.test/"><a href="https://social.test/page">Follow us</a>'
        '<!-- <script src="https://commented.test/x.js"></script> --><img src="data:image/png;base64,AAAA">'
        '<script type="application/ld+json">{"@context": "https://schema.test"}</script><a href="/private/x">x</a>'
    )
    for host in (domain.name, f"www.{domain.name}"):
        domain.sites[host].pages["/robots.txt"] = (200, {}, "User-agent: *\nDisallow: /private/\n")
        domain.sites[host].pages["/private/x"] = (200, {}, '<script src="https://secret.test/x.js"></script>')
    domain.records += ['@ 300 TXT "some-old-note=1"', f"printer 300 A {NET}.9.99"]


MAIL: Sequence[Choice] = (big_office, search_mail, facteur, own_mail_in_the_cloud, small_host_mail)
NAMES: Sequence[Choice] = (big_dns, own_dns, two_dns)
SITES: Sequence[Choice] = (web_at_cloud, web_at_host, web_at_forge, web_by_delivery)
BESIDES: Sequence[Choice] = (analytics, fonts, widget, sign_in, form, permission, decoys)


def construct(count: int) -> list[Domain]:
    """So many domains, each another mixture; always the same ones."""
    made = []
    for number in range(count):
        domain = Domain(f"commune-{number:02d}.example")
        chosen = [MAIL[number % 5], NAMES[number % 3], SITES[(number // 2) % 4]]
        chosen += [one for at, one in enumerate(BESIDES) if (number >> at % 4) % 2 or (number + at) % 7 == 0]
        for choice in chosen:
            choice(domain)
        for host in (domain.name, f"www.{domain.name}"):
            body = f"<html><head><title>{domain.name}</title>{''.join(domain.loads)}</head><body></body></html>"
            domain.sites[host].pages["/"] = (200, {}, body)
        made.append(domain)
    return made


class _Pages(BaseHTTPRequestHandler):
    """Every site, by the Host header."""

    server: "_Web"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site = self.server.sites.get(str(self.headers["Host"]).partition(":")[0])
        path = self.path.partition("?")[0]
        if site is not None:
            site.asked.append(path)
        status, headers, body = site.pages.get(path, (404, {}, "")) if site else (421, {}, "")
        data = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class _Web(ThreadingHTTPServer):
    """HTTPS at one address; the certificate follows the name that the visitor asks for."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: str, sites: Mapping[str, Site], tls: ssl.SSLContext) -> None:
        try:
            super().__init__((address, 443), _Pages)
        except PermissionError as error:
            raise AssertionError("this test binds port 443 of loopback addresses: run it as root") from error
        self.sites = sites
        self._tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        """The handshake belongs to the request's own thread."""
        with self._tls.wrap_socket(request, server_side=True) as secured:
            secured.settimeout(10)
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor that goes away is no news."""


@contextmanager
def _web(address: str, sites: Mapping[str, Site], tls: ssl.SSLContext) -> Iterator[None]:
    with _Web(address, sites, tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _mail(address: str, tls: ssl.SSLContext) -> Iterator[None]:
    controller = Controller(
        object(), hostname=address, port=25, server_hostname="mail.test", tls_context=tls, ready_timeout=20.0
    )
    controller.start()
    try:
        yield
    finally:
        controller.stop()


@contextmanager
def organisation(directory: Path, domains: Sequence[Domain]) -> Iterator[Context]:
    """All its servers, and a scope that reaches them and nothing else."""
    (directory / "letters").mkdir()
    (directory / "digits").mkdir()
    authorities = {
        "letters": Authority(directory / "letters", "Letters Trust"),
        "digits": Authority(directory / "digits", "Digits Inc"),
    }
    bundle = directory / "authorities.pem"
    bundle.write_bytes(b"".join(one.file.read_bytes() for one in authorities.values()))
    sites = {host: site for domain in domains for host, site in domain.sites.items()}
    names = [".".join(("*", domain.name)) for domain in domains] + [domain.name for domain in domains]
    tls = {name: one.server_context(*names, "mail.test") for name, one in authorities.items()}

    def follow(line: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        if name in sites:
            line.context = tls[sites[name].authority]

    tls["letters"].sni_callback = follow
    scope: JsonMap = {
        "networks": ["127.0.0.1/32", f"{NET}.0.0/16"],
        "tls": {"ca": str(bundle)},
    }
    with ExitStack() as stack:
        zones = {domain.name: [*_name_server(domain), *domain.records] for domain in domains}
        (directory / "dns").mkdir()
        server = stack.enter_context(bind_of(directory / "dns", {".": VENDOR_RECORDS, **zones}))
        for address in (CLOUD, HOST, DELIVERY, NOWHERE):
            stack.enter_context(_web(address, sites, tls["letters"]))
        stack.enter_context(_mail(CLOUD, tls["letters"]))
        stack.enter_context(_mail(GATEWAY, tls["digits"]))
        scope = {**scope, "dns": {"resolvers": [server.address], "zones": {}}}
        yield Context(scope=scope, reveal=_no_secret, workspace=directory, estate=directory, deadline=60.0)


def _name_server(domain: Domain) -> list[str]:
    """Zones have at least one; every choice of names brings its own."""
    return [] if any(" NS " in record for record in domain.records) else ["@ 300 NS ns.invalid."]


def _no_secret(reference: str) -> Secret:
    raise ProviderError(f"{reference} is not given here.", permanent=True)
