"""Object Lock: retention and legal hold of one version, and a bucket's default retention."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from providers.simulator.s3_error import StoreError

MODES = ("GOVERNANCE", "COMPLIANCE")


@dataclass(frozen=True, slots=True)
class Retention:
    """Until when a version may not go; GOVERNANCE can be bypassed with a right of its own, COMPLIANCE never."""

    mode: str
    until: datetime


@dataclass(frozen=True, slots=True)
class DefaultRetention:
    """What a new version gets when its writer says nothing."""

    mode: str
    days: int

    def starting(self, now: datetime) -> Retention:
        return Retention(self.mode, now + timedelta(days=self.days))


def retention_of(mode: str, until: str) -> Retention:
    """From a request's words; raises StoreError."""
    if mode not in MODES:
        raise StoreError(400, "MalformedXML", "Unknown retention mode.")
    try:
        at = datetime.fromisoformat(until.replace("Z", "+00:00"))
    except ValueError:
        raise StoreError(400, "InvalidArgument", "The retain until date must be provided in ISO 8601 format") from None
    if at <= datetime.now(UTC):
        raise StoreError(400, "InvalidArgument", "The retain until date must be in the future!")
    return Retention(mode, at)


def check_free(retention: Retention | None, legal_hold: bool, now: datetime, bypass: bool) -> None:
    """Raises StoreError as long as the version may not be removed."""
    kept = retention is not None and retention.until > now
    if kept and retention is not None and retention.mode == "GOVERNANCE" and bypass:
        kept = False
    if kept or legal_hold:
        raise StoreError(403, "AccessDenied", "Access Denied because object protected by object lock.")
