"""Watching a run: a picture that lives on a terminal, one line a change anywhere else."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from orchestrator.cli.answers import LogLine, RunAnswer, StepAnswer
from orchestrator.cli.attention import stands_still, verdict, waits
from orchestrator.cli.board import Frame, band, board, change_line, run_word, waiting_lines, what
from orchestrator.cli.client import Service
from orchestrator.cli.exits import Exit
from orchestrator.cli.follow import LOST_FOR, Change, Followed, Follower
from orchestrator.cli.session import Session
from orchestrator.cli.tree import FINISHED
from orchestrator.cli.wording import one_line
from orchestrator.domain.model import RunState, StepState
from orchestrator.web.times import clock, duration

FORWARD = frozenset({RunState.SUCCEEDED})
EITHER_WAY = frozenset({RunState.SUCCEEDED, RunState.UNDONE})
WHOLE = 200
"""Steps up to which the picture that stays behind shows every one."""

Answer = Callable[[Followed], None]
"""Called after every change, so that whoever follows can answer what waits."""


_NO_NEWS = (StepState.PENDING, StepState.READY, StepState.UNDO_READY)


class Screen(Protocol):
    def show(self, followed: Followed, change: Change) -> None: ...


def watch(
    session: Session,
    run_id: str,
    *,
    until_waiting: bool,
    wanted: frozenset[RunState] = EITHER_WAY,
    expected: float = 0.0,
    answer: Answer | None = None,
    as_json: bool = False,
) -> Exit:
    """Show a run until it ends, or with `until_waiting` until only people can bring it further.

    Answers the exit code: `wanted` are the ends that count as done. With `answer`, hold points
    count as answered, and only trouble stops it. A service that stays away is waited for as long
    as somebody looks at a terminal; elsewhere it raises CommandError after a minute.
    """
    lost_for = math.inf if session.live and not as_json else LOST_FOR
    follower = Follower(lambda: Service.of(session.data), run_id, lost_for, from_now=not as_json)
    followed = None
    with _screen(session, expected, as_json=as_json) as screen:
        for followed, change in follower.changes():
            screen.show(followed, change)
            if answer is not None:
                answer(followed)
            if until_waiting and _stops(followed, answered=answer is not None):
                break
    assert followed is not None
    code = verdict(followed.run, followed.listed, wanted)
    if not session.live and not as_json:
        _last_words(session, followed)
    return code


def _stops(followed: Followed, *, answered: bool) -> bool:
    run, steps = followed.run, followed.listed
    if followed.lost_since is not None:
        return False
    return stands_still(run, steps) and (not answered or any(wait.troubled for wait in waits(run, steps)))


@contextmanager
def _screen(session: Session, expected: float, *, as_json: bool) -> Iterator[Screen]:
    if as_json or not session.live:
        yield _JsonLines(session) if as_json else _Lines(session)
        return
    with Service.of(session.data) as service:
        picture = _LivePicture(session, expected, service.objectives())
    with picture.live:
        yield picture
        picture.whole = True


class _LivePicture:
    """The board, drawn anew four times a second so that time is seen to pass."""

    def __init__(self, session: Session, expected: float, rto: Mapping[str, float]) -> None:
        self._session = session
        self._expected = expected
        self._rto = rto
        self._followed: Followed | None = None
        self.whole = False
        """Show more than the terminal's height: what stays when the watching is over."""
        self.live = Live(console=session.out, get_renderable=self._picture, refresh_per_second=4)

    def show(self, followed: Followed, change: Change) -> None:
        del change
        self._followed = followed

    def _picture(self) -> RenderableType:
        followed, session = self._followed, self._session
        if followed is None:
            return Text(session.say("cli.watch.reading"))
        lost = _lost_words(session, followed)
        frame = Frame(
            session.language,
            time.time(),
            width=session.out.width,
            height=self._height(followed) - (2 if lost else 0),
            expected=self._expected or followed.run.expected_seconds,
            rto=self._rto,
            said=dict(followed.said),
            output=list(followed.output),
        )
        picture = board(followed.run, followed.listed, frame)
        return Group(picture, Text(), Text(lost, style="bold reverse")) if lost else picture

    def _height(self, followed: Followed) -> int:
        if not self.whole:
            return max(self._session.out.height - 1, 10)
        return 0 if len(followed.steps) <= WHOLE else WHOLE


def _lost_words(session: Session, followed: Followed) -> str:
    if followed.lost_since is None:
        return ""
    away = duration(time.monotonic() - followed.lost_since, session.language)
    return f"{session.say('link.lost')} ({away})"


class _Lines:
    """One line a change: for logs, pipes and screen readers."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told: dict[str, str] = {}
        self._away = False

    def show(self, followed: Followed, change: Change) -> None:
        if followed.lost_since is not None:
            if not self._away:
                self._session.note(self._session.say("cli.watch.lost"))
            self._away = True
            return
        if self._away:
            self._session.note(self._session.say("cli.watch.back"))
        self._away = False
        if change is None:
            self._tell_all(followed)
        elif isinstance(change, RunAnswer):
            self._tell_run(followed)
        elif isinstance(change, StepAnswer):
            self._tell_step(change)

    def _tell_run(self, followed: Followed) -> None:
        """Its state by the journal: that something waits is told at the end, with what to type."""
        run = followed.run
        said = f": {one_line(run.message)}" if run.message else ""
        self._tell("", f"{run.id} {run_word(self._session.language, run)}{said}")

    def _tell_all(self, followed: Followed) -> None:
        """At first what was over before is only counted; after an interruption, what changed meanwhile is told."""
        session, first = self._session, not self._told
        if first:
            session.line(band(session.language, followed.run.mode).plain.rstrip())
            session.line(what(session.language, followed.run))
        self._tell_run(followed)
        over = [step for step in followed.listed if first and step.state in FINISHED]
        if over:
            session.line(session.say("sum.steps", done=len(over), total=len(followed.steps)))
        for step in over:
            self._told[step.id] = change_line(session.language, step)
        for step in followed.listed:
            self._tell_step(step)

    def _tell_step(self, step: StepAnswer) -> None:
        """Pending and about to start are no news; a wait for the next try is."""
        if step.state not in _NO_NEWS or (step.state is StepState.READY and step.attempt > 1):
            self._tell(step.id, change_line(self._session.language, step))

    def _tell(self, subject: str, text: str) -> None:
        if self._told.get(subject) != text:
            self._told[subject] = text
            self._session.line(f"{clock(time.time())} {text}")


class _JsonLines:
    """One JSON object a change, for programs: `kind` is run, step or log."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told: dict[str, str] = {}

    def show(self, followed: Followed, change: Change) -> None:
        if change is not None:
            self._tell(change)
        elif followed.lost_since is None:
            self._tell(followed.run)
            for step in followed.listed:
                self._tell(step)

    def _tell(self, one: RunAnswer | StepAnswer | LogLine) -> None:
        text = one.model_dump_json()
        subject = one.id if not isinstance(one, LogLine) else ""
        if subject and self._told.get(subject) == text:
            return
        self._told[subject] = text
        kind = {RunAnswer: "run", StepAnswer: "step", LogLine: "log"}[type(one)]
        self._session.json({"kind": kind, **one.model_dump(mode="json", by_alias=True)}, line=True)


def _last_words(session: Session, followed: Followed) -> None:
    for line in waiting_lines(waits(followed.run, followed.listed), session.language, session.out.width):
        session.line(line, copied=True)
