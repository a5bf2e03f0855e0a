"""In which order files are run: the long ones first, so that no worker is left with one at the end."""

import pytest

SECONDS = {
    "tests/integration/test_starter_estate.py": 60,
    "tests/integration/test_api.py": 50,
    "tests/integration/test_swaps.py": 60,
    "tests/integration/test_cli.py": 45,
    "tests/faults/test_crash_points.py": 45,
    "tests/browser/test_run_page.py": 40,
    "tests/contract/test_chaos.py": 35,
    "tests/integration/test_storage_aws.py": 30,
    "tests/contract/test_storage_large.py": 30,
    "tests/contract/test_dns_cut_off.py": 30,
    "tests/unit/test_mail_swap.py": 25,
    "tests/integration/test_mail_move.py": 25,
    "tests/integration/test_alerts.py": 25,
    "tests/integration/test_api_schema.py": 30,
    "tests/contract/test_social.py": 25,
    "tests/integration/test_workers.py": 25,
    "tests/integration/test_ansible_outcome.py": 25,
    "tests/integration/test_ansible_ends.py": 20,
    "tests/integration/test_inventory_aws.py": 20,
    "tests/integration/test_portal_at_clouds.py": 20,
    "tests/integration/test_signals.py": 20,
    "tests/integration/test_cli_inventory.py": 15,
    "tests/integration/test_simulator_life.py": 15,
    "tests/contract/test_ansible.py": 15,
    "tests/contract/test_storage_dialects.py": 15,
    "tests/integration/test_ansible_simulator.py": 15,
    "tests/integration/test_dns_steps.py": 15,
}
"""File: about how long it takes, of those that take longest. What is not here is short."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: -SECONDS.get(item.location[0], 0))
