"""What can be asked of a bucket: make, remove, list, versioning, Object Lock."""

import re

from providers.simulator.http_service import Response
from providers.simulator.s3_desk import Ask, Desk
from providers.simulator.s3_error import StoreError
from providers.simulator.s3_listing import listing
from providers.simulator.s3_lock import MODES, DefaultRetention
from providers.simulator.s3_versions import version_listing
from providers.simulator.s3_xml import STAMP, add, add_all, document, owner, parsed, root

BUCKET_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")


def list_buckets(desk: Desk, _ask: Ask) -> Response:
    listed = root("ListAllMyBucketsResult")
    owner(listed)
    buckets = add(listed, "Buckets")
    with desk.store.lock:
        for name, bucket in sorted(desk.store.buckets.items()):
            add_all(add(buckets, "Bucket"), Name=name, CreationDate=bucket.created.strftime(STAMP))
    return document(listed)


def list_objects(desk: Desk, ask: Ask) -> Response:
    with desk.store.lock:
        return document(listing(desk.store, ask.bucket, ask.query, desk.dialect.url_listing))


def list_versions(desk: Desk, ask: Ask) -> Response:
    _supported(desk.dialect.versioning)
    with desk.store.lock:
        return document(version_listing(desk.store, ask.bucket, ask.query, desk.dialect.url_listing))


def head_bucket(desk: Desk, ask: Ask) -> Response:
    desk.store.bucket(ask.bucket)
    return Response(200, headers={"x-amz-bucket-region": desk.region})


def location(desk: Desk, ask: Ask) -> Response:
    desk.store.bucket(ask.bucket)
    told = root("LocationConstraint")
    told.text = desk.region
    return document(told)


def create_bucket(desk: Desk, ask: Ask) -> Response:
    if not BUCKET_NAME.match(ask.bucket):
        raise StoreError(400, "InvalidBucketName", "The specified bucket is not valid.")
    asked = parsed(ask.request.body).findtext("{*}LocationConstraint") if ask.request.body else None
    if desk.dialect.location and (asked or desk.region) != desk.region:
        raise StoreError(400, "InvalidLocationConstraint", "The specified location-constraint is not valid")
    desk.store.create_bucket(ask.bucket, locking=ask.header("x-amz-bucket-object-lock-enabled").lower() == "true")
    desk.record("bucket.create", ask.bucket)
    return Response(200, headers={"Location": f"/{ask.bucket}"})


def delete_bucket(desk: Desk, ask: Ask) -> Response:
    desk.store.delete_bucket(ask.bucket)
    desk.record("bucket.delete", ask.bucket)
    return Response(204)


def get_versioning(desk: Desk, ask: Ask) -> Response:
    _supported(desk.dialect.versioning)
    told = root("VersioningConfiguration")
    state = desk.store.bucket(ask.bucket).versioning
    if state:
        add(told, "Status", state)
    return document(told)


def put_versioning(desk: Desk, ask: Ask) -> Response:
    _supported(desk.dialect.versioning)
    asked = parsed(ask.request.body).findtext("{*}Status") or ""
    if asked not in ("Enabled", "Suspended"):
        raise StoreError(400, "IllegalVersioningConfigurationException", "The versioning configuration is invalid.")
    with desk.store.lock:
        bucket = desk.store.bucket(ask.bucket)
        if bucket.locking and asked == "Suspended":
            raise StoreError(409, "InvalidBucketState", "An Object Lock configuration is present on this bucket.")
        bucket.versioning = asked
    desk.record("bucket.versioning", f"{ask.bucket} {asked}")
    return Response(200)


def get_locking(desk: Desk, ask: Ask) -> Response:
    _supported(desk.dialect.locking)
    bucket = desk.store.bucket(ask.bucket)
    if not bucket.locking:
        raise StoreError(
            404,
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        )
    told = root("ObjectLockConfiguration", ObjectLockEnabled="Enabled")
    if bucket.default is not None:
        rule = add(add(told, "Rule"), "DefaultRetention")
        add_all(rule, Mode=bucket.default.mode, Days=str(bucket.default.days))
    return document(told)


def put_locking(desk: Desk, ask: Ask) -> Response:
    _supported(desk.dialect.locking)
    asked = parsed(ask.request.body)
    mode, days = asked.findtext(".//{*}Mode"), asked.findtext(".//{*}Days")
    if (mode, days) != (None, None) and (mode not in MODES or not (days or "").isdigit()):
        raise StoreError(400, "MalformedXML", "The XML you provided was not well-formed.")
    with desk.store.lock:
        bucket = desk.store.bucket(ask.bucket)
        if bucket.versioning != "Enabled":
            raise StoreError(409, "InvalidBucketState", "Versioning must be 'Enabled' on the bucket.")
        bucket.locking = True
        bucket.default = DefaultRetention(mode, int(days)) if mode and days else None
    desk.record("bucket.locking", ask.bucket)
    return Response(200)


def _supported(there: bool) -> None:
    if not there:
        raise StoreError(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
