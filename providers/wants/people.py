"""What steps ask for that people, the clock or the planner carry out."""

from typing import Any, Literal

from pydantic import Field

from providers.wants.base import EstatePath, Name, Seconds, Wish, Words, Zone


class Approval(Wish):
    """`human.approval`: a hold point; `count` distinct people of the role say yes."""

    role: Literal["operator", "approver"] = "approver"
    count: int = Field(default=1, ge=1, le=5)
    instructions: EstatePath | None = None


class Task(Wish):
    """`human.task`: a paper procedure that a person does and acknowledges by name."""

    instructions: EstatePath
    role: Literal["operator", "approver"] = "operator"


class Wait(Wish):
    """`wait.for`: a pause that needs nobody."""

    duration: Seconds


class Message(Wish):
    """`notify.send`: one message to a channel of the scope's `notify` block."""

    channel: Name
    title: Words
    body: Words


class Nested(Wish):
    """`runbook.run`: the steps of another runbook, in place of this one."""

    runbook: Name
    parameters: dict[str, Any] = Field(default_factory=dict)


Stage = Literal["prepare", "cutover", "settle"]


class Swap(Wish):
    """`endpoint.swap`: the steps of a catalogue target's recipe, in place of this one.

    `to`: the target; `from`: the vendor that is left, without it the service's own.
    `settings`: the parameters of the recipe and of the target.
    """

    to: Name
    from_: Name | None = Field(default=None, alias="from")
    domain: Zone | None = Field(default=None, description="the setting `domain`, which most recipes have")
    stages: list[Stage] = Field(default=["prepare", "cutover", "settle"], min_length=1, max_length=3)
    settings: dict[str, Any] = Field(default_factory=dict)
