"""Limits by address and by identity, on an injected clock; and what counts as a failure."""

from collections.abc import Mapping

import pytest

from orchestrator.domain.people.role import Permission
from orchestrator.web.edge.limits import MOST_KEYS, Bucket, Limits, Rate, Rates, is_costly, subscriber
from orchestrator.web.edge.permissions import NEEDS


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_then_evenly() -> None:
    clock = Clock()
    bucket = Bucket(Rate(30), clock)
    assert [bucket.spend("a") for _ in range(30)] == [0.0] * 30
    assert bucket.wait("a") == pytest.approx(2.0)
    assert bucket.spend("a") == pytest.approx(2.0)
    assert bucket.spend("b") == 0.0
    clock.now += 1.9
    assert bucket.spend("a") > 0
    clock.now += 0.1
    assert bucket.spend("a") == 0.0
    assert bucket.spend("a") == pytest.approx(2.0)
    clock.now += 60
    assert [bucket.spend("a") for _ in range(30)] == [0.0] * 30
    assert bucket.spend("a") > 0


def test_who_is_refused_pays_nothing_for_it() -> None:
    clock = Clock()
    bucket = Bucket(Rate(2), clock)
    for _ in range(100):
        bucket.spend("a")
    clock.now += 30
    assert bucket.spend("a") == 0.0


def test_memory_is_bounded() -> None:
    bucket = Bucket(Rate(1), Clock())
    for number in range(MOST_KEYS + 50):
        bucket.spend(str(number))
    assert len(bucket) == MOST_KEYS
    assert bucket.spend("0") == 0.0
    assert bucket.spend(str(MOST_KEYS + 49)) > 0


def test_a_clock_that_goes_back_locks_nobody_out_for_long() -> None:
    clock = Clock()
    bucket = Bucket(Rate(1), clock)
    bucket.spend("a")
    assert bucket.spend("a") <= 60


def test_failures_by_address_and_requests_by_identity_are_apart() -> None:
    limits = Limits(Clock(), Rates(failed=Rate(2), asked=Rate(5), costly=Rate(1)))
    assert [limits.failed("192.0.2.1") for _ in range(2)] == [None, None]
    assert limits.refuse_failed("192.0.2.2") is None
    assert (limits.refuse_failed("192.0.2.1") or 0) == pytest.approx(30)
    assert (limits.failed("::ffff:192.0.2.1") or 0) == pytest.approx(30)
    assert limits.spend("anne", costly=True) is None
    assert (limits.spend("anne", costly=True) or 0) == pytest.approx(60)
    assert [limits.spend("anne", costly=False) for _ in range(4)] == [None] * 4
    assert (limits.spend("anne", costly=False) or 0) == pytest.approx(12)
    assert limits.spend("bruno", costly=True) is None


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("testclient", "testclient"),
    ],
)
def test_a_subscriber_is_one(address: str, counts_as: str) -> None:
    assert subscriber(address) == counts_as


@pytest.mark.parametrize(
    ("method", "path", "costly"),
    [
        ("POST", "/api/v1/plans", True),
        ("GET", "/api/v1/plans/sha256:1", False),
        ("POST", "/api/v1/doctor", True),
        ("POST", "/api/v1/doctor/sovereignty", True),
        ("POST", "/api/v1/map", True),
        ("POST", "/api/v1/inventories", True),
        ("GET", "/api/v1/plans/sha256:1/moved", True),
        ("GET", "/plans/sha256:1/moved", False),
        ("GET", "/plans/sha256:1", False),
        ("POST", "/plans/sha256:1/start", False),
        ("GET", "/map/make", False),
        ("GET", "/history/audit/verify", False),
        ("GET", "/api/v1/runs", False),
        ("POST", "/api/v1/halt", False),
        ("POST", "/api/v1/plansible", False),
    ],
)
def test_what_is_costly(method: str, path: str, costly: bool) -> None:
    assert is_costly(method, path) is costly


SAME: Mapping[str, str] = {
    "POST /plans/new": "POST /api/v1/plans",
    "POST /plans/{digest}/moved": "GET /api/v1/plans/{digest}/moved",
    "POST /map/make": "POST /api/v1/map",
    "POST /map/self": "POST /api/v1/doctor/sovereignty",
    "POST /settings/credentials/examine": "POST /api/v1/doctor",
    "POST /settings/itself/examine": "POST /api/v1/doctor/sovereignty",
    "POST /settings/resources/look": "GET /api/v1/resources",
}
"""A page's form that looks at everything or at the outside, and the route of the API that does the same."""
AUDIT = ("POST /history/audit/verify", "GET /history/audit/export")
"""They read the whole chain; the API has no such route."""


def costs(route: str) -> bool:
    return is_costly(*route.replace("{digest}", "sha256:1").split(" ", 1))


def test_a_page_costs_what_the_route_costs_that_does_the_same() -> None:
    assert {*SAME, *SAME.values(), *AUDIT} <= set(NEEDS)
    assert [one for pair in SAME.items() for one in (*pair, *AUDIT) if not costs(one)] == []


def test_every_form_that_examines_is_costly_and_known_here() -> None:
    """One that is added later does the same as some route, and must say as which."""
    forms = {route for route, needed in NEEDS.items() if needed is Permission.EXAMINE and route.startswith("POST /")}
    assert [one for one in forms if not costs(one)] == []
    assert {one for one in forms if not one.startswith("POST /api/")} <= set(SAME)
