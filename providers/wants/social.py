"""What steps ask of accounts on social networks, and of the servers that carry them."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import AtAddress, EstatePath, Name, SecretRef, WebAddress, Wish, Words

PageUrl = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s/@?#]+(?:/[^\s]*)?$")]
"""A page on the web, without user and password."""
FieldText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\r\n]+$")]
"""Mastodon's own limit for a profile field."""


class MastodonProbe(AtAddress):
    """`probe.mastodon`: the server answers its Mastodon API and, given a token, takes a status and deletes it again.

    `visibility`: of that status, which is there for a second. Servers without
    `direct` ones (Friendica, Pixelfed) take `private` or `unlisted`. `picture`: with a
    small picture, as Pixelfed always needs one.
    """

    url: WebAddress
    token: SecretRef | None = None
    visibility: Literal["direct", "private", "unlisted"] = "direct"
    picture: bool = Field(default=False, description="also try whether the server takes a picture")


class NodeInfoProbe(AtAddress):
    """`probe.nodeinfo`: the server says of itself that it runs this software (the NodeInfo protocol)."""

    url: WebAddress
    software: Name = Field(description="such as mastodon, pixelfed or friendica")


class RelMeProbe(Wish):
    """`probe.relme`: the page links to the profile with rel="me", and the profile links to the page."""

    page: PageUrl
    profile: PageUrl


def _given(value: object) -> object:
    """What a recipe's parameter that nobody settled stands for: nothing."""
    return value or None


class Post(Wish):
    """`social.post`: one announcement by an account of the scope's `social` block, in French and in English.

    `picture`: a file of the estate; `picture_text` says what it shows to those who can't see it.
    """

    account: Name
    text: Words
    visibility: Literal["public", "unlisted"] = "public"
    picture: Annotated[EstatePath | None, BeforeValidator(_given)] = Field(
        default=None, description="a PNG, JPEG, GIF or WebP file of the estate"
    )
    picture_text: Annotated[Words | None, BeforeValidator(_given)] = None

    @model_validator(mode="after")
    def _said_in_words(self) -> Self:
        if (self.picture is None) != (self.picture_text is None):
            raise PydanticCustomError(
                "half_a_picture",
                "A picture has both a `picture` and a `picture_text`.",
                {"remedy": "Give the file, and say in both languages what it shows; or neither."},
            )
        return self


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
