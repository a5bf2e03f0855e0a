"""Uploads in parts: begin, add, list, finish, abort."""

from providers.simulator.http_service import Response
from providers.simulator.s3_blob import Blob
from providers.simulator.s3_desk import Ask, Desk
from providers.simulator.s3_error import StoreError
from providers.simulator.s3_object_actions import version_header
from providers.simulator.s3_store import check_md5, opaque_etag
from providers.simulator.s3_uploads import Part
from providers.simulator.s3_xml import STAMP, add, add_all, document, encoder, parsed, root, size_asked

MAX_LISTED = 1000


def begin(desk: Desk, ask: Ask) -> Response:
    upload_id = desk.uploads.begin(ask.bucket, ask.key, ask.content_type, ask.metadata)
    desk.record("upload.begin", ask.where, ask.metadata)
    return document(root("InitiateMultipartUploadResult", Bucket=ask.bucket, Key=ask.key, UploadId=upload_id))


def put_part(desk: Desk, ask: Ask) -> Response:
    number, most = ask.query.get("partNumber", ""), desk.dialect.max_parts
    if not number.isdigit() or not 1 <= int(number) <= most:
        raise StoreError(400, "InvalidArgument", f"Part number must be an integer between 1 and {most}, inclusive")
    check_md5(ask.request.body, ask.request.headers.get("Content-MD5"))
    blob = Blob(ask.request.body)
    part = Part(blob, opaque_etag() if desk.dialect.opaque_etags else blob.md5.hex())
    desk.uploads.add_part(ask.query["uploadId"], ask.bucket, ask.key, int(number), part)
    desk.record("part.put", f"{ask.where}#{number}")
    return Response(200, headers={"ETag": f'"{part.etag}"'})


def finish(desk: Desk, ask: Ask) -> Response:
    etag = opaque_etag() + "-1" if desk.dialect.opaque_etags else ""
    asked = _asked(ask.request.body)
    with desk.store.lock:
        stored = desk.uploads.finish(
            ask.query["uploadId"],
            ask.bucket,
            ask.key,
            asked,
            min_part=desk.dialect.min_part,
            etag=etag,
            encryption=desk.dialect.encryption,
        )
        desk.record("object.put", ask.where, stored.metadata)
    told = root("CompleteMultipartUploadResult", Bucket=ask.bucket, Key=ask.key, ETag=f'"{stored.etag}"')
    return document(told, version_header(desk, ask, stored))


def abort(desk: Desk, ask: Ask) -> Response:
    desk.uploads.abort(ask.query["uploadId"], ask.bucket, ask.key)
    desk.record("upload.abort", ask.where)
    return Response(204)


def list_parts(desk: Desk, ask: Ask) -> Response:
    size = size_asked(ask.query, "max-parts", MAX_LISTED)
    after = int(ask.query.get("part-number-marker") or 0)
    with desk.store.lock:
        parts = sorted(desk.uploads.get(ask.query["uploadId"], ask.bucket, ask.key).parts.items())
    left = [(number, part) for number, part in parts if number > after]
    listed = root("ListPartsResult", Bucket=ask.bucket, Key=ask.key, UploadId=ask.query["uploadId"])
    add(listed, "IsTruncated", "true" if len(left) > size else "false")
    if len(left) > size:
        add(listed, "NextPartNumberMarker", str(left[size - 1][0]))
    for number, part in left[:size]:
        add_all(add(listed, "Part"), PartNumber=str(number), ETag=f'"{part.etag}"', Size=str(part.blob.size))
    return document(listed)


def list_uploads(desk: Desk, ask: Ask) -> Response:
    size = size_asked(ask.query, "max-uploads", MAX_LISTED)
    marker = (ask.query.get("key-marker", ""), ask.query.get("upload-id-marker", ""))
    encode = encoder(ask.query, desk.dialect.url_listing)
    listed = root("ListMultipartUploadsResult", Bucket=ask.bucket, Prefix=encode(ask.query.get("prefix", "")))
    if "encoding-type" in ask.query and desk.dialect.url_listing:
        add(listed, "EncodingType", "url")
    uploads = desk.uploads.listed(ask.bucket, ask.query.get("prefix", ""))
    at = [number for number, (key, upload_id, _) in enumerate(uploads) if (key, upload_id) == marker]
    if at:
        uploads = uploads[at[0] + 1 :]
    elif marker[0]:
        uploads = [one for one in uploads if one[0].encode() > marker[0].encode()]
    add(listed, "IsTruncated", "true" if len(uploads) > size else "false")
    if len(uploads) > size:
        add_all(listed, NextKeyMarker=encode(uploads[size - 1][0]), NextUploadIdMarker=uploads[size - 1][1])
    for key, upload_id, upload in uploads[:size]:
        entry = add(listed, "Upload")
        add_all(entry, Key=encode(key), UploadId=upload_id, Initiated=upload.begun.strftime(STAMP))
    return document(listed)


def _asked(body: bytes) -> list[tuple[int, str]]:
    try:
        return [
            (int(part.findtext("{*}PartNumber") or ""), part.findtext("{*}ETag") or "")
            for part in parsed(body).iter()
            if part.tag.rpartition("}")[2] == "Part"
        ]
    except ValueError:
        raise StoreError(400, "MalformedXML", "The XML you provided was not well-formed.") from None
