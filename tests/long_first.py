"""In which order files are run: the long ones first, so that no worker is left with one at the end."""

import pytest

SECONDS = {
    "tests/integration/test_starter_estate.py": 70,
    "tests/contract/test_chaos.py": 60,
    "tests/integration/test_swaps.py": 55,
    "tests/integration/test_cli.py": 55,
    "tests/faults/test_crash_points.py": 55,
    "tests/browser/test_run_page.py": 50,
    "tests/contract/test_disks.py": 40,
    "tests/integration/test_api.py": 40,
    "tests/contract/test_storage_large.py": 35,
    "tests/contract/test_storage.py": 30,
    "tests/integration/test_inventory_aws.py": 30,
    "tests/integration/test_simulator_life.py": 30,
    "tests/contract/test_ansible.py": 30,
    "tests/integration/test_workers.py": 25,
    "tests/integration/test_signals.py": 25,
    "tests/integration/test_simulator_servers.py": 25,
    "tests/integration/test_mail_move.py": 25,
    "tests/integration/test_storage_aws.py": 25,
    "tests/contract/test_dns_vendors.py": 25,
    "tests/contract/test_dns_edits.py": 25,
    "tests/contract/test_probes_mail.py": 25,
    "tests/faults/test_24_late_write.py": 25,
    "tests/integration/test_ansible_outcome.py": 25,
    "tests/integration/test_ansible_ends.py": 20,
    "tests/integration/test_cli_inventory.py": 20,
    "tests/contract/test_dns_cut_off.py": 20,
    "tests/unit/test_signals_verdicts.py": 20,
    "tests/integration/test_resources.py": 15,
    "tests/integration/test_ansible_simulator.py": 15,
    "tests/integration/test_dns_steps.py": 15,
    "tests/integration/test_server.py": 15,
    "tests/security/test_50_secret_canaries.py": 15,
}
"""File: about how long it takes, of those that take longest. What is not here is short."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: -SECONDS.get(item.location[0], 0))
