"""The S3 stand-in, used by libcloud's own driver and by curl's own signature."""

import hashlib
import subprocess
import urllib.request
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

import pytest
from libcloud.common.aws import UnsignedPayloadSentinel
from libcloud.common.types import InvalidCredsError
from libcloud.storage.drivers.s3 import BaseS3StorageDriver, S3SignatureV4Connection
from libcloud.storage.types import ContainerIsNotEmptyError, ObjectDoesNotExistError

from tests.simulator_fixture import Simulator

PART = 5 * 1024 * 1024


class Driver(BaseS3StorageDriver):
    """libcloud's driver as it is; its own class for Amazon knows Amazon's regions only."""

    name = "S3"
    connectionCls: Any = S3SignatureV4Connection  # noqa: N815  # libcloud's name
    region_name = ""


def driver(simulator: Simulator, store: str, secret: str | None = None) -> Any:
    """libcloud's driver for `source` or `target`."""
    where = urlsplit(simulator.addresses[f"s3-{store}"])
    made = Driver(  # type: ignore[no-untyped-call]
        simulator.secret(f"{store}-access"),
        secret or simulator.secret(f"{store}-secret"),
        secure=False,
        host=where.hostname,
        port=where.port,
    )
    made.region_name = made.ex_location_name = {"source": "eu-west-1", "target": "fr-par"}[store]
    return made


def curl(
    simulator: Simulator, path: str, *arguments: str, body: str = "", digest: str | None = None, secret: str = ""
) -> str:
    """curl with its own signature; the payload's digest is ours to say, as the versions of Debian 12 want it."""
    key = f"{simulator.secret('target-access')}:{secret or simulator.secret('target-secret')}"
    digest = digest or hashlib.sha256(body.encode()).hexdigest()
    done = subprocess.run(
        [
            *("curl", "-sS", "--noproxy", "*", "--aws-sigv4", "aws:amz:fr-par:s3", "--user", key),
            *("-H", f"x-amz-content-sha256: {digest}", *(("--data-binary", body) if body else ())),
            *(*arguments, simulator.addresses["s3-target"] + path),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return done.stdout


def test_an_object_s_life(fresh_simulator: Simulator, tmp_path: Path) -> None:
    target = driver(fresh_simulator, "target")
    bucket = target.create_container("bascule-test")
    data = "é".encode() * 1000
    name = "dossier/menu d'été +1.txt"
    stored = bucket.upload_object_via_stream(
        BytesIO(data), name, extra={"content_type": "text/plain", "meta_data": {"bascule-run": "r1"}}
    )
    assert stored.hash.strip('"') in (hashlib.md5(data).hexdigest(), _multipart_etag([data]))
    found = target.get_object("bascule-test", name)
    assert (found.size, found.meta_data) == (len(data), {"bascule-run": "r1"})
    assert b"".join(found.as_stream()) == data
    assert b"".join(target.download_object_range_as_stream(found, 2, 6)) == data[2:6]
    with pytest.raises(ContainerIsNotEmptyError):
        target.delete_container(bucket)
    assert found.delete()
    with pytest.raises(ObjectDoesNotExistError):
        target.get_object("bascule-test", name)
    assert target.delete_container(bucket)
    actions = [effect["action"] for effect in fresh_simulator.effects()]
    made = ["upload.begin", "part.put", "object.put"]  # libcloud sends a stream in parts, however short
    assert actions == ["bucket.create", *made, "object.delete", "bucket.delete"]


def test_parts_make_one_object(fresh_simulator: Simulator) -> None:
    target = driver(fresh_simulator, "target")
    bucket = target.create_container("bascule-test")
    data = b"abc" * (2 * PART // 3) + b"end"
    bucket.upload_object_via_stream(iter([data[:1000], data[1000:]]), "big")
    found = fresh_simulator.state()["buckets"]["s3-target"]["bascule-test"]["big"]
    assert found["sha256"] == hashlib.sha256(data).hexdigest()
    assert found["etag"] == _multipart_etag([data[start : start + PART] for start in range(0, len(data), PART)])
    assert len(fresh_simulator.effects("object.put")) == 1


def test_a_file_of_known_size_goes_in_one_request(fresh_simulator: Simulator, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    target = driver(fresh_simulator, "target")
    stored = target.create_container("bascule-test").upload_object(str(tmp_path / "file"), "file")
    assert stored.hash == hashlib.md5(b"x" * 100_000).hexdigest()


def test_long_listings_come_in_pages(fresh_simulator: Simulator) -> None:
    target = driver(fresh_simulator, "target")
    bucket = target.create_container("bascule-test")
    keys = [f"k{number:02}" for number in range(12)]
    for key in reversed(keys):
        curl(fresh_simulator, f"/bascule-test/{key}", "-X", "PUT")
    first = curl(fresh_simulator, "/bascule-test?list-type=2&max-keys=5")
    assert "<IsTruncated>true</IsTruncated>" in first
    token = first.split("<NextContinuationToken>")[1].split("<")[0].replace("=", "%3D")
    second = curl(fresh_simulator, f"/bascule-test?continuation-token={token}&list-type=2&max-keys=99")
    assert "<IsTruncated>false</IsTruncated>" in second
    assert [part.split("<")[0] for part in (first + second).split("<Key>")[1:]] == keys
    assert [found.name for found in bucket.list_objects()] == keys


def test_the_source_is_filled(fresh_simulator: Simulator) -> None:
    source = driver(fresh_simulator, "source")
    assert [bucket.name for bucket in source.list_containers()] == ["valbourg-identity", "valbourg-portal"]
    names = [found.name for found in source.get_container("valbourg-portal").list_objects(prefix="demarches/")]
    assert names == ["demarches/carte-identite.html", "demarches/etat-civil.html"]
    people = b"".join(source.get_object("valbourg-identity", "people.ldif").as_stream()).decode()
    assert people.count("objectClass: inetOrgPerson") == 10


def test_a_wrong_key_opens_nothing(fresh_simulator: Simulator) -> None:
    with pytest.raises(InvalidCredsError):
        driver(fresh_simulator, "source", secret="wrong").list_containers()
    assert "<Code>SignatureDoesNotMatch</Code>" in curl(fresh_simulator, "/", secret="wrong")
    with pytest.raises(HTTPError, match="403"):
        urllib.request.urlopen(fresh_simulator.addresses["s3-source"] + "/valbourg-portal/index.html", timeout=5)


def test_what_is_signed_is_what_is_taken(fresh_simulator: Simulator) -> None:
    curl(fresh_simulator, "/bascule-test", "-X", "PUT")
    other = hashlib.sha256(b"other").hexdigest()
    put = ("-X", "PUT")
    told = curl(fresh_simulator, "/bascule-test/a", *put, body="content", digest=other)
    assert "<Code>XAmzContentSHA256Mismatch</Code>" in told
    for digest in (None, "UNSIGNED-PAYLOAD"):
        assert curl(fresh_simulator, "/bascule-test/a", *put, body="content", digest=digest) == ""
    assert curl(fresh_simulator, "/bascule-test/a") == "content"


def presigned(simulator: Simulator, path: str, at: datetime, seconds: int) -> str:
    """An address signed by libcloud's signer (its own method leaves the port out of the signed host)."""
    source = driver(simulator, "source")
    where = urlsplit(simulator.addresses["s3-source"])
    scope = f"{at:%Y%m%d}/eu-west-1/s3/aws4_request"
    params = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{simulator.secret('source-access')}/{scope}",
        "X-Amz-Date": f"{at:%Y%m%dT%H%M%SZ}",
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    params["X-Amz-Signature"] = source.connection.signer._get_signature(
        params, {"host": where.netloc}, at, "GET", path, UnsignedPayloadSentinel
    )
    return f"{where.geturl()}{path}?{urlencode(params)}"


def test_a_presigned_address_is_enough_until_it_expires(fresh_simulator: Simulator) -> None:
    now = datetime.now(UTC)
    url = presigned(fresh_simulator, "/valbourg-portal/index.html", now, 60)
    with urllib.request.urlopen(url, timeout=5) as answer:
        assert "Mairie de Valbourg" in answer.read().decode()
    expired = presigned(fresh_simulator, "/valbourg-portal/index.html", now - timedelta(seconds=61), 60)
    for refused in (url.replace("index.html", "style.css"), url.replace("Expires=60", "Expires=600"), expired):
        with pytest.raises(HTTPError, match="403"):
            urllib.request.urlopen(refused, timeout=5)


def test_faults_on_a_route(fresh_simulator: Simulator) -> None:
    curl(fresh_simulator, "/bascule-test", "-X", "PUT")
    rule = {"service": "s3-target", "route": "PUT /bascule-test/*"}
    fresh_simulator.faults(rule | {"kind": "status", "status": 503, "retry_after": 2}, rule | {"kind": "lose_answer"})
    refused = curl(fresh_simulator, "/bascule-test/a", "-i", "-X", "PUT", body="content")
    assert refused.startswith("HTTP/1.1 503")
    assert "Retry-After: 2" in refused
    assert fresh_simulator.effects("object.put") == []
    with pytest.raises(subprocess.CalledProcessError):
        curl(fresh_simulator, "/bascule-test/a", "-X", "PUT", body="content")
    assert len(fresh_simulator.effects("object.put")) == 1


def test_the_old_portal_serves_the_source_s_objects(fresh_simulator: Simulator) -> None:
    with urllib.request.urlopen(fresh_simulator.addresses["portal-old"] + "/", timeout=5) as answer:
        assert answer.headers["X-Served-By"] == "old"
        assert "<h1>Mairie de Valbourg</h1>" in answer.read().decode()


def _multipart_etag(parts: list[bytes]) -> str:
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    return f"{hashlib.md5(digests).hexdigest()}-{len(parts)}"
