"""Whether a service could fail over now: each thing that may be missing, and what follows from it."""

from dataclasses import replace

import pytest

from orchestrator.domain.estate import Service
from orchestrator.domain.model import Direction, Mode, RunState
from orchestrator.domain.preparedness import FRESH_FOR, Lack, Readiness, Trial, lacks_of, readiness_of
from orchestrator.domain.runbook import Runbook, Step
from providers.wants import Words

NOW = 1_800_000_000.0
DAY = 86400.0
TITLE = Words(fr="x", en="x")


def service(**more: object) -> Service:
    whole = {"title": TITLE, "vendor": "aws", "target": "scaleway", "rto": 3600.0, "rpo": DAY}
    return Service.model_validate({**whole, "failover": "go", "failback": "back", **more})


def runbook(*uses: str) -> Runbook:
    steps = {f"s{number}": Step(id=f"s{number}", uses=kind) for number, kind in enumerate(uses)}
    return Runbook(
        name="go", service="desk", direction=Direction.FAILOVER, title=TITLE, parameters={}, steps=steps, file="go.yaml"
    )


GOOD = Trial("r", Mode.REHEARSAL, RunState.SUCCEEDED, NOW - DAY, 1800.0, ("desk",))


def lacks(
    one: Service | None = None,
    *trials: Trial,
    copied_at: float | None = None,
    uses: str = "probe.tcp",
    watched: bool = True,
    others: dict[str, Service] | None = None,
) -> list[Lack]:
    services = {"desk": one or service(), **(others or {})}
    return list(lacks_of("desk", services, {"go": runbook(uses)}, trials, copied_at, NOW, watched=watched))


def test_a_service_that_was_tested_lately_and_in_time_lacks_nothing() -> None:
    assert lacks(None, GOOD) == []
    assert readiness_of([]) is Readiness.READY


@pytest.mark.parametrize(
    ("changed", "lack", "readiness"),
    [
        ({"failover": None}, Lack.FAILOVER, Readiness.UNPREPARED),
        ({"rto": None}, Lack.RTO, Readiness.GAPS),
        ({"rpo": None}, Lack.RPO, Readiness.READY),
        ({"failback": None}, Lack.FAILBACK, Readiness.READY),
        ({"rto": 60.0}, Lack.SLOW, Readiness.GAPS),
        ({"needs": ("base",)}, Lack.NEED, Readiness.UNPREPARED),
    ],
)
def test_what_the_estate_lacks(changed: dict[str, object], lack: Lack, readiness: Readiness) -> None:
    found = lacks(service(**changed), GOOD, others={"base": service(failover=None)})
    assert found == [lack]
    assert readiness_of(found) is readiness


def test_only_what_moved_it_proves_something() -> None:
    assert lacks() == [Lack.UNTESTED]
    failed = replace(GOOD, outcome=RunState.CANCELLED, ended_at=NOW - 60.0, took=None)
    assert lacks(None, failed) == [Lack.FAILED]
    assert lacks(None, GOOD, failed) == [Lack.FAILED], "the last one counts"
    assert lacks(None, failed, replace(GOOD, ended_at=NOW - 30.0)) == []
    assert readiness_of([Lack.FAILED]) is readiness_of([Lack.UNTESTED]) is Readiness.UNPROVEN
    undone = replace(GOOD, outcome=RunState.UNDONE)
    assert lacks(None, undone) == [], "what was undone afterwards had moved it"


def test_what_was_proved_long_ago_is_proved_again() -> None:
    assert lacks(None, replace(GOOD, ended_at=NOW - FRESH_FOR)) == []
    assert lacks(None, replace(GOOD, ended_at=NOW - FRESH_FOR - 1)) == [Lack.OLD]


def test_data_is_copied_within_the_rpo_where_the_runbook_copies_any() -> None:
    assert lacks(None, GOOD, uses="storage.copy") == [Lack.COPY]
    assert lacks(None, GOOD, uses="storage.copy", copied_at=NOW - DAY) == []
    assert lacks(None, GOOD, uses="storage.copy", copied_at=NOW - DAY - 1) == [Lack.STALE]
    assert lacks(None, GOOD, copied_at=NOW - 9 * DAY) == []


def test_a_vendor_that_nobody_looks_at_is_a_gap() -> None:
    assert lacks(None, GOOD, watched=False) == [Lack.UNWATCHED]
    assert readiness_of([Lack.UNWATCHED]) is Readiness.GAPS


def test_the_worst_comes_first() -> None:
    found = lacks(service(failover=None, rto=None, failback=None), watched=False)
    assert found == [Lack.FAILOVER, Lack.UNTESTED, Lack.UNWATCHED, Lack.RTO, Lack.FAILBACK]


def test_the_rto_is_kept_or_not_or_nobody_knows() -> None:
    assert GOOD.within(1800.0) is True
    assert GOOD.within(1799.0) is False
    assert GOOD.within(None) is None
    assert replace(GOOD, took=None).within(1800.0) is None
