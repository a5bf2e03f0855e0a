"""What a page brings in, by its HTML and CSS; and that no page, however hostile, holds the reader up."""

import time

import pytest

from providers.discovery.page_fetch import PAGE_BYTES
from providers.discovery.references import is_sign_in, read_page, read_style

PAGE = """
<html><head><base href="https://own.example/a/">
<script src="//scripts.test/x.js"></script><script>var x = '<script src="https://no.test/">';</script>
<link rel="stylesheet" href="style.css"><link rel="preload" as="font" href="https://fonts.test/f.woff2">
<link rel="dns-prefetch" href="https://soon.test"><link rel="canonical" href="https://no.test/">
<link rel="alternate" href="https://no.test/rss"><meta property="og:image" content="https://no.test/i.png">
<style>@import "https://sheets.test/s.css"; @font-face { src: url(https://faces.test/f) }
b { background: url('/b.png') }</style>
<script type="application/ld+json">{"url": "https://no.test"}</script>
<!-- <img src="https://no.test/c.png"> --></head><body style="background: url(https://walls.test/w.png)">
<img src="data:image/png;base64,AA" srcset="https://small.test/s.png 1x, https://large.test/l.png 2x">
<iframe src="https://frames.test/e"></iframe><form action="https://forms.test/f"></form>
<video poster="https://posters.test/p"><source src="https://films.test/m"></video>
<a href="/next">x</a><a href="https://elsewhere.test/">x</a><a href="javascript:void(0)">x</a>
<a href="mailto:a@no.test">x</a>
<p>a < b & c<img src="http://[broken"><img src="https://x.test:99999/">
</body></html>
"""


def test_what_a_page_loads_and_leads_to() -> None:
    found = read_page(PAGE, "https://own.example/")
    assert {(one.kind, one.host) for one in found.loaded if one.host != "own.example"} == {
        ("script", "scripts.test"),
        ("font", "fonts.test"),
        ("other", "soon.test"),
        ("style", "sheets.test"),
        ("font", "faces.test"),
        ("image", "walls.test"),
        ("image", "small.test"),
        ("image", "large.test"),
        ("frame", "frames.test"),
        ("form", "forms.test"),
        ("image", "posters.test"),
        ("media", "films.test"),
    }
    assert ("style", "https://own.example/a/style.css") in {(one.kind, one.url) for one in found.loaded}
    assert found.links == ["https://own.example/next", "https://elsewhere.test/"]


def test_what_a_style_sheet_loads() -> None:
    sheet = """@import url("https://a.test/x.css"); @import 'https://b.test/y.css';
    @font-face { src: url(https://c.test/f) format("woff2") } p { background: url( "https://d.test/i.png" ) }
    i { src: url(https://e.test/f.woff2) } u { background: url(data:image/png;base64,AA) }"""
    found = {(one.kind, one.host) for one in read_style(sheet, "https://own.example/s.css")}
    assert found == {
        ("style", "a.test"),
        ("style", "b.test"),
        ("font", "c.test"),
        ("image", "d.test"),
        ("font", "e.test"),
    }


@pytest.mark.parametrize(
    ("url", "signs_in"),
    [
        ("https://login.test/t/oauth2/v2.0/authorize?client_id=1&response_type=code", True),
        ("https://idp.test/realms/x/protocol/openid-connect/auth", True),
        ("https://idp.test/x?SAMLRequest=abc", True),
        ("https://adfs.test/adfs/ls/?wa=wsignin1.0&wtrealm=x", True),
        ("https://shop.test/authorized-dealers", False),
        ("https://x.test/?client_id=1", False),
        ("http://[broken", False),
    ],
)
def test_where_people_are_sent_to_sign_in(url: str, signs_in: bool) -> None:
    assert is_sign_in(url) is signs_in


HOSTILE = [
    "<a ",
    "<!--",
    "<![",
    "<!",
    "<?",
    "</a ",
    "<a href='",
    "<a b='c' ",
    "<!--x--!",
    "<![CDATA[",
    "&#1",
    "<style>",
]
HOSTILE += ["<img srcset=,", "<script><", "<base href=x>", "<![foo]>"]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_page_holds_the_reader_up(text: str) -> None:
    begun = time.monotonic()
    read_page(text * (PAGE_BYTES // len(text)), "https://own.example/")
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("text", ["url(", "url('", "@import '", "@import ", "@font-face{", "@font-face{url(a)"])
def test_no_style_sheet_holds_the_reader_up(text: str) -> None:
    begun = time.monotonic()
    list(read_style(text * (PAGE_BYTES // len(text)), "https://own.example/"))
    assert time.monotonic() - begun < 10
