"""What steps ask that concern people's daily addresses: notices of what changes, and invitations with dead links."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import EstatePath, Name, SecretRef, WebAddress, Wish, Words, Zone
from providers.wants.functions import UserName

PAPER = "paper"
SOCIAL = "social:"
"""How a channel begins that is an account of the scope's `social` block."""

Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\r\n]+$")]
InformChannel = Annotated[str, Field(pattern=r"^(?:social:)?[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?$")]
"""`paper`, a name of the scope's `notify` block, or `social:` and a name of its `social` block."""
Reference = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9\-]{2,18}[A-Z0-9]$")]
"""Short enough to read out on the telephone."""


class Fact(Wish):
    """One address or setting that changes: what it is, what it was, and what it is from now on."""

    what: Words
    old: Line | None = None
    new: Line


class Sheets(Wish):
    """A sheet in Markdown for each language."""

    fr: EstatePath
    en: EstatePath


def _alike(value: object) -> object:
    """A moment such as `2026-11-26 08:00` reads the same in both languages."""
    return {"fr": value, "en": value} if isinstance(value, str) else value


class Inform(Wish):
    """`people.inform`: a signed notice of new addresses and settings, in both languages, on every channel named.

    `unchanged`: what people may believe to change and does not. `contact`: a telephone number or a place that
    people know already, where they ask whether the notice is true.
    """

    channels: list[InformChannel] = Field(
        min_length=1, max_length=20, description="paper, names of the scope's `notify` block, or social:NAME"
    )
    subject: Words
    facts: list[Fact] = Field(min_length=1, max_length=50)
    unchanged: list[Words] = Field(default_factory=list, max_length=20)
    from_when: Annotated[Words | None, BeforeValidator(_alike, json_schema_input_type=str | Words | None)] = None
    instructions: Sheets | None = None
    contact: Words
    reference: Reference | None = Field(default=None, description="without it, one is made of run and step")

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        twice = sorted({name for name in self.channels if self.channels.count(name) > 1})
        if twice:
            raise PydanticCustomError(
                "channel_twice",
                "The channel {channel} is named more than once.",
                {"channel": twice[0], "remedy": "Name each channel once."},
            )
        return self


MeetingVendor = Literal["teams", "zoom", "meet", "webex"]
RoomLink = Annotated[str, Field(max_length=300, pattern=r"^https://[^\s/@?#{}]+/[^\s?#{}]*\{room\}[^\s?#{}]*$")]
"""Where a meeting goes, such as `https://visio.example.net/{room}`."""


class Reissue(Wish):
    """`calendar.reissue`: meetings to come whose link is a vendor's get one of our own, in the same invitation.

    `calendar`: a collection's URL. `link`: `{room}` stands for a name made of the meeting's UID. `domain`: only
    meetings organised from it, or by nobody, are changed. `notify`: an `smtp` channel by which attendees are
    told; without it, the calendar server does that itself or nobody does.
    """

    calendar: WebAddress
    user: UserName
    password: SecretRef
    from_vendors: list[MeetingVendor] = Field(min_length=1, max_length=4)
    link: RoomLink
    domain: Zone
    notify: Name | None = None
