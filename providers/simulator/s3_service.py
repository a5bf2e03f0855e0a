"""An S3 service, path-style, over a store: every request signed, errors in the vendor's XML."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault
from providers.simulator.http_service import Request, Response
from providers.simulator.s3_listing import NAMESPACE, listing
from providers.simulator.s3_signature import AccessKey, SignatureError, verify
from providers.simulator.s3_store import Store, StoredObject, StoreError, check_md5, md5

META = "x-amz-meta-"
MAX_PART = 10_000
BUCKET_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
XML = {"Content-Type": "application/xml"}

_Action = Callable[[Request, str, str, dict[str, str]], Response]


@dataclass(frozen=True, slots=True)
class S3Service:
    """Answers requests to one store; `name` is the service's name in effects."""

    name: str
    store: Store
    key: AccessKey
    effects: EffectLog

    def handle(self, request: Request) -> Response:
        try:
            verify(request, self.key, datetime.now(UTC))
            return self._answer(request)
        except (SignatureError, StoreError) as refused:
            return _error(refused.status, refused.code, refused.message, request.decoded_path)

    def refusal(self, fault: Fault, request: Request) -> Response:
        code = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown", 429: "TooManyRequests"}
        return _error(
            fault.status, code.get(fault.status, "ServiceUnavailable"), "Please reduce your request rate.", request.path
        )

    def _answer(self, request: Request) -> Response:
        bucket, _, key = request.path.removeprefix("/").partition("/")
        query = request.query
        action = self._route(request.method, bucket, key, query)
        if action is None:
            raise StoreError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        return action(request, unquote(bucket), unquote(key), query)

    def _route(self, method: str, bucket: str, key: str, query: dict[str, str]) -> _Action | None:
        if not bucket:
            return {"GET": self._list_buckets}.get(method)
        if not key:
            if method == "GET" and "location" in query:
                return self._location
            if method == "GET" and "uploads" in query:
                return self._list_uploads
            return {
                "GET": self._list_objects,
                "HEAD": self._head_bucket,
                "PUT": self._create_bucket,
                "DELETE": self._delete_bucket,
            }.get(method)
        if "uploadId" in query:
            return {
                "PUT": self._put_part,
                "POST": self._finish_upload,
                "DELETE": self._abort_upload,
                "GET": self._list_parts,
            }.get(method)
        if method == "POST" and "uploads" in query:
            return self._start_upload
        return {"GET": self._get, "HEAD": self._get, "PUT": self._put, "DELETE": self._delete}.get(method)

    # Buckets

    def _list_buckets(self, _request: Request, _bucket: str, _key: str, _query: dict[str, str]) -> Response:
        root = ET.Element("ListAllMyBucketsResult", xmlns=NAMESPACE)
        _owner(root)
        buckets = ET.SubElement(root, "Buckets")
        with self.store.lock:
            for name, bucket in sorted(self.store.buckets.items()):
                entry = ET.SubElement(buckets, "Bucket")
                ET.SubElement(entry, "Name").text = name
                ET.SubElement(entry, "CreationDate").text = bucket.created.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        return _xml(root)

    def _list_objects(self, _request: Request, bucket: str, _key: str, query: dict[str, str]) -> Response:
        with self.store.lock:
            return Response(200, listing(self.store, bucket, query), dict(XML))

    def _head_bucket(self, _request: Request, bucket: str, _key: str, _query: dict[str, str]) -> Response:
        self.store.bucket(bucket)
        return Response(200, headers={"x-amz-bucket-region": self.key.region})

    def _location(self, _request: Request, bucket: str, _key: str, _query: dict[str, str]) -> Response:
        self.store.bucket(bucket)
        root = ET.Element("LocationConstraint", xmlns=NAMESPACE)
        root.text = self.key.region
        return _xml(root)

    def _create_bucket(self, _request: Request, bucket: str, _key: str, _query: dict[str, str]) -> Response:
        if not BUCKET_NAME.match(bucket):
            raise StoreError(400, "InvalidBucketName", "The specified bucket is not valid.")
        self.store.create_bucket(bucket)
        self.effects.add(self.name, "bucket.create", bucket)
        return Response(200, headers={"Location": f"/{bucket}"})

    def _delete_bucket(self, _request: Request, bucket: str, _key: str, _query: dict[str, str]) -> Response:
        self.store.delete_bucket(bucket)
        self.effects.add(self.name, "bucket.delete", bucket)
        return Response(204)

    # Objects

    def _get(self, request: Request, bucket: str, key: str, query: dict[str, str]) -> Response:
        stored = self.store.get(bucket, key)
        headers = _headers(stored)
        for name in ("content-type", "content-disposition", "cache-control"):
            if f"response-{name}" in query:
                headers[name.title()] = query[f"response-{name}"]
        if request.headers.get("If-None-Match", "").strip('"') == stored.etag:
            return Response(304, headers=headers | {"Content-Length": "0"})
        span = _span(request.headers.get("Range"), len(stored.data))
        if span is None:
            return Response(200, stored.data, headers)
        start, end = span
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(stored.data)}"
        return Response(206, stored.data[start:end], headers)

    def _put(self, request: Request, bucket: str, key: str, _query: dict[str, str]) -> Response:
        if "x-amz-copy-source" in request.headers:
            return self._copy(request, bucket, key)
        check_md5(request.body, request.headers.get("Content-MD5"))
        metadata = _metadata(request)
        with self.store.lock:
            if request.headers.get("If-None-Match") == "*" and key in self.store.bucket(bucket).objects:
                raise StoreError(
                    412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"
                )
            stored = self.store.put(bucket, key, request.body, _content_type(request), metadata)
            self._put_counted(bucket, key, stored)
        return Response(200, headers={"ETag": f'"{stored.etag}"'})

    def _copy(self, request: Request, bucket: str, key: str) -> Response:
        from_bucket, _, from_key = unquote(request.headers["x-amz-copy-source"]).removeprefix("/").partition("/")
        with self.store.lock:
            source = self.store.get(from_bucket, from_key.partition("?")[0])
            replace = request.headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
            metadata = _metadata(request) if replace else source.metadata
            content_type = _content_type(request) if replace else source.content_type
            stored = self.store.put(bucket, key, source.data, content_type, metadata)
            self._put_counted(bucket, key, stored)
        root = ET.Element("CopyObjectResult", xmlns=NAMESPACE)
        ET.SubElement(root, "LastModified").text = stored.modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        ET.SubElement(root, "ETag").text = f'"{stored.etag}"'
        return _xml(root)

    def _delete(self, _request: Request, bucket: str, key: str, _query: dict[str, str]) -> Response:
        if self.store.delete(bucket, key):
            self.effects.add(self.name, "object.delete", f"{bucket}/{key}")
        return Response(204)

    # Uploads in parts

    def _start_upload(self, request: Request, bucket: str, key: str, _query: dict[str, str]) -> Response:
        upload_id = self.store.start_upload(bucket, key, _content_type(request), _metadata(request))
        root = ET.Element("InitiateMultipartUploadResult", xmlns=NAMESPACE)
        for tag, text in (("Bucket", bucket), ("Key", key), ("UploadId", upload_id)):
            ET.SubElement(root, tag).text = text
        return _xml(root)

    def _put_part(self, request: Request, bucket: str, key: str, query: dict[str, str]) -> Response:
        number = query.get("partNumber", "")
        if not number.isdigit() or not 1 <= int(number) <= MAX_PART:
            raise StoreError(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
        check_md5(request.body, request.headers.get("Content-MD5"))
        with self.store.lock:
            self.store.upload(query["uploadId"], bucket, key).parts[int(number)] = request.body
        return Response(200, headers={"ETag": _quoted_md5(request.body)})

    def _finish_upload(self, request: Request, bucket: str, key: str, query: dict[str, str]) -> Response:
        with self.store.lock:
            stored = self.store.finish_upload(query["uploadId"], bucket, key, _parts(request.body))
            self._put_counted(bucket, key, stored)
        root = ET.Element("CompleteMultipartUploadResult", xmlns=NAMESPACE)
        for tag, text in (("Bucket", bucket), ("Key", key), ("ETag", f'"{stored.etag}"')):
            ET.SubElement(root, tag).text = text
        return _xml(root)

    def _abort_upload(self, _request: Request, bucket: str, key: str, query: dict[str, str]) -> Response:
        self.store.abort_upload(query["uploadId"], bucket, key)
        return Response(204)

    def _list_parts(self, _request: Request, bucket: str, key: str, query: dict[str, str]) -> Response:
        root = ET.Element("ListPartsResult", xmlns=NAMESPACE)
        with self.store.lock:
            for number, data in sorted(self.store.upload(query["uploadId"], bucket, key).parts.items()):
                part = ET.SubElement(root, "Part")
                ET.SubElement(part, "PartNumber").text = str(number)
                ET.SubElement(part, "ETag").text = _quoted_md5(data)
                ET.SubElement(part, "Size").text = str(len(data))
        return _xml(root)

    def _list_uploads(self, _request: Request, bucket: str, _key: str, query: dict[str, str]) -> Response:
        root = ET.Element("ListMultipartUploadsResult", xmlns=NAMESPACE)
        ET.SubElement(root, "IsTruncated").text = "false"
        with self.store.lock:
            for upload_id, upload in sorted(self.store.uploads.items()):
                if upload.bucket == bucket and upload.key.startswith(query.get("prefix", "")):
                    entry = ET.SubElement(root, "Upload")
                    ET.SubElement(entry, "Key").text = upload.key
                    ET.SubElement(entry, "UploadId").text = upload_id
        return _xml(root)

    def _put_counted(self, bucket: str, key: str, stored: StoredObject) -> None:
        tag = ", ".join(f"{name}={value}" for name, value in stored.metadata.items())
        self.effects.add(self.name, "object.put", f"{bucket}/{key}", tag)


def _parts(body: bytes) -> list[tuple[int, str]]:
    try:
        root = ET.fromstring(body)  # noqa: S314  # from our own signed client, on loopback
        return [
            (int(part.findtext("{*}PartNumber") or ""), part.findtext("{*}ETag") or "")
            for part in root.iter()
            if part.tag.rpartition("}")[2] == "Part"
        ]
    except (ET.ParseError, ValueError):
        raise StoreError(400, "MalformedXML", "The XML you provided was not well-formed.") from None


def _span(header: str | None, size: int) -> tuple[int, int] | None:
    """The half-open byte range asked for; None for the whole."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    start = max(0, size - int(last)) if not first else int(first)
    end = size if not first or not last else min(size, int(last) + 1)
    if start >= end:
        raise StoreError(416, "InvalidRange", "The requested range is not satisfiable")
    return start, end


def _headers(stored: StoredObject) -> dict[str, str]:
    return {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": format_datetime(stored.modified, usegmt=True),
        "Content-Type": stored.content_type,
        "Accept-Ranges": "bytes",
    } | {META + name: value for name, value in stored.metadata.items()}


def _metadata(request: Request) -> dict[str, str]:
    return {
        name.lower().removeprefix(META): value
        for name, value in request.headers.items()
        if name.lower().startswith(META)
    }


def _content_type(request: Request) -> str:
    return request.headers.get("Content-Type") or "binary/octet-stream"


def _quoted_md5(data: bytes) -> str:
    return f'"{md5(data).hexdigest()}"'


def _owner(root: ET.Element) -> None:
    owner = ET.SubElement(root, "Owner")
    ET.SubElement(owner, "ID").text = "simulator"
    ET.SubElement(owner, "DisplayName").text = "simulator"


def _xml(root: ET.Element) -> Response:
    return Response(200, ET.tostring(root, encoding="UTF-8", xml_declaration=True), dict(XML))


def _error(status: int, code: str, message: str, resource: str) -> Response:
    root = ET.Element("Error")
    for tag, text in (("Code", code), ("Message", message), ("Resource", resource), ("RequestId", "0")):
        ET.SubElement(root, tag).text = text
    return Response(status, ET.tostring(root, encoding="UTF-8", xml_declaration=True), dict(XML))
