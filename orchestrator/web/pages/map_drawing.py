"""A dependency map laid out in three columns: services, whom they depend on, whose law decides. Pure.

Each column is ordered by the middle of what its nodes are joined to (barycentre),
a few times over, so that few lines cross. Lengths are SVG user units.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.domain.dependencies import Dependency, Standing
from orchestrator.domain.dependency_map import DependencyMap

WIDTH = 1080.0
COLUMNS = (0.0, 400.0, 860.0)
NODE_WIDTHS = (250.0, 300.0, 220.0)
NODE_HEIGHT, GAP, TOP = 46.0, 12.0, 34.0
SWEEPS = 4
LONGEST = (24, 29, 21)
"""Characters of a label that fit into a node of each column."""
UNKNOWN = "?"

Key = tuple[int, str]
"""Column and name."""


@dataclass(frozen=True, slots=True)
class Node:
    """`tone` repeats in colour what `note` says in words."""

    x: float
    y: float
    width: float
    label: str
    whole: str
    note: str
    tone: str


@dataclass(frozen=True, slots=True)
class Line:
    path: str
    standing: str
    title: str


@dataclass(frozen=True, slots=True)
class Drawing:
    width: float
    height: float
    columns: tuple[tuple[float, str], ...]
    nodes: tuple[Node, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Labels:
    """The reader's words: of a row and its note, of a holder and its note, of a law; of the columns; of a standing."""

    row: Callable[[str], tuple[str, str]]
    holder: Callable[[Dependency], tuple[str, str]]
    law: Callable[[str], str]
    columns: tuple[str, str, str]
    standing: Callable[[Standing], str]


def drawn(found: DependencyMap, labels: Labels) -> Drawing:
    """Empty of nodes where there are no dependencies."""
    holders = {one.holder.name: one for one in reversed(found.dependencies)}
    rows = list(dict.fromkeys(one.row for one in found.dependencies))
    pairs = [((0, one.row), (1, one.holder.name)) for one in found.dependencies]
    pairs += [((1, name), (2, law_of(one))) for name, one in holders.items()]
    columns = _ordered([[(0, row) for row in rows]], pairs)
    places = _places(columns)
    nodes = [_node(key, places, holders, labels) for column in columns for key in column]
    lines = [_line(one, places, labels) for one in found.dependencies]
    lines += [_joined(places[1, name], places[2, law_of(one)], 1, "law", "") for name, one in holders.items()]
    height = TOP + max((len(column) for column in columns), default=0) * (NODE_HEIGHT + GAP)
    return Drawing(WIDTH, height, tuple(zip(COLUMNS, labels.columns, strict=True)), tuple(nodes), tuple(lines))


def law_of(one: Dependency) -> str:
    """The country whose law binds who decides in the end."""
    return one.holder.country or UNKNOWN


def tone_of(one: Dependency) -> str:
    if not one.holder.known:
        return "odd"
    return "waits" if one.holder.exposed else "good"


def _ordered(columns: list[list[Key]], pairs: Sequence[tuple[Key, Key]]) -> list[list[Key]]:
    """The first column stays as it is: it is the estate's own order."""
    columns = [columns[0], *([*dict.fromkeys(right for left, right in pairs if left[0] == at)] for at in (0, 1))]
    joined: dict[Key, list[Key]] = {}
    for left, right in pairs:
        joined.setdefault(left, []).append(right)
        joined.setdefault(right, []).append(left)
    for _ in range(SWEEPS):
        for at in (1, 2):
            place = {key: number / len(column) for column in columns for number, key in enumerate(column)}
            columns[at].sort(key=lambda key: (_middle(joined[key], place), key))
    return columns


def _middle(neighbours: Sequence[Key], place: Mapping[Key, float]) -> float:
    return sum(place[key] for key in neighbours) / len(neighbours)


def _places(columns: Sequence[Sequence[Key]]) -> dict[Key, tuple[float, float]]:
    """The upper left corner of each node; shorter columns stand in the middle of the longest."""
    longest = max((len(column) for column in columns), default=0)
    return {
        key: (COLUMNS[at], TOP + (number + (longest - len(column)) / 2) * (NODE_HEIGHT + GAP))
        for at, column in enumerate(columns)
        for number, key in enumerate(column)
    }


def _node(
    key: Key, places: Mapping[Key, tuple[float, float]], holders: Mapping[str, Dependency], labels: Labels
) -> Node:
    column, name = key
    if column == 0:
        (label, note), tone = labels.row(name), "quiet"
    elif column == 1:
        (label, note), tone = labels.holder(holders[name]), tone_of(holders[name])
    else:
        label, note, tone = labels.law(name), "", "quiet"
    x, y = places[key]
    return Node(x, y, NODE_WIDTHS[column], _cut(label, LONGEST[column]), label, _cut(note, LONGEST[column] + 4), tone)


def _line(one: Dependency, places: Mapping[Key, tuple[float, float]], labels: Labels) -> Line:
    title = f"{labels.row(one.row)[0]} → {labels.holder(one)[0]}: {labels.standing(one.standing)}"
    return _joined(places[0, one.row], places[1, one.holder.name], 0, one.standing, title)


def _joined(left: tuple[float, float], right: tuple[float, float], column: int, standing: str, title: str) -> Line:
    x1, y1 = left[0] + NODE_WIDTHS[column], left[1] + NODE_HEIGHT / 2
    x2, y2 = right[0], right[1] + NODE_HEIGHT / 2
    bend = (x2 - x1) / 2
    return Line(f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}", standing, title)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
