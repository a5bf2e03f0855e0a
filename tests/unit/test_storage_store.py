"""The S3 driver's mends, over HTTP."""

import gzip
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from providers.base import Context
from providers.simulator.faults import FaultTable
from providers.simulator.http_service import HttpService, Request, Response
from providers.storage.content import Body, Content
from providers.storage.store import Bucket
from providers.vendor_http import Deadline, RefusedError
from tests.loopback import within
from tests.vendor_stand_ins import listening, reveal, store_stand_in


def bucket_at(url: str, tmp_path: Path, name: str = "bucket") -> Bucket:
    block = {
        "driver": "s3",
        "url": url,
        "region": "fr-par",
        "access_key": "secret://target-access",
        "secret_key": "secret://target-secret",
    }
    context = Context(within({"storage": {"target": block}}), reveal, tmp_path, tmp_path)
    return Bucket(context, "target", name, Deadline(10.0))


def received(content: Content) -> bytes:
    return b"".join(cast(Body, content.body(Deadline(5.0))))


@contextmanager
def answering(handler: Callable[[Request], Response], tmp_path: Path) -> Iterator[Bucket]:
    with listening(HttpService("s3-target", handler, FaultTable())) as url:
        yield bucket_at(url, tmp_path)


def test_packed_objects_stay_packed(tmp_path: Path) -> None:
    packed = gzip.compress(b"page")
    etag = f'"{hashlib.md5(packed).hexdigest()}"'
    headers = {"Content-Encoding": "gzip", "ETag": etag, "Cache-Control": "no-store"}
    with answering(lambda _: Response(200, packed, headers), tmp_path) as bucket, Content(tmp_path) as content:
        head = bucket.download("page", content)
        assert received(content) == packed
        assert (head.md5, head.etag) == (True, content.md5.hex())
    assert head.headers == {"content-encoding": "gzip", "cache-control": "no-store"}


def test_a_body_that_ends_early_is_read_again(tmp_path: Path) -> None:
    etag = {"ETag": f'"{hashlib.md5(b"whole").hexdigest()}"'}
    cut = {"Content-Length": "5", "Connection": "close"}
    answers = [Response(200, b"who", etag | cut), Response(200, b"whole", etag)]
    asked: list[str] = []

    def handler(request: Request) -> Response:
        asked.append(request.method)
        return answers[min(len(asked), 2) - 1]

    with answering(handler, tmp_path) as bucket, Content(tmp_path) as content:
        bucket.download("page", content)
        assert received(content) == b"whole"
        assert content.md5 == hashlib.md5(b"whole").digest()
    assert asked == ["GET", "GET"]


def test_an_empty_object_has_a_length_and_a_checksum(tmp_path: Path) -> None:
    """S3 refuses an upload in chunks without a length, and one that arrives damaged."""
    sent: list[Request] = []

    def handler(request: Request) -> Response:
        sent.append(request)
        return Response(200, headers={"ETag": f'"{hashlib.md5(b"").hexdigest()}"'})

    with answering(handler, tmp_path) as bucket, Content(tmp_path) as content:
        bucket.upload("empty", content, {}, {})
    assert sent[0].headers["Content-Length"] == "0"
    assert sent[0].headers["Content-MD5"] == "1B2M2Y8AsgTpgAmY7PhCfg=="
    assert sent[0].headers["Transfer-Encoding"] is None


def test_a_copy_that_fails_after_it_began_is_an_error(tmp_path: Path) -> None:
    body = b"<Error><Code>InternalError</Code><Message>again</Message></Error>"
    with (
        answering(lambda _: Response(200, body, {"Content-Type": "application/xml"}), tmp_path) as bucket,
        pytest.raises(RefusedError),
    ):
        bucket.copy_within("a", "b", "etag")


def test_two_stores_do_not_share_an_address(tmp_path: Path) -> None:
    with store_stand_in("target", "fr-par") as one, store_stand_in("target", "fr-par") as other:
        one.store.create_bucket("one")
        other.store.create_bucket("other")
        first = bucket_at(one.url, tmp_path, "one")
        second = bucket_at(other.url, tmp_path, "other")
        assert (first.exists(), second.exists()) == (True, True)


def test_listings_are_whole(tmp_path: Path) -> None:
    with store_stand_in("target", "fr-par") as stand_in:
        stand_in.store.create_bucket("bucket")
        keys = [f"a b/{n:04}+é" for n in range(2100)]
        for key in keys:
            stand_in.put("bucket", key, b"")
        bucket = bucket_at(stand_in.url, tmp_path)
        assert [entry.key for entry in bucket.entries("a b/")] == keys


def test_a_wrong_secret_is_told_by_its_code(tmp_path: Path) -> None:
    with store_stand_in("source", "fr-par") as stand_in:
        bucket = bucket_at(stand_in.url, tmp_path)
        with pytest.raises(RefusedError) as caught:
            list(bucket.entries(""))
    assert caught.value.code == 403
    assert caught.value.kind in {"InvalidAccessKeyId", "SignatureDoesNotMatch"}
