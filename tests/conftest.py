"""Fixtures that more than one folder of tests uses."""

pytest_plugins = ["tests.databases", "tests.moto_server", "tests.simulator_fixture"]
