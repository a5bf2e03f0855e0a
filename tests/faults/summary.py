"""What came of every crash point, as one table at the end of the test run: kinds of step down, boundaries across."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from tests.faults.cases import Point, all_points, name_and_turn

COLUMNS = (
    "intent",
    "effect",
    "reclaimed",
    "outcome",
    "settled",
    "verified",
    "waiting",
    "undo-intent",
    "undo-effect",
    "undo-reclaimed",
    "undo-outcome",
    "between",
)
"""A point with two crashes stands under the second one; `between` are those between two boundaries."""
PROPERTY = "crash point"
"""What a test's report says of its point: the report comes from the worker that ran it, the table from the session."""
Properties = list[tuple[str, object]]


@dataclass(slots=True)
class Told:
    """What came of one point."""

    point: Point
    seconds: float = 0.0
    unproven: list[str] = field(default_factory=list)
    again: bool = False
    failed: bool = True

    @property
    def outcome(self) -> str:
        if self.failed:
            return "FAILED"
        if self.unproven:
            return "unknown"
        return "again" if self.again else "same"


@contextmanager
def telling(point: Point, properties: Properties) -> Iterator[Told]:
    """Adds what came of the point to the properties of the test that it is."""
    told = Told(point)
    began = time.monotonic()
    try:
        yield told
        told.failed = False
    finally:
        told.seconds = time.monotonic() - began
        properties.append((PROPERTY, [point.id, told.outcome, told.seconds]))


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of one point, as the table tells it."""

    point: Point
    outcome: str
    seconds: float

    @property
    def row(self) -> str:
        case = self.point.case
        return f"{case.kind}, {case.variant}" if case.variant else case.kind

    @property
    def column(self) -> str:
        return name_and_turn(self.point.crashes[-1][1])[0] if self.point.crashes else "between"


class Summary:
    """A plugin of the session that collects outcomes, of whichever worker; `lines` shows them."""

    def __init__(self) -> None:
        self._told: list[Ended] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties if report.when == "call" else ():
            if name == PROPERTY:
                assert isinstance(value, list | tuple)
                point_id, outcome, seconds = value
                points = {point.id: point for point in all_points()}
                self._told.append(Ended(points[str(point_id)], str(outcome), float(seconds)))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for number, line in enumerate(self.lines()):
            if number == 0:
                terminalreporter.section("crash points")
            terminalreporter.write_line(line)

    def lines(self) -> Iterator[str]:
        """The table, each unknown with its reason, each failure, and how many there were and how long they took."""
        if not self._told:
            return
        yield from self._table()
        for told in self._told:
            if told.outcome == "unknown":
                yield f"unknown  {told.point.id}: {told.point.unknown}"
            elif told.outcome == "again":
                yield f"again    {told.point.id}: {told.point.case.again}"
            elif told.outcome == "FAILED":
                yield f"FAILED   {told.point.id}"
        seconds = [told.seconds for told in self._told]
        count = Counter(told.outcome for told in self._told)
        yield (
            f"{len(seconds)} crash points in {sum(seconds):.0f} s, {max(seconds):.1f} s at most: "
            f"{count['same']} as without a crash, {count['again']} written again where that is allowed, "
            f"{count['unknown']} unknown, {count['FAILED']} failed"
        )

    def _table(self) -> Iterator[str]:
        cells: dict[tuple[str, str], Counter[str]] = {}
        for told in self._told:
            cells.setdefault((told.row, told.column), Counter())[told.outcome] += 1
        columns = [column for column in COLUMNS if any(column == at for _, at in cells)]
        rows = list(dict.fromkeys(row for row, _ in cells))
        shown = {at: _cell(outcomes) for at, outcomes in cells.items()}
        widths = [max(len(column), *(len(shown.get((row, column), "")) for row in rows)) for column in columns]
        first = max(map(len, rows))
        yield "  ".join(["".ljust(first), *map(str.ljust, columns, widths)]).rstrip()
        for row in rows:
            texts = [shown.get((row, column), "") for column in columns]
            yield "  ".join([row.ljust(first), *map(str.ljust, texts, widths)]).rstrip()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Summary())


def _cell(outcomes: Counter[str]) -> str:
    """`3 same`, `1 same 2 unknown`."""
    return " ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
