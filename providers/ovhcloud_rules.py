"""The rules of an OVHcloud consumer key, against the calls that Bascule makes with it.

Source: the vendor's description of `/auth`: `GET /auth/currentCredential` answers `rules`, `expiration`, `status`.
The rules are those that docs/credentials.md gives people to paste.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from providers.base import JsonMap
from providers.expiry import validity
from providers.rights import Right, State

LISTED_AT = "/auth/currentCredential"
MAKE_ANEW = "make a new consumer key with the rules of docs/credentials.md"
DRIVER = "ovhcloud"


@dataclass(frozen=True, slots=True)
class Rule:
    """`METHOD pattern`, and the calls that are made by it: granted narrower, it serves as well."""

    method: str
    pattern: str
    calls: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}"


_PROJECT: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("GET", "/instance*", ("/instance", "/instance/ID")),
    ("GET", "/flavor*", ("/flavor", "/flavor/ID")),
    ("GET", "/image*", ("/image", "/image/ID")),
    ("GET", "/snapshot*", ("/snapshot",)),
    ("GET", "/region*", ("/region", "/region/NAME/quota")),
    ("GET", "/sshkey*", ("/sshkey",)),
    ("GET", "/volume*", ("/volume", "/volume/ID", "/volume/snapshot", "/volume/snapshot/ID")),
    ("GET", "/ip*", ("/ip/failover", "/ip/failover/ID")),
    ("POST", "/instance", ("/instance",)),
    ("POST", "/instance/*/start", ("/instance/ID/start",)),
    ("POST", "/instance/*/stop", ("/instance/ID/stop",)),
    ("DELETE", "/instance/*", ("/instance/ID",)),
    ("POST", "/volume", ("/volume",)),
    ("POST", "/volume/*/attach", ("/volume/ID/attach",)),
    ("POST", "/volume/*/detach", ("/volume/ID/detach",)),
    ("POST", "/volume/*/snapshot", ("/volume/ID/snapshot",)),
    ("DELETE", "/volume/*", ("/volume/ID", "/volume/snapshot/ID")),
)
_ZONE: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("GET", "/record*", ("/record", "/record/ID")),
    ("GET", "/soa", ("/soa",)),
    ("POST", "/record", ("/record",)),
    ("PUT", "/record/*", ("/record/ID",)),
    ("DELETE", "/record/*", ("/record/ID",)),
    ("POST", "/refresh", ("/refresh",)),
)


def project_rules(project: str) -> list[Rule]:
    """What servers, volumes and snapshots of a Public Cloud project need."""
    return _below(f"/cloud/project/{project}", _PROJECT)


def zone_rules(zone: str) -> list[Rule]:
    """What the records of a zone need."""
    return _below(f"/domain/zone/{zone}", _ZONE)


def rules_beside(scope: JsonMap, consumer_key: str) -> list[Rule]:
    """What all entries of a scope need that share this reference to a consumer key."""
    clouds = [block for block in (scope.get("compute") or {}).values() if _has(block, consumer_key)]
    zones = ((scope.get("dns") or {}).get("zones") or {}).items()
    found = [rule for block in clouds for rule in project_rules(str(block["project"]))]
    return found + [rule for zone, block in zones if _has(block, consumer_key) for rule in zone_rules(zone)]


def told(credential: Mapping[str, Any], own: Sequence[Rule], beside: Sequence[Rule], now: float) -> Iterator[Right]:
    """What the vendor says of a consumer key: its end, its rules against the needed ones. Pure."""
    end = credential.get("expiration")
    yield validity(datetime.fromisoformat(end) if end else None, now, MAKE_ANEW)
    yield from compared(credential.get("rules") or (), own, beside)


def not_told() -> Right:
    """Where the key may not list its own rules."""
    return Right("what else it may do", State.UNKNOWN, f"Grant GET {LISTED_AT}, so that its rules can be compared.")


def compared(rules: Iterable[Mapping[str, Any]], own: Sequence[Rule], beside: Sequence[Rule] = ()) -> Iterator[Right]:
    """The needed rules, held or missing, then what is granted and neither `own` nor `beside` needs. Pure."""
    granted = [(str(rule["method"]).upper(), str(rule["path"])) for rule in rules]
    for rule in own:
        there = all(_allows(granted, rule.method, call) for call in rule.calls)
        yield Right(str(rule), State.HELD if there else State.MISSING, "" if there else f"{MAKE_ANEW.capitalize()}.")
    for method, path in granted:
        if not _is_used(method, path, [*own, *beside]):
            yield Right(f"{method} {path}", State.NEEDLESS, f"Bascule never needs so much: {MAKE_ANEW}.")


def _below(place: str, rules: Iterable[tuple[str, str, tuple[str, ...]]]) -> list[Rule]:
    return [Rule(method, place + pattern, tuple(place + call for call in calls)) for method, pattern, calls in rules]


def _has(block: Any, consumer_key: str) -> bool:
    return isinstance(block, Mapping) and block.get("driver") == DRIVER and block.get("consumer_key") == consumer_key


def _allows(granted: Iterable[tuple[str, str]], method: str, path: str) -> bool:
    return any(method == verb and fnmatchcase(path, pattern) for verb, pattern in granted)


def _is_used(method: str, path: str, rules: Iterable[Rule]) -> bool:
    """Whether a granted rule lies within a needed one; its own `*` stands for itself here."""
    if (method, path) == ("GET", LISTED_AT):
        return True
    return any(method == rule.method and fnmatchcase(path, rule.pattern) for rule in rules)
