"""Fixtures that more than one folder of tests uses, where tests write, and in which order they run."""

import os

os.environ["BASCULE_LANG"] = "en"
"""Whoever runs the tests, they read English but where they ask for French."""

pytest_plugins = [
    "tests.databases",
    "tests.examples",
    "tests.faults.summary",
    "tests.garbage",
    "tests.in_memory",
    "tests.in_parts",
    "tests.long_first",
    "tests.moto_server",
    "tests.reading_again",
    "tests.sampling",
    "tests.simulator_fixture",
    "tests.tls_contexts",
    "tests.unknown_secrets",
    "tests.security.estate_fixtures",
]
