"""A mirror of a Debian suite: a signed Release file, and the lists of packages that it names.

The form: https://wiki.debian.org/DebianRepository/Format, and the files of Debian's own archive.
"""

import gzip
import hashlib
import lzma
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from providers.simulator.api_request import page
from providers.simulator.faults import Fault
from providers.simulator.http_service import Request, Response
from providers.simulator.openpgp_key import OpenPgpKey

VALID_SECONDS = 7 * 86400
PACKAGES = """Package: valbourg-portal
Version: 1.0-1
Architecture: all
Maintainer: Mairie de Valbourg <informatique@valbourg.example>
Filename: pool/main/v/valbourg-portal/valbourg-portal_1.0-1_all.deb
Size: 1024
SHA256: 0000000000000000000000000000000000000000000000000000000000000000
Description: what the town hall's portal is built from

"""


class AptMirror:
    """One suite below `/debian`, signed anew at each `publish`. Thread-safe."""

    def __init__(
        self,
        key: OpenPgpKey,
        suite: str = "bookworm",
        *,
        prefix: str = "/debian",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._suite = suite
        self._prefix = prefix
        self._clock = clock
        self._lock = threading.Lock()
        self.files: dict[str, bytes] = {}
        """Path: content."""
        self.publish(key)

    def publish(self, key: OpenPgpKey, *, age: float = 0.0, codename: str = "", signed: bool = True) -> None:
        """Make the suite as it was `age` seconds ago, signed with this key or not at all."""
        lists = {
            f"main/binary-amd64/Packages{form}": packed
            for form, packed in (
                ("", PACKAGES.encode()),
                (".gz", gzip.compress(PACKAGES.encode(), mtime=0)),
                (".xz", lzma.compress(PACKAGES.encode())),
            )
        }
        date = int(self._clock() - age)
        release = _release(codename or self._suite, date, lists)
        below = f"{self._prefix}/dists/{self._suite}"
        with self._lock:
            self.files = {f"{below}/{name}": content for name, content in lists.items()}
            self.files[f"{below}/Release"] = release.encode()
            self.files[f"{below}/InRelease"] = (key.signed(release, date) if signed else release).encode()

    def handle(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return page(405, "<html><head><title>405 Method Not Allowed</title></head></html>")
        with self._lock:
            found = self.files.get(request.decoded_path)
        if found is None:
            return page(404, "<html><head><title>404 Not Found</title></head><body><h1>Not Found</h1></body></html>")
        return Response(200, found, {"Content-Type": "application/octet-stream"})

    def refusal(self, fault: Fault, _request: Request) -> Response:
        return page(fault.status, f"<html><head><title>{fault.status}</title></head></html>")

    def in_maintenance(self, _request: Request) -> Response:
        """As Apache, which most mirrors run, words it."""
        return page(
            503,
            "<!DOCTYPE HTML><html><head><title>503 Service Unavailable</title></head><body><h1>Service Unavailable</h1>"
            "<p>The server is temporarily unable to service your request due to maintenance downtime or capacity "
            "problems. Please try again later.</p></body></html>",
        )

    def read_only(self, request: Request) -> Response:
        """A mirror never takes anything from its readers."""
        return self.handle(request)


def _release(codename: str, date: int, lists: dict[str, bytes]) -> str:
    sums = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data):8d} {name}\n" for name, data in lists.items())
    return (
        f"Origin: Valbourg\nLabel: Valbourg\nSuite: oldstable\nCodename: {codename}\n"
        f"Date: {_time(date)}\nValid-Until: {_time(date + VALID_SECONDS)}\n"
        f"Architectures: all amd64\nComponents: main\nDescription: - Valbourg's suite\nSHA256:\n{sums}"
    )


def _time(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
