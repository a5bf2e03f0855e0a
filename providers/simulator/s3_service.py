"""An S3 service over a store, path-style or virtual-host: every request signed, errors in the vendor's XML."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote

from providers.simulator import s3_bucket_actions as buckets
from providers.simulator import s3_object_actions as objects
from providers.simulator import s3_part_actions as parts
from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault
from providers.simulator.http_service import Request, Response
from providers.simulator.s3_desk import Action, Ask, Desk
from providers.simulator.s3_dialect import Dialect
from providers.simulator.s3_signature import AccessKey, SignatureError, verify
from providers.simulator.s3_store import Store, StoreError
from providers.simulator.s3_uploads import Uploads
from providers.simulator.s3_xml import error

_CODES = {403: "AccessDenied", 500: "InternalError", 503: "SlowDown", 429: "TooManyRequests"}

# What is asked for is named by the first of these words in the query, else it is the thing itself (empty).
_SERVICE: dict[str, dict[str, Action]] = {"": {"GET": buckets.list_buckets}}
_BUCKET: dict[str, dict[str, Action]] = {
    "location": {"GET": buckets.location},
    "uploads": {"GET": parts.list_uploads},
    "versions": {"GET": buckets.list_versions},
    "versioning": {"GET": buckets.get_versioning, "PUT": buckets.put_versioning},
    "object-lock": {"GET": buckets.get_locking, "PUT": buckets.put_locking},
    "": {
        "GET": buckets.list_objects,
        "HEAD": buckets.head_bucket,
        "PUT": buckets.create_bucket,
        "DELETE": buckets.delete_bucket,
    },
}
_OBJECT: dict[str, dict[str, Action]] = {
    "uploadId": {"PUT": parts.put_part, "POST": parts.finish, "DELETE": parts.abort, "GET": parts.list_parts},
    "uploads": {"POST": parts.begin},
    "retention": {"GET": objects.get_retention, "PUT": objects.put_retention},
    "legal-hold": {"GET": objects.get_legal_hold, "PUT": objects.put_legal_hold},
    "": {
        "GET": objects.get_object,
        "HEAD": objects.get_object,
        "PUT": objects.put_object,
        "DELETE": objects.delete_object,
    },
}


@dataclass(frozen=True, slots=True)
class S3Service:
    """Answers requests to one store; `name` is the service's name in effects."""

    name: str
    store: Store
    key: AccessKey
    effects: EffectLog
    dialect: Dialect = field(default_factory=Dialect)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        desk = Desk(self.name, self.store, Uploads(self.store), self.effects, self.dialect, self.key.region)
        object.__setattr__(self, "desk", desk)

    def handle(self, request: Request) -> Response:
        try:
            verify(request, self.key, datetime.now(UTC))
            ask = self._ask(request)
            return _action(ask)(self.desk, ask)
        except (SignatureError, StoreError) as refused:
            headers = refused.headers if isinstance(refused, StoreError) else None
            return error(refused.status, refused.code, refused.message, request.decoded_path, headers)

    def refusal(self, fault: Fault, request: Request) -> Response:
        code = _CODES.get(fault.status, "ServiceUnavailable")
        return error(fault.status, code, "Please reduce your request rate.", request.path)

    def _ask(self, request: Request) -> Ask:
        """The bucket is the first label of the host, or the first part of the path."""
        path = request.path.removeprefix("/")
        host = str(request.headers.get("Host", "")).rpartition(":")[0] or str(request.headers.get("Host", ""))
        if self.dialect.host and host.endswith("." + self.dialect.host):
            return Ask(request, host.removesuffix("." + self.dialect.host), unquote(path), request.query)
        bucket, _, key = path.partition("/")
        if bucket and not self.dialect.path_style:
            raise StoreError(400, "InvalidRequest", "Please use virtual hosted style to address this bucket.")
        return Ask(request, unquote(bucket), unquote(key), request.query)


def _action(ask: Ask) -> Action:
    table = (_OBJECT if ask.key else _BUCKET) if ask.bucket else _SERVICE
    word = next((word for word in table if word and word in ask.query), "")
    found = table[word].get(ask.request.method)
    if found is None:
        raise StoreError(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
    return found
