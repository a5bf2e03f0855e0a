"""What the page of a plan shows, in the reader's language: made of the facts that the terminal shows as well. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby

from babel.numbers import format_decimal

from orchestrator.domain.kinds import KINDS
from orchestrator.domain.limits import BlastRadius
from orchestrator.domain.people.role import Permission, allows
from orchestrator.domain.plan import Plan, PlannedStep, expected
from orchestrator.operations.changes import (
    Change,
    Edit,
    Held,
    Told,
    Turn,
    Turns,
    Value,
    alarms_among,
    is_later,
    read_out,
)
from orchestrator.operations.people.register import Person
from orchestrator.operations.plan_outline import HARMLESS, Outlined, may_change
from orchestrator.web.pages.text import clean, short
from orchestrator.web.times import duration
from orchestrator.web.words import Language, say

DIGITS_AT_ONCE = 4
"""Of a digest, as two people read it to each other."""
OPEN_BELOW = 40
"""Steps up to which a plan is shown unfolded."""
MOST_NEEDS = 4
"""Needs of a step that are named."""
_POWERS = ("", "k", "M", "G", "T")


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence about a step. `message`: what somebody else said of it, in their words."""

    text: str
    message: str = ""
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A state of something: its values, and of each whether it is known later only; without values, a word."""

    values: tuple[tuple[str, bool], ...]
    word: str = ""
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    kind: str
    before: Cell
    after: Cell | None
    """None where nothing is written over it."""
    stays: bool


@dataclass(frozen=True, slots=True)
class Table:
    caption: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class PlannedView:
    """One step. `number`: its place in the whole plan, from 1."""

    number: int
    id: str
    name: str
    critical: bool
    rescue: bool
    expect: str
    holds: bool
    changing: bool
    after: str
    needs: str
    lines: tuple[Line, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Steps of one service that stand together in the plan."""

    service: str
    title: str
    rescue: bool
    steps: tuple[PlannedView, ...]
    alarms: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """What to look at before one says yes, at one step."""

    number: int
    step: str
    line: Line


@dataclass(frozen=True, slots=True)
class Short:
    """One service's changes in one line."""

    service: str
    title: str
    steps: int
    alarms: int
    changes: str
    harmless: str


@dataclass(frozen=True, slots=True)
class OnPath:
    number: int
    name: str
    service: str
    expect: str
    until: str


@dataclass(frozen=True, slots=True)
class Measured:
    """One limit of the policy, and how far the plan goes. `most` is empty where there is none."""

    name: str
    used: str
    most: str
    over: bool


@dataclass(frozen=True, slots=True)
class Approver:
    name: str
    title: str
    factor: bool
    you: bool


def digits(digest: str) -> tuple[str, list[str]]:
    """Algorithm, and groups of digits that can be read aloud."""
    name, _, rest = digest.rpartition(":")
    return name, [rest[at : at + DIGITS_AT_ONCE] for at in range(0, len(rest), DIGITS_AT_ONCE)]


def groups(
    language: Language,
    plan: Plan,
    changes: Mapping[str, Sequence[Change]],
    titles: Mapping[str, str],
    now: float,
    first: int,
    last: int,
) -> list[Group]:
    """The plan's steps from place `first` up to `last` (not with it), in their order."""
    numbered = list(enumerate(plan.steps, start=1))[first:last]
    critical = frozenset(plan.critical_path)
    found = []
    for (service, rescue), some in groupby(numbered, key=lambda pair: (pair[1].service, pair[1].rescue)):
        steps = tuple(
            _step(language, place, step, changes[step.id], now, critical=step.id in critical) for place, step in some
        )
        alarms = sum(line.alarm for step in steps for line in step.lines)
        found.append(Group(service, titles.get(service, service), rescue, steps, alarms))
    return found


def alarms(language: Language, plan: Plan, changes: Mapping[str, Sequence[Change]], now: float) -> list[Alarm]:
    return [
        Alarm(place, step.id, _line(language, one, now))
        for place, step in enumerate(plan.steps, start=1)
        for one in alarms_among(changes[step.id])
    ]


def shortly(language: Language, parts: Iterable[Outlined], titles: Mapping[str, str]) -> list[Short]:
    """The short list of changes, service by service: for whoever approves, and for who starts."""
    found = []
    for part in parts:
        told = {name: say(language, f"plan.count.{name}", count=number) for name, number in part.counts.items()}
        changes = [text for name, text in told.items() if name not in HARMLESS]
        harmless = [text for name, text in told.items() if name in HARMLESS]
        title = titles.get(part.service, part.service)
        nothing = say(language, "plan.count.nothing")
        row = Short(part.service, title, part.steps, part.alarms, ", ".join(changes) or nothing, ", ".join(harmless))
        found.append(row)
    return found


def path(language: Language, plan: Plan, titles: Mapping[str, str]) -> list[OnPath]:
    """The chain of steps that decides how long the whole takes, with when each is expected to be over."""
    places = {step.id: number for number, step in enumerate(plan.steps, start=1)}
    steps = [plan.steps[places[step_id] - 1] for step_id in plan.critical_path]
    over = accumulate(expected(step) for step in steps)
    return [
        OnPath(
            places[step.id],
            step_name(language, step),
            titles.get(step.service, step.service),
            duration(expected(step), language),
            duration(until, language),
        )
        for step, until in zip(steps, over, strict=True)
    ]


def radius(language: Language, found: BlastRadius) -> list[Measured]:
    """Each measure of what the plan makes and touches, beside the policy's limit."""
    footprint, most = found.footprint, found.limits
    over = {excess.measure for excess in found.excesses}
    rows: tuple[tuple[str, float, float | None], ...] = (
        ("services", len(footprint.services), most.services),
        ("servers", len(footprint.servers), most.servers),
        ("zones", len(footprint.zones), most.zones),
        ("euros_per_hour", footprint.euros_per_hour, most.euros_per_hour),
    )
    return [
        Measured(
            say(language, f"plan.radius.{name}"),
            number(language, used),
            "" if limit is None else number(language, limit),
            name in over,
        )
        for name, used, limit in rows
    ]


def approvers(people: Iterable[Person], services: Sequence[str], own: str) -> list[Approver]:
    """Who may release a plan of these services. `own`: the name of whoever looks."""
    found = []
    for person in people:
        grants = [held.grant for held in person.roles if held.counts]
        if not person.disabled and not person.program and allows(grants, Permission.APPROVE, services):
            factor = bool({"totp", "key"} & set(person.factors))
            found.append(Approver(person.name, person.title, factor, person.name.casefold() == own.casefold()))
    return found


def step_name(language: Language, step: PlannedStep) -> str:
    if step.title and step.title.get(language):
        return step.title[language]
    kind = KINDS.get(step.uses)
    return str(getattr(kind.words, language)) if kind is not None else step.uses


def moved_tables(language: Language, found: Iterable[Turns]) -> list[Table]:
    return [_table(language, one) for one in found]


def number(language: Language, value: float) -> str:
    return str(format_decimal(value, locale=language, format="#,##0.####"))


def _step(
    language: Language, place: int, step: PlannedStep, changes: Sequence[Change], now: float, *, critical: bool
) -> PlannedView:
    kind = KINDS[step.uses]
    needs = [clean(short(need)) for need in step.needs[:MOST_NEEDS]]
    more = len(step.needs) - len(needs)
    needs += [say(language, "plan.needs.more", count=more)] if more else []
    return PlannedView(
        number=place,
        id=step.id,
        name=clean(step_name(language, step)),
        critical=critical,
        rescue=step.rescue,
        expect=duration(expected(step), language),
        holds=kind.by_person,
        changing=may_change(step),
        after=say(language, "plan.known_after", step=clean(short(step.after))) if step.after else "",
        needs=", ".join(needs),
        lines=tuple(_line(language, one, now) for one in changes if isinstance(one, Told)),
        tables=tuple(_table(language, one) for one in changes if isinstance(one, Turns)),
    )


def _line(language: Language, told: Told, now: float) -> Line:
    values: dict[str, object] = {name: _said(language, name, value) for name, value in told.values.items()}
    at, count, message = told.values.get("at"), told.values.get("count"), told.values.get("message")
    if isinstance(at, float):
        values["age"] = duration(now - at, language)
    if isinstance(count, int):
        values["count"] = count
    text = "" if told.code == "message" else say(language, f"plan.do.{told.code}", **values)
    return Line(text, clean(message) if isinstance(message, str) else "", told.alarm)


def _said(language: Language, name: str, value: Value) -> str:
    if isinstance(value, tuple):
        between = say(language, "plan.else") if name == "providers" else ", "
        return between.join(_known(language, one) for one in value)
    if isinstance(value, Mapping):
        return _known(language, value.get(language) or value.get("en", ""))
    if isinstance(value, str):
        return _known(language, value)
    if name == "bytes":
        return _size(language, int(value))
    return duration(value, language) if name == "time" else str(value)


def _known(language: Language, text: str) -> str:
    return clean(read_out(text, _later(language)))


def _later(language: Language) -> Callable[[str, str], str]:
    return lambda step, output: say(language, "plan.later", step=step, output=output)


def _table(language: Language, found: Turns) -> Table:
    zones = ", ".join(map(clean, found.zones))
    caption = say(language, "plan.zones", count=len(found.zones), names=zones) if found.zones else ""
    return Table(caption, tuple(_row(language, turn) for turn in found.turns))


def _row(language: Language, turn: Turn) -> Row:
    name = turn.name if isinstance(turn.name, str) else turn.name.get(language) or turn.name.get("en", "")
    unknown = Cell((), say(language, "plan.not_yet"))
    before = unknown if turn.before is None else _cell(language, turn.before)
    after = None if turn.after is None else _cell(language, turn.after)
    return Row(clean(name), turn.kind, before, after, turn.stays)


def _cell(language: Language, state: Held | Edit) -> Cell:
    words = state.words if isinstance(state, Edit) else state.values
    if not words:
        return Cell((), say(language, "plan.nothing"))
    values = tuple((_known(language, one), is_later(one)) for one in words)
    return Cell(values, ttl=None if isinstance(state, Edit) else state.ttl)


def _size(language: Language, count: int) -> str:
    """Bytes, in powers of 1000."""
    power = min((len(str(count)) - 1) // 3, len(_POWERS) - 1)
    told = format_decimal(count / 1000**power, locale=language, format="#,##0.#")
    return say(language, "plan.bytes", number=told, power=_POWERS[power])
