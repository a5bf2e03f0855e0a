"""What a consumer key of OVHcloud may call, against what the driver calls: the vendor lists the key's rules.

Source: the vendor's description of `/auth` (`GET /auth/currentCredential` answers `rules`, `expiration`, `status`).
Docs/credentials.md says the same rules for people to paste.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from providers.base import Context
from providers.compute.ovhcloud import NativeDriver
from providers.compute.ovhcloud_signed import CREDENTIAL_CODES, OUT_OF_TIME
from providers.compute.rights import examined
from providers.expiry import validity
from providers.rights import Examination, Right, State, Subject
from providers.vendor_http import RefusedError

LISTED_AT = "/auth/currentCredential"
NOT_GRANTED = "NOT_GRANTED_CALL"
STRANGER = CREDENTIAL_CODES - {NOT_GRANTED, OUT_OF_TIME}
MAKE_ANEW = "make a new consumer key with the rules of docs/credentials.md"

NEEDED: dict[str, tuple[str, ...]] = {
    "GET /instance*": ("/instance", "/instance/ID"),
    "GET /flavor*": ("/flavor", "/flavor/ID"),
    "GET /image*": ("/image", "/image/ID"),
    "GET /snapshot*": ("/snapshot",),
    "GET /region*": ("/region", "/region/NAME/quota"),
    "GET /sshkey*": ("/sshkey",),
    "GET /volume*": ("/volume", "/volume/ID", "/volume/snapshot", "/volume/snapshot/ID"),
    "GET /ip*": ("/ip/failover", "/ip/failover/ID"),
    "POST /instance": ("/instance",),
    "POST /instance/*/start": ("/instance/ID/start",),
    "POST /instance/*/stop": ("/instance/ID/stop",),
    "DELETE /instance/*": ("/instance/ID",),
    "POST /volume": ("/volume",),
    "POST /volume/*/attach": ("/volume/ID/attach",),
    "POST /volume/*/detach": ("/volume/ID/detach",),
    "POST /volume/*/snapshot": ("/volume/ID/snapshot",),
    "DELETE /volume/*": ("/volume/ID", "/volume/snapshot/ID"),
}
"""Rule below `/cloud/project/PROJECT`: what the driver calls by it. Granted narrower, it serves as well."""


def examine(context: Context, subject: Subject) -> Examination:
    """The reads of every cloud, and the key's own list of rules."""
    return examined(
        context, subject, stranger=lambda error: error.kind in STRANGER, introspect=_listed, advice=f"{MAKE_ANEW}."
    )


def _listed(driver: NativeDriver, subject: Subject) -> Iterable[Right]:
    try:
        told = driver.connection.request(LISTED_AT).object
    except RefusedError as error:
        if error.kind != NOT_GRANTED:
            raise
        yield Right("what else it may do", State.UNKNOWN, f"Grant GET {LISTED_AT}, so that its rules can be compared.")
        return
    end = told.get("expiration")
    yield validity(datetime.fromisoformat(end) if end else None, subject.now, MAKE_ANEW)
    yield from compared(told.get("rules") or (), driver.project_id)


def compared(rules: Iterable[Mapping[str, Any]], project: str) -> Iterator[Right]:
    """The needed rules, held or missing, then what is granted besides. Pure."""
    granted = [(str(rule["method"]).upper(), str(rule["path"])) for rule in rules]
    below = f"/cloud/project/{project}"
    for rule, calls in NEEDED.items():
        method, _, _ = rule.partition(" ")
        there = all(_allows(granted, method, below + call) for call in calls)
        name = rule.replace(" /", f" {below}/")
        yield Right(name, State.HELD if there else State.MISSING, "" if there else f"{MAKE_ANEW.capitalize()}.")
    for method, path in granted:
        if not _is_used(method, path, below):
            yield Right(f"{method} {path}", State.NEEDLESS, f"The driver never needs so much: {MAKE_ANEW}.")


def _allows(granted: Iterable[tuple[str, str]], method: str, path: str) -> bool:
    return any(method == verb and fnmatchcase(path, pattern) for verb, pattern in granted)


def _is_used(method: str, path: str, below: str) -> bool:
    """Whether a granted rule lies within a needed one; its own `*` stands for itself here."""
    if (method, path) == ("GET", LISTED_AT):
        return True
    rules = (rule.partition(" ") for rule in NEEDED)
    return any(method == verb and fnmatchcase(path, below + pattern) for verb, _, pattern in rules)
