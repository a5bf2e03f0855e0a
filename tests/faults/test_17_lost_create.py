"""Fault 17: the answer to a creation is lost, and the list shows the server late. One server is made all the same."""

import pytest

from orchestrator.domain.model import RunState, StepState
from tests.chaos_proxy import Fault, On, Policy, Rule
from tests.faults.cloud_run import CloudRun, server_step
from tests.integration.engine_world import step

SOME, MANY = Rule(Fault.STALE, 3, On.READS), Rule(Fault.STALE, 9, On.READS)
POLICIES = (
    Policy("P2 and a list that lags", (Rule(Fault.LOST, 3, On.WRITES), SOME), in_turn=True),
    Policy("P1 and a list that lags", (Rule(Fault.LOST, 1, On.WRITES), SOME), in_turn=True),
    Policy("P1 and a list that lags for long", (Rule(Fault.LOST, 1, On.WRITES), MANY), in_turn=True),
    Policy("the creation arrives late", (Rule(Fault.LATE, 1, On.WRITES),)),
)


@pytest.mark.parametrize(
    "policy", [POLICIES[0], *(pytest.param(policy, marks=pytest.mark.faults) for policy in POLICIES[1:])], ids=str
)
def test_one_server_is_made_and_nothing_is_left(cloud: CloudRun, run_id: str, policy: Policy) -> None:
    engine = cloud.engine
    timeout = 3.0 if policy.rules[0].fault is Fault.LATE else 20.0
    with cloud.proxy.under(policy):
        engine.start_run(run_id, server_step(timeout=timeout), step("after", "server"))
        engine.wait(run_id, RunState.SUCCEEDED)
    cloud.proxy.settle()
    assert cloud.proxy.strikes[0].asked.method == "POST"
    assert (cloud.created(), cloud.left()) == (1, ["portal"])
    assert engine.state(run_id, "server") == StepState.SUCCEEDED.value
    engine.check_fold(run_id)
    with cloud.proxy.under(policy):
        cloud.decisions.undo(run_id, "olga", "test")
        engine.wait(run_id, RunState.UNDONE)
    cloud.proxy.settle()
    assert (cloud.created(), cloud.left()) == (1, [])
    engine.check_fold(run_id)
