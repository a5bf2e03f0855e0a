"""Enumerated cases: some of them stand for all in the default suite, the others are for the fault suite."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest


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
