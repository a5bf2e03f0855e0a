"""Runs that are not crashed: what crashed ones are compared with."""

from dataclasses import dataclass

from tests.faults.cases import Case
from tests.faults.stand import Stand
from tests.faults.walk import Walk


@dataclass(frozen=True, slots=True)
class Reference:
    """`passed`: (step, boundary) in the order that the run came by them."""

    walk: Walk
    passed: list[tuple[str, str]]


class References:
    """The reference of each case, made when it is first asked for."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self._made: dict[str, Reference] = {}

    def of(self, case: Case) -> Reference:
        if case.name not in self._made:
            walk = Walk(self.stand, case).go()
            passed = [
                (step.removeprefix(f"{case.name}/"), boundary)
                for step, boundary in self.stand.service.ask("passed", walk.run_id)
            ]
            self._made[case.name] = Reference(walk, passed)
        return self._made[case.name]
