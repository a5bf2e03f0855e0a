"""What steps of the kinds `dns.*` ask for: record sets of zones, and their TTLs."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import HostName, Seconds, Wish, Zone

LONGEST_TTL = 604800
"""Seconds: no resolver should keep a record longer, whatever its TTL says (RFC 8767 §4)."""

RecordType = Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"]


RecordOwner = Annotated[
    str, Field(max_length=253, pattern=r"^(?:@|\*|[A-Za-z0-9_*](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_])?)$")
]
"""A record's name inside its zone; `@` is the zone's own."""


class SpfEdit(Wish):
    """The one SPF record among a name's TXT values: domains that it shall include, and that it shall not."""

    include: list[HostName] = Field(default_factory=list, max_length=20)
    exclude: list[HostName] = Field(default_factory=list, max_length=20)

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        both = sorted({one.lower() for one in self.include} & {one.lower() for one in self.exclude})
        if both:
            raise PydanticCustomError(
                "spf_both",
                "SPF shall both include and no longer include {domain}.",
                {"domain": both[0], "remedy": "Name it in `include` or in `exclude`."},
            )
        return self


class DmarcEdit(Wish):
    """The DMARC record: its policies become no stricter than this, and are never made stricter."""

    at_most: Literal["none", "quarantine"]


class Record(Wish):
    """A wanted record set: all values of one name and type. `@` is the zone's own name.

    Invariant: it gives its `values`, or is absent, or says how what is there is edited. An edit leaves all other
    values as they are, and the TTL too unless it is written; a record set that it makes has the usual one.
    """

    name: RecordOwner
    type: RecordType
    state: Literal["present", "absent"] = "present"
    ttl: int = Field(default=300, ge=1, le=LONGEST_TTL, description="seconds")
    values: list[str] = Field(
        default_factory=list, max_length=100, description="in zone-file form; an MX is '10 mx.example.net.'"
    )
    add: list[str] = Field(default_factory=list, max_length=100, description="values that join those there")
    remove: list[str] = Field(default_factory=list, max_length=100, description="values that leave those there")
    spf: SpfEdit | None = None
    dmarc: DmarcEdit | None = None
    mta_sts: Literal["renew"] | None = Field(default=None, description="a new id, once the policy has changed")

    @property
    def edits(self) -> bool:
        """Whether it depends on what is there; an edit that names no value is one too."""
        named = any(getattr(self, name) for name in EDITS)
        return named or (bool(self.model_fields_set & EDITS) and not self.values and self.state == "present")

    @property
    def said_ttl(self) -> int | None:
        """The TTL that is written, in seconds; None where none is."""
        return self.ttl if "ttl" in self.model_fields_set else None

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        ways = [bool(self.values), self.state == "absent", self.edits]
        if not any(ways):
            raise PydanticCustomError(
                "no_values",
                "A record set that must be present needs values.",
                {"remedy": "Add `values`, a list in zone-file form, or write `state: absent`."},
            )
        if self.values and self.state == "absent":
            raise PydanticCustomError(
                "needless_values",
                "A record set that must be absent has no values.",
                {"remedy": "Remove `values`, or remove `state: absent`."},
            )
        if sum(ways) > 1:
            raise PydanticCustomError(
                "values_and_edit",
                "A record set is either given or edited.",
                {"remedy": "Keep `values` or `state: absent`, or else `add`, `remove`, `spf`, `dmarc`, `mta_sts`."},
            )
        if self.type != "TXT" and any(getattr(self, name) for name in TEXT_EDITS):
            raise PydanticCustomError(
                "edit_of_text",
                "{kind} holds no text that could be edited so.",
                {"kind": self.type, "remedy": "Write `type: TXT`."},
            )
        return self


TEXT_EDITS = frozenset({"spf", "dmarc", "mta_sts"})
"""Edits of one text among the values."""
EDITS = frozenset({"add", "remove"}) | TEXT_EDITS
"""What a record may say in place of its values."""

MOST_ZONES = 1000
"""Zones that one step may name."""


class InZones(Wish):
    """The base of what concerns one zone, or the same in each of several. Invariant: exactly one of the two is given.

    A provider's drivers are given wishes of one zone, see `at`.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["zone"]}, {"required": ["zones"]}]})

    zone: Zone = ""
    zones: list[Zone] = Field(default_factory=list, max_length=MOST_ZONES, description="in place of `zone`")

    @model_validator(mode="after")
    def _one_or_several(self) -> Self:
        if bool(self.zone) == bool(self.zones):
            raise PydanticCustomError(
                "zone_or_zones",
                "A step names its `zone`, or several `zones`, and not both.",
                {"remedy": "Write `zone: example.net`, or `zones: [example.net, example.org]`."},
            )
        twice = sorted({zone for zone in self.zones if self.zones.count(zone) > 1})
        if twice:
            raise PydanticCustomError(
                "zone_twice",
                "The zone {zone} stands in `zones` more than once.",
                {
                    "zone": twice[0],
                    "remedy": "Name each zone once; see also the scope's `zones`, which may map two to one.",
                },
            )
        return self

    def at(self, zone: str) -> Self:
        """The same wish for this zone alone."""
        return self.model_copy(update={"zone": zone, "zones": []})


class Records(InZones):
    """`dns.records`: record sets of a zone, changed together from what the plan saw to what is wanted."""

    records: list[Record] = Field(min_length=1, max_length=500)


class RecordName(Wish):
    """A record set, by its name and type alone."""

    name: RecordOwner
    type: RecordType


class Ttl(InZones):
    """`dns.ttl`: the TTL of record sets, whose values stay; over when no cache can hold an older TTL any more."""

    ttl: int = Field(ge=1, le=LONGEST_TTL, description="seconds")
    records: list[RecordName] = Field(min_length=1, max_length=500)
    change: Literal["lower", "set"] = Field(
        default="lower", description="lower leaves alone what is at or below `ttl` already, set also raises"
    )
    absent: Literal["refuse", "skip"] = Field(
        default="refuse", description="skip passes over record sets that are not there"
    )
    longest: Annotated[Seconds, Field(gt=0, le=LONGEST_TTL)] = Field(
        default=float(LONGEST_TTL), description="the longest old TTL that is waited for; the step refuses one above"
    )
