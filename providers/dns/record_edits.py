"""Edits of a record set that others write into as well: what it becomes is a function of what it was. No network.

The state that a plan saw thus decides what will be there, and after a lost answer the
same state gives the same wanted set again.
"""

import hashlib
import re
from collections.abc import Callable, Sequence

import dns.exception
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
from dns.rdtypes.ANY.TXT import TXT

from providers.base import ProviderError
from providers.dns.record_sets import STRING_BYTES, Key, RecordSet, RecordSets, canonical_values, given, spoken_of
from providers.wants import DmarcEdit, Record, Records, SpfEdit

NEW_TTL = 300
"""Seconds, of a record set that an edit makes."""

_STRICTNESS = ("none", "quarantine", "reject")
_POLICY = re.compile(r"((?:^|;)\s*(?:p|sp|np)\s*=\s*)([a-z]+)", re.IGNORECASE)
_ID = re.compile(r"(;\s*id\s*=\s*)([A-Za-z0-9]*)", re.IGNORECASE)
_ID_SIGNS = 32
"""The longest id of an MTA-STS record (RFC 8461 §3.1)."""


class CannotEditError(ProviderError):
    """What is there can't be edited as it should be; always permanent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, permanent=True)


def wanted_sets(want: Records, before: RecordSets = ()) -> RecordSets:
    """What a step wants, canonical, where `before` is what is there of the record sets that it edits.

    Raises ProviderError(permanent) for a value that its type does not allow, and CannotEditError.
    """
    there: dict[Key, RecordSet] = {one.key: one for one in (*spoken_of(want), *before)}
    made: dict[Key, RecordSet] = {}
    for record in want.records:
        key = record.name.lower(), record.type
        made[key] = edited(record, there[key], want.zone) if record.edits else given(record, want.zone)
    return tuple(made[key] for key in sorted(made))


def require_form(want: Records) -> None:
    """Nothing is asked of a server for values that no type allows. Raises ProviderError(permanent)."""
    wanted_sets(want)


def edited(record: Record, before: RecordSet, zone: str) -> RecordSet:
    """What a record's edit makes of what is there. Raises CannotEditError.

    `record` must be an edit of the same name and type.
    """
    gone = _canonical(record, record.remove, zone)
    values = [one for one in before.values if one not in gone]
    values += [one for one in _canonical(record, record.add, zone) if one not in values]
    if record.spf is not None:
        values = _with_spf(values, record.spf, f"{record.name} TXT in {zone}")
    if record.dmarc is not None:
        values = [_each(value, "v=dmarc1", _lowered(record.dmarc)) for value in values]
    if record.mta_sts is not None:
        values = [_each(value, "v=stsv1", _renewed) for value in values]
    if not values:
        return RecordSet(*before.key)
    ttl = record.said_ttl or before.ttl or NEW_TTL
    return RecordSet(*before.key, ttl, tuple(sorted(set(values))))


def _canonical(record: Record, values: Sequence[str], zone: str) -> tuple[str, ...]:
    try:
        return canonical_values(record.type, values, zone)
    except (dns.exception.DNSException, ValueError) as error:
        raise ProviderError(
            f"{zone}: what shall be added to or removed from {record.name} {record.type} is not in zone-file form "
            f"({error}); correct the step.",
            permanent=True,
        ) from error


def text_of(value: str) -> str:
    """The whole text of a TXT value in zone-file form; each of its bytes is one character."""
    tokens = dns.tokenizer.Tokenizer(value).get_remaining()
    return b"".join(token.unescape_to_bytes().value for token in tokens).decode("latin-1")


def _value_of(text: str) -> str:
    """The zone-file form of a text, cut to what the wire can hold."""
    octets = text.encode("latin-1")
    strings = [octets[at : at + STRING_BYTES] for at in range(0, max(len(octets), 1), STRING_BYTES)]
    return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings).to_text()


def _each(value: str, begins: str, change: Callable[[str], str]) -> str:
    """The value with its text changed when it is of this sort; what stays the same keeps its spelling."""
    text = text_of(value)
    if text.partition(";")[0].replace(" ", "").lower() != begins:
        return value
    made = change(text)
    return value if made == text else _value_of(made)


def is_spf(text: str) -> bool:
    """RFC 7208 §4.5."""
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def spf_text(text: str, edit: SpfEdit) -> str:
    """An SPF record with the includes that it shall have, before what ends it, and without those it shall not."""
    wanted = {_plain(domain): domain for domain in edit.include}
    dropped = {_plain(domain) for domain in edit.exclude}
    version, *terms = text.split()
    kept = [term for term in terms if _included(term) not in dropped and _redirect(term) not in dropped]
    if len(kept) < len(terms) and not any(_ends(term) for term in kept):
        kept.append("~all")  # where it led elsewhere before
    there = {_included(term) for term in kept if term[0] not in "-~?"}
    kept = [term for term in kept if term[0] not in "-~?" or _included(term) not in wanted]
    new = [f"include:{domain}" for plain, domain in wanted.items() if plain not in there]
    if kept == terms and not new:
        return text
    at = next((place for place, term in enumerate(kept) if _ends(term)), len(kept))
    return " ".join([version, *kept[:at], *new, *kept[at:]])


def _with_spf(values: list[str], edit: SpfEdit, where: str) -> list[str]:
    records = [value for value in values if is_spf(text_of(value))]
    if len(records) > 1:
        raise CannotEditError(
            f"There are {len(records)} SPF records at {where}, and receivers then heed none (RFC 7208 §4.5); "
            "make one of them first."
        )
    if not records:
        new = spf_text("v=spf1 ~all", edit)
        return [*values, _value_of(new)] if edit.include else values
    old = text_of(records[0])
    made = spf_text(old, edit)
    return values if made == old else [_value_of(made) if value == records[0] else value for value in values]


def _plain(domain: str) -> str:
    return domain.lower().removesuffix(".")


def _included(term: str) -> str:
    """The domain that a term includes, in lower case; empty for any other term."""
    found = re.match(r"[-+~?]?include:(.+)", term, re.IGNORECASE)
    return _plain(found[1]) if found else ""


def _redirect(term: str) -> str:
    found = re.match(r"redirect=(.+)", term, re.IGNORECASE)
    return _plain(found[1]) if found else ""


def _ends(term: str) -> bool:
    """Whether nothing after this term is looked at: `all`, or where a redirect leads (RFC 7208 §5.1, §6.1)."""
    return term.lower().lstrip("+-~?") == "all" or bool(_redirect(term))


def _lowered(edit: DmarcEdit) -> Callable[[str], str]:
    most = _STRICTNESS.index(edit.at_most)

    def policy(found: re.Match[str]) -> str:
        known = found[2].lower() in _STRICTNESS
        stricter = known and _STRICTNESS.index(found[2].lower()) > most
        return f"{found[1]}{edit.at_most}" if stricter else found[0]

    return lambda text: _POLICY.sub(policy, text)


def _renewed(text: str) -> str:
    """Another id, which the old record alone decides."""
    fresh = hashlib.sha256(text.encode("latin-1")).hexdigest()[:_ID_SIGNS]
    if _ID.search(text):
        return _ID.sub(lambda found: f"{found[1]}{fresh}", text)
    return f"{text.rstrip('; ')}; id={fresh};"
