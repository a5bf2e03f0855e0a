"""What S3 holds: buckets, how much is in them, and whether they keep versions and encrypt.

Counting means listing, a thousand objects at a time: each bucket is given its
share of the time that is left, and a count that was cut short says so.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from providers.aws_http import text
from providers.base import ProviderError
from providers.inventory import Bucket
from providers.sources.aws_account import Account, Tell
from providers.storage.driver import StoreDriver
from providers.vendor_http import Deadline, RefusedError

PAGE = "1000"
SHARE = 0.8
"""The part of its time that a bucket may be counted for; the rest is for its settings."""
ENCRYPTION: Mapping[str, str] = {"AES256": "S3 keys", "aws:kms": "KMS", "aws:kms:dsse": "KMS, twice"}
"""SSEAlgorithm -> how it reads (S3 API Reference, "ServerSideEncryptionByDefault")."""


@dataclass(frozen=True, slots=True)
class _Listed:
    name: str
    created: str
    region: str


@dataclass(frozen=True, slots=True)
class _Count:
    objects: int | None
    bytes: int | None
    whole: bool


Answer = TypeVar("Answer")


def read_buckets(account: Account, tell: Tell) -> list[Bucket]:
    """All buckets of the account, in whatever region; what one refuses hides nothing of the others."""
    deadline = Deadline(account.seconds)
    with account.s3(account.region, deadline) as driver:
        listed = sorted(_listed(driver), key=lambda one: one.name)
    buckets = []
    for position, one in enumerate(listed):
        share = SHARE * max(0.0, deadline.end - deadline.now()) / (len(listed) - position)
        buckets.append(_bucket(account, one, deadline, deadline.now() + share, tell))
    return buckets


def _listed(driver: StoreDriver) -> Iterator[_Listed]:
    more: dict[str, str] = {}
    while True:
        # Only a list that is asked for page by page says each bucket's region.
        answer = _get(driver, "/", {"max-buckets": PAGE, **more})
        for element in answer.iterfind("{*}Buckets/{*}Bucket"):
            region = _checked(text(element, "{*}BucketRegion"))
            yield _Listed(text(element, "{*}Name"), text(element, "{*}CreationDate"), region)
        token = text(answer, "{*}ContinuationToken")
        if not token:
            return
        more = {"continuation-token": token}


def _bucket(account: Account, one: _Listed, deadline: Deadline, until: float, tell: Tell) -> Bucket:
    """One bucket, asked three things; what is refused of it is told, and left out."""
    region = one.region or _region(account, one.name, deadline)

    def ask(about: str, question: Callable[[StoreDriver], Answer], otherwise: Answer) -> Answer:
        try:
            with account.s3(region, deadline) as driver:
                return question(driver)
        except ProviderError as error:
            tell(f"{one.name}, {about}", error.message)
            return otherwise

    nothing = _Count(None, None, False)
    count = ask("its objects", lambda driver: _counted(driver, one.name, deadline, until), nothing)
    return Bucket(
        name=one.name,
        read_at=account.now(),
        location=region,
        created=one.created,
        objects=count.objects,
        bytes=count.bytes,
        counted=count.whole,
        versioning=ask("versioning", lambda driver: _versioning(driver, one.name), ""),
        encryption=ask("encryption", lambda driver: _encryption(driver, one.name), ""),
    )


def _region(account: Account, bucket: str, deadline: Deadline) -> str:
    """Where the bucket is, which S3 says even with a refusal; the source's own region where it says nothing."""
    try:
        with account.s3(account.region, deadline) as driver:
            headers = driver.connection.request(f"/{bucket}", method="HEAD").headers
    except ProviderError as error:
        cause = error.__cause__
        headers = cause.headers if isinstance(cause, RefusedError) else {}
    return _checked(str((headers or {}).get("x-amz-bucket-region", ""))) or account.region


def _checked(region: str) -> str:
    """A region's name, or nothing: it becomes a part of a host's name, so it must be one."""
    return region if re.fullmatch("[a-z0-9-]{3,40}", region) else ""


def _counted(driver: StoreDriver, bucket: str, deadline: Deadline, until: float) -> _Count:
    """Objects and their bytes, as far as one gets before `until` (on the deadline's clock); one page at least."""
    objects = size = 0
    more: dict[str, str] = {}
    while True:
        answer = _get(driver, f"/{bucket}", {"list-type": "2", "max-keys": PAGE, **more})
        sizes = [int(text(element, "{*}Size") or 0) for element in answer.iterfind("{*}Contents")]
        objects, size = objects + len(sizes), size + sum(sizes)
        token = text(answer, "{*}NextContinuationToken")
        if not token or deadline.now() >= until:
            return _Count(objects, size, whole=not token)
        more = {"continuation-token": token}


def _versioning(driver: StoreDriver, bucket: str) -> str:
    """`on`, `suspended` or `off`; a bucket that never had it says nothing."""
    status = text(_get(driver, f"/{bucket}", {"versioning": ""}), "{*}Status")
    return {"Enabled": "on", "Suspended": "suspended"}.get(status, "off")


def _encryption(driver: StoreDriver, bucket: str) -> str:
    try:
        answer = _get(driver, f"/{bucket}", {"encryption": ""})
    except RefusedError as error:
        if error.kind == "ServerSideEncryptionConfigurationNotFoundError":
            return "none"
        raise
    algorithm = text(answer, ".//{*}SSEAlgorithm")
    return ENCRYPTION.get(algorithm, algorithm or "none")


def _get(driver: StoreDriver, path: str, params: dict[str, str]) -> Any:
    return driver.connection.request(path, params=params).object
