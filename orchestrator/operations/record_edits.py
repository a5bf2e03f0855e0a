"""What an edit of a record set makes of what was found, and the edit itself in words. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from orchestrator.domain.references import find_references
from providers.base import ProviderError
from providers.dns.record_edits import edited
from providers.dns.record_sets import RecordSet
from providers.wants import Record
from providers.wants.dns import EDITS


def is_edit(record: Mapping[str, Any]) -> bool:
    return any(name in record for name in EDITS)


def result(record: Mapping[str, Any], found: Mapping[str, Any], zone: str) -> RecordSet | None:
    """What will be there; None where that can't be said before another step has ended, or not at all."""
    if find_references(record):
        return None
    before = RecordSet(
        str(found["name"]).lower(), str(found["type"]), found.get("ttl"), tuple(found.get("values") or ())
    )
    try:
        return edited(Record.model_validate(record), before, zone)
    except (ValidationError, ProviderError):
        return None


def edit_words(record: Mapping[str, Any]) -> Iterator[str]:
    """What the edit does, for where its result is not known yet."""
    spf, dmarc = record.get("spf") or {}, record.get("dmarc") or {}
    yield from (f"+ {value}" for value in _listed(record.get("add")))
    yield from (f"− {value}" for value in _listed(record.get("remove")))
    yield from (f"+ include:{domain}" for domain in _listed(spf.get("include")))
    yield from (f"− include:{domain}" for domain in _listed(spf.get("exclude")))
    if dmarc:
        yield f"DMARC at most {dmarc.get('at_most')}"
    if record.get("mta_sts"):
        yield "a new id"


def _listed(value: object) -> list[str]:
    """The values of a list, or the reference that stands for it."""
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]
