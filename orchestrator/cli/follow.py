"""A run followed live: its present state, kept up to date by the service's event stream, across restarts."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from orchestrator.cli.answers import LogLine, RunAnswer, StepAnswer
from orchestrator.cli.client import Service, StreamEvent
from orchestrator.cli.exits import NoService

LOST_FOR = 60.0
"""Seconds that a service may be away, to restart, before following gives up."""
AGAIN_AFTER = 0.5

Change = StepAnswer | RunAnswer | LogLine | None
"""What an event changed; None when everything was read anew, or when the service is away."""


@dataclass
class Followed:
    """A run and its steps as last heard."""

    run: RunAnswer
    steps: dict[str, StepAnswer]
    lost_since: float | None = None
    """Monotonic seconds since when the service has not answered; None while it does."""

    said: dict[str, str] = field(default_factory=dict)
    """The last line of output of each step."""

    @property
    def listed(self) -> list[StepAnswer]:
        return list(self.steps.values())


@dataclass
class Follower:
    """Yields what changed, again and again, until the run has ended and all of it was said.

    `connect` opens the service anew after it went away: its address may have changed.
    """

    connect: Callable[[], Service]
    run_id: str
    lost_for: float = LOST_FOR
    last: str = field(default="", init=False)

    def changes(self) -> Iterator[tuple[Followed, Change]]:
        """The state and what changed in it.

        Raises NoService when the service stays away for longer than `lost_for` seconds.
        """
        followed: Followed | None = None
        while followed is None or not followed.run.ended:
            try:
                with self.connect() as service:
                    followed = self._refreshed(service, followed)
                    yield followed, None
                    yield from self._streamed(service, followed)
            except NoService:
                if followed is None:
                    raise
                since = followed.lost_since or time.monotonic()
                followed.lost_since = since
                if time.monotonic() - since > self.lost_for:
                    raise
                yield followed, None
                time.sleep(AGAIN_AFTER)

    def _refreshed(self, service: Service, followed: Followed | None) -> Followed:
        found = service.run(self.run_id)
        steps = {step.id: step for step in found.steps}
        if followed is None:
            return Followed(found.run, steps)
        followed.run, followed.steps, followed.lost_since = found.run, steps, None
        return followed

    def _streamed(self, service: Service, followed: Followed) -> Iterator[tuple[Followed, Change]]:
        with service.stream(self.run_id, self.last) as events:
            for event in events:
                self.last = event.id or self.last
                change = _taken_in(event, followed)
                if change is not None:
                    yield followed, change
                if followed.run.ended:
                    return


def _taken_in(event: StreamEvent, followed: Followed) -> Change:
    if event.kind == "step":
        step = StepAnswer.model_validate(event.data)
        followed.steps[step.id] = step
        return step
    if event.kind == "run":
        followed.run = RunAnswer.model_validate(event.data)
        return followed.run
    if event.kind == "log":
        line = LogLine.model_validate(event.data)
        followed.said[line.step] = line.text
        return line
    return None
