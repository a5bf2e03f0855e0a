"""Which tests of pages the default suite has: one page, in a browser, from its first look to a lost connection."""

from pathlib import Path

import pytest

EVERY_TIME = "test_run_page.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The others cost more than all else together: `make test-pages` runs them, and so does each change."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name != EVERY_TIME:
            item.add_marker("pages")
