"""Keystone v3: tokens for one application credential, their end, and the catalogue of the other services."""

import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
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
    """Its id and secret; they open one project with one role."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return "ApplicationCredential(…)"


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
        )

    def _version(self, call: Call) -> Response:
        links = [{"rel": "self", "href": f"{call.root}/v3/"}]
        return answer(200, {"version": {"id": "v3.14", "status": "stable", "links": links, "media-types": []}})

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
            "roles": [{"id": "9fe2ff9ee4384b1894a90878d3e92bab", "name": "member"}],
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
