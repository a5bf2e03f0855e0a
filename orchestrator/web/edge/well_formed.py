"""Whether a request can be read in one way only, before anything is decided by it.

What two readers may read differently (a header twice, a length beside chunks, another form of the target, signs
that end a text for one of them) is refused, whatever the route, and the connection ends. Lengths that contradict each
other, and what is no HTTP, h11 has refused before.
"""

from starlette.types import Scope

_ONCE = frozenset(
    {b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key", b"last-event-id", b"origin"}
)
"""Headers of which a second one would contradict the first."""
MOST_HEADERS = 100
MOST_HEADER_BYTES = 32 * 1024
LONGEST_TARGET = 8192
"""Bytes of path and query."""


def fault_in(scope: Scope) -> str:
    """In one sentence; empty when there is none."""
    headers = scope["headers"]
    if len(headers) > MOST_HEADERS:
        return f"A request has at most {MOST_HEADERS} headers."
    if sum(len(name) + len(value) for name, value in headers) > MOST_HEADER_BYTES:
        return f"A request's headers are at most {MOST_HEADER_BYTES} bytes."
    names = [name for name, _ in headers]
    twice = next((name for name in _ONCE if names.count(name) > 1), None)
    if twice is not None:
        return f"The header {twice.decode()} is there more than once."
    if b"transfer-encoding" in names and b"content-length" in names:
        return "A request has a length or comes in chunks, not both."
    if any(_is_control(sign) and sign != 9 for _, value in headers for sign in value):
        return "A header holds control characters."
    path = scope["path"]
    if not path.startswith("/"):
        return "The target is a path, with its query at most."
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > LONGEST_TARGET:
        return f"Path and query are at most {LONGEST_TARGET} bytes."
    if any(_is_control(ord(sign)) for sign in path):
        return "The path holds control characters."
    if any(part in (".", "..") for part in path.split("/")):
        return "The path has no `.` or `..` in it."
    return ""


def _is_control(sign: int) -> bool:
    return sign < 32 or sign == 127
