"""Keystone v3: tokens for one application credential, their end, and the catalogue of the other services."""

import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from providers.simulator.fleet_catalogue import Catalogue
from providers.simulator.http_service import Response
from providers.simulator.openstack_answers import Call, Routes, answer, keystone_fault, routed

TOKEN_SECONDS = 3600.0
UNAUTHORIZED = "The request you have made requires authentication."
INTERFACES = ("public", "internal", "admin")


@dataclass(frozen=True, slots=True)
class ApplicationCredential:
    """Its id and secret; they open one project with some roles, until its end, for the calls that its rules allow.

    `rules`: `service`, `method` and `path` of each access rule; None for all that the roles allow.
    """

    id: str
    secret: str
    roles: tuple[str, ...] = ("member",)
    unrestricted: bool = False
    rules: tuple[Mapping[str, str], ...] | None = None
    expires: str | None = None

    def allows(self, service: str, method: str, path: str) -> bool:
        """Whether the access rules, as keystonemiddleware reads them, let a request to a service through."""
        return self.rules is None or any(
            (rule["service"], rule["method"]) == (service, method) and _matches(rule["path"], path)
            for rule in self.rules
        )

    def __repr__(self) -> str:
        return "ApplicationCredential(…)"


def _matches(pattern: str, path: str) -> bool:
    """`*` and `{name}` stand for one part of a path, `**` for any rest."""
    parts = re.split(r"(\*\*|\*|\{[^}]*\})", pattern)
    wild = {"**": ".*"}
    text = "".join(wild.get(part, "[^/]+" if part[:1] in ("*", "{") else re.escape(part)) for part in parts)
    return re.fullmatch(text, path) is not None


@dataclass(slots=True)
class Keystone:
    """Gives tokens and knows them again.

    `base`: the URL in front of all services, for the catalogue. `places`: another
    URL for a service in the catalogue, by its type.
    """

    catalogue: Catalogue
    credential: ApplicationCredential
    base: str = ""
    places: dict[str, str] = field(default_factory=dict)
    now: Callable[[], float] = time.monotonic
    given: int = 0
    """How many tokens were given."""
    _tokens: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def knows(self, token: str) -> bool:
        """Whether the token was given and has not ended."""
        with self._lock:
            return self._tokens.get(token, 0.0) > self.now()

    def expire(self) -> None:
        """All tokens end now."""
        with self._lock:
            self._tokens.clear()

    def handle(self, call: Call) -> Response:
        return routed(self._routes(), call, lambda status, message: keystone_fault(status, "Not Found", message))

    def _routes(self) -> Routes:
        return (
            ("GET", r"/v3/?", self._version),
            ("POST", r"/v3/auth/tokens", self._issue),
            ("GET", r"/v3/users/([^/]+)/application_credentials/([^/]+)", self._credential),
        )

    def _version(self, call: Call) -> Response:
        links = [{"rel": "self", "href": f"{call.root}/v3/"}]
        return answer(200, {"version": {"id": "v3.14", "status": "stable", "links": links, "media-types": []}})

    def _credential(self, call: Call) -> Response:
        """Users may read their own application credentials; the path's service is `identity` in access rules."""
        if not self.knows(call.request.headers.get("X-Auth-Token", "")):
            return keystone_fault(401, "Unauthorized", UNAUTHORIZED)
        known = call.ids == (self.catalogue.organization, self.credential.id)
        if not known or not self.credential.allows("identity", "GET", call.path):
            return keystone_fault(403, "Forbidden", "You are not authorized to perform the requested action.")
        told = self._told_credential() | {"unrestricted": self.credential.unrestricted, "roles": self._roles()}
        return answer(200, {"application_credential": told | {"expires_at": self.credential.expires}})

    def _told_credential(self) -> dict[str, Any]:
        rules = self.credential.rules
        told = {"id": self.credential.id, "name": "bascule", "restricted": not self.credential.unrestricted}
        return told if rules is None else told | {"access_rules": [{"id": str(n), **r} for n, r in enumerate(rules)]}

    def _roles(self) -> list[dict[str, str]]:
        return [{"id": f"{name}-id", "name": name} for name in self.credential.roles]

    def _issue(self, call: Call) -> Response:
        try:
            identity = json.loads(call.request.body)["auth"]["identity"]
            methods, given = identity["methods"], identity["application_credential"]
            offered, secret = str(given["id"]), str(given["secret"])
        except (ValueError, KeyError, TypeError):
            return keystone_fault(400, "Bad Request", "auth is a required property")
        right = hmac.compare_digest(offered.encode(), self.credential.id.encode())
        right &= hmac.compare_digest(secret.encode(), self.credential.secret.encode())
        if methods != ["application_credential"] or not right:
            return keystone_fault(401, "Unauthorized", UNAUTHORIZED)
        token = f"gAAAAA{secrets.token_urlsafe(60)}"
        with self._lock:
            self._tokens[token] = self.now() + TOKEN_SECONDS
            self.given += 1
        found = answer(201, {"token": self._told()})
        found.headers |= {"X-Subject-Token": token, "Vary": "X-Auth-Token"}
        return found

    def _told(self) -> dict[str, Any]:
        begun = datetime.now(UTC)
        stamp = "%Y-%m-%dT%H:%M:%S.000000Z"
        domain = {"id": "default", "name": "Default"}
        return {
            "methods": ["application_credential"],
            "user": {"id": self.catalogue.organization, "name": "bascule", "domain": domain},
            "project": {"id": self.catalogue.project, "name": "valbourg", "domain": domain},
            "roles": self._roles(),
            "application_credential": self._told_credential(),
            "issued_at": begun.strftime(stamp),
            "expires_at": (begun + timedelta(seconds=TOKEN_SECONDS)).strftime(stamp),
            "audit_ids": ["3T2dc1CGQxyJsHdDu1xkcw"],
            "catalog": [self._service(*each) for each in self._services()],
        }

    def _services(self) -> list[tuple[str, str, str]]:
        """Type, name and path; the catalogues of clouds have versions in some of their paths."""
        return [
            ("identity", "keystone", "/identity"),
            ("compute", "nova", "/compute/v2.1"),
            ("volumev3", "cinderv3", f"/volume/v3/{self.catalogue.project}"),
            ("network", "neutron", "/network"),
            ("image", "glance", "/image"),
        ]

    def _service(self, kind: str, name: str, path: str) -> dict[str, Any]:
        endpoints = [
            {
                "id": f"{interface}-{zone}",
                "interface": interface,
                "region": zone,
                "region_id": zone,
                "url": self.places.get(kind, f"{self.base}{path}"),
            }
            for zone in self.catalogue.zones
            for interface in INTERFACES
        ]
        return {"id": f"{name}-id", "type": kind, "name": name, "endpoints": endpoints}
