"""Record sets as values: put into one canonical form, compared, and judged. No network.

Two spellings of the same data are the same record set: values lose their order,
duplicates, letter case of names and relative names (RFC 4034 §6.2 names the
canonical form that is used here).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import get_args

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.tokenizer
from dns.rdtypes.ANY.TXT import TXT

from providers.base import JsonMap, Presence, ProviderError
from providers.wants import Record, Records, RecordType

STRING_BYTES = 255
"""The longest character-string that a TXT record can hold (RFC 1035 §3.3)."""

TYPES: tuple[str, ...] = get_args(RecordType)
"""The types that a step can speak of."""

_NAMELESS = frozenset({dns.rdatatype.A, dns.rdatatype.AAAA, dns.rdatatype.CAA, dns.rdatatype.TXT})
"""Types whose data holds no name, and so has one spelling only."""

_PLAIN = re.compile(r"[a-z0-9_*-]+(?:\.[a-z0-9_*-]+)*\.")
"""An absolute name that is spelled as its canonical form is: nothing escaped."""

NAMES_KEPT = 4096
"""Names whose parsed form is kept: the same few are asked for at every look."""

VALUES_KEPT = 1024
"""Values whose canonical text is kept: a change of many zones brings the same few to each, and finds the same few.

A name is at most 255 bytes (RFC 1035 §2.3.4), a text mostly a few hundred.
"""

Key = tuple[str, str]
"""Name relative to the zone, and type."""


@dataclass(frozen=True, slots=True)
class RecordSet:
    """All values of one name and type; without values it is absent, and has no TTL.

    `name`: relative to the zone, lower case, `@` for the zone itself. `ttl`: seconds.
    `values`: canonical zone-file texts with absolute names, sorted.
    """

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        return self.name, self.type

    def as_json(self) -> JsonMap:
        return {"name": self.name, "type": self.type, "ttl": self.ttl, "values": list(self.values)}

    def __str__(self) -> str:
        return f"{', '.join(self.values)} (TTL {self.ttl})" if self.values else "nothing"


RecordSets = tuple[RecordSet, ...]
"""In the order of their keys, each key once."""


@lru_cache(NAMES_KEPT)
def origin(zone: str) -> dns.name.Name:
    """The zone's own name, absolute."""
    return dns.name.from_text(zone).canonicalize()


@lru_cache(NAMES_KEPT)
def owner(name: str, zone: str) -> dns.name.Name:
    """The absolute name of a record's relative one."""
    apex = origin(zone)
    return apex if name == "@" else dns.name.from_text(name, apex).canonicalize()


def relative(name: str, zone: str) -> str:
    """The name of a record relative to its zone, `@` for the zone itself; `name` is absolute."""
    plain, end = name.lower(), f"{zone}."
    if plain == end:
        return "@"
    if plain.endswith(f".{end}") and _PLAIN.fullmatch(plain):
        return plain.removesuffix(f".{end}")
    return dns.name.from_text(name).canonicalize().relativize(origin(zone)).to_text()


def spoken_of(want: Records) -> RecordSets:
    """The record sets that a step names, without what they shall be. Raises ProviderError(permanent) for one twice."""
    sets = tuple(sorted((RecordSet(record.name.lower(), record.type) for record in want.records), key=_key))
    twice = [f"{one.name} {one.type}" for one, after in pairwise(sets) if one.key == after.key]
    if twice:
        raise ProviderError(
            f"{want.zone}: the step wants {', '.join(twice)} more than once; put all its values into one record.",
            permanent=True,
        )
    return sets


def given(record: Record, zone: str) -> RecordSet:
    """What a record that is no edit wants, canonical.

    Raises ProviderError(permanent) for a value that its type does not allow.
    """
    name = record.name.lower()
    if record.state == "absent":
        return RecordSet(name, record.type)
    try:
        owner(name, zone)
        values = canonical_values(record.type, record.values, zone)
    except (dns.exception.DNSException, ValueError) as error:
        raise ProviderError(
            f"{zone}: the values of {record.name} {record.type} are not in zone-file form ({error}); correct the step.",
            permanent=True,
        ) from error
    return RecordSet(name, record.type, record.ttl, values)


def _key(one: RecordSet) -> Key:
    return one.key


def canonical_values(kind: str, values: Iterable[str], zone: str) -> tuple[str, ...]:
    """Zone-file texts of one record set -> their canonical texts, sorted, each once.

    Raises DNSException or ValueError for a text that the type does not allow.
    """
    return tuple(sorted({_absolute(kind, value) or _text(_parse(kind, value, origin(zone))) for value in values}))


@lru_cache(VALUES_KEPT)
def _absolute(kind: str, value: str) -> str:
    """The canonical text of a value that is the same in every zone; empty when it holds a relative name."""
    try:
        return _text(_parse(kind, value, None))
    except dns.name.NeedAbsoluteNameOrOrigin:
        return ""


def _parse(kind: str, value: str, zone: dns.name.Name | None) -> dns.rdata.Rdata:
    if kind == "TXT":
        return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, list(_strings(value)))
    return dns.rdata.from_text(dns.rdataclass.IN, kind, value, zone, relativize=False)


def _strings(value: str) -> Iterator[bytes]:
    """The character-strings of a TXT value, cut to what the wire can hold.

    Text in quotes is zone-file form, escapes included; any other text is taken as
    it stands, so that `v=spf1 include:example.net ~all` needs no quotes.
    """
    if value.lstrip().startswith('"'):
        whole = [token.unescape_to_bytes().value for token in dns.tokenizer.Tokenizer(value).get_remaining()]
    else:
        whole = [value.encode()]
    for text in whole:
        yield from (text[at : at + STRING_BYTES] for at in range(0, max(len(text), 1), STRING_BYTES))


def _text(rdata: dns.rdata.Rdata) -> str:
    """The data as the canonical wire form spells it: names in lower case."""
    if rdata.rdtype in _NAMELESS:
        return rdata.to_text()
    return _text_of_wire(rdata.rdclass, rdata.rdtype, rdata.to_digestable())


@lru_cache(VALUES_KEPT)
def _text_of_wire(rdclass: dns.rdataclass.RdataClass, rdtype: dns.rdatatype.RdataType, wire: bytes) -> str:
    return dns.rdata.from_wire(rdclass, rdtype, wire, 0, len(wire)).to_text()


def from_rdataset(key: Key, rdataset: dns.rdataset.Rdataset | None) -> RecordSet:
    """What a server answered for this key; None is absent."""
    if rdataset is None or not len(rdataset):
        return RecordSet(*key)
    return RecordSet(*key, rdataset.ttl, tuple(sorted({_text(rdata) for rdata in rdataset})))


def to_rdataset(one: RecordSet, ttl: int) -> dns.rdataset.Rdataset:
    """The wire form of a record set's values, with this TTL in seconds."""
    return dns.rdataset.from_text_list(dns.rdataclass.IN, one.type, ttl, list(one.values))


def as_values(sets: RecordSets) -> JsonMap:
    """The `values` of a finding."""
    return {"records": [one.as_json() for one in sets]}


def from_json(records: Iterable[JsonMap]) -> RecordSets:
    """Record sets that `as_json` wrote. Raises ProviderError(permanent) for anything else."""
    try:
        return tuple(
            sorted(
                (RecordSet(one["name"], one["type"], one["ttl"], tuple(sorted(one["values"]))) for one in records),
                key=_key,
            )
        )
    except (KeyError, TypeError) as error:
        raise ProviderError(
            "The journalled record sets can't be read; plan again, or restore them by hand.", permanent=True
        ) from error


def presence(before: RecordSets | None, current: RecordSets, wanted: RecordSets) -> Presence:
    """Whose state the current one is.

    A DNS zone carries no mark of who wrote it, so the state before the intent is
    the proof: what is wanted now and was not before is ours.
    """
    if current == wanted:
        return Presence.ALREADY if before is None or before == wanted else Presence.OURS
    if before is None or current == before:
        return Presence.ABSENT
    return Presence.CONFLICT


def changed(one: RecordSets, other: RecordSets) -> frozenset[Key]:
    """The keys whose record sets differ; a key that only one side has differs."""
    left, right = {s.key: s for s in one}, {s.key: s for s in other}
    return frozenset(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))


def rivals(wanted: RecordSets, current: RecordSets = ()) -> tuple[Key, ...]:
    """The record sets that can't be there beside what is wanted, and that the wish does not speak of.

    A CNAME stands alone at its name (RFC 1034 §3.6.2). A server drops the addition
    that breaks this from an update, silently, and carries out the rest (RFC 2136 §3.4.2.2).
    What is known of the current state leaves out what it rules out by the same rule.
    """
    spoken_of = {one.key for one in wanted}
    aliases = {one.name for one in current if one.values and one.type == "CNAME"}
    plain = {one.name for one in current if one.values and one.type != "CNAME"}
    found = set()
    for one in wanted:
        if one.values and one.name not in (aliases if one.type == "CNAME" else plain):
            others = [kind for kind in TYPES if kind != "CNAME"] if one.type == "CNAME" else ["CNAME"]
            found |= {(one.name, kind) for kind in others}
    return tuple(sorted(found - spoken_of))


def only(sets: RecordSets, keys: Iterable[Key]) -> RecordSets:
    """Those of the record sets that have one of the keys."""
    chosen = set(keys)
    return tuple(one for one in sets if one.key in chosen)


def differences(expected: RecordSets, found: RecordSets, zone: str) -> str:
    """For a person: which record sets are not as expected, and what each is."""
    there = {one.key: one for one in found}
    return "; ".join(
        f"{owner(one.name, zone)} {one.type} was expected to be {one} and is {there[one.key]}"
        for one in expected
        if there[one.key] != one
    )
