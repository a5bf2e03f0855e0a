"""The protocol every provider follows: observe, apply, undo.

A provider changes one kind of thing outside Bascule. The engine journals the
intent before it calls `apply`, and after a crash it calls `observe` to learn
whether the effect happened; so `observe` writes nothing, and `apply` finishes
what an earlier, interrupted `apply` began.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from providers.redaction import redact

JsonMap = Mapping[str, Any]
"""A JSON object: keys are strings, values are what `json.dumps` takes."""

Report = Callable[[str], None]
"""Takes one line of progress for the people who watch; never a secret."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the other side answered in place of what was asked for: data that is compared, and never obeyed.

    `status`: HTTP's, where there is one. `text`: how its own words begin, without what was sent in secret.
    `refused`: by its protocol's own sign it refuses the credential (OAuth 2.0, IMAP).
    """

    status: int | None = None
    text: str = ""
    refused: bool = False


class ProviderError(Exception):
    """A provider's refusal or failure, in one sentence that says what happened and what to do.

    `permanent` says that trying the same again cannot help. `effect_possible` is
    true when the request may have reached the other side (an answer was lost):
    the engine then observes before it does anything else.
    `retry_after` is the wait in seconds that the other side asked for.
    `advanced` says that long work got further before it ended and goes on from there:
    the next attempt then counts as no further try.
    `said`: what the other side answered, where this is its refusal and not a fault of ours.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool,
        effect_possible: bool = False,
        retry_after: float | None = None,
        advanced: bool = False,
        said: Said | None = None,
    ) -> None:
        self.message = redact(message)
        super().__init__(self.message)
        self.permanent = permanent
        self.effect_possible = effect_possible
        self.retry_after = retry_after
        self.advanced = advanced
        self.said = said


class Secret:
    """A secret value that never shows itself: `repr` and `str` are masked, `reveal` is explicit.

    What was revealed once is kept out of everything that this process says (`providers.redaction`).
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        redact.add(self._value)
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


Reveal = Callable[[str], Secret]
"""Turns a reference (`secret://name`) into the secret; raises ProviderError(permanent) when there is none."""


@dataclass(frozen=True, slots=True)
class Tag:
    """Whose effect it is: the run and the step, never the attempt, so that a new attempt finds the old effect."""

    run: str
    step: str

    def __str__(self) -> str:
        return f"{self.run}/{self.step}"


class Presence(StrEnum):
    """What `observe` found of a step's effect."""

    ABSENT = "absent"
    """The effect is not there."""
    OURS = "ours"
    """The effect is there and the proof says that this run and step made it."""
    ALREADY = "already"
    """What is wanted holds, but this step did not make it: nothing to do, and never undone."""
    PENDING = "pending"
    """Our effect was started and arrives by itself (a server that boots): ask again later."""
    CONFLICT = "conflict"
    """Something else is there, that is not what was expected and not what is wanted."""
    UNPROVABLE = "unprovable"
    """It can't be shown either way whether the effect happened: a person decides."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a provider found, or left behind, for one step.

    `values`: the present state of what the step touches, in a stable order: the
    plan keeps it as `before`, and drift is a difference from it.
    `outputs`: what later steps may refer to; set when the effect is there.
    `effect`: what `undo` needs to take it back; empty when nothing of ours is there.
    ABSENT with an effect was begun and cut off: `apply` finishes it, `undo` takes it back.
    `message`: one sentence for a person.
    `again_after`: with PENDING, seconds until it is worth asking again.
    `parts`: of a step whose parts succeed and fail each by itself (zones): what was found in each.
    `measured`: lags and ages in seconds that a check read, whether it holds or not; more is worse.
    `said`: what the other side answered a check that does not hold.
    `unseen`: a check that could not look at the other side, for a reason on our side.
    """

    presence: Presence
    values: JsonMap = field(default_factory=dict)
    outputs: JsonMap = field(default_factory=dict)
    effect: JsonMap = field(default_factory=dict)
    message: str = ""
    again_after: float = 1.0
    parts: Mapping[str, Presence] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    said: Said | None = None
    unseen: bool = False


Halted = Callable[[], bool]
"""Whether the kill switch is engaged: asked before each further effect of one call. Cheap, and never waits."""


def never() -> bool:
    """Nobody can engage it here."""
    return False


HALTED = "the kill switch was engaged"
"""Why a call ended early, in words."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a provider is given besides the wish: where things are, and how to reveal what is secret.

    `scope`: the scope's block of `bascule.yaml`, addresses and `secret://` references.
    `reveal`: turns a reference into a Secret.
    `workspace`: a private directory of this run and step that survives a restart.
    `estate`: the estate's files at the run's commit, read-only.
    `deadline`: seconds this call may take in all; providers bound every wait by it.
    `clock`: seconds since the epoch, UTC; durations that outlive a call are measured by it.
    `contained`: plays run in a sandbox, or not at all.
    `halted`: a call with several effects begins none of them once it says so, and ends as if its time were over.
    """

    scope: JsonMap
    reveal: Reveal
    workspace: Path
    estate: Path
    deadline: float = 60.0
    clock: Callable[[], float] = time.time
    contained: bool = False
    halted: Halted = never


Want = TypeVar("Want", contravariant=True)


class Provider(Protocol[Want]):
    """One kind of effect. Instances are made per call and never shared between threads."""

    def observe(self, want: Want, tag: Tag, before: JsonMap | None) -> Finding:
        """Look, and write nothing.

        `before` is None at planning time. At a claim or after a crash it is the
        `values` journalled with the intent; it lets a kind without a tag on its
        effect (DNS) tell its own change from one that was there already.
        """
        ...

    def apply(self, want: Want, tag: Tag, before: JsonMap, report: Report) -> Finding:
        """Bring the effect about once; when it is there already, change nothing.

        Returns OURS, ALREADY or PENDING. Raises ProviderError otherwise; in
        particular when the present state is neither `before` nor what is wanted.
        """
        ...

    def undo(self, want: Want, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        """Take back exactly what `effect` records; without an effect do nothing.

        Returns ABSENT when it is taken back, PENDING when that is under way, and
        CONFLICT when others changed it since and it was therefore left alone.
        """
        ...
