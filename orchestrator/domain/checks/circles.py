"""Circles in a graph of needs."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

MOST = 20
"""Circles that are told; mending those shows the next."""


LONGEST = 10
"""Members of a circle that are named."""


def circles(needs: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
    """Circles that share no member, each as `a` needs `b` needs … needs `a`, beginning with the first in the graph."""
    order = {name: place for place, name in enumerate(needs)}
    left = {name: [need for need in found if need in order] for name, found in needs.items()}
    for _ in range(MOST):
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            # graphlib lists each member before the one that needs it, the first again at the end.
            members = list(reversed(error.args[1]))[:-1]
            start = min(range(len(members)), key=lambda place: order[members[place]])
            yield tuple(members[start:] + members[:start])
            gone = set(members)
            left = {name: [n for n in found if n not in gone] for name, found in left.items() if name not in gone}
        else:
            return


def told(circle: tuple[str, ...], verb: str, lines: Mapping[str, int]) -> str:
    """The way round: `a` (line 3) needs `b` (line 7) needs `a`; the middle of a long one is left out."""
    names = [f"`{name}` (line {lines[name]})" for name in circle[:LONGEST]]
    left_out = len(circle) - LONGEST
    return verb.join([*names, *([f"({left_out} more)"] if left_out > 0 else []), f"`{circle[0]}`"])


def all_needed(needs: Mapping[str, Iterable[str]], name: str) -> set[str]:
    """Everything that `name` needs, directly or through others."""
    found: set[str] = set()
    todo = list(needs.get(name, ()))
    while todo:
        need = todo.pop()
        if need not in found:
            found.add(need)
            todo.extend(needs.get(need, ()))
    return found
