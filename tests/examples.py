"""How many examples a property is tried on: some at every run of the default suite, many with the faults."""

from typing import Any

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

settings.register_profile("some", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("many", settings.get_profile("some"), max_examples=250)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--hypothesis-profile") is None:
        settings.load_profile("many" if _with_faults(config) else "some")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `-m faults` the properties that the default suite tries on some examples are tried on many."""
    if _with_faults(config):
        for item in items:
            if isinstance(item, pytest.Function) and is_hypothesis_test(item.obj):
                item.add_marker("faults")


def _with_faults(config: pytest.Config) -> bool:
    return str(config.option.markexpr).startswith("faults")


def a_part(share: int, **more: Any) -> settings:
    """For a property that takes its time: this part of the examples that others are tried on."""
    return settings(max_examples=settings().max_examples // share, **more)
