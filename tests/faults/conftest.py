"""The stand that all crash points share, and the table at the end."""

from collections.abc import Iterator

import pytest

from tests.faults.reference import References
from tests.faults.stand import Stand
from tests.faults.summary import Summary
from tests.simulator_fixture import Simulator

_SUMMARY = pytest.StashKey[Summary]()


@pytest.fixture(scope="package")
def references(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[References]:
    simulator.reset()
    stand = Stand(simulator, tmp_path_factory.mktemp("stand"))
    yield References(stand)
    stand.stop()


@pytest.fixture
def summary(pytestconfig: pytest.Config) -> Summary:
    return pytestconfig.stash[_SUMMARY]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_SUMMARY] = Summary()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = list(config.stash[_SUMMARY].lines())
    if lines:
        terminalreporter.section("crash points")
        for line in lines:
            terminalreporter.write_line(line)
