"""In which order files are run: the long ones first, so that no worker is left with one at the end."""

import pytest

SECONDS = {
    "tests/integration/test_starter_estate.py": 60,
    "tests/integration/test_api.py": 50,
}
"""File: about how long it takes, of those that take longest. What is not here is short."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: -SECONDS.get(item.location[0], 0))
