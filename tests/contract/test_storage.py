"""`storage.copy` and `storage.verify` between two S3 stand-ins: the contract, and what is special to objects."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.storage import notes
from providers.storage.copy import StorageCopy
from providers.storage.verify import StorageVerify
from providers.wants import Copy, Place, Verify
from tests.contract.suite import Case, ForeignChangeContract, ProviderContract, ReadOnlyContract, quiet, refused
from tests.sampling import sampled
from tests.vendor_stand_ins import SECRETS, StoreStandIn

MakeContext = Callable[[Mapping[str, Any]], Context]

TAG = Tag("run-1", "data/copy")
ODD = "www/à côté/50 % + plus//double?.txt"
OVERWRITTEN = "www/style.css"
WRITES = 5
"""The note, the saved copy of what is overwritten, and three objects."""


@pytest.fixture
def stores(source: StoreStandIn, target: StoreStandIn) -> dict[str, StoreStandIn]:
    """One object the same, one different, two missing, one only at the target, and one outside the prefix."""
    source.store.create_bucket("old")
    source.put("old", "www/index.html", b"<h1>Valbourg</h1>", "text/html")
    source.put("old", OVERWRITTEN, b"body { color: navy }", "text/css", author="web")
    source.put("old", ODD, b"odd name")
    source.put("old", "www/empty", b"", **{"bascule-run": "run-0", "bascule-step": "way/there"})
    source.put("old", "private/key", b"not under the prefix")
    source.put("old", ".bascule/run-0/copy/notes/000000.json", b"{}")
    target.store.create_bucket("new")
    target.put("new", "www/index.html", b"<h1>Valbourg</h1>", "text/html")
    target.put("new", OVERWRITTEN, b"body { color: red }", "text/x-old", owner="somebody")
    target.put("new", "www/only-here", b"stays")
    for stand_in in (source, target):
        stand_in.effects.clear()
    return {"source": source, "target": target}


@pytest.fixture
def case(stores: dict[str, StoreStandIn], make_context: MakeContext) -> Case:
    target = stores["target"]
    context = make_context({"storage": {role: stand_in.block for role, stand_in in stores.items()}})

    @contextmanager
    def crash() -> Iterator[None]:
        with target.faulty({"route": "PUT *", "kind": "lose_answer"}):
            yield

    return Case(
        want=Copy(
            source=Place(store="source", bucket="old"), target=Place(store="target", bucket="new"), prefix="www/"
        ),
        tag=TAG,
        context=context,
        make=StorageCopy,
        world=lambda: {role: stand_in.store.state() for role, stand_in in stores.items()},
        crash_after_write=crash,
        break_permanently=lambda: target.faulty({"kind": "status", "status": 403, "times": None}),
        break_briefly=lambda: target.faulty({"kind": "status", "status": 503, "times": None}),
        foreign_change=lambda: target.put("new", OVERWRITTEN, b"changed by hand"),
        effects=lambda: len(target.written()),
        effects_once=WRITES,
        atomic=False,
        secrets=list(SECRETS.values()),
    )


class TestStorageCopy(ProviderContract, ForeignChangeContract):
    """A copy of several objects is several effects."""


def test_what_is_lacking_arrives_with_its_headers_and_whose_copy_it_is(
    case: Case, stores: dict[str, StoreStandIn]
) -> None:
    before = case.before()
    assert before == {"to_copy": 3, "same": 1, "bytes": 28, "bucket": "present"}
    done = case.apply(before)
    assert done.outputs == {
        "objects": 4,
        "bytes": 45,
        "keys": ["www/empty", "www/index.html", OVERWRITTEN, ODD],
    }
    there = stores["target"].store.state()["new"]
    here = stores["source"].store.state()["old"]
    assert {key for key in there if not key.startswith(".bascule/")} == {*done.outputs["keys"], "www/only-here"}
    for key in done.outputs["keys"]:
        assert (there[key]["sha256"], there[key]["content_type"]) == (here[key]["sha256"], here[key]["content_type"])
    marks = {"bascule-run": "run-1", "bascule-step": "data/copy"}
    assert there[OVERWRITTEN]["metadata"] == {"author": "web", "bascule-source": here[OVERWRITTEN]["etag"], **marks}
    assert there["www/empty"]["metadata"] == {"bascule-source": here["www/empty"]["etag"], **marks}
    assert there["www/index.html"]["metadata"] == {}


def _has_sent(stand_in: StoreStandIn, sent: int) -> bool:
    return len(stand_in.written()) >= sent


def test_once_halted_a_copy_sends_nothing_more_and_goes_on_where_it_was(
    case: Case, stores: dict[str, StoreStandIn]
) -> None:
    target, before, world = stores["target"], case.before(), case.world()
    for sent in range(WRITES):
        target.effects.clear()
        halted = replace(case.context, halted=partial(_has_sent, target, sent))
        with refused() as caught:
            StorageCopy(halted).apply(case.want, case.tag, before, quiet)
        assert "the kill switch was engaged" in caught.value.message
        assert caught.value.permanent is False
        assert len(target.written()) <= sent + 2  # what other threads had begun
        done = case.apply(before)
        assert done.presence is Presence.OURS
        assert len(target.written()) == WRITES
        target.effects.clear()
        halted = replace(case.context, halted=lambda: bool(target.effects))
        with refused() as caught:
            StorageCopy(halted).undo(case.want, case.tag, done.effect, quiet)
        assert "the kill switch was engaged" in caught.value.message
        assert case.undo(done.effect).presence is Presence.ABSENT
        assert case.world() == world


@pytest.mark.every_day("drop")
@pytest.mark.parametrize("kind", ["lose_answer", "drop"])
def test_a_copy_cut_at_any_write_goes_on_and_copies_nothing_twice(
    case: Case, stores: dict[str, StoreStandIn], kind: str
) -> None:
    target, world, before = stores["target"], case.world(), case.before()
    for cut in range(WRITES):
        target.effects.clear()
        with target.faulty({"route": "PUT *", "kind": kind, "skip": cut}), refused() as caught:
            case.provider().apply(case.want, case.tag, before, quiet)
        assert (caught.value.permanent, caught.value.effect_possible) == (False, True)
        done = case.apply(before)
        assert done.presence is Presence.OURS
        assert len(target.written()) == WRITES
        case.undo(done.effect)
        assert case.world() == world


@pytest.mark.every_day("lose_answer")
@pytest.mark.parametrize("kind", ["lose_answer", "drop"])
def test_an_undo_cut_at_any_write_goes_on(case: Case, stores: dict[str, StoreStandIn], kind: str) -> None:
    target, world, before = stores["target"], case.world(), case.before()
    for cut in range(2 + 1 + 1 + 1):
        effect = case.apply(before).effect
        rules = [{"route": f"{method} *", "kind": kind, "skip": cut} for method in ("PUT", "DELETE")]
        with target.faulty(*rules):
            case.crash(partial(case.provider().undo, case.want, case.tag, effect, quiet))
        assert case.undo(effect).presence is Presence.ABSENT
        assert case.world() == world


@pytest.mark.parametrize("cut", sampled(range(4), lambda cut: cut == 2))
def test_an_undo_cut_off_does_not_mistake_its_own_work_for_others(
    case: Case, stores: dict[str, StoreStandIn], cut: int
) -> None:
    """An object that came in parts has another checksum once it was copied back."""
    target = stores["target"]
    target.put_in_parts("new", OVERWRITTEN, b"red, in parts")
    effect = case.apply(case.before()).effect
    with target.faulty({"route": "DELETE *", "kind": "lose_answer", "skip": cut}):
        case.crash(partial(case.provider().undo, case.want, case.tag, effect, quiet))
    assert case.undo(effect).presence is Presence.ABSENT
    assert target.store.get("new", OVERWRITTEN).data == b"red, in parts"
    assert set(target.store.keys("new", "")) == {"www/index.html", OVERWRITTEN, "www/only-here"}


@pytest.mark.faults
def test_undo_of_a_copy_cut_at_any_write_restores_the_world(case: Case, stores: dict[str, StoreStandIn]) -> None:
    target, world, before = stores["target"], case.world(), case.before()
    for cut in range(WRITES):
        with target.faulty({"route": "PUT *", "kind": "lose_answer", "skip": cut}), refused():
            case.provider().apply(case.want, case.tag, before, quiet)
        assert case.undo(case.observe(before).effect).presence is Presence.ABSENT
        assert case.world() == world


@pytest.mark.parametrize("cut", sampled([None, 0, 1], lambda cut: cut is None))
def test_a_bucket_that_is_missing_is_made_and_removed(
    case: Case, stores: dict[str, StoreStandIn], cut: int | None
) -> None:
    target = stores["target"]
    for key in list(target.store.state()["new"]):
        target.store.delete("new", key)
    target.store.delete_bucket("new")
    world, before = case.world(), case.before()
    assert before["bucket"] == "missing"
    # After a crash the engine hands `apply` what it found just then.
    if cut is not None:
        with target.faulty({"route": "PUT *", "kind": "lose_answer", "skip": cut}), refused():
            case.provider().apply(case.want, case.tag, before, quiet)
    assert case.apply(case.observe(before).values).presence is Presence.OURS
    assert case.undo(case.observe(before).effect).presence is Presence.ABSENT
    assert case.world() == world


def test_a_source_that_cannot_be_read_is_said_at_planning(case: Case, stores: dict[str, StoreStandIn]) -> None:
    with stores["source"].faulty({"kind": "status", "status": 403, "times": None}):
        found = case.observe(None)
        assert found.values == {"source": "unreadable"}
        assert "Bucket old at source" in found.message
        with refused() as caught:
            case.apply(case.before())
    assert caught.value.permanent


def test_a_transfer_that_breaks_off_is_read_again(case: Case, stores: dict[str, StoreStandIn]) -> None:
    with stores["source"].faulty({"route": "GET /old/www/*", "kind": "drop", "times": 2}):
        assert case.apply(case.before()).presence is Presence.OURS


def test_objects_in_parts_compare_by_the_checksum_noted_when_they_were_copied(
    case: Case, stores: dict[str, StoreStandIn]
) -> None:
    stores["source"].put_in_parts("old", "www/video", b"one part")
    done = case.apply(case.before())
    assert "www/video" in done.outputs["keys"]
    back = replace(
        case, want=Copy(source=case.want.target, target=case.want.source, prefix="www/"), tag=Tag("r", "back")
    )
    assert back.before()["to_copy"] == 1, "only what is new at the target"


def test_a_call_that_runs_out_of_time_goes_on_in_the_next(case: Case, stores: dict[str, StoreStandIn]) -> None:
    before = case.before()
    stores["source"].block["parallel"] = 1
    with stores["source"].faulty({"route": "GET /old/www/*", "kind": "delay", "seconds": 0.4, "times": None}):
        with refused() as caught:
            case.provider(deadline=0.7).apply(case.want, case.tag, before, quiet)
        assert (caught.value.permanent, caught.value.effect_possible, caught.value.advanced) == (False, True, True)
        assert case.apply(before).presence is Presence.OURS
    assert len(stores["target"].written()) == WRITES


def test_a_whole_bucket_is_copied_without_bascules_own_notes(case: Case, stores: dict[str, StoreStandIn]) -> None:
    whole = replace(case, want=Copy(source=case.want.source, target=case.want.target))
    done = whole.apply(whole.before())
    assert "private/key" in done.outputs["keys"]
    assert not any(key.startswith(".bascule/run-0") for key in stores["target"].store.state()["new"])


@pytest.mark.parametrize("cut", sampled(range(WRITES + 2), lambda cut: cut in (0, 3)))
def test_a_long_copy_leaves_several_notes_and_rewrites_none(
    case: Case, stores: dict[str, StoreStandIn], cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "KEYS", 1)
    target, world, before = stores["target"], case.world(), case.before()
    with target.faulty({"route": "PUT *", "kind": "lose_answer", "skip": cut}):
        case.crash(lambda: case.provider().apply(case.want, case.tag, before, quiet))
    done = case.apply(before)
    noted = {key: times for key, times in target.count("object.put").items() if "/notes/" in key}
    assert list(noted.values()) == [1, 1, 1]
    assert case.undo(done.effect).presence is Presence.ABSENT
    assert case.world() == world


class TestStorageVerify(ReadOnlyContract):
    """After a copy, the target has everything."""

    @pytest.fixture
    def case(self, case: Case, stores: dict[str, StoreStandIn]) -> Case:
        case.apply(case.before())
        want = Verify(source=case.want.source, target=case.want.target, prefix="www/")

        @contextmanager
        def damaged() -> Iterator[None]:
            store = stores["target"].store
            good = store.get("new", ODD)
            store.put("new", ODD, b"odd nam!", good.content_type, {})
            yield
            store.put("new", ODD, good.data, good.content_type, good.metadata)

        return replace(case, want=want, make=StorageVerify, untrue=damaged, effects_once=0)

    def test_it_says_what_is_missing_and_what_is_different(self, case: Case, stores: dict[str, StoreStandIn]) -> None:
        stores["target"].store.delete("new", "www/empty")
        stores["target"].put("new", OVERWRITTEN, b"other")
        message = case.observe(None).message
        assert "1 missing (www/empty)" in message
        assert f"1 different ({OVERWRITTEN})" in message
