"""What a witness is given: stored once, held by the store's own lock, and never written over another."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from providers.base import Context, ProviderError
from providers.kept import Kept
from providers.storage.kept import keep_object
from tests.vendor_stand_ins import StoreStandIn, store_stand_in

MakeContext = Callable[[Mapping[str, Any]], Context]
UNTIL = 4102444800.0  # 2100-01-01


@pytest.fixture
def store() -> Iterator[StoreStandIn]:
    with store_stand_in("target", "fr-par") as made:
        made.store.create_bucket("kept", locking=True)
        made.store.create_bucket("plain")
        yield made


@pytest.fixture
def context(store: StoreStandIn, make_context: MakeContext) -> Context:
    return make_context({"storage": {"archive": store.block}})


def test_an_object_is_kept_once_and_under_lock(store: StoreStandIn, context: Context) -> None:
    want = Kept("archive", "kept", "audit/one.json", b"{}\n", UNTIL)
    assert keep_object(context, want) == keep_object(context, want)
    assert store.count("object.put") == {"kept/audit/one.json": 1}
    stored = store.store.bucket("kept").current("audit/one.json")
    assert stored is not None
    assert stored.retention is not None
    assert (stored.retention.mode, stored.retention.until.year) == ("COMPLIANCE", 2100)


def test_another_object_of_that_name_is_left_alone_and_told(store: StoreStandIn, context: Context) -> None:
    store.put("plain", "one", b"theirs")
    with pytest.raises(ProviderError, match="has another one") as refused:
        keep_object(context, Kept("archive", "plain", "one", b"ours"))
    assert refused.value.permanent
    assert store.store.get("plain", "one").data == b"theirs"


def test_an_answer_that_is_lost_is_no_second_object(store: StoreStandIn, context: Context) -> None:
    want = Kept("archive", "plain", "two", b"ours")
    with store.faulty({"route": "PUT *", "kind": "lose_answer"}), pytest.raises(ProviderError) as lost:
        keep_object(context, want)
    assert not lost.value.permanent
    assert "keeps two" in keep_object(context, want)
    assert store.count("object.put") == {"plain/two": 1}
