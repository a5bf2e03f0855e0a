"""What can be asked of one object or one of its versions."""

import re
from collections.abc import Mapping
from dataclasses import replace
from email.utils import format_datetime
from urllib.parse import unquote

from providers.simulator.http_service import Response
from providers.simulator.s3_blob import Blob
from providers.simulator.s3_desk import META, Ask, Desk
from providers.simulator.s3_error import StoreError
from providers.simulator.s3_lock import Retention, retention_of
from providers.simulator.s3_store import StoredObject, check_md5, made, opaque_etag
from providers.simulator.s3_xml import STAMP, document, parsed, root

FAILED = "At least one of the pre-conditions you specified did not hold"
MAX_PUT = 5 * 1024**3
"""Bytes of one PUT, and of one copy within the store."""


def get_object(desk: Desk, ask: Ask) -> Response:
    stored = desk.store.get(ask.bucket, ask.key, ask.version)
    headers = _headers(desk, ask, stored)
    for name in ("content-type", "content-disposition", "cache-control"):
        if f"response-{name}" in ask.query:
            headers[name.title()] = ask.query[f"response-{name}"]
    expected = ask.header("If-Match")
    if expected and expected.strip('"') != stored.etag:
        raise StoreError(412, "PreconditionFailed", FAILED)
    if ask.header("If-None-Match").strip('"') == stored.etag:
        return Response(304, headers=headers | {"Content-Length": "0"})
    blob = stored.blob or Blob(b"")
    span = _span(ask.header("Range"), stored.size)
    start, end = span or (0, stored.size)
    headers["Content-Length"] = str(end - start)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{stored.size}"
    return Response(206 if span else 200, headers=headers, chunks=blob.chunks(start, end))


def put_object(desk: Desk, ask: Ask) -> Response:
    if ask.header("x-amz-copy-source"):
        return _copy(desk, ask)
    declared = ask.request.headers.get("Content-MD5")
    check_md5(ask.request.body, declared)
    blob = Blob(ask.request.body)
    with desk.store.lock:
        bucket = desk.store.bucket(ask.bucket)
        if ask.header("If-None-Match") == "*" and bucket.current(ask.key):
            raise StoreError(412, "PreconditionFailed", FAILED)
        if bucket.default is not None and declared is None:
            raise StoreError(400, "InvalidRequest", "Content-MD5 OR x-amz-checksum- is required with Object Lock")
        stored = _add(desk, ask, blob, ask.content_type, ask.metadata)
    return Response(200, headers={"ETag": f'"{stored.etag}"', **version_header(desk, ask, stored)})


def _copy(desk: Desk, ask: Ask) -> Response:
    path, _, wanted = ask.header("x-amz-copy-source").partition("?versionId=")
    from_bucket, _, from_key = unquote(path).removeprefix("/").partition("/")
    with desk.store.lock:
        source = desk.store.get(from_bucket, from_key, wanted or None)
        expected = ask.header("x-amz-copy-source-if-match")
        if expected and expected.strip('"') != source.etag:
            raise StoreError(412, "PreconditionFailed", FAILED)
        if source.size > MAX_PUT:
            raise StoreError(400, "InvalidRequest", "The specified copy source is larger than the maximum allowable")
        replace = ask.header("x-amz-metadata-directive").upper() == "REPLACE"
        metadata = ask.metadata if replace else source.metadata
        content_type = ask.content_type if replace else source.content_type
        stored = _add(desk, ask, source.blob or Blob(b""), content_type, metadata)
    told = root("CopyObjectResult", LastModified=stored.modified.strftime(STAMP), ETag=f'"{stored.etag}"')
    return document(told, version_header(desk, ask, stored))


def delete_object(desk: Desk, ask: Ask) -> Response:
    if ask.version is not None:
        bypass = ask.header("x-amz-bypass-governance-retention").lower() == "true"
        gone = desk.store.delete_version(ask.bucket, ask.key, ask.version, bypass=bypass)
        if gone is None:
            return Response(204)
        desk.record("version.delete", f"{ask.where}?versionId={ask.version}")
        marker = {"x-amz-delete-marker": "true"} if gone.blob is None else {}
        return Response(204, headers={"x-amz-version-id": ask.version, **marker})
    marked = desk.store.delete(ask.bucket, ask.key)
    if marked is None:
        return Response(204)
    if not marked:
        desk.record("object.delete", ask.where)
        return Response(204)
    desk.record("marker.put", f"{ask.where}?versionId={marked}")
    return Response(204, headers={"x-amz-delete-marker": "true", "x-amz-version-id": marked})


def put_retention(desk: Desk, ask: Ask) -> Response:
    asked = parsed(ask.request.body)
    kept = retention_of(asked.findtext("{*}Mode") or "", asked.findtext("{*}RetainUntilDate") or "")
    _lockable(desk, ask)
    with desk.store.lock:
        now = desk.store.get(ask.bucket, ask.key, ask.version).retention
        if now is not None and now.mode == "COMPLIANCE" and kept.until < now.until:
            raise StoreError(403, "AccessDenied", "Access Denied because object protected by object lock.")
        desk.store.amend(ask.bucket, ask.key, ask.version, retention=kept)
    desk.record("version.retention", ask.where)
    return Response(200)


def put_legal_hold(desk: Desk, ask: Ask) -> Response:
    _lockable(desk, ask)
    hold = (parsed(ask.request.body).findtext("{*}Status") or "").upper()
    if hold not in ("ON", "OFF"):
        raise StoreError(400, "MalformedXML", "The XML you provided was not well-formed.")
    desk.store.amend(ask.bucket, ask.key, ask.version, legal_hold=hold == "ON")
    desk.record("version.legal-hold", f"{ask.where} {hold}")
    return Response(200)


def get_retention(desk: Desk, ask: Ask) -> Response:
    stored = desk.store.get(ask.bucket, ask.key, ask.version)
    if stored.retention is None:
        raise StoreError(404, "NoSuchObjectLockConfiguration", "The specified object does not have a retention")
    told = root("Retention", Mode=stored.retention.mode, RetainUntilDate=stored.retention.until.strftime(STAMP))
    return document(told)


def get_legal_hold(desk: Desk, ask: Ask) -> Response:
    stored = desk.store.get(ask.bucket, ask.key, ask.version)
    return document(root("LegalHold", Status="ON" if stored.legal_hold else "OFF"))


def version_header(desk: Desk, ask: Ask, stored: StoredObject) -> dict[str, str]:
    """Only a bucket that is or was versioned says which version it is."""
    return {"x-amz-version-id": stored.version} if desk.store.bucket(ask.bucket).versioning else {}


def _lockable(desk: Desk, ask: Ask) -> None:
    if not desk.store.bucket(ask.bucket).locking:
        raise StoreError(400, "InvalidRequest", "Bucket is missing Object Lock Configuration")


def _add(desk: Desk, ask: Ask, blob: Blob, content_type: str, metadata: Mapping[str, str]) -> StoredObject:
    etag = opaque_etag() if desk.dialect.opaque_etags else blob.md5.hex()
    kept: Retention | None = None
    if ask.header("x-amz-object-lock-mode"):
        until = ask.header("x-amz-object-lock-retain-until-date")
        kept = retention_of(ask.header("x-amz-object-lock-mode"), until)
    fresh = made(blob, etag, content_type, metadata)
    stored = desk.store.add(ask.bucket, ask.key, replace(fresh, retention=kept, encryption=desk.dialect.encryption))
    desk.record("object.put", ask.where, stored.metadata)
    return stored


def _span(header: str, size: int) -> tuple[int, int] | None:
    """The half-open byte range asked for; None for the whole."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    start = max(0, size - int(last)) if not first else int(first)
    end = size if not first or not last else min(size, int(last) + 1)
    if start >= end:
        raise StoreError(416, "InvalidRange", "The requested range is not satisfiable")
    return start, end


def _headers(desk: Desk, ask: Ask, stored: StoredObject) -> dict[str, str]:
    headers = {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": format_datetime(stored.modified, usegmt=True),
        "Content-Type": stored.content_type,
        "Accept-Ranges": "bytes",
        **version_header(desk, ask, stored),
    }
    if stored.encryption:
        headers["x-amz-server-side-encryption"] = stored.encryption
    if stored.retention is not None:
        headers["x-amz-object-lock-mode"] = stored.retention.mode
        headers["x-amz-object-lock-retain-until-date"] = stored.retention.until.strftime(STAMP)
    if stored.legal_hold:
        headers["x-amz-object-lock-legal-hold"] = "ON"
    return headers | {META + name: value for name, value in stored.metadata.items()}
