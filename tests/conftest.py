"""Fixtures that more than one folder of tests uses, where tests write, and in which order they run."""

pytest_plugins = [
    "tests.databases",
    "tests.examples",
    "tests.in_memory",
    "tests.in_parts",
    "tests.long_first",
    "tests.moto_server",
    "tests.reading_again",
    "tests.simulator_fixture",
    "tests.unknown_secrets",
    "tests.security.estate_fixtures",
]
