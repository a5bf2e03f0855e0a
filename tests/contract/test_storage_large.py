"""Large objects go in parts that survive a crash; nothing is begun or sent twice; an undo leaves no part behind."""

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.simulator.s3_dialect import Dialect
from providers.storage.copy import LEDGER, StorageCopy
from providers.wants import Copy, Place
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, quiet, refused
from tests.sampling import sampled
from tests.vendor_stand_ins import SECRETS, StoreStandIn, store_stand_in

MakeContext = Callable[[Mapping[str, Any]], Context]

MIB = 1024 * 1024
PART = 5 * MIB
LARGE = "videos/été 2026 + fête.mp4"
SIZE = 3 * PART + 12345
CONTENT = random.Random(7).randbytes(SIZE)
PARTS = 4
WRITES = 1 + 1 + 1 + PARTS + 1
"""The note, the small object, and the large one: begun, its parts, joined."""


CHECKSUMS = ["md5", "opaque"]


@pytest.fixture(params=["md5", pytest.param("opaque", marks=pytest.mark.faults)])
def checksums(request: pytest.FixtureRequest) -> str:
    """What a store's checksums are: of the content, or saying nothing of it."""
    return str(request.param)


@pytest.fixture
def stores(checksums: str) -> Iterator[dict[str, StoreStandIn]]:
    """A small object, a large one, and somebody else's upload under way of the same key."""
    dialect = Dialect(opaque_etags=checksums == "opaque")
    with (
        store_stand_in("source", "eu-west-1", part_mib=5) as source,
        store_stand_in("target", "fr-par", dialect, part_mib=5) as target,
    ):
        source.store.create_bucket("old")
        source.put("old", "videos/small", b"small")
        source.put("old", LARGE, CONTENT, "video/mp4", author="commune")
        target.store.create_bucket("new")
        target.uploads.begin("new", LARGE, "video/other", {})
        yield {"source": source, "target": target}


@pytest.fixture
def target(stores: dict[str, StoreStandIn]) -> StoreStandIn:
    return stores["target"]


@pytest.fixture
def case(stores: dict[str, StoreStandIn], make_context: MakeContext) -> Case:
    target = stores["target"]

    @contextmanager
    def crash() -> Iterator[None]:
        with target.faulty({"route": "PUT *", "kind": "lose_answer"}):
            yield

    return Case(
        want=Copy(source=Place(store="source", bucket="old"), target=Place(store="target", bucket="new")),
        tag=Tag("run-1", "media"),
        context=make_context({"storage": {role: stand_in.block for role, stand_in in stores.items()}}),
        make=StorageCopy,
        world=lambda: ({r: s.store.state() for r, s in stores.items()}, uploads(target)),
        crash_after_write=crash,
        break_permanently=lambda: target.faulty({"kind": "status", "status": 403, "times": None}),
        break_briefly=lambda: target.faulty({"kind": "status", "status": 503, "times": None}),
        foreign_change=lambda: target.put("new", LARGE, b"changed by hand"),
        effects=lambda: len(target.written()),
        effects_once=WRITES,
        atomic=False,
        secrets=list(SECRETS.values()),
    )


def uploads(stand_in: StoreStandIn) -> list[tuple[str, str, int]]:
    return [(key, upload, len(one.parts)) for key, upload, one in stand_in.uploads.listed("new", "")]


@pytest.mark.core
class TestStorageCopyInParts(ProviderContract, ForeignChangeContract):
    """The whole contract, with an object in parts."""


def test_it_arrives_whole_with_its_headers_and_marks(case: Case, target: StoreStandIn) -> None:
    assert case.apply(case.before()).presence is Presence.OURS
    there = target.store.state()["new"][LARGE]
    assert there["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert there["content_type"] == "video/mp4"
    assert dict(there["metadata"])["author"] == "commune"  # type: ignore[call-overload]
    assert [upload for upload in uploads(target) if upload[2]] == []


CUTS = range(1 + PARTS + 1)
"""The large object's requests: begun, its parts, joined."""
SAMPLE = {
    ("md5", "drop", 2),
    ("md5", "lose_answer", PARTS + 1),
    ("opaque", "drop", 0),
    ("opaque", "lose_answer", 3),
}
"""Begun, two parts and joined, at both stores and in both ways."""
EVERY_CUT = sampled(product(CHECKSUMS, ["lose_answer", "drop"], CUTS), lambda case: case in SAMPLE)


@pytest.mark.parametrize(("checksums", "kind", "cut"), EVERY_CUT)
def test_a_copy_cut_at_any_request_goes_on_and_sends_nothing_twice(
    case: Case, target: StoreStandIn, kind: str, cut: int
) -> None:
    """But a part whose answer was lost, where checksums say nothing of the content: that one is sent again."""
    before, world = case.before(), case.world()
    method = "PUT" if 0 < cut <= PARTS else "POST"
    skip = cut - 1 if method == "PUT" else (0 if cut == 0 else 1)
    with target.faulty({"route": f"{method} /new/videos/[!s]*", "kind": kind, "skip": skip}), refused() as caught:
        case.provider().apply(case.want, case.tag, before, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (False, True)
    done = case.apply(before)
    assert done.presence is Presence.OURS
    assert set(target.count("upload.begin").values()) == {1}
    if kind == "drop" or not target.store.get("new", LARGE).encryption:
        assert set(target.count("part.put").values()) == {1}
    assert case.undo(done.effect).presence is Presence.ABSENT
    assert case.world() == world


@pytest.mark.parametrize(
    ("checksums", "cut"), sampled(product(CHECKSUMS, CUTS), lambda case: (case[0], "lose_answer", case[1]) in SAMPLE)
)
def test_an_undo_of_a_copy_cut_at_any_request_leaves_no_part_behind(case: Case, target: StoreStandIn, cut: int) -> None:
    before, world = case.before(), case.world()
    method = "PUT" if 0 < cut <= PARTS else "POST"
    skip = cut - 1 if method == "PUT" else (0 if cut == 0 else 1)
    with target.faulty({"route": f"{method} /new/videos/[!s]*", "kind": "lose_answer", "skip": skip}), refused():
        case.provider().apply(case.want, case.tag, before, quiet)
    assert case.undo(case.observe(before).effect).presence is Presence.ABSENT
    assert case.world() == world


def test_without_its_ledger_a_copy_reads_again_what_arrived_and_sends_only_the_rest(
    case: Case, target: StoreStandIn
) -> None:
    """Another machine has another workspace: what arrived is proved by its content."""
    before = case.before()
    with target.faulty({"route": "PUT /new/videos/[!s]*", "kind": "drop", "skip": 2}), refused():
        case.provider().apply(case.want, case.tag, before, quiet)
    (case.context.workspace / LEDGER).unlink()
    assert case.apply(before).presence is Presence.OURS
    assert set(target.count("upload.begin").values()) == {1}
    if not target.store.get("new", LARGE).encryption:
        assert set(target.count("part.put").values()) == {1}


def test_an_object_that_changes_while_it_is_copied_is_copied_anew(case: Case, stores: dict[str, StoreStandIn]) -> None:
    before, target = case.before(), stores["target"]
    with target.faulty({"route": "PUT /new/videos/[!s]*", "kind": "drop", "skip": 1}), refused():
        case.provider().apply(case.want, case.tag, before, quiet)
    stores["source"].put("old", LARGE, CONTENT[::-1], "video/mp4")
    assert case.apply(before).presence is Presence.OURS
    assert target.store.get("new", LARGE).data == CONTENT[::-1]
    assert len(uploads(target)) == 1, "only somebody else's"


def test_an_upload_that_the_store_ended_by_itself_is_begun_anew(case: Case, target: StoreStandIn) -> None:
    before = case.before()
    with target.faulty({"route": "PUT /new/videos/[!s]*", "kind": "drop", "skip": 1}), refused():
        case.provider().apply(case.want, case.tag, before, quiet)
    for key, upload, parts in uploads(target):
        if parts:
            target.uploads.abort(upload, "new", key)
    assert case.apply(before).presence is Presence.OURS


def test_a_large_object_is_read_and_sent_once(case: Case, stores: dict[str, StoreStandIn]) -> None:
    case.provider().apply(case.want, case.tag, case.before(), quiet)
    reads = [one for one in stores["source"].asked if one.startswith("GET /old/")]
    assert len(reads) == PARTS + 1
    heads = [one for one in stores["source"].asked if one.startswith("HEAD /old/")]
    assert heads == []


@pytest.mark.faults
def test_many_requests_are_never_needed_for_small_objects(case: Case, stores: dict[str, StoreStandIn]) -> None:
    for number in range(50):
        stores["source"].put("old", f"small/{number:02}", b"x" * number)
    before = case.before()
    for stand_in in stores.values():
        stand_in.asked.clear()
    case.provider().apply(case.want, case.tag, before, quiet)
    per_key = [one for one in stores["source"].asked if "small/" in one]
    assert len(per_key) == 50
    sent = [one for one in stores["target"].asked if "/new/small/" in one and one.startswith("PUT")]
    assert len(sent) == 50


@pytest.mark.faults
def test_fewer_parts_are_larger(case: Case, stores: dict[str, StoreStandIn]) -> None:
    """Some stores take a thousand parts of an object, not ten thousand."""
    stores["target"].block["max_parts"] = 3
    assert case.apply(case.before()).presence is Presence.OURS
    assert sorted(stores["target"].count("part.put").values()) == [1, 1, 1]


def test_progress_is_told_in_bytes(case: Case) -> None:
    said: list[str] = []
    case.provider().apply(case.want, case.tag, case.before(), said.append)
    assert said[0] == "Copying 2 objects, 15.7 MB, to Bucket new at target"
    assert said[-1] == "Copied 2 of 2 objects, 15.7 MB of 15.7 MB"


@pytest.mark.faults
def test_an_undo_cut_at_any_request_goes_on(case: Case, target: StoreStandIn) -> None:
    before, world = case.before(), case.world()
    for cut in range(3):
        effect = case.apply(before).effect
        with target.faulty({"route": "DELETE *", "kind": "lose_answer", "skip": cut}):
            case.crash(partial(case.provider().undo, case.want, case.tag, effect, quiet))
        assert case.undo(effect).presence is Presence.ABSENT
        assert case.world() == world
