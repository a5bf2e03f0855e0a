"""How long an HTTP service asks to be left alone."""

import time
from email.utils import parsedate_to_datetime


def asked_wait(header: str) -> float | None:
    """Seconds that a Retry-After header asks for, given in seconds or as a date (RFC 9110 §10.2.3)."""
    text = header.strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
