"""Nextcloud: its status, its OCS API as far as the signed-in user, and its users' files over WebDAV.

The answers are those of nextcloud/server: `status.php`, `lib/private/AppFramework/OCS/V1Response.php` (HTTP 401 for
997, 200 for everything else), `apps/dav/lib/Connector/Sabre/MaintenancePlugin.php`, `ocs/v1.php`; and of "Maintenance
Mode" in the client API manual.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from providers.simulator.http_service import Request, Response
from providers.simulator.login import user_of
from providers.simulator.webdav import WRITES, Files, dav_error

DAV = "/remote.php/dav/files/"
OCS_USER = "/ocs/v1.php/cloud/user"
UNAUTHORISED = 997
_MAINTENANCE = {"X-Nextcloud-Maintenance-Mode": "1", "Retry-After": "120"}


@dataclass(slots=True)
class Nextcloud:
    """`passwords` by user. `needs_upgrade`: new code, old database. `refusal`: of writes (403, 423, 507)."""

    passwords: dict[str, str]
    installed: bool = True
    needs_upgrade: bool = False
    refusal: int = 403
    homes: dict[str, Files] = field(default_factory=dict)

    def handle(self, request: Request) -> Response:
        path = request.decoded_path
        if path == "/status.php":
            return self._status(maintenance=False)
        if path == OCS_USER:
            return self._user(request)
        if path.startswith(DAV):
            return self._files(request, path.removeprefix(DAV))
        return Response(404, b"<!DOCTYPE html><html><title>Nextcloud</title></html>", {"Content-Type": "text/html"})

    def in_maintenance(self, request: Request) -> Response:
        path = request.decoded_path
        if path == "/status.php":
            return self._status(maintenance=True)
        if path.startswith("/ocs/"):
            answer = _ocs(503, "Service unavailable", [])
            return Response(503, answer.body, answer.headers | _MAINTENANCE)
        if path.startswith("/remote.php/"):
            return dav_error(503, "System is in maintenance mode.")
        return Response(503, b"", dict(_MAINTENANCE))

    def read_only(self, request: Request) -> Response:
        if request.method in WRITES and request.decoded_path.startswith(DAV):
            return dav_error(self.refusal, "No permission to write here")
        return self.handle(request)

    def home(self, user: str) -> Files:
        return self.homes.setdefault(user, Files())

    def _status(self, *, maintenance: bool) -> Response:
        told = {
            "installed": self.installed,
            "maintenance": maintenance,
            "needsDbUpgrade": self.needs_upgrade,
            "version": "31.0.5.1",
            "versionstring": "31.0.5",
            "edition": "",
            "productname": "Nextcloud",
            "extendedSupport": False,
        }
        headers = {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"}
        return Response(200, json.dumps(told).encode(), headers)

    def _user(self, request: Request) -> Response:
        user = user_of(request, self.passwords)
        if user is None:
            return _ocs(UNAUTHORISED, "Current user is not logged in", [])
        if request.headers.get("OCS-APIRequest") != "true":
            return Response(412, b'{"message":"CSRF check failed"}', {"Content-Type": "application/json"})
        return _ocs(100, "OK", {"id": user, "enabled": True, "display-name": user, "quota": {"free": -3, "quota": -3}})

    def _files(self, request: Request, place: str) -> Response:
        user = user_of(request, self.passwords)
        if user is None:
            refused = dav_error(401, "No 'Authorization: Basic' header found.")
            return Response(401, refused.body, refused.headers | {"WWW-Authenticate": 'Basic realm="Nextcloud"'})
        owner, _, path = place.partition("/")
        if owner != user:
            return dav_error(404, f"Principal with name {owner} not found")
        return self.home(user).handle(request, path)


def _ocs(code: int, message: str, data: Any) -> Response:
    """OCS's envelope as version 1 of the API writes it."""
    meta = {"status": "ok" if code == 100 else "failure", "statuscode": code, "message": message}
    body = {"ocs": {"meta": {**meta, "totalitems": "", "itemsperpage": ""}, "data": data}}
    status = 401 if code == UNAUTHORISED else 200
    return Response(status, json.dumps(body).encode(), {"Content-Type": "application/json; charset=utf-8"})
