"""Which attacks the default suite has: none, but what a new route must be entered in."""

from pathlib import Path

import pytest

EVERY_TIME = "test_46_role_matrix.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test-security-rows` runs the others, and so does each change."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name != EVERY_TIME:
            item.add_marker("attacks")
