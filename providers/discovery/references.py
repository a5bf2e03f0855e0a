"""What a page loads, sends and leads to, by its HTML and CSS alone: no script is run."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import islice
from urllib.parse import parse_qs, urljoin, urlsplit

from providers.discovery.sign import Kind

MOST = 2000
"""References of one page that are looked at."""

_URL = re.compile(r"""url\(\s*['"]?([^'")\s]{1,2048})""", re.IGNORECASE)
_IMPORT = re.compile(r"""@import\s+['"]([^'"]{1,2048})""", re.IGNORECASE)
_FONT_FACE = re.compile(r"@font-face\s*\{([^}]{0,8192})", re.IGNORECASE)
_FONTS = (".woff2", ".woff", ".ttf", ".otf", ".eot")
_REFRESH = re.compile(r"""^\s*\d*\s*[;,]\s*url\s*=\s*['"]?([^'"]+)""", re.IGNORECASE)
_SIGN_IN = re.compile(r"/(?:oauth2?|openid-connect|adfs|saml2?|cas)(?:/.*)?/?(?:authorize|auth|ls|sso|login)\b", re.I)

_LOADED: dict[tuple[str, str], Kind] = {
    ("script", "src"): "script",
    ("img", "src"): "image",
    ("iframe", "src"): "frame",
    ("frame", "src"): "frame",
    ("embed", "src"): "frame",
    ("object", "data"): "frame",
    ("video", "src"): "media",
    ("video", "poster"): "image",
    ("audio", "src"): "media",
    ("source", "src"): "media",
    ("track", "src"): "media",
    ("form", "action"): "form",
    ("input", "formaction"): "form",
    ("button", "formaction"): "form",
}
_LINKED: dict[str, Kind] = {
    "stylesheet": "style",
    "modulepreload": "script",
    "preload": "other",
    "prefetch": "other",
    "preconnect": "other",
    "dns-prefetch": "other",
    "icon": "image",
    "apple-touch-icon": "image",
    "manifest": "other",
}
_AS: dict[str, Kind] = {"font": "font", "script": "script", "style": "style", "image": "image"}


@dataclass(frozen=True, slots=True)
class Reference:
    """`url` is absolute, http or https."""

    kind: Kind
    url: str

    @property
    def host(self) -> str:
        return host_of(self.url)


@dataclass
class References:
    """`loaded`: what the browser fetches or sends by itself. `links`: where people may go."""

    loaded: list[Reference] = field(default_factory=list)
    links: list[str] = field(default_factory=list)


def read_page(text: str, url: str) -> References:
    """What stands before the first thing that never ends, such as a comment: browsers see no more either.

    The parser is not asked to make sense of the rest: on hostile pages that takes it minutes.
    """
    reader = _Reader(url)
    # The parser gives up on some broken declarations; what was read before them stands.
    with suppress(AssertionError):
        reader.feed(text)
    return reader.found


def read_style(text: str, url: str) -> Iterator[Reference]:
    """What a style sheet loads, as far as MOST."""
    yield from islice(_style(text, url), MOST)


def _style(text: str, url: str) -> Iterator[Reference]:
    fonts = {match.group(1) for face in _FONT_FACE.findall(text) for match in _URL.finditer(face)}
    for match in _IMPORT.finditer(text):
        yield from _absolute("style", match.group(1), url)
    for match in _URL.finditer(text):
        target = match.group(1)
        imported = text[max(0, match.start() - 16) : match.start()].rstrip().lower().endswith("@import")
        is_font = target in fonts or urlsplit(target).path.lower().endswith(_FONTS)
        yield from _absolute("style" if imported else "font" if is_font else "image", target, url)


def host_of(url: str) -> str:
    """The host of a URL in lower case; empty when it has none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""


def is_sign_in(url: str) -> bool:
    """Whether a URL asks an identity provider to sign somebody in: OAuth 2.0, OpenID Connect, SAML or WS-Federation."""
    try:
        parts = urlsplit(url)
        asked = {key.lower() for key in parse_qs(parts.query, keep_blank_values=True, max_num_fields=100)}
    except ValueError:
        return False
    if "samlrequest" in asked or {"client_id", "response_type"} <= asked or {"wa", "wtrealm"} <= asked:
        return True
    return bool(_SIGN_IN.search(parts.path))


class _Reader(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found = References()
        self._base = url
        self._based = False
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "base" and not self._based and said.get("href"):
            self._based = True
            self._base = _joined(self._base, said["href"])
        elif tag == "style":
            self._in_style = True
        elif tag in ("a", "area"):
            self._lead(said.get("href", ""))
        elif tag == "link":
            self._link(said)
        elif tag == "meta" and said.get("http-equiv", "").lower() == "refresh":
            match = _REFRESH.match(said.get("content", ""))
            self._lead(match.group(1) if match else "")
        for (element, attribute), kind in _LOADED.items():
            if element == tag and attribute in said:
                self._load(kind, said[attribute])
        self._besides(tag, said)

    def _link(self, said: dict[str, str]) -> None:
        for relation in said.get("rel", "").lower().split():
            if relation in _LINKED:
                self._load(_AS.get(said.get("as", "").lower(), _LINKED[relation]), said.get("href", ""))

    def _besides(self, tag: str, said: dict[str, str]) -> None:
        for candidate in said.get("srcset", "").split(","):
            if candidate.split():
                self._load("image", candidate.split()[0])
        if "style" in said:
            self._add(list(read_style(said["style"], self._base)))

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self._add(list(read_style(data, self._base)))

    def _lead(self, target: str) -> None:
        if len(self.found.links) < MOST:
            self.found.links += [one.url for one in _absolute("other", target, self._base)]

    def _load(self, kind: Kind, target: str) -> None:
        self._add(list(_absolute(kind, target, self._base)))

    def _add(self, references: list[Reference]) -> None:
        self.found.loaded += references[: max(0, MOST - len(self.found.loaded))]


def _joined(base: str, target: str) -> str:
    try:
        return urljoin(base, target)
    except ValueError:
        return base


def _absolute(kind: Kind, target: str, base: str) -> Iterator[Reference]:
    try:
        url = urljoin(base, target.strip())
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return
    del port  # a port out of range raises only when it is read
    if target.strip() and parts.scheme in ("http", "https") and parts.hostname:
        yield Reference(kind, url)
