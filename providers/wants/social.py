"""What steps ask of accounts on social networks, and of the servers that carry them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import AtAddress, Name, SecretRef, WebAddress, Wish, Words

PageUrl = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s/@?#]+(?:/[^\s]*)?$")]
"""A page on the web, without user and password."""
FieldText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\r\n]+$")]
"""Mastodon's own limit for a profile field."""


class MastodonProbe(AtAddress):
    """`probe.mastodon`: the server answers its Mastodon API and, given a token, takes a status and deletes it again.

    `visibility`: of that status, which is there for a second. Servers without
    `direct` ones (Friendica, Pixelfed) take `private` or `unlisted`.
    """

    url: WebAddress
    token: SecretRef | None = None
    visibility: Literal["direct", "private", "unlisted"] = "direct"


class NodeInfoProbe(AtAddress):
    """`probe.nodeinfo`: the server says of itself that it runs this software (the NodeInfo protocol)."""

    url: WebAddress
    software: Name = Field(description="such as mastodon, pixelfed or friendica")


class RelMeProbe(Wish):
    """`probe.relme`: the page links to the profile with rel="me", and the profile links to the page."""

    page: PageUrl
    profile: PageUrl


class Post(Wish):
    """`social.post`: one announcement by an account of the scope's `social` block, in French and in English."""

    account: Name
    text: Words
    visibility: Literal["public", "unlisted"] = "public"


class ProfileField(Wish):
    """One line of a profile's table: what it is, and its text or address."""

    name: FieldText
    value: FieldText


class Profile(Wish):
    """`social.profile`: these fields of an account's profile have these values; its other fields stay."""

    account: Name
    fields: list[ProfileField] = Field(min_length=1, max_length=16)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [one.name for one in self.fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PydanticCustomError(
                "field_twice",
                "The profile field {field} is named more than once.",
                {"field": twice[0], "remedy": "Name each field once."},
            )
        return self
