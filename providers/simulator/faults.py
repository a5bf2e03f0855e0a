"""Faults that can be switched on per route: a lost answer, a refusal, a delay, silence."""

import threading
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FaultKind = Literal["lose_answer", "drop", "status", "delay", "hang", "quota", "refuse", "tempfail"]

SERVICES = (
    "scaleway",
    "openstack",
    "outscale",
    "ovhcloud",
    "dns",
    "s3-source",
    "s3-target",
    "smtp-old",
    "smtp-new",
    "smtp-crisis",
    "portal-old",
    "identity-old",
    "ovh-dns",
    "scaleway-dns",
    "gandi-dns",
    "mistral",
    "mastodon",
    "pixelfed",
    "friendica",
    "keycloak",
    "apt-mirror",
    "mta-sts",
    "website",
    "nextcloud",
    "onlyoffice",
    "collabora",
    "cryptpad",
    "visio",
    "livekit",
    "jitsi",
)


class Fault(BaseModel):
    """One rule. The first rule that matches a request and is not used up applies.

    `route` is a shell pattern on what is asked:

    | service | routes |
    |---|---|
    | clouds, s3-*, portal-old | method and path: `POST */servers`, `POST */CreateVms`, `PUT /bucket/key*` |
    | nextcloud … apt-mirror (products) | method and path: `PUT /remote.php/dav/*` |
    | openstack | below the service: `POST /compute/v2.1/servers`, `GET /network/*`, `POST /identity/*` |
    | clouds | `BOOT name`: delay; hang (starting for good); others: the boot fails, the server is stopped again |
    | dns | `UPDATE valbourg.example`, `QUERY portal.valbourg.example A` |
    | smtp-* | `EHLO`, `RCPT`, `DATA` |
    | identity-old | `CONNECT` |
    | ovh-dns, scaleway-dns, gandi-dns | method and path: `POST */refresh` |
    | mistral, mastodon, pixelfed, friendica, keycloak, apt-mirror | method and path: `POST /api/v1/statuses` |

    | kind | what happens |
    |---|---|
    | lose_answer | the work is done, then the connection closes without an answer |
    | drop | the connection closes before the work |
    | status | HTTP: `status`, with `Retry-After` when `retry_after` is given; nothing is done |
    | delay | waits `seconds`, then goes on |
    | hang | never answers, does nothing, until the other side gives up (at most `seconds` when given) |
    | quota | the cloud's own refusal: `quotas_exceeded`, `TooManyResources`, or OpenStack's 403, 413 or 409 |
    | refuse | DNS: REFUSED; SMTP: 550 |
    | tempfail | DNS: SERVFAIL; SMTP: 451 |
    """

    model_config = ConfigDict(extra="forbid")

    service: Literal[SERVICES]  # type: ignore[valid-type]  # the tuple is also listed to people
    route: Annotated[str, Field(min_length=1, max_length=500)] = "*"
    kind: FaultKind
    times: Annotated[int, Field(ge=0)] | None = Field(default=1, description="matching requests; null: until removed")
    skip: Annotated[int, Field(ge=0)] = Field(default=0, description="matching requests to let pass first")
    status: Annotated[int, Field(ge=400, le=599)] = 503
    retry_after: Annotated[float, Field(ge=0)] | None = None
    seconds: Annotated[float, Field(ge=0, le=3600)] | None = None


class FaultTable:
    """The rules in force. Thread-safe; each match uses a rule up by one."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        """Set at the end: whoever waits in a fault wakes up."""

    def replace(self, faults: list[Fault]) -> None:
        with self._lock:
            self._faults = [fault.model_copy() for fault in faults]

    def listed(self) -> list[dict[str, object]]:
        """The rules with what is left of `times` and `skip`."""
        with self._lock:
            return [fault.model_dump() for fault in self._faults]

    def take(self, service: str, route: str, *kinds: FaultKind) -> Fault | None:
        """The rule for this request, used up by one; None when there is none."""
        with self._lock:
            for fault in self._faults:
                if fault.service != service or fault.times == 0 or (kinds and fault.kind not in kinds):
                    continue
                if not fnmatchcase(route, fault.route):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None

    def wait(self, seconds: float) -> None:
        """Waits, or returns at once when the simulator stops."""
        self.stopping.wait(seconds)
