"""The service's own TLS: 1.2 or newer, and a certificate that is replaced while it serves."""

import logging
import os
import ssl
from pathlib import Path
from typing import Any

from orchestrator.operations.request import RequestError
from orchestrator.web.edge.listening import TlsFiles

log = logging.getLogger("bascule.tls")

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption alone. TLS 1.3 has no others."""

_Seen = tuple[tuple[int, int, int], ...]


class ServingTls:
    """`context` is what the server listens with; each handshake gets the newest certificate that could be read."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises RequestError when certificate and key can't be used."""
        self._files = files
        self._seen = self._look_at()
        try:
            self._newest = _context(files)
        except (OSError, ValueError) as error:
            raise RequestError(
                f"The certificate {files.certificate} and the key {files.key} can't be used ({_words(error)}): give "
                "a PEM certificate with its chain, and its own key without a password."
            ) from error
        self.context = _context(files)
        self.context.sni_callback = self._choose

    def look(self) -> bool:
        """Take what is new; True when it was. What can't be used is said in the log, and the old one serves on."""
        seen = self._look_at()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self._newest = _context(self._files)
        except (OSError, ValueError) as error:
            log.error(
                "the new certificate %s and key %s can't be used (%s): the old one serves on; mend the files",
                self._files.certificate,
                self._files.key,
                _words(error),
            )
            return False
        log.info("the new certificate %s is used from the next connection on", self._files.certificate)
        return True

    def _choose(self, line: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        """Called in each handshake, with and without a server name."""
        line.context = self._newest

    def _look_at(self) -> _Seen:
        return tuple(_state_of(file) for file in (self._files.certificate, self._files.key))


def _context(files: TlsFiles) -> ssl.SSLContext:
    """Raises OSError (ssl.SSLError is one), ValueError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers(_CIPHERS)
    made.options |= ssl.OP_NO_RENEGOTIATION
    made.set_alpn_protocols(["http/1.1"])
    made.load_cert_chain(files.certificate, files.key, password=lambda: b"")  # never asked for on a terminal
    return made


def _state_of(file: Path) -> tuple[int, int, int]:
    try:
        found = os.stat(file)  # noqa: PTH116 - through links: what they point to is replaced
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "it is no PEM file"
    return getattr(error, "strerror", None) or str(error)
