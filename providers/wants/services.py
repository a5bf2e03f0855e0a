"""What steps of the kinds `probe.*` ask of services that others lean on: AI models, identity, packages."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import AtAddress, EstatePath, Seconds, SecretRef, WebAddress


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
