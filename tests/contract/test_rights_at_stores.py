"""What the key of an object store may do: good, wrong, without the right, too wide; and nothing is written."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from providers.base import Context, Secret
from providers.examiners import examine
from providers.rights import BucketUse, Examination, State, Subject
from tests.vendor_stand_ins import SECRETS, StoreStandIn, reveal

MakeContext = Callable[[Mapping[str, Any]], Context]


def examined(
    make_context: MakeContext, store: StoreStandIn, *buckets: BucketUse, wrong: str = "", **more: Any
) -> Examination:
    context = make_context({"storage": {"store": {**store.block, **more}}})
    context = replace(context, reveal=lambda name: Secret("WRONG") if name == wrong else reveal(name), deadline=5.0)
    before = store.written()
    found = examine(context, Subject("storage", "store", "s3", buckets=buckets))
    assert store.written() == before
    assert not any(secret in str(found.as_json()) for secret in SECRETS.values())
    return found


def states(found: Examination) -> dict[str, State]:
    return {right.name: right.state for right in found.rights}


def test_a_key_that_reads_its_bucket(make_context: MakeContext, source: StoreStandIn) -> None:
    source.store.create_bucket("portal")
    found = examined(make_context, source, BucketUse("portal", read=True))
    assert found.ok
    assert states(found) == {"list and read portal": State.HELD}


def test_that_a_key_may_write_is_not_known(make_context: MakeContext, target: StoreStandIn) -> None:
    target.store.create_bucket("portal")
    found = examined(make_context, target, BucketUse("portal", read=True, written=True))
    assert found.ok
    assert states(found) == {
        "list and read portal": State.HELD,
        "read versioning of portal": State.HELD,
        "read locks of portal": State.HELD,
        "read uploads in parts of portal": State.HELD,
        "write to portal": State.UNKNOWN,
    }


@pytest.mark.parametrize("reference", ["secret://source-access", "secret://source-secret"])
@pytest.mark.parametrize("buckets", [(), (BucketUse("portal", read=True),)])
def test_a_key_that_is_wrong(
    make_context: MakeContext, source: StoreStandIn, reference: str, buckets: tuple[BucketUse, ...]
) -> None:
    found = examined(make_context, source, *buckets, wrong=reference)
    assert not found.ok
    assert "refuses the key" in found.message


def test_a_key_that_may_not_read_its_bucket(make_context: MakeContext, source: StoreStandIn) -> None:
    source.store.create_bucket("portal")
    with source.faulty({"route": "GET /portal*", "kind": "status", "status": 403, "times": None}):
        found = examined(make_context, source, BucketUse("portal", read=True))
    assert not found.ok
    assert states(found) == {"list and read portal": State.MISSING}
    assert "AccessDenied" in found.rights[0].advice


def test_a_key_that_may_list_no_buckets_is_as_it_should_be(make_context: MakeContext, source: StoreStandIn) -> None:
    source.store.create_bucket("portal")
    with source.faulty({"route": "GET /", "kind": "status", "status": 403, "times": None}):
        found = examined(make_context, source, BucketUse("portal", read=True))
        idle = examined(make_context, source)
    assert found.ok
    assert states(found) == {"list and read portal": State.HELD}
    assert idle.ok
    assert states(idle) == {"read and write": State.UNKNOWN}


def test_a_key_that_opens_other_buckets(make_context: MakeContext, source: StoreStandIn) -> None:
    for name in ("portal", "payroll"):
        source.store.create_bucket(name)
    found = examined(make_context, source, BucketUse("portal", read=True))
    assert found.ok
    assert states(found)["read payroll, which no runbook names"] is State.NEEDLESS


def test_buckets_that_are_not_there(make_context: MakeContext, source: StoreStandIn) -> None:
    """A source's is an error; a target's is made by the copy."""
    found = examined(make_context, source, BucketUse("portal", read=True), BucketUse("copy", written=True))
    assert not found.ok
    assert states(found) == {"bucket portal": State.MISSING, "bucket copy": State.UNKNOWN}


def test_a_store_that_is_not_there(make_context: MakeContext, source: StoreStandIn) -> None:
    found = examined(make_context, source, url="http://127.0.0.1:9")
    assert not found.ok
    assert "cannot be reached" in found.message


def test_a_key_that_may_not_read_the_settings_of_its_target(make_context: MakeContext, target: StoreStandIn) -> None:
    target.store.create_bucket("portal")
    with target.faulty({"route": "GET /portal", "kind": "status", "status": 403, "skip": 1, "times": 1}):
        found = examined(make_context, target, BucketUse("portal", written=True))
    assert not found.ok
    assert [right.name for right in found.rights if right.state is State.MISSING] == ["read versioning of portal"]
