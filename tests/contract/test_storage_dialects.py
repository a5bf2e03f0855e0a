"""Where stores differ is data of the scope: each way of speaking S3, copied to, verified and taken back."""

import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from providers.base import Context, Presence, Tag
from providers.simulator.s3_dialect import Dialect
from providers.storage.copy import StorageCopy
from providers.storage.verify import StorageVerify
from providers.wants import Copy, Place, Verify
from tests.contract.suite import quiet, refused
from tests.sampling import sampled
from tests.vendor_stand_ins import StoreStandIn, store_stand_in

MakeContext = Callable[[Mapping[str, Any]], Context]

TAG = Tag("run-1", "copy")
HOST = "s3.store.example"
DIALECTS: dict[str, tuple[Dialect, dict[str, Any]]] = {
    "path": (Dialect(location=True), {}),
    "virtual": (Dialect(host=HOST, path_style=False), {"addressing": "virtual"}),
    "a thousand parts": (Dialect(max_parts=1000), {"max_parts": 1000}),
    "few parts": (Dialect(max_parts=2), {"max_parts": 2}),
    "neither versions nor locks": (Dialect(versioning=False, locking=False), {}),
    "checksums of its own": (Dialect(opaque_etags=True), {}),
    "plain listings": (Dialect(url_listing=False), {}),
}
SOME_EVERY_DAY = sampled(DIALECTS, lambda name: name in ("virtual", "checksums of its own"))
KEYS = ("plain", "à côté/50 % + plus//double?.txt", "empty")
LARGE = "film"
CONTENT = b"0123456789abcdef" * (12 * 1024 * 1024 // 16)


@pytest.fixture(autouse=True)
def names_lead_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names below the store's lead to loopback, as they do to a vendor."""
    ask = socket.getaddrinfo

    def answer(host: Any, *more: Any, **options: Any) -> Any:
        return ask("127.0.0.1" if str(host).endswith(HOST) else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@pytest.fixture(params=DIALECTS)
def stores(request: pytest.FixtureRequest) -> Iterator[dict[str, StoreStandIn]]:
    dialect, settings = DIALECTS[request.param]
    with (
        store_stand_in("source", "eu-west-1") as source,
        store_stand_in("target", "fr-par", dialect, part_mib=5, **settings) as target,
    ):
        source.store.create_bucket("old")
        for key in KEYS:
            source.put("old", key, b"" if key == "empty" else key.encode())
        source.put("old", LARGE, CONTENT)
        yield {"source": source, "target": target}


@pytest.mark.every_day("virtual", "path", "checksums of its own", "neither versions nor locks")
def test_a_bucket_is_made_filled_verified_and_removed_again(
    stores: dict[str, StoreStandIn], make_context: MakeContext
) -> None:
    context = make_context({"storage": {role: stand_in.block for role, stand_in in stores.items()}})
    places = {"source": Place(store="source", bucket="old"), "target": Place(store="target", bucket="new-one")}
    before = StorageCopy(context).observe(Copy(**places), TAG, None)
    done = StorageCopy(context).apply(Copy(**places), TAG, before.values, quiet)
    assert done.presence is Presence.OURS
    there = stores["target"].store.state()["new-one"]
    assert {key for key in there if not key.startswith(".bascule/")} == {*KEYS, LARGE}
    here = stores["source"].store.state()["old"]
    assert {key: there[key]["sha256"] for key in here} == {key: here[key]["sha256"] for key in here}
    verified = StorageVerify(context).apply(Verify(**places, how="full"), TAG, {}, quiet)
    assert "The content of 4 was read on both sides" in verified.message
    again = StorageCopy(context).apply(Copy(**places), TAG, done.values, quiet)
    assert (again.presence, again.effect) == (Presence.OURS, done.effect)
    assert StorageCopy(context).undo(Copy(**places), TAG, done.effect, quiet).presence is Presence.ABSENT
    assert stores["target"].store.state() == {}


@pytest.mark.parametrize("stores", SOME_EVERY_DAY, indirect=True)
def test_a_sample_reads_as_many_objects_as_asked(stores: dict[str, StoreStandIn], make_context: MakeContext) -> None:
    context = make_context({"storage": {role: stand_in.block for role, stand_in in stores.items()}})
    places = {"source": Place(store="source", bucket="old"), "target": Place(store="target", bucket="new-one")}
    StorageCopy(context).apply(Copy(**places), TAG, {"bucket": "missing"}, quiet)
    for sample, read in ((1, 1), (0.5, 2), (None, 4), (1000, 4)):
        (context.workspace / "compared.jsonl").unlink(missing_ok=True)
        stores["source"].asked.clear()
        StorageVerify(context).apply(Verify(**places, how="sample", sample=sample), TAG, {}, quiet)
        assert len([one for one in stores["source"].asked if one.startswith("GET /old/")]) == read


@pytest.mark.parametrize("stores", SOME_EVERY_DAY, indirect=True)
def test_content_that_rotted_under_the_same_checksum_is_found_by_reading(
    stores: dict[str, StoreStandIn], make_context: MakeContext
) -> None:
    context = make_context({"storage": {role: stand_in.block for role, stand_in in stores.items()}})
    places = {"source": Place(store="source", bucket="old"), "target": Place(store="target", bucket="new-one")}
    StorageCopy(context).apply(Copy(**places), TAG, {"bucket": "missing"}, quiet)
    store = stores["target"].store
    good = store.get("new-one", "plain")
    store.put("new-one", "plain", b"plaim", good.content_type, good.metadata, good.etag)
    assert StorageVerify(context).apply(Verify(**places), TAG, {}, quiet).presence is Presence.ALREADY
    with refused() as caught:
        StorageVerify(context).apply(Verify(**places, how="full"), TAG, {}, quiet)
    assert "1 with other content although their checksums agree (plain)" in caught.value.message
