"""The stand that all crash points share, and the cloud that others do."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import new_postgres_database
from tests.faults.cloud_run import CloudRun, cloud_run
from tests.faults.reference import References
from tests.faults.stand import Stand
from tests.simulator_fixture import Simulator


@pytest.fixture(scope="package")
def references(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[References]:
    simulator.reset()
    stand = Stand(simulator, tmp_path_factory.mktemp("stand"))
    yield References(stand)
    stand.stop()


@pytest.fixture(scope="package")
def references_on_postgresql(
    references: References, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[References]:
    """The same on a PostgreSQL server; the simulator is the one of `references`."""
    simulator = references.stand.simulator
    stand = Stand(simulator, tmp_path_factory.mktemp("stand"), lambda: new_postgres_database(postgres))
    yield References(stand)
    stand.stop()


@pytest.fixture(scope="module")  # DBOS is one in a process: the next module may have a worker of its own
def running_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudRun]:
    with cloud_run(tmp_path_factory.mktemp("cloud")) as running:
        yield running


@pytest.fixture
def cloud(running_cloud: CloudRun) -> CloudRun:
    """A worker and a cloud with a chaos proxy in between, without servers."""
    running_cloud.begin_anew()
    return running_cloud


@pytest.fixture
def run_id(request: pytest.FixtureRequest) -> str:
    """A run of this test's own: all share one database."""
    return f"r-{zlib.crc32(request.node.name.encode())}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`-m faults` means every point; the few that also run every day are only there without the mark."""
    if config.option.markexpr.startswith("faults"):
        for item in items:
            if item.path.parent == Path(__file__).parent:
                item.add_marker("faults")
