"""Every provider that talks to a server, under every policy of chaos."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from providers.compute import sent
from providers.dns import in_flight
from providers.storage import open_writes
from tests.chaos_proxy import Fault, On, Policy
from tests.contract.chaos import (
    POLICIES,
    ChaosContract,
    ChaosReadsContract,
    ChaosUnprovableContract,
    SetUp,
    Stage,
)
from tests.contract.chaos_cases import CHECKS, EFFECTS, UNPROVABLE
from tests.contract.suite import Case

EVERY_DAY = {
    "scaleway server": ("P1 first answers lost",),
    "ovhcloud server": ("P3 503",),
    "outscale server": ("P3 503 to writes",),
    "openstack server": ("LAG after a lost answer",),
    "scaleway volume": ("LAG after a lost answer",),
    "outscale volume": (),
    "ovhcloud volume": ("P2 all answers lost",),
    "openstack volume": (),
    "scaleway snapshot": ("HTML 502",),
    "ovhcloud snapshot": (),
    "outscale snapshot": (),
    "openstack snapshot": ("TRUNCATE",),
    "storage copy": ("P2 all answers lost",),
    "storage verify": ("HTML 200",),
    "powerdns records": ("P1 first answers lost",),
    "rfc2136 records": ("RESET",),
    "social post": ("P1 first answers lost",),
    "social profile": ("P2 all answers lost",),
    "ovhcloud records": ("P1 first answers lost",),
    "ovhcloud ttl": (),
    "scaleway records": (),
    "scaleway ttl": ("P4 lost, then 503",),
    "gandi records": ("P2 all answers lost",),
    "gandi ttl": ("EMPTY 200",),
    "calendar reissue": ("P1 first answers lost",),
    "apprise message": ("HANG slow body",),
    "people inform": ("P2 all answers lost",),
}
"""The policies that stand for all in the default suite; of a set-up that is not named, the first.

Each sort of server and each way to fail is there once, but for delays, which tests/faults/test_24_late_write.py looks
at; of a cloud's volumes and snapshots, and of the two kinds of step at a DNS host, some.
"""
TAKEN_BACK = frozenset({"scaleway server", "openstack snapshot", "storage copy", "powerdns records", "gandi records"})
"""Of which the undo of what was cut off is tried every day."""

IMPOSSIBLE = {
    "rfc2136 records": frozenset({Fault.PAGE, Fault.EMPTY, Fault.BAD_GATEWAY}),  # DNS has no gateways
    "storage copy": frozenset({Fault.STALE}),  # S3 reads what was written, since 2020
    "people inform": frozenset({Fault.PAGE, Fault.EMPTY}),
    "apprise message": frozenset({Fault.PAGE, Fault.EMPTY}),  # what a success looks like is the channel's affair
}
"""Faults that a set-up cannot meet, or that nobody could tell from an answer."""


def combined(set_ups: Mapping[str, SetUp], policies: Iterable[Policy]) -> list[Any]:
    """Every set-up under every policy; what does not run every day is for `make test-wide`."""
    return [
        pytest.param(
            set_up,
            policy,
            id=f"{name}: {policy}",
            marks=() if policy.name in EVERY_DAY.get(name, (POLICIES[0].name,)) else pytest.mark.wide,
        )
        for name, set_up in set_ups.items()
        for policy in policies
        if not {rule.fault for rule in policy.rules} & IMPOSSIBLE.get(name, frozenset())
    ]


def _strikes(policy: Policy, on: On) -> bool:
    """Whether it meets anything when all requests are of this sort."""
    first = policy.rules[:1] if policy.in_turn else policy.rules
    return any(rule.on in {On.ALL, on} for rule in first)


READ_POLICIES = [policy for policy in POLICIES if _strikes(policy, On.READS)]
WRITE_POLICIES = [policy for policy in POLICIES if _strikes(policy, On.WRITES)]


@pytest.fixture
def stage(tmp_path: Path, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """What may come late is waited for longer than a call may take; under a policy without such, not for long."""
    comes_late = {Fault.LATE, Fault.STALE} & {rule.fault for rule in policy.rules}
    for where in (sent, in_flight, open_writes):
        monkeypatch.setattr(where, "IN_FLIGHT_SECONDS", 2.0 if comes_late else 0.3)
    with ExitStack() as stack:
        yield Stage(stack, tmp_path)


@pytest.fixture
def case(set_up: SetUp, stage: Stage) -> Case:
    return set_up(stage)


@pytest.mark.parametrize(("set_up", "policy"), combined(EFFECTS, POLICIES))
class TestEffects(ChaosContract):
    """Servers, objects, record sets."""

    @pytest.mark.every_day(*(f"{name}: {policy}" for name in TAKEN_BACK for policy in EVERY_DAY[name]))
    def test_an_attempt_that_chaos_cut_off_is_taken_back(self, case: Case, stage: Stage, policy: Policy) -> None:
        super().test_an_attempt_that_chaos_cut_off_is_taken_back(case, stage, policy)


@pytest.mark.parametrize(("set_up", "policy"), combined(CHECKS, READ_POLICIES))
class TestChecks(ChaosReadsContract):
    """Comparisons of buckets."""


@pytest.mark.parametrize(("set_up", "policy"), combined(UNPROVABLE, WRITE_POLICIES))
class TestUnprovable(ChaosUnprovableContract):
    """Messages."""
