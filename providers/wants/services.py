"""What steps of the kinds `probe.*` ask of services that others lean on: AI models, identity, packages."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import AtAddress, EstatePath, Seconds, SecretRef, WebAddress, Wish

Scopes = Annotated[
    str, Field(max_length=500, pattern=r"^\S+(?: \S+)*$", description="scopes with one space between them")
]
Region = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9\-]{0,40}$", description="a region such as eu-west-3")]
Place = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^[A-Za-z0-9_@\-]+(?:\.[A-Za-z0-9_@\-]+)*$",
        description="a dotted path such as value.0.receivedDateTime",
    ),
]


class CompletionProbe(AtAddress):
    """`probe.completion`: the API lists the model and, when the step runs, completes a chat with one token.

    `url`: the base of an OpenAI-like API, such as https://api.mistral.ai/v1.
    """

    url: WebAddress
    key: SecretRef
    model: str = Field(max_length=200, pattern=r"^\S+$")


class OidcProbe(AtAddress):
    """`probe.oidc`: the issuer describes itself and publishes keys; to a client it grants a signed token."""

    issuer: WebAddress
    client_id: str | None = Field(default=None, min_length=1, max_length=200)
    client_secret: SecretRef | None = None

    @model_validator(mode="after")
    def _whole_client(self) -> Self:
        if (self.client_id is None) != (self.client_secret is None):
            raise PydanticCustomError(
                "half_a_client",
                "A client has both a `client_id` and a `client_secret`.",
                {"remedy": "Give both, or neither."},
            )
        return self


class TokenProbe(Wish):
    """`probe.token`: the token endpoint gives the client a token (OAuth 2.0), and an API, where one is named, takes it.

    `api`: what is asked with the token, by GET. `newest`: where its JSON answer has the time of the newest content,
    such as value.0.receivedDateTime; with it the age of that content is measured.
    """

    url: WebAddress = Field(description="the token endpoint, without user, password and query")
    client_id: str = Field(min_length=1, max_length=200)
    client_secret: SecretRef
    scope: Scopes | None = None
    api: str | None = Field(default=None, max_length=2000, pattern=r"^https?://[^\s]+$")
    newest: Place | None = None
    max_age: Seconds | None = None

    @model_validator(mode="after")
    def _newest_of_something(self) -> Self:
        if (self.newest is not None and self.api is None) or (self.max_age is not None and self.newest is None):
            raise PydanticCustomError(
                "newest_of_nothing",
                "An age is read from the answer of an API, at a place in it.",
                {"remedy": "Write `api` and `newest` beside it."},
            )
        return self


class AwsProbe(AtAddress):
    """`probe.aws`: the token service of this region knows the access key; it may hold no rights at all.

    `url`: another address of the service, without path and query.
    """

    region: Region
    access_key: SecretRef
    secret_key: SecretRef
    url: WebAddress | None = None


class AptProbe(AtAddress):
    """`probe.apt`: the mirror has the suite, signed by one of these keys, still valid, with its package lists.

    `key`: OpenPGP public keys in the estate, armoured or binary. `max_age`: how old the
    suite's Date may be at most; nothing else tells the age of one without Valid-Until.
    """

    url: WebAddress
    suite: str = Field(
        max_length=100,
        pattern=r"^[a-z0-9][a-z0-9.+\-]*(?:/[a-z0-9][a-z0-9.+\-]*)*$",
    )
    key: EstatePath
    component: str = Field(default="main", max_length=60, pattern=r"^[a-z0-9][a-z0-9.\-]*$")
    architecture: str = Field(default="amd64", max_length=30, pattern=r"^[a-z0-9][a-z0-9\-]*$")
    max_age: Seconds | None = None
