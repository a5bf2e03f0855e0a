"""What an application credential may do at an OpenStack cloud: Keystone tells its roles, its rules and its end.

Source: Keystone's Identity API v3 (a token of an application credential says whether that is `restricted`, and its
`access_rules`), and keystonemiddleware for how rules are read: `*` and `{name}` are one part of a path, `**` any rest.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from providers.base import Context
from providers.compute.openstack import OpenStackDriver
from providers.compute.openstack_cloud import mapping
from providers.compute.rights import REFUSED, examined
from providers.expiry import validity
from providers.rights import Examination, Right, State, Subject
from providers.vendor_http import RefusedError

MAKE_ANEW = "make a new application credential as docs/credentials.md says"
TOO_MUCH = frozenset({"admin", "administrator", "cloud_admin", "domain_admin", "manager", "project_admin", "service"})
"""Roles that open more than a project's own things."""
NEEDED: dict[str, tuple[tuple[str, str], ...]] = {
    "compute": (
        ("GET", "/v2.1/servers/**"),
        ("POST", "/v2.1/servers"),
        ("DELETE", "/v2.1/servers/*"),
        ("POST", "/v2.1/servers/*/action"),
        ("POST", "/v2.1/servers/*/os-volume_attachments"),
        ("DELETE", "/v2.1/servers/*/os-volume_attachments/*"),
        ("GET", "/v2.1/flavors/detail"),
        ("GET", "/v2.1/limits"),
    ),
    "block-storage": (
        ("GET", "/v3/*/volumes/*"),
        ("POST", "/v3/*/volumes"),
        ("DELETE", "/v3/*/volumes/*"),
        ("GET", "/v3/*/snapshots/*"),
        ("POST", "/v3/*/snapshots"),
        ("DELETE", "/v3/*/snapshots/*"),
        ("GET", "/v3/*/limits"),
    ),
    "network": (
        ("GET", "/v2.0/networks"),
        ("GET", "/v2.0/ports"),
        ("GET", "/v2.0/floatingips"),
        ("GET", "/v2.0/floatingips/*"),
        ("POST", "/v2.0/floatingips"),
        ("PUT", "/v2.0/floatingips/*"),
        ("DELETE", "/v2.0/floatingips/*"),
        ("GET", "/v2.0/security-groups"),
        ("GET", "/v2.0/security-groups/*"),
        ("POST", "/v2.0/security-groups"),
        ("DELETE", "/v2.0/security-groups/*"),
        ("POST", "/v2.0/security-group-rules"),
        ("GET", "/v2.0/quotas/*/details.json"),
    ),
    "image": (("GET", "/v2/images"), ("GET", "/v2/images/*")),
}
"""Service, and method with path of each access rule; docs/credentials.md has the same."""
LOOK_AT_ITSELF = ("identity", "GET", "/v3/users/*/application_credentials/*")
BLOCK_STORAGE = frozenset({"block-storage", "block-store", "volume", "volumev2", "volumev3"})


def examine(context: Context, subject: Subject) -> Examination:
    """The reads of every cloud, and what Keystone tells of the credential."""
    return examined(
        context,
        subject,
        # Before the first token it is Keystone that refuses.
        stranger=lambda driver, error: error.code in REFUSED and not driver.keystone.told,
        introspect=_told,
        advice=f"{MAKE_ANEW.capitalize()}.",
    )


def _told(driver: OpenStackDriver, subject: Subject) -> Iterable[Right]:
    credential = mapping(driver.keystone.told.get("application_credential") or {})
    known = _known(driver)
    yield _end(known, subject.now)
    yield from _roles(driver.keystone.told.get("roles") or ())
    told = {**credential, **(known or {})}
    if told.get("unrestricted") or told.get("restricted") is False:
        said = f"It may make further credentials: {MAKE_ANEW}."
        yield Right("unrestricted", State.NEEDLESS, said)
    rules = told.get("access_rules")
    if rules:
        yield from compared(rules)
    elif known is not None or "restricted" in credential:
        said = "It may do all that its roles allow; give it access rules, where the cloud reads them."
        yield Right("no access rules", State.NEEDLESS, said)


def _known(driver: OpenStackDriver) -> Mapping[str, Any] | None:
    """The credential as Keystone has it; None where it may not look at itself."""
    try:
        found: Mapping[str, Any] = driver.keystone.itself()
    except RefusedError as error:
        if error.code in {401, 403, 404}:
            return None
        raise
    return found


def _end(known: Mapping[str, Any] | None, now: float) -> Right:
    if known is None:
        service, method, path = LOOK_AT_ITSELF
        return Right("validity", State.UNKNOWN, f"Allow it {method} {path} of {service}, so that its end is known.")
    end = known.get("expires_at")
    return validity(datetime.fromisoformat(end) if end else None, now, MAKE_ANEW)


def _roles(roles: Iterable[Mapping[str, Any]]) -> Iterator[Right]:
    for role in sorted(str(one.get("name", "")) for one in roles):
        wide = role.lower() in TOO_MUCH
        yield Right(
            f"role {role}", State.NEEDLESS if wide else State.HELD, f"{MAKE_ANEW.capitalize()}." if wide else ""
        )


def compared(rules: Iterable[Mapping[str, Any]]) -> Iterator[Right]:
    """The needed rules, held or missing, then what is granted besides. Pure."""
    granted = [_rule(one) for one in rules]
    for service, wanted in NEEDED.items():
        for method, path in wanted:
            there = all(_covered(service, method, call, granted) for call in _calls(path))
            advice = "" if there else f"{MAKE_ANEW.capitalize()}."
            yield Right(f"{service} {method} {path}", State.HELD if there else State.MISSING, advice)
    used = [(service, method, path) for service, wanted in NEEDED.items() for method, path in wanted]
    for service, method, path in granted:
        if not all(_covered(service, method, call, [*used, LOOK_AT_ITSELF]) for call in _calls(path)):
            yield Right(f"{service} {method} {path}", State.NEEDLESS, f"The driver never needs so much: {MAKE_ANEW}.")


def _rule(told: Mapping[str, Any]) -> tuple[str, str, str]:
    """Service by its neutral type, method, and the path from its version on: clouds put their own path before it."""
    service, path = str(told.get("service", "")), str(told.get("path", ""))
    version = re.search(r"/v\d", path)
    neutral = "block-storage" if service in BLOCK_STORAGE else service
    return neutral, str(told.get("method", "")).upper(), path[version.start() :] if version else path


def _calls(path: str) -> list[str]:
    """Paths of calls that a rule lets through, one of each form."""
    one = re.sub(r"(?<!\*)\*(?!\*)|\{[^}]*\}", "ID", path)
    return [one.replace("**", rest) for rest in ("ID", "ID/more")] if "**" in one else [one]


def _covered(service: str, method: str, call: str, rules: Iterable[tuple[str, str, str]]) -> bool:
    return any((service, method) == (kind, verb) and _pattern(path).fullmatch(call) for kind, verb, path in rules)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*|\{[^}]*\})", path)
    return re.compile("".join(_regex(part) for part in parts))


def _regex(part: str) -> str:
    if part == "**":
        return ".*"
    return "[^/]+" if part == "*" or part.startswith("{") else re.escape(part)
