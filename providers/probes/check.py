"""What all checks share: one bounded attempt, and its result as a finding."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Said, Tag
from providers.dns.deadline import Deadline, TimeIsUpError
from providers.probes.resolver import Names, UnresolvedError
from providers.wants import AtAddress

ATTEMPT_SECONDS = 10.0
"""The longest that one wait of a check may take, and mostly the whole attempt."""

Want = TypeVar("Want")


class DoesNotHoldError(Exception):
    """What is checked does not hold; the text says in one sentence what was seen and what was expected.

    `said`: the other side's own answer. `unseen`: nothing was seen of it, for a reason on our side. `measured`: as
    in a finding.
    """

    def __init__(
        self,
        message: str,
        *,
        said: Said | None = None,
        unseen: bool = False,
        measured: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(message)
        self.said = said
        self.unseen = unseen
        self.measured = measured or {}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is checked holds: what was seen, for later steps and for a person; `measured` as in a finding."""

    message: str
    outputs: JsonMap = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One look: whose it is, its time, and how names become addresses. `writing`: a canary may be sent."""

    context: Context
    tag: Tag
    deadline: Deadline
    names: Names
    writing: bool


class Check(ABC, Generic[Want]):
    """A read-only step: ALREADY when what is checked holds, and never anything to undo.

    `seconds`: the longest that one attempt may take in all, where it is made of several waits.
    """

    seconds = ATTEMPT_SECONDS

    def __init__(self, context: Context) -> None:
        self.context = context

    @abstractmethod
    def _look(self, want: Want, attempt: Attempt) -> Seen:
        """Look once. Raises DoesNotHoldError, or ProviderError when looking again can't help."""

    def observe(self, want: Want, tag: Tag, before: JsonMap | None) -> Finding:
        del before
        try:
            seen = self._seen(want, tag, writing=False)
        except DoesNotHoldError as error:
            return Finding(
                Presence.ABSENT, message=str(error), said=error.said, unseen=error.unseen, measured=error.measured
            )
        return Finding(Presence.ALREADY, outputs=seen.outputs, message=seen.message, measured=seen.measured)

    def apply(self, want: Want, tag: Tag, before: JsonMap, report: Report) -> Finding:
        del before
        try:
            seen = self._seen(want, tag, writing=True)
        except DoesNotHoldError as error:
            raise ProviderError(str(error), permanent=False, said=error.said) from error
        report(seen.message)
        return Finding(Presence.ALREADY, outputs=seen.outputs, message=seen.message)

    def undo(self, want: Want, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        del want, tag, effect, report
        return Finding(Presence.ABSENT, message="A check changes nothing, so there is nothing to take back.")

    def _seen(self, want: Want, tag: Tag, *, writing: bool) -> Seen:
        deadline = Deadline(min(self.context.deadline, self.seconds))
        instead = want.instead() if isinstance(want, AtAddress) else None
        attempt = Attempt(self.context, tag, deadline, Names(self.context.scope, deadline, instead), writing)
        try:
            return self._look(want, attempt)
        except UnresolvedError as error:
            raise DoesNotHoldError(str(error), unseen=error.unseen) from error
        except TimeIsUpError as error:
            raise DoesNotHoldError(str(error)) from error
