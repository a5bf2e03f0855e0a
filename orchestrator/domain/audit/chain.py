"""The canonical form of one entry, byte by byte, and how a chain's hashes follow from it.

An entry's text is JSON in UTF-8 without spaces, its seven keys in this order:

    {"actor":A,"at":T,"attempt":N,"data":D,"kind":K,"seq":S,"step":P}

`A` and `K` are strings, `P` is a string or null, `N` and `S` are whole numbers, `T` is a number with a fraction
(seconds since the epoch, UTC), `D` is an object. Inside `D` keys are in ascending order of their code points.
Strings escape `"` and `\\` by a backslash; backspace, tab, line feed, form feed and carriage return as \\b \\t \\n \\f
\\r; other characters below U+0020 as \\u00xx with small letters; nothing else. Whole numbers are plain digits. A number
that was written with a fraction or an exponent is a binary64: the fewest digits that give it again, positional with at
least one digit after the point from 1e-4 up to below 1e16, otherwise `d.ddde+XX` with at least two digits in the
exponent (`1e+16`, `2.5e-07`); this is how Python's `repr` and many others write it.

A hash is SHA-256, written as 64 small hexadecimal digits:

    hash of entry 0 (none)  = SHA-256("bascule-audit-1" LF name of the chain)
    hash of entry n         = SHA-256(hash of entry n-1 LF text of entry n)

So an entry can't be moved to another place, nor to another chain, without a change of its hash.
"""

import json
from hashlib import sha256
from json.encoder import encode_basestring
from typing import Any

FORM = "bascule-audit-1"
"""Of this canonical form; another one would be another chain."""

ADMINISTRATION = "administration"
"""The chain of everything that is no run's own."""
RUN = "run/"
"""What the name of a run's chain begins with; the run's id follows."""

_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False).encode


class NotCanonical(ValueError):
    """A text that is no JSON object with each key once."""


def canonical(value: Any) -> str:
    """The canonical text of plain data: objects with text as keys, lists, texts, numbers, true, false, null."""
    return _encode(value)


def recanonical(text: str) -> str:
    """The canonical text of a JSON object that is written in any way. Raises NotCanonical."""
    try:
        return _encode(plain(text))
    except (ValueError, RecursionError, TypeError) as error:
        raise NotCanonical(str(error)) from error


def plain(text: str) -> dict[str, Any]:
    """A JSON object that is written in any way, with each key once. Raises ValueError, RecursionError."""
    value = json.loads(text, object_pairs_hook=_each_once)
    if not isinstance(value, dict):
        raise NotCanonical("no object")
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotCanonical("a key is there twice")
    return found


def entry_text(seq: int, at: float, kind: str, actor: str, step: str | None, attempt: int, data: str) -> str:
    """An entry in its canonical form; `data` is an object's canonical text."""
    where = "null" if step is None else encode_basestring(step)
    return (
        f'{{"actor":{encode_basestring(actor)},"at":{at!r},"attempt":{attempt},"data":{data},'
        f'"kind":{encode_basestring(kind)},"seq":{seq},"step":{where}}}'
    )


def genesis(chain: str) -> str:
    """What the first entry of a chain follows."""
    return sha256(f"{FORM}\n{chain}".encode("utf-8", "surrogatepass")).hexdigest()


def link(previous: str, text: str) -> str:
    """The hash of the entry with this text, after the one with that hash."""
    return sha256(f"{previous}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def run_chain(run_id: str) -> str:
    return RUN + run_id
