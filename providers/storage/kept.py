"""One small object kept at a store so that nobody changes or deletes it before a day: what witnesses are given."""

from datetime import UTC, datetime

from providers.base import Context, ProviderError
from providers.kept import Kept
from providers.storage.content import Content
from providers.storage.store import Bucket
from providers.vendor_http import Deadline, RefusedError, provider_errors

PRECONDITION_FAILED = 412


def keep_object(context: Context, want: Kept) -> str:
    """Store the object if nothing is there under its key; says in one sentence what is there now.

    That the same bytes are there is as good. Raises ProviderError, permanent where others are.
    """
    bucket = Bucket(context, want.store, want.bucket, Deadline(context.deadline))
    try:
        with provider_errors(bucket.connection, bucket.where):
            return _keep(bucket, want, context)
    finally:
        bucket.close()


def _keep(bucket: Bucket, want: Kept, context: Context) -> str:
    headers = {"If-None-Match": "*", "content-type": "application/json"}
    if want.until is not None:
        day = datetime.fromtimestamp(want.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers |= {"x-amz-object-lock-mode": want.mode, "x-amz-object-lock-retain-until-date": day}
    with Content.of(want.body, context.workspace) as content:
        try:
            bucket.upload(want.key, content, headers, {})
        except RefusedError as error:
            if error.code != PRECONDITION_FAILED:
                raise
            if bucket.read(want.key) != want.body:
                raise ProviderError(
                    f"{bucket.where} has another {want.key}: nothing was written over it. Compare both.", permanent=True
                ) from error
    return f"{bucket.where} keeps {want.key}" + (f" until {day}." if want.until is not None else ".")
