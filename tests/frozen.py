"""What the collection made stays until the end: the garbage collector need not look at it after each test."""

import gc

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
