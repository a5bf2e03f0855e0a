"""The drawing of a run: steps to the right of what they need, no two in one place, light whatever the run's size."""

import itertools
import random

import pytest

from orchestrator.web.pages.run_drawing import NODE_HEIGHT, NODE_WIDTH, Drawing, Node, Step, drawn, layers_of


def steps_of(count: int, services: int, seed: int = 0) -> list[Step]:
    chance = random.Random(seed)
    return [
        Step(f"s{n}", f"v{n % services}", [f"s{chance.randrange(n)}" for _ in range(min(n, 3))]) for n in range(count)
    ]


def nodes_of(drawing: Drawing) -> dict[str, Node]:
    return {node.key: node for lane in drawing.lanes for node in lane.nodes}


@pytest.mark.parametrize("seed", range(5))
def test_every_step_stands_to_the_right_of_what_it_needs_and_alone(seed: int) -> None:
    steps = steps_of(60, 3, seed)
    services = ["v0", "v1", "v2"]
    nodes = nodes_of(drawn(steps, services, services))
    assert set(nodes) == {step.id for step in steps}
    for step in steps:
        assert all(nodes[step.id].x >= nodes[need].x + NODE_WIDTH for need in step.needs)
    places = sorted((node.x, node.y) for node in nodes.values())
    for (x1, y1), (x2, y2) in itertools.pairwise(places):
        assert x1 != x2 or y2 - y1 >= NODE_HEIGHT


def test_lanes_stand_below_each_other_in_the_order_given() -> None:
    drawing = drawn(steps_of(30, 3), ["v2", "v0", "v1", "nobody"], ["v2", "v1"])
    assert [(lane.service, lane.is_open) for lane in drawing.lanes] == [("v2", True), ("v0", False), ("v1", True)]
    for above, below in zip(drawing.lanes, drawing.lanes[1:], strict=False):
        assert above.y + above.height < below.y
        assert all(above.y < node.y < below.y for node in above.nodes)
    assert drawing.height == drawing.lanes[-1].y + drawing.lanes[-1].height


def test_a_large_run_is_drawn_by_its_services() -> None:
    steps = steps_of(2000, 20)
    services = [f"v{n}" for n in range(20)]
    closed = drawn(steps, services, [])
    assert [node.is_lane for node in nodes_of(closed).values()] == [True] * 20
    assert len(closed.lines) <= 20 * 19
    one = drawn(steps, services, ["v3"])
    assert sum(not node.is_lane for node in nodes_of(one).values()) == 100
    assert len(one.lines) < 1000


def test_the_same_run_is_drawn_alike() -> None:
    assert drawn(steps_of(50, 4), ["v0", "v1"], ["v0"]) == drawn(steps_of(50, 4), ["v0", "v1"], ["v0"])


def test_a_layer_is_the_longest_way_and_strange_graphs_are_borne() -> None:
    steps = [Step("a", "v", []), Step("b", "v", ["a"]), Step("c", "v", ["a", "b", "nothing"]), Step("d", "v", ["a"])]
    assert layers_of(steps) == {"a": 0, "b": 1, "c": 2, "d": 1}
    circle = [Step("x", "v", ["y"]), Step("y", "v", ["x"])]
    assert len(nodes_of(drawn(circle, ["v"], ["v"]))) == 2
    assert drawn([], [], []).lanes == ()
