"""A run followed live: its present state, kept up to date by the service's event stream, across restarts."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

from orchestrator.cli.answers import LogLine, RunAnswer, StepAnswer
from orchestrator.cli.client import Answered, Service, StreamEvent
from orchestrator.cli.exits import CommandError, NoService

LOST_FOR = 60.0
"""Seconds that a service may be away, to restart, before following gives up where no person looks."""
AGAIN_AFTER = 0.5
TAIL = 20
"""The last lines of output that are kept."""
TOO_MANY = 429

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
    output: deque[LogLine] = field(default_factory=lambda: deque(maxlen=TAIL))
    """The last lines of all steps."""

    @property
    def listed(self) -> list[StepAnswer]:
        return list(self.steps.values())

    def hear(self, line: LogLine) -> None:
        self.said[line.step] = line.text
        self.output.append(line)


@dataclass
class Follower:
    """Yields what changed, again and again, until the run has ended.

    `connect` opens the service anew after it went away: its address may have changed. With `from_now`, what was
    written before is told by its last lines alone; without, all of it, up to the last line that comes after the end.
    """

    connect: Callable[[], Service]
    run_id: str
    lost_for: float = LOST_FOR
    from_now: bool = True
    last: str = field(default="", init=False)
    """The cursor of what was heard: a new connection goes on there, so nothing is missed and nothing comes twice."""

    def changes(self) -> Iterator[tuple[Followed, Change]]:
        """The state and what changed in it.

        Raises NoService, or the service's own refusal, when it stays away for longer than `lost_for` seconds.
        """
        followed: Followed | None = None
        over = False
        while not over:
            try:
                with self.connect() as service:
                    followed = self._refreshed(service, followed)
                    yield followed, None
                    over = yield from self._streamed(service, followed)
                if not over:
                    time.sleep(AGAIN_AFTER)
            except CommandError as error:
                if followed is None or not is_away(error):
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
            followed = Followed(found.run, steps)
            if self.from_now:
                self._begin_now(service, followed)
            return followed
        followed.run, followed.steps, followed.lost_since = found.run, steps, None
        return followed

    def _begin_now(self, service: Service, followed: Followed) -> None:
        lines = service.last_lines(self.run_id, TAIL)
        for line in lines:
            followed.hear(line)
        self.last = f"{followed.run.seq}.{lines[-1].id if lines else 0}"

    def _streamed(self, service: Service, followed: Followed) -> Generator[tuple[Followed, Change], None, bool]:
        """Answers whether the run is over, and all that is to be told of it was."""
        if self.from_now and followed.run.ended:
            return True
        with service.stream(self.run_id, self.last) as events:
            for event in events:
                self.last = event.id or self.last
                change = _taken_in(event, followed)
                if change is not None:
                    yield followed, change
                if event.kind == "end" or (self.from_now and followed.run.ended):
                    return True
        return False


def is_away(error: CommandError) -> bool:
    """Whether it may be back in a moment: it does not answer, begins or ends just now, or has too much to do."""
    return isinstance(error, NoService) or (
        isinstance(error, Answered) and (error.status >= 500 or error.status == TOO_MANY)
    )


def _taken_in(event: StreamEvent, followed: Followed) -> Change:
    if event.kind == "step":
        step = StepAnswer.model_validate(event.data)
        followed.steps[step.id] = step
        return step
    if event.kind == "run":
        # The stream tells a run without what its plan expected.
        run = RunAnswer.model_validate(event.data)
        followed.run = run.model_copy(update={"expected_seconds": followed.run.expected_seconds})
        return run
    if event.kind == "log":
        line = LogLine.model_validate(event.data)
        followed.hear(line)
        return line
    return None
