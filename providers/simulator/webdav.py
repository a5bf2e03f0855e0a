"""One user's files over WebDAV (RFC 4918), with the status codes and error bodies of sabre/dav, which Nextcloud uses.

PROPFIND tells the one resource that was asked for, whatever its `Depth`.
"""

from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from providers.simulator.http_service import Request, Response

UNLIMITED = -3
"""`quota-available-bytes` where there is no quota (Nextcloud's FileInfo::SPACE_UNLIMITED)."""

WRITES = frozenset({"PUT", "DELETE", "MKCOL"})

_EXCEPTIONS = {
    401: "NotAuthenticated",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    423: "Locked",
    503: "ServiceUnavailable",
    507: "InsufficientStorage",
}
_XML = {"Content-Type": "application/xml; charset=utf-8"}


@dataclass(slots=True)
class Files:
    """Files and folders by their path below the root, without slashes at the ends. `free`: bytes left, or UNLIMITED."""

    files: dict[str, bytes] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {""})
    free: int = UNLIMITED
    writes: int = 0

    def handle(self, request: Request, path: str) -> Response:
        path = path.strip("/")
        self.writes += request.method in WRITES
        match request.method:
            case "PROPFIND":
                return self._described(request.path, path)
            case "GET" | "HEAD":
                return self._read(path)
            case "PUT":
                return self._write(path, request.body)
            case "DELETE":
                return self._removed(path)
            case "MKCOL":
                return self._folder_made(path)
            case "OPTIONS":
                return Response(200, b"", {"DAV": "1, 3", "Allow": "OPTIONS, GET, HEAD, DELETE, PROPFIND, PUT, MKCOL"})
        return dav_error(405, f"{request.method} is not supported")

    def _described(self, href: str, path: str) -> Response:
        if path not in self.files and path not in self.folders:
            return dav_error(404, f"File with name {path} could not be located")
        kind = "<d:collection/>" if path in self.folders else ""
        free = f"<d:quota-available-bytes>{self.free}</d:quota-available-bytes>" if kind else ""
        text = (
            '<?xml version="1.0"?>\n<d:multistatus xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns">'
            f"<d:response><d:href>{escape(href)}</d:href><d:propstat><d:prop>"
            f"<d:resourcetype>{kind}</d:resourcetype>{free}"
            "</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"
        )
        return Response(207, text.encode(), dict(_XML))

    def _read(self, path: str) -> Response:
        if path in self.folders:
            return dav_error(405, "GET is only implemented for files")
        if path not in self.files:
            return dav_error(404, f"File with name {path} could not be located")
        return Response(200, self.files[path], {"Content-Type": "text/plain"})

    def _write(self, path: str, data: bytes) -> Response:
        if path in self.folders:
            return dav_error(409, "PUT is not allowed on non-files")
        if path.rpartition("/")[0] not in self.folders:
            return dav_error(409, "Files can only be created as children of collections")
        if 0 <= self.free < len(data):
            return dav_error(507, f"Insufficient space in {path}, {len(data)} required, {self.free} available")
        status = 204 if path in self.files else 201
        self.files[path] = data
        return Response(status)

    def _removed(self, path: str) -> Response:
        if path not in self.files:
            return dav_error(404, f"File with name {path} could not be located")
        del self.files[path]
        return Response(204)

    def _folder_made(self, path: str) -> Response:
        if path in self.files or path in self.folders:
            return dav_error(405, "The resource you tried to create already exists")
        if path.rpartition("/")[0] not in self.folders:
            return dav_error(409, "Parent node does not exist")
        self.folders.add(path)
        return Response(201)


def dav_error(status: int, message: str) -> Response:
    """A refusal in the words of sabre/dav."""
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n<d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns">\n'
        f"  <s:exception>Sabre\\DAV\\Exception\\{_EXCEPTIONS[status]}</s:exception>\n"
        f"  <s:message>{escape(message)}</s:message>\n</d:error>\n"
    )
    return Response(status, text.encode(), dict(_XML))
