"""Fault 19: the API hangs, or answers byte by byte. The step ends at its deadline; the others go on meanwhile."""

from typing import Any

import pytest

import providers.compute.sent
from orchestrator.domain.model import RunState, StepState
from orchestrator.engine.work import READS_FOR
from orchestrator.store.runs import NewStep
from tests.chaos_proxy import Fault, On, Policy, Rule
from tests.faults.cloud_run import CloudRun, server_step
from tests.integration.engine_world import step

TIMEOUT = 2.0
MARGIN = 1.5
"""Seconds for the journal, the queue, and a busy machine."""
OTHERS = [f"other-{number}" for number in range(12)]


def hangs(every_day: Fault | None = None) -> list[Any]:
    """The ways to hang; one may run every day."""
    ways = (Fault.SILENT, Fault.SLOW_HEAD, Fault.SLOW_BODY)
    return [pytest.param(one, marks=() if one is every_day else pytest.mark.faults) for one in ways]


def others_in_a_row() -> list[NewStep]:
    """Steps that need one another, so that they take a while, and not the cloud."""
    return [step(name, *OTHERS[max(0, number - 1) : number]) for number, name in enumerate(OTHERS)]


@pytest.mark.parametrize("fault", hangs(every_day=Fault.SLOW_HEAD))
def test_a_creation_that_hangs_ends_at_its_deadline(
    cloud: CloudRun, run_id: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers.compute.sent, "IN_FLIGHT_SECONDS", TIMEOUT / 2)
    engine = cloud.engine
    with cloud.proxy.under(Policy("hang", (Rule(fault, 1, On.WRITES),))):
        engine.start_run(run_id, server_step(timeout=TIMEOUT), *others_in_a_row())
        engine.wait(run_id, RunState.SUCCEEDED)
    ends = [at for at, kind in cloud.events(run_id, "server") if kind in ("step.failed", "step.under_way")]
    assert ends[0] - cloud.time_of(run_id, "server", "step.intent") < TIMEOUT + MARGIN
    assert cloud.time_of(run_id, OTHERS[-1], "step.succeeded") < ends[0]
    assert (cloud.created(), cloud.left()) == (1, ["portal"])
    engine.check_fold(run_id)


@pytest.mark.parametrize("fault", hangs())
def test_an_api_that_only_hangs_fails_the_step_and_nothing_else(cloud: CloudRun, run_id: str, fault: Fault) -> None:
    engine = cloud.engine
    with cloud.proxy.under(Policy("hang", (Rule(fault, 10_000),))):
        engine.start_run(run_id, server_step(timeout=TIMEOUT, retry={"attempts": 1}), *others_in_a_row())
        engine.wait(run_id, StepState.SUCCEEDED, OTHERS[-1])
        assert engine.state(run_id, "server") == StepState.READY.value
        engine.wait(run_id, StepState.FAILED, "server")
    # A look is repeated for some seconds, and the last one begun then has its own deadline.
    assert cloud.time_of(run_id, "server", "step.failed") < READS_FOR + TIMEOUT + MARGIN
    assert cloud.created() == 0
    cloud.decisions.retry(run_id, "server", "olga")
    engine.wait(run_id, RunState.SUCCEEDED)
    assert (cloud.created(), cloud.left()) == (1, ["portal"])
    engine.check_fold(run_id)
