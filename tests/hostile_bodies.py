"""Bodies that an attacker who has a source's secret would send: the same 500 of each format at every run."""

import json
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.signal_senders import NEWS, Post, proven

EACH = 500
PRODUCT = re.compile(r"(?<![\w.])94011(?!\w)")
"""What the templates among the payloads come to, were one of them ever rendered; not a part of a time or a digest."""


def payloads(marker: str) -> list[str]:
    """Texts for every place: templates, YAML, HTML, shell, SQL, terminals. `marker`: a file they would make."""
    return [
        "{{ 31337 * 3 }}",
        "{% for x in range(3) %}{{ 31337 * 3 }}{% endfor %}",
        f"{{{{ lookup('pipe', 'touch {marker}') }}}}",
        f"{{{{ cycler.__init__.__globals__.os.popen('touch {marker}').read() }}}}",
        "${31337*3} #{31337*3} <%= 31337*3 %> ${{ parameters.domain }} ${{ 31337 * 3 }}",
        f"!!python/object/apply:os.system ['touch {marker}']",
        f"- !ruby/object:Gem::Installer\n  i: touch {marker}",
        "&a [*a, *a, *a]",
        "<script>document.title='xss'</script>",
        "\"><img src=x onerror=document.title='xss'>",
        "<svg/onload=document.title='xss'>&lt;b&gt;",
        "&#60;script&#62;document.title='xss'&#60;/script&#62;",
        f"$(touch {marker})",
        f"`touch {marker}`; touch {marker} | touch {marker} && touch {marker}",
        "'; DROP TABLE observations; --",
        "%s%s%n {0.__class__.__mro__} %(x)s",
        f"__import__('os').system('touch {marker}')",
        "microsoft-365\r\nX-Injected: 1\r\n\r\n<html>",
        "\x1b[2J\x1b]0;owned\x07\x9b31m",
        "\u202egnp.exe\u2066",
        "\0nul\0",
        "\ud800",
        "../../../../etc/passwd",
        "secret://alertmanager",
        "file:///etc/passwd http://169.254.169.254/latest/meta-data/",
        "${jndi:ldap://127.0.0.1/a}",
        "A" * 20_000,
        "é" * 3000,
        "",
        " ",
        "*",
        "[a-z]*?" * 200,
    ]


_WRONG: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**63, -(2**70), 10**400, 1.5, 1e308, -1e-308, 5e-324),
    *("", "0", "1", "null", "NaN", "9" * 400, [], {}, [[]], [None], [{}], {"": ""}, {"a": {"b": {"c": [1]}}}),
    *([0] * 2000, {str(n): n for n in range(500)}, "9999-12-31T23:59:59Z", "-0001-01-01T00:00:00Z", 253402300800000),
]
"""Values of every type, for every place of a body."""


def _raw(news: bytes) -> list[bytes]:
    """What is no JSON, or only just; and whole bodies of every wrong type."""
    return [
        b"",
        b"\0",
        b"\xff\xfe" + news.decode().encode("utf-16-le"),
        b"\xef\xbb\xbf" + news,
        news[:-1],
        news + news,
        news + b"\xff",
        news.replace(b":", b"\xc3\x28:", 1),
        news.replace(b"{", b"{" + news[1 : news.index(b",")] + b",", 1),
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500,
        b"[" * 90_000 + b"]" * 90_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"[" + b"[]," * 200_000 + b"[]]",
        b'{"alerts": [' + b"{}," * 40_000 + b"{}]}",
        b'{"data": ' + b'{"data": ' * 900 + b"{}" + b"}" * 901,
        b'{"alerts": NaN, "data": -Infinity}',
        b'{"alerts": 1e999, "id": -1e999}',
        b"9" * 100_000,
        b"-" + b"9" * 4300,
        b'"' + b"\\u0000" * 1000 + b'"',
        b'"\\ud800\\ud800"',
        b"'single'",
        b"{'a': 1}",
        b"[1,]",
        b"// comment\n{}",
        b"null",
        b"true",
        b"0",
        b'""',
        b"[]",
        b"{}",
        b"[null]",
        b"[[[[[]]]]]",
        b"a: &a [*a]\nb: !!python/object:x {}",
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        b"alerts=1&status=firing",
        b"%PDF-1.4",
        b"\x1f\x8b\x08\x00" + bytes(1000),
        bytes(range(256)) * 100,
    ]


def bodies(name: str, marker: str) -> list[bytes]:
    """EACH bodies for a source: raw ones first, then news with something wrong at each place."""
    chance = random.Random(name)
    news = NEWS[name]()
    raw = _raw(json.dumps(news).encode())
    places = list(_places(news))
    wrong = [(place, value) for place in places for value in _WRONG]
    planted = [(place, text) for place in places for text in payloads(marker)]
    left = EACH - len(raw)
    chosen = chance.choices(wrong, k=left // 3) + chance.choices(planted, k=left // 3)
    changed = [_changed(news, place, value) for place, value in chosen]
    grown = [_tree(chance, payloads(marker), 4) for _ in range(left - len(chosen))]
    return [*raw, *(json.dumps(one).encode() for one in (*changed, *grown))]


def posts(name: str, marker: str) -> Iterator[Post]:
    """The bodies with their source's right proof; events also with attributes in headers."""
    chance = random.Random(name + "headers")
    for number, body in enumerate(bodies(name, marker)):
        more: dict[str, Any] = _attributes(chance, marker) if name == "cloudevents" and number % 2 else {}
        yield proven(name, body, sent=f"hostile-{number}", **more)


def _attributes(chance: random.Random, marker: str) -> dict[str, str]:
    """CloudEvents in binary mode, as far as a header can hold them."""
    said = {name: chance.choice(payloads(marker)) for name in ("ce-id", "ce-source", "ce-type", "ce-time", "ce-x")}
    said["ce-specversion"] = chance.choice(["1.0", "0.3", "1.0%00", "%ff%fe", "{{ 31337 * 3 }}"])
    kind = chance.choice(["application/json", "text/plain", "application/cloudevents+json; charset=x", "a/b/c;;"])
    plain = {name: "".join(sign for sign in value[:500] if 32 < ord(sign) < 127) for name, value in said.items()}
    return {**plain, "Content-Type": kind}


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _places(one, (*path, key))


def _changed(value: Any, path: tuple[str | int, ...], wanted: Any) -> Any:
    if not path:
        return wanted
    copy: Any = dict(value) if isinstance(value, Mapping) else list(value)
    copy[path[0]] = _changed(value[path[0]], path[1:], wanted)
    return copy


def _tree(chance: random.Random, texts: list[str], depth: int) -> Any:
    """Any JSON value whose keys are sometimes those that readers look for."""
    known = ["alerts", "labels", "status", "heartbeat", "monitor", "macros", "data", "tags", "id", "event_id", "source"]
    if depth == 0 or chance.random() < 0.2:
        return chance.choice([*_WRONG, *texts])
    if chance.random() < 0.4:
        return [_tree(chance, texts, depth - 1) for _ in range(chance.randrange(4))]
    keys = [chance.choice([*known, *texts]) for _ in range(chance.randrange(1, 6))]
    return {key: _tree(chance, texts, depth - 1) for key in keys}
