"""Fault 18: the provider answers 503 for a while. The step waits longer and longer, within its attempts only."""

from itertools import pairwise

import pytest

from orchestrator.domain.model import RunState, StepState
from tests.chaos_proxy import Fault, On, Policy, Rule
from tests.faults.cloud_run import CloudRun, server_step

ASKED_WAIT = 2.0
BACK_OFF = (0.5, 1.0, 2.0)
"""Seconds that the step of `server_step` waits at least after its first, second and third failure."""
OUTAGE = 30
"""Requests that are refused: more than one attempt makes, fewer than five do."""
MOST_REQUESTS = 80
"""Requests in a run through such an outage: attempts, and the reads repeated in them."""


@pytest.mark.faults
def test_an_outage_that_ends_within_the_attempts_is_outlasted(cloud: CloudRun, run_id: str) -> None:
    with cloud.proxy.under(Policy("P3", (Rule(Fault.UNAVAILABLE, OUTAGE),))):
        cloud.engine.start_run(run_id, server_step())
        cloud.engine.wait(run_id, RunState.SUCCEEDED, within=60)
    failed = [at for at, kind in cloud.events(run_id, "server") if kind == "step.failed"]
    assert 1 <= len(failed) < 5
    waits = [later - earlier for earlier, later in pairwise(failed)]
    assert all(wait >= least for wait, least in zip(waits, BACK_OFF, strict=False)), waits
    assert sum(cloud.proxy.counts.values()) < MOST_REQUESTS
    assert (cloud.created(), cloud.left()) == (1, ["portal"])
    cloud.engine.check_fold(run_id)


@pytest.mark.faults
def test_an_outage_that_outlasts_the_attempts_fails_the_step_and_a_person_goes_on(cloud: CloudRun, run_id: str) -> None:
    engine = cloud.engine
    with cloud.proxy.under(Policy("P3", (Rule(Fault.UNAVAILABLE, 10_000),))):
        engine.start_run(run_id, server_step(retry={"attempts": 2, "initial": 0.5}))
        engine.wait(run_id, StepState.FAILED, "server", within=60)
        assert engine.state(run_id) == RunState.RUNNING.value
        assert [kind for _, kind in cloud.events(run_id, "server")].count("step.failed") == 2
    assert cloud.created() == 0
    cloud.decisions.retry(run_id, "server", "olga")
    engine.wait(run_id, RunState.SUCCEEDED)
    assert cloud.created() == 1
    engine.check_fold(run_id)


def test_the_wait_that_was_asked_for_is_kept(cloud: CloudRun, run_id: str) -> None:
    rule = Rule(Fault.UNAVAILABLE, 1, On.WRITES, retry_after=ASKED_WAIT)
    with cloud.proxy.under(Policy("P3 to the creation", (rule,))):
        cloud.engine.start_run(run_id, server_step())
        cloud.engine.wait(run_id, RunState.SUCCEEDED)
    failed = cloud.time_of(run_id, "server", "step.failed")
    again = [at for at, kind in cloud.events(run_id, "server") if kind == "step.intent"][1]
    assert again - failed >= ASKED_WAIT
    assert cloud.created() == 1


@pytest.mark.faults
def test_a_lost_creation_that_cannot_be_looked_for_is_unknown_and_adopted_later(cloud: CloudRun, run_id: str) -> None:
    """P4: nobody can say whether the server is there; a person asks again once the provider answers."""
    engine = cloud.engine
    rules = (Rule(Fault.LOST, 1, On.WRITES), Rule(Fault.UNAVAILABLE, 10_000))
    with cloud.proxy.under(Policy("P4", rules, in_turn=True)):
        engine.start_run(run_id, server_step())
        engine.wait(run_id, StepState.UNKNOWN, "server", within=60)
    assert cloud.created() == 1
    cloud.decisions.retry(run_id, "server", "olga")
    engine.wait(run_id, RunState.SUCCEEDED)
    assert (cloud.created(), cloud.left()) == (1, ["portal"])
    cloud.decisions.undo(run_id, "olga", "test")
    engine.wait(run_id, RunState.UNDONE)
    assert cloud.left() == []
    engine.check_fold(run_id)
