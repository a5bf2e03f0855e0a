"""What the tests of attacks on the estate share: keys are made once, an estate is new for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.estate_world import World, world
from tests.signing_people import Person


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: Person(folder, name) for name in ("alice", "bruno", "mallory")}


@pytest.fixture(scope="session")
def fresh_village(keys: dict[str, Person], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh") / "village"
    with world(folder, keys):
        return folder


@pytest.fixture(scope="session")
def founded_village(fresh_village: Path, keys: dict[str, Person], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("founded") / "village"
    with world(folder, keys, fresh_village) as made:
        made.found()
        return folder


@pytest.fixture
def new_village(fresh_village: Path, keys: dict[str, Person], tmp_path: Path) -> Iterator[World]:
    """An estate without a commit; nobody is asked for signatures yet."""
    with world(tmp_path / "new", keys, fresh_village) as made:
        yield made


@pytest.fixture
def village(founded_village: Path, keys: dict[str, Person], tmp_path: Path) -> Iterator[World]:
    """An estate whose first commit was signed by Alice and approved by Bruno, and accepted."""
    with world(tmp_path / "village", keys, founded_village) as made:
        yield made
