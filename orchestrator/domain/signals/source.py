"""Who may post webhooks, how each shows that it is who it says, and what its labels are about: the block `signals`."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.domain.catalogue import Aspect
from orchestrator.domain.salvage import Part
from orchestrator.domain.signals.holding import SILENT_AFTER
from orchestrator.domain.signals.probes import AccountName, Probes
from providers.wants import Name, Seconds, SecretRef

Format = Literal[
    "alertmanager",
    "grafana",
    "zabbix",
    "uptime-kuma",
    "nagios",
    "checkmk",
    "generic",
    "cloudevents",
    "standard-webhooks",
    "observations",
]
FORMATS: tuple[Format, ...] = get_args(Format)

SIGNS_NOT: frozenset[Format] = frozenset({"alertmanager", "uptime-kuma"})
"""Senders that cannot sign what they send."""
STANDARD: frozenset[Format] = frozenset({"standard-webhooks", "observations"})
"""Senders that sign as Standard Webhooks do, and are known by nothing else."""
SECRETS = "signals"
"""The folder of the sources' secrets, where scopes have one each."""

HeaderName = Annotated[
    str, Field(pattern=r"^[A-Za-z][A-Za-z0-9\-]{0,63}$", description="a header's name such as X-Signature")
]
LabelName = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]{0,99}$", description="a label's name such as alertname")
]
LabelPattern = Annotated[str, Field(min_length=1, max_length=300)]
"""A label's value, where `*` stands for anything."""
Kind = Literal["bearer", "basic", "token", "hmac", "mtls"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Auth(Part):
    """How a sender shows that it is the source: exactly one of the first five, each naming the secret.

    `bearer`: RFC 6750. `basic`: RFC 7617, the secret is user:password. `token`: the secret itself stands in `header`.
    `hmac`: HMAC-SHA256 of the body stands in `header`, in hexadecimal; with `timestamp_header`, of `timestamp:body`.
    `mtls`: a proxy in front has checked the client's certificate. It shows that it is the proxy by the secret in
    `header`, and says the certificate's `subject` in X-Client-Subject.
    """

    bearer: SecretRef | None = None
    basic: SecretRef | None = None
    token: SecretRef | None = None
    hmac: SecretRef | None = None
    mtls: SecretRef | None = None
    header: HeaderName | None = None
    timestamp_header: HeaderName | None = None
    subject: str | None = Field(default=None, min_length=1, max_length=500)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        said = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(said) != 1:
            raise PydanticCustomError(
                "one_way",
                "A source shows in exactly one way that it is itself.",
                {"remedy": "Write one of `bearer`, `basic`, `token`, `hmac` and `mtls`, each with secret://name."},
            )
        kind = said[0]
        lacks = "header" if kind == "token" else "subject" if kind == "mtls" else None
        if lacks is not None and getattr(self, lacks) is None:
            raise PydanticCustomError(
                "lacks_a_part", f"`{kind}` needs `{lacks}` beside it.", {"remedy": f"Add `{lacks}` to `auth`."}
            )
        if self.timestamp_header is not None and kind != "hmac":
            raise PydanticCustomError(
                "timestamp_alone",
                "A timestamp that nothing signs proves nothing.",
                {"remedy": "Remove `timestamp_header`, or use `hmac`."},
            )
        return self

    @property
    def kind(self) -> Kind:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def secret(self) -> str:
        """The reference of the source's secret."""
        return str(getattr(self, self.kind))


class Rule(Part):
    """An alert whose labels all match is about this vendor and aspect.

    `sensor` is the source's own name where it is not said. `outcome`: what an alert that fires means. `value`: the
    label, annotation or value that holds the lag or age in seconds, or a share. `account`: whose access is watched,
    where it is one account's alone.
    """

    match: dict[LabelName, LabelPattern] = Field(min_length=1, max_length=20)
    vendor: Name
    aspect: Aspect
    sensor: Name | None = None
    outcome: Literal["fail", "denied"] = "fail"
    value: LabelName | None = None
    account: AccountName | None = None


class Source(Part):
    """One monitoring system, or one tenant of it. `trust_domain`: who would have to be compromised for it to lie.

    `vendors`: whom a source of the format `observations` may speak of, besides controls; those of the estate's
    services and probes where it is not said.
    """

    format: Format
    auth: Auth
    trust_domain: Name
    vantage: Name | None = Field(default=None, description="where it looks from; the source's own name by default")
    silent_after: Seconds = Field(
        default=SILENT_AFTER,
        ge=300.0,
        le=SILENT_AFTER,
        description="without any delivery for so long, nothing that it said holds",
    )
    map: tuple[Rule, ...] = Field(default=(), max_length=500)
    vendors: tuple[Name, ...] | None = Field(default=None, max_length=200)

    @property
    def holds(self) -> bool:
        """It speaks when something changes, and what it said holds in between."""
        return self.format != "observations"


class Signals(Part):
    """The block `signals`; without sources, nobody may post; without probes, nothing is looked at from here."""

    sources: dict[Name, Source] = Field(default_factory=dict, max_length=200)
    probes: Probes | None = None
