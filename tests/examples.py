"""How many examples a property is tried on: some at every run of the default suite, many with the faults."""

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

SOME, MANY = 25, 500
settings.register_profile("some", deadline=None, max_examples=SOME, suppress_health_check=[HealthCheck.too_slow])
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


def slow_examples(some: int, many: int) -> settings:
    """For a property whose examples take long: so many in the default suite, so many with the faults."""
    with_faults = settings().max_examples == MANY
    return settings(max_examples=many if with_faults else some)
