"""Fault 15: 10,000 webhooks a minute, and kill -9 in the middle of them: what was acknowledged is there, once."""

from pathlib import Path

import pytest

from tests.webhook_storm import bascule, stored, storm_with_a_kill

RATE = 10_000 / 60
SECONDS = 5.0
MOST_MIB = 400
"""Resident memory of the whole service."""


@pytest.mark.faults
def test_a_storm_loses_nothing_that_was_acknowledged_across_a_kill(tmp_path: Path) -> None:
    with bascule(tmp_path) as made:
        tally, page = storm_with_a_kill(made, RATE, SECONDS)
        memory = made.memory()
        made.stop()
    found = stored(tmp_path)
    assert tally.statuses[0], "the kill was not in the middle"
    assert not tally.given_up
    assert tally.acknowledged == set(range(int(RATE * SECONDS)))
    assert sorted(found.numbers) == sorted(tally.acknowledged), "an observation is missing, or there twice"
    assert found.deliveries == len(found.numbers)
    assert found.runs == 0
    assert memory < MOST_MIB
    assert page.seconds
    assert page.median < 1.0
    assert "Traceback" not in (tmp_path / "log").read_text()
