"""What the key of an object store may do in the buckets that the estate's runbooks name.

A bad key and a good one without a right are told apart by S3's error codes, so lists are asked for, never HEADs, whose
refusals have no body. Whether a key may write can't be shown on plain S3 without writing.
"""

from collections.abc import Iterator

from providers.base import Context
from providers.rights import BucketUse, Examination, Right, State, Subject
from providers.storage.driver import StoreDriver
from providers.storage.store import Bucket
from providers.storage.versions import NOT_KNOWN
from providers.vendor_http import Deadline, Endpoint, RefusedError, provider_errors

BAD_KEY = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "AuthorizationHeaderMalformed"})
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "Forbidden", "401", "403"})
SETTINGS = {"versioning": "versioning", "locks": "object-lock", "uploads in parts": "uploads"}
"""What a copy asks of its target's bucket: the name for people, and the question."""
OTHERS_TRIED = 3
"""How many of the buckets that no runbook names are tried: one that opens tells enough."""
NARROW = "Narrow the key's policy to the buckets of its runbooks, as docs/credentials.md says."


class _BadKeyError(Exception):
    """The store does not know the key, or its other half."""


def examine(context: Context, subject: Subject) -> Examination:
    """The key, the buckets of the runbooks, and the buckets that it should not see. Raises ProviderError."""
    store = _Store(context, subject.entry, Deadline(context.deadline))
    with provider_errors(store.driver.connection, f"The object store {subject.entry} at {store.where}"):
        try:
            rights = [right for use in subject.buckets for right in _named(store, use)]
            rights += _others(store, subject)
        except _BadKeyError as error:
            return subject.failed(store.where, f"{store.where} refuses the key ({error}): store the right pair.")
    return subject.found(store.where, rights)


class _Store:
    """One store of the scope, asked for lists alone."""

    def __init__(self, context: Context, entry: str, deadline: Deadline) -> None:
        block = context.scope["storage"][entry]
        self.where = str(block["url"])
        self._context, self._entry, self._deadline = context, entry, deadline
        self.driver = StoreDriver(
            context.reveal(block["access_key"]).reveal(),
            context.reveal(block["secret_key"]).reveal(),
            Endpoint.at(block["url"], block.get("ca")),
            block.get("region") or "us-east-1",
            deadline.reaching(context.scope),
        )

    def listed(self, bucket: str) -> str:
        """S3's code where the key may not list the bucket, and nothing where it may. Raises _BadKeyError."""
        try:
            next(Bucket(self._context, self._entry, bucket, self._deadline).entries(""), None)
        except RefusedError as error:
            return _code(error)
        return ""

    def asked(self, bucket: str, what: str) -> str:
        """S3's code where the store refuses this part of a bucket, and nothing where it tells. Raises _BadKeyError."""
        try:
            Bucket(self._context, self._entry, bucket, self._deadline).ask("GET", params={what: ""})
        except RefusedError as error:
            return (error.kind or str(error.code)) if error.code in NOT_KNOWN else _code(error)
        return ""

    def buckets(self) -> list[str] | None:
        """The buckets that the key sees; None when it may not list them. Raises _BadKeyError."""
        try:
            return [str(one.name) for one in self.driver.list_containers()]
        except RefusedError as error:
            _code(error)
        return None


def _code(error: RefusedError) -> str:
    """S3's code of a refusal that is about rights. Raises _BadKeyError when it is about the key, and others again."""
    if error.kind in BAD_KEY:
        raise _BadKeyError(error.kind) from error
    if error.code not in {401, 403, 404, 405}:
        raise error
    return error.kind or str(error.code)


def _named(store: _Store, use: BucketUse) -> Iterator[Right]:
    code = store.listed(use.name)
    if code == "NoSuchBucket":
        yield _no_bucket(use)
        return
    name = f"list and read {use.name}"
    if code:
        yield Right(name, State.MISSING, f"The store answers {code}: let the key list and read it.")
    else:
        yield Right(name, State.HELD)
    if use.written:
        yield from _settings(store, use.name)
        yield Right(f"write to {use.name}", State.UNKNOWN, "S3 can't tell without writing; a drill proves it.")


def _settings(store: _Store, bucket: str) -> Iterator[Right]:
    """What a copy reads of its target besides objects. A store that does not know the question has no such thing."""
    for what, asked in SETTINGS.items():
        code = store.asked(bucket, asked)
        name = f"read {what} of {bucket}"
        if code in DENIED:
            yield Right(name, State.MISSING, f"The store answers {code}: let the key read it.")
        else:
            yield Right(name, State.HELD)


def _no_bucket(use: BucketUse) -> Right:
    if use.written:
        said = "It does not exist as yet: a copy makes it if the key may, so better make it beforehand."
        return Right(f"bucket {use.name}", State.UNKNOWN, said)
    return Right(f"bucket {use.name}", State.MISSING, "The store has no such bucket: correct its name in the runbook.")


def _others(store: _Store, subject: Subject) -> Iterator[Right]:
    """Buckets that no runbook names and that open all the same. A key that may list no buckets is as it should be."""
    seen = store.buckets()
    if seen is None:
        if not subject.buckets:
            said = "No runbook names a bucket here, so the key is known and nothing more."
            yield Right("read and write", State.UNKNOWN, said)
        return
    for name in sorted(set(seen) - {use.name for use in subject.buckets})[:OTHERS_TRIED]:
        if not store.listed(name):
            yield Right(f"read {name}, which no runbook names", State.NEEDLESS, NARROW)
