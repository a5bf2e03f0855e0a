"""Enumerated cases: some of them stand for all in the default suite, the others are for the fault suite."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

CORE = frozenset(
    {
        "test_apply_then_observe_shows_it",
        "test_crash_after_the_write_is_adopted",
        "test_crash_after_the_write_is_unprovable",
        "test_permanent_refusal_says_so",
        "test_undo_restores_the_world",
        "test_undo_leaves_foreign_changes_alone",
        "test_what_holds_is_already_so",
    }
)
"""Of the contract that every provider passes (tests/contract/suite.py), what the default suite asks each of."""


def sampled(cases: Iterable[Any], every_day: Callable[[Any], bool]) -> list[Any]:
    """Every case as a parameter; what does not run every day is marked for `make test-faults`.

    A tuple is several arguments of the test.
    """
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)), marks=() if every_day(case) else pytest.mark.faults
        )
        for case in cases
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two markers for what a fixture or a class enumerates.

    `every_day(*ids)`: of the test's variants, those with such an id are in the default suite. `core(*ids)`: of the
    contract, its core is there, and all of it for the variants with such an id.
    """
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        for marker in item.iter_markers("every_day"):
            assert marker.args, f"{item.nodeid}: every_day names the variants that are tried every day"
            if not set(marker.args) & _ids(item):
                item.add_marker("faults")
        core = item.get_closest_marker("core")
        if core is not None and _is_of_a_contract(item) and not set(core.args) & _ids(item):
            item.add_marker("faults")


def _is_of_a_contract(item: pytest.Function) -> bool:
    return item.originalname not in CORE and item.obj.__module__ == "tests.contract.suite"


def _ids(item: pytest.Function) -> set[str]:
    """By which the variant is known: its id, and the parts of it."""
    found = getattr(item, "callspec", None)
    return set() if found is None else {found.id, *found._idlist}
