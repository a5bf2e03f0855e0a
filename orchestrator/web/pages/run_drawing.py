"""A run's graph laid out in lanes, one a service: a step stands to the right of all that it needs. Pure.

Columns are the layers of the graph (longest path), and those that nothing stands in are left out. A lane is open, with
a node for each of its steps, or closed, one node for all of them: so a run of thousands of steps is drawn by its
services. Within a column of a lane, steps stand by the middle of what they need (barycentre), then in the plan's order.
Time and size are linear in steps and edges, but for the sorting within columns. Lengths are SVG user units.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

NODE_WIDTH, NODE_HEIGHT = 200.0, 46.0
GAP_X, GAP_Y = 28.0, 10.0
LANE_TOP, LANE_GAP = 26.0, 16.0
LONGEST = 18
"""Characters of a label that fit into a node."""


@dataclass(frozen=True, slots=True)
class Step:
    """Steps come in the plan's order; needs that are no steps are passed over."""

    id: str
    service: str
    needs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Node:
    """A step, or (`is_lane`) all steps of a closed lane, whose `key` is the service."""

    key: str
    is_lane: bool
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Lane:
    service: str
    is_open: bool
    y: float
    height: float
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Drawing:
    """`lines` are paths of SVG; two steps, or a step and a closed lane, are joined once."""

    width: float
    height: float
    lanes: tuple[Lane, ...]
    lines: tuple[str, ...]


def drawn(steps: Sequence[Step], services: Sequence[str], opened: Collection[str]) -> Drawing:
    """`services`: the lanes in their order; those that have no step are left out."""
    layers = layers_of(steps)
    by_service: dict[str, list[Step]] = {name: [] for name in services}
    for step in steps:
        by_service.setdefault(step.service, []).append(step)
    lanes = {name: found for name, found in by_service.items() if found}
    columns = _columns(lanes, layers, opened)
    placed: dict[str, Node] = {}
    made, y = [], 0.0
    for service, members in lanes.items():
        nodes = _open(members, layers, columns, y) if service in opened else [_closed(service, members, columns, y)]
        placed |= {node.key: node for node in nodes} if service in opened else {one.id: nodes[0] for one in members}
        height = max(node.y for node in nodes) + NODE_HEIGHT - y
        made.append(Lane(service, service in opened, y, height, tuple(nodes)))
        y += height + LANE_GAP
    width = max(len(set(columns.values())), 1) * (NODE_WIDTH + GAP_X) - GAP_X
    return Drawing(width, max(y - LANE_GAP, 0.0), tuple(made), _lines(steps, placed))


def layers_of(steps: Sequence[Step]) -> dict[str, int]:
    """How many steps, at most, go before each one. Steps of a circle, which no plan has, are in layer 0."""
    known = {step.id for step in steps}
    needs = {step.id: [need for need in step.needs if need in known] for step in steps}
    dependents: dict[str, list[str]] = {step: [] for step in known}
    for step, found in needs.items():
        for need in found:
            dependents[need].append(step)
    left = {step: len(found) for step, found in needs.items()}
    layers = dict.fromkeys(known, 0)
    turn = [step.id for step in steps if not left[step.id]]
    for step in turn:
        for dependent in dependents[step]:
            layers[dependent] = max(layers[dependent], layers[step] + 1)
            left[dependent] -= 1
            if not left[dependent]:
                turn.append(dependent)
    return layers


def _columns(lanes: Mapping[str, Sequence[Step]], layers: Mapping[str, int], opened: Collection[str]) -> dict[str, int]:
    """The column of each step; of closed lanes, all steps are where the first of them is."""
    at: dict[str, int] = {}
    for service, members in lanes.items():
        first = min(layers[step.id] for step in members)
        at |= {step.id: layers[step.id] if service in opened else first for step in members}
    place = {layer: number for number, layer in enumerate(sorted(set(at.values())))}
    return {step: place[layer] for step, layer in at.items()}


def _open(members: Sequence[Step], layers: Mapping[str, int], columns: Mapping[str, int], top: float) -> list[Node]:
    stacks: dict[int, list[Step]] = {}
    for step in members:
        stacks.setdefault(layers[step.id], []).append(step)
    rows: dict[str, float] = {}
    nodes = []
    for layer in sorted(stacks):
        # Sorting keeps the plan's order among equals.
        for row, step in enumerate(sorted(stacks[layer], key=lambda step: _middle(step, rows))):
            rows[step.id] = row
            y = top + LANE_TOP + row * (NODE_HEIGHT + GAP_Y)
            nodes.append(Node(step.id, is_lane=False, x=columns[step.id] * (NODE_WIDTH + GAP_X), y=y))
    return nodes


def _closed(service: str, members: Sequence[Step], columns: Mapping[str, int], top: float) -> Node:
    return Node(service, is_lane=True, x=columns[members[0].id] * (NODE_WIDTH + GAP_X), y=top + LANE_TOP)


def _middle(step: Step, rows: Mapping[str, float]) -> float:
    found = [rows[need] for need in step.needs if need in rows]
    return sum(found) / len(found) if found else 0.0


def _lines(steps: Sequence[Step], placed: Mapping[str, Node]) -> tuple[str, ...]:
    pairs: dict[tuple[str, str], str] = {}
    for step in steps:
        end = placed[step.id]
        for need in step.needs:
            start = placed.get(need)
            if start is not None and start is not end and (start.key, end.key) not in pairs:
                pairs[start.key, end.key] = _line(start, end)
    return tuple(pairs.values())


def _line(start: Node, end: Node) -> str:
    if end.x > start.x:
        x1, y1, x2, y2 = start.x + NODE_WIDTH, start.y + NODE_HEIGHT / 2, end.x, end.y + NODE_HEIGHT / 2
        bend = min((x2 - x1) / 2, GAP_X)
        return f"M{x1:g} {y1:g}C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    down = end.y > start.y
    x1, y1 = start.x + NODE_WIDTH / 2, start.y + (NODE_HEIGHT if down else 0)
    x2, y2 = end.x + NODE_WIDTH / 2, end.y + (0 if down else NODE_HEIGHT)
    bend = GAP_Y if down else -GAP_Y
    return f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}"


def cut(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
