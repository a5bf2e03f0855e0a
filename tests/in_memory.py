"""Where the tests' folders lie: in memory where there is room, because services and repositories wait for their disk.

A database that is synchronised to a disk at every commit takes most of a test's
time there, and nothing of it outlives the test. Whoever names a place with
PYTEST_DEBUG_TEMPROOT has it.
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3
"""Bytes that must be free: several times what a whole session leaves there."""
PLACE = "PYTEST_DEBUG_TEMPROOT"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.option.basetemp is None and PLACE not in os.environ and is_fit(MEMORY):
        os.environ[PLACE] = str(MEMORY)


def is_fit(place: Path) -> bool:
    """Whether programs can be written there and run, and there is room; a container's is often small and runs none."""
    if not place.is_dir() or not os.access(place, os.W_OK) or shutil.disk_usage(place).free < ROOM:
        return False
    with tempfile.NamedTemporaryFile(dir=place, prefix="bascule-") as probe:
        Path(probe.name).chmod(stat.S_IRWXU)
        return os.access(probe.name, os.X_OK)
