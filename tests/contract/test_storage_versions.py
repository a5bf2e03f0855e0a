"""Buckets that keep versions and locks: an undo removes exactly what the step wrote, or says plainly what stays."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.simulator.s3_lock import DefaultRetention, Retention
from providers.storage.copy import StorageCopy
from providers.wants import Copy, Place
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.vendor_stand_ins import SECRETS, StoreStandIn, store_stand_in

MakeContext = Callable[[Mapping[str, Any]], Context]

OVERWRITTEN = "www/style.css"
GONE = "www/deleted.html"
LARGE = "www/film.mp4"
CONTENT = b"0123456789abcdef" * (6 * 1024 * 1024 // 16)


@pytest.fixture(params=["Enabled", pytest.param("Suspended", marks=pytest.mark.faults)])
def stores(request: pytest.FixtureRequest) -> Iterator[dict[str, StoreStandIn]]:
    """The target has one object to overwrite, one of two versions, and one under a delete marker."""
    with store_stand_in("source", "eu-west-1", part_mib=5) as source, store_stand_in("target", "fr-par") as target:
        target.block["part_mib"] = 5
        source.store.create_bucket("old")
        for key in ("www/new", OVERWRITTEN, GONE, "www/twice"):
            source.put("old", key, f"new {key}".encode())
        source.put("old", LARGE, CONTENT)
        target.store.create_bucket("new")
        target.put("new", OVERWRITTEN, b"red")
        target.store.buckets["new"].versioning = "Enabled"
        for text in (b"one", b"two"):
            target.put("new", "www/twice", text)
        target.put("new", GONE, b"gone")
        target.store.delete("new", GONE)
        target.store.buckets["new"].versioning = request.param
        target.effects.clear()
        yield {"source": source, "target": target}


@pytest.fixture
def target(stores: dict[str, StoreStandIn]) -> StoreStandIn:
    return stores["target"]


@pytest.fixture
def case(stores: dict[str, StoreStandIn], make_context: MakeContext) -> Case:
    target = stores["target"]
    suspended = target.store.buckets["new"].versioning == "Suspended"

    @contextmanager
    def crash() -> Iterator[None]:
        with target.faulty({"route": "PUT *", "kind": "lose_answer"}):
            yield

    return Case(
        want=Copy(
            source=Place(store="source", bucket="old"), target=Place(store="target", bucket="new"), prefix="www/"
        ),
        tag=Tag("run-1", "copy"),
        context=make_context({"storage": {role: stand_in.block for role, stand_in in stores.items()}}),
        make=StorageCopy,
        world=lambda: ({role: s.store.state() for role, s in stores.items()}, stacks(target)),
        crash_after_write=crash,
        break_permanently=lambda: target.faulty({"kind": "status", "status": 403, "times": None}),
        break_briefly=lambda: target.faulty({"kind": "status", "status": 503, "times": None}),
        foreign_change=lambda: target.put("new", OVERWRITTEN, b"changed by hand"),
        effects=lambda: len(target.written()),
        # The note, four small objects, and one begun, in two parts, joined; only the null version needs saving.
        effects_once=1 + 4 + 4 + (1 if suspended else 0),
        atomic=False,
        secrets=list(SECRETS.values()),
    )


def stacks(stand_in: StoreStandIn) -> dict[str, list[tuple[str, bytes]]]:
    """Every version in its order, delete markers too."""
    with stand_in.store.lock:
        kept = stand_in.store.buckets["new"].versions.items()
        return {key: [(one.version, one.blob.md5 if one.blob else b"") for one in stack] for key, stack in kept}


@pytest.mark.core("Enabled")
class TestStorageCopyToVersions(ProviderContract, ForeignChangeContract):
    """The whole contract; the world is every version in its place."""


def test_the_plan_says_that_the_bucket_keeps_versions(case: Case, target: StoreStandIn) -> None:
    assert case.before()["versioning"] == target.store.buckets["new"].versioning


def test_no_delete_marker_is_ever_left(case: Case, target: StoreStandIn) -> None:
    effect = case.apply(case.before()).effect
    case.undo(effect)
    assert target.count("marker.put") == {}
    assert "www/new" not in stacks(target)


def test_what_others_deleted_stays_deleted_and_ours_beneath_goes(case: Case, target: StoreStandIn) -> None:
    if target.store.buckets["new"].versioning == "Suspended":
        return  # there a deletion replaces ours
    effect = case.apply(case.before()).effect
    marker = target.store.delete("new", "www/new")
    assert case.undo(effect).presence is Presence.ABSENT
    assert [version for version, _ in stacks(target)["www/new"]] == [marker]


def test_a_source_that_changed_between_two_attempts_leaves_two_versions_and_both_go(
    case: Case, stores: dict[str, StoreStandIn]
) -> None:
    before, world = case.before(), case.world()
    case.apply(before)
    was = stores["source"].store.get("old", "www/new")
    stores["source"].put("old", "www/new", b"newer")
    effect = case.apply(before).effect
    assert case.undo(effect).presence is Presence.ABSENT
    stores["source"].put("old", "www/new", was.data)
    assert stacks(stores["target"]) == world[1]


def test_a_version_that_cannot_be_put_back_is_not_overwritten(case: Case, target: StoreStandIn) -> None:
    """Suspended: a write replaces the null version, even one that lies under a newer one."""
    bucket = target.store.buckets["new"]
    bucket.versioning = "Enabled"
    target.put("new", OVERWRITTEN, b"newer than the null version")
    bucket.versioning = "Suspended"
    world = case.world()
    with refused() as caught:
        case.provider().apply(case.want, case.tag, case.before(), quiet)
    assert caught.value.permanent
    assert OVERWRITTEN in caught.value.message
    assert case.world() == world


def lock(target: StoreStandIn, **held: object) -> None:
    bucket = target.store.buckets["new"]
    bucket.versioning, bucket.locking = "Enabled", True
    if held:
        target.store.amend("new", "www/new", None, **held)


@pytest.mark.parametrize("kind", ["retention", "legal_hold"])
def test_what_a_lock_keeps_is_told_and_the_rest_is_taken_back(case: Case, target: StoreStandIn, kind: str) -> None:
    lock(target)
    before = case.before()
    world = stacks(target)
    effect = case.apply(before).effect
    until = datetime.now(UTC) + timedelta(days=30)
    lock(target, **({"retention": Retention("COMPLIANCE", until)} if kind == "retention" else {"legal_hold": True}))
    with refused() as caught:
        case.undo(effect)
    assert caught.value.permanent
    assert "1 objects are locked" in caught.value.message
    assert "www/new" in caught.value.message
    assert (f"{until:%Y-%m-%d}" if kind == "retention" else "legal hold") in caught.value.message
    left = {key: stack for key, stack in stacks(target).items() if not key.startswith(".bascule/")}
    assert {key for key in left if left[key] != world.get(key)} == {"www/new"}
    target.store.amend("new", "www/new", None, retention=None, legal_hold=False)
    assert case.undo(effect).presence is Presence.ABSENT
    assert stacks(target) == world


def test_a_default_retention_is_told_by_the_plan(case: Case, target: StoreStandIn) -> None:
    lock(target)
    target.store.buckets["new"].default = DefaultRetention("GOVERNANCE", 30)
    found = case.observe(None)
    assert found.values["retention"] == "GOVERNANCE 30 days"
    assert "an undo cannot remove it" in found.message
    effect = case.apply(found.values).effect
    with refused() as caught:
        case.undo(effect)
    assert caught.value.permanent
    assert "5 objects are locked by GOVERNANCE retention until" in caught.value.message
