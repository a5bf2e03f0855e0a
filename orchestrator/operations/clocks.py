"""What runs out by itself, and when: for the services of the newest estate, by the losses that show now."""

from collections.abc import Callable

from orchestrator.domain.signals.clock import RunningClock, running_clocks
from orchestrator.domain.signals.clock_board import ClockBoard, clock_board
from orchestrator.operations.estate import Estates
from orchestrator.operations.plans import Onsets


class Clocks:
    def __init__(self, estates: Estates, clock: Callable[[], float], onsets: Onsets) -> None:
        self._estates = estates
        self._clock = clock
        self._onsets = onsets

    def board(self) -> ClockBoard:
        """Raises NotFound while no estate was read."""
        bundle = self._estates.bundle(self._estates.newest())
        return clock_board(self._onsets(), bundle.estate.services, bundle.catalogue, self._clock())

    def running(self) -> tuple[RunningClock, ...]:
        """Those that run now, for who warns of them. Raises NotFound."""
        bundle = self._estates.bundle(self._estates.newest())
        return running_clocks(self._onsets(), bundle.estate.services, bundle.catalogue)
