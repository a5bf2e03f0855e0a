"""A zone as the YAML that octoDNS's own provider reads, for who moves it with octoDNS."""

from collections.abc import Iterable
from dataclasses import replace
from io import StringIO

import octodns.yaml
from octodns.record import Record
from octodns.record.exception import RecordException
from octodns.record.rr import Rrset
from octodns.zone import InvalidNameError, Zone
from octodns.zone.exception import ZoneException

from providers.inventory import RecordSet

if not Record.validators.configured:
    Record.enable_validators({"legacy"})  # octoDNS's default; choosing it keeps octoDNS from saying so


def write_octodns(zone: str, records: Iterable[RecordSet]) -> tuple[str, tuple[RecordSet, ...]]:
    """The YAML, and the record sets that octoDNS cannot take, each with the reason as its remark.

    `zone` has no final dot; `records` are in canonical form, as `zone_file` answers them. SOA and
    the NS at the top are the old vendor's affair, which octoDNS does not manage: they are left out.
    """
    apex = f"{zone}."
    try:
        made = Zone(apex, [])
    except (InvalidNameError, ZoneException) as error:
        return "--- {}\n", tuple(replace(one, remark=_why(error)) for one in records)
    data: dict[str, list[dict[str, object]]] = {}
    left: list[RecordSet] = []
    for one in records:
        if one.type == "SOA" or (one.type == "NS" and one.name.lower() == apex.lower()):
            continue
        try:
            record = Record.from_rrset(made, Rrset(one.name, one.type, one.ttl or 0, list(one.values)))
        except (RecordException, KeyError, ValueError) as error:
            left.append(replace(one, remark=_why(error)))
        else:
            data.setdefault(record.name, []).append({"type": one.type, **record.data})
    out = StringIO()
    octodns.yaml.safe_dump(data, out)
    return out.getvalue(), tuple(left)


def _why(error: Exception) -> str:
    return f"octoDNS does not take it ({' '.join(str(error).split())})"
