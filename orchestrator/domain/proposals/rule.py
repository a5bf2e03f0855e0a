"""When policy proposes a plan, and which: the block `policy.proposals` of bascule.yaml."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from orchestrator.domain.salvage import Part
from orchestrator.domain.signals.change import JURISDICTION
from orchestrator.domain.signals.quorum import Verdict
from providers.wants import Name, Seconds

Law = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="a country of ISO 3166-1 such as US")]


class When(Part):
    """The evidence that must be there: a verdict at least that bad, and for so long, on one vendor or on one law."""

    vendor: Name | None = None
    jurisdiction: Law | None = None
    verdict: Literal["eroding", "cut"]
    for_: Seconds = Field(default=900.0, alias="for", ge=0, le=30 * 86400.0)

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.vendor is None) == (self.jurisdiction is None):
            raise PydanticCustomError(
                "one_subject",
                "A proposal is made because of one vendor or of one jurisdiction.",
                {"remedy": "Write either `vendor` or `jurisdiction`."},
            )
        return self

    @property
    def subject(self) -> str:
        """As verdicts name it."""
        return self.vendor or f"{JURISDICTION}{self.jurisdiction}"

    @property
    def bar(self) -> Verdict:
        return Verdict(self.verdict)


class ProposalRule(Part):
    """`propose`: the services whose failover is planned, with `parameters`; all that depend on the subject where it is
    not said.

    `arm`: the countdown during which everybody is told and anybody may object; people may release before its end.
    `approvals`: how many people must release; never less than the scope's mode asks. `notify`: channels of the
    scope's `notify` block.
    """

    when: When
    propose: tuple[Name, ...] | None = Field(default=None, min_length=1, max_length=200)
    parameters: dict[str, Any] = Field(default_factory=dict, max_length=100)
    scope: Name = "live"
    arm: Seconds = Field(default=1800.0, ge=0, le=7 * 86400.0)
    approvals: int = Field(default=2, ge=1, le=10)
    release: Literal["people", "standing-approval"] = "people"
    notify: tuple[Name, ...] = Field(default=(), max_length=20)
