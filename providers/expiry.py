"""When a credential or a certificate ends, as a right: a failover a month from now must not find it gone."""

from datetime import UTC, datetime

from providers.rights import Right, State

SOON = 30 * 86400.0
"""Seconds before its end from which on a renewal is advised."""


def validity(end: datetime | None, now: float, renew: str) -> Right:
    """The right to be used on: missing once it ended. `renew`: what to do, as a part of a sentence."""
    if end is None:
        return Right("valid without end", State.HELD)
    left = (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp() - now
    day = f"{end:%Y-%m-%d}"
    if left <= 0:
        return Right(f"valid until {day}", State.MISSING, f"It ended: {renew}.")
    if left <= SOON:
        return Right(f"valid until {day}", State.HELD, f"It ends in {int(left // 86400)} days: {renew}.")
    return Right(f"valid until {day}", State.HELD)
