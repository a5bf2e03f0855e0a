"""IMAP sessions with a mailbox, in TLS, at an address that was checked."""

import imaplib
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from providers.base import ProviderError, Said
from providers.probes.check import ATTEMPT_SECONDS, Attempt, DoesNotHoldError
from providers.probes.connection import connect, tls_context, words
from providers.wants import Mailbox

MOST_BYTES = 10 * 1024 * 1024
"""The largest message that is read."""

FAILURES = (imaplib.IMAP4.error, OSError)

_FOR_NOW = re.compile(r"\[(?:UNAVAILABLE|SERVERBUG|INUSE|LIMIT|CONTACTADMIN)\b", re.IGNORECASE)
"""Codes by which a server that lets nobody in says that this is no refusal of the user (RFC 5530 §3)."""


class _Session(imaplib.IMAP4_SSL):
    """`host` is what TLS expects in the certificate; the connection goes where the scope's names lead."""

    def __init__(self, box: Mailbox, attempt: Attempt) -> None:
        self._box = box
        self._attempt = attempt
        wait = attempt.deadline.within(ATTEMPT_SECONDS)
        super().__init__(box.host, box.port, ssl_context=tls_context(attempt.context), timeout=wait)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        line, _ = connect(self._box.host, self._box.port, self._attempt)
        line.settimeout(timeout)
        secured: socket.socket = self.ssl_context.wrap_socket(line, server_hostname=self._box.host)
        return secured


class Folder:
    """The messages of one folder, by their unique numbers, the newest last."""

    def __init__(self, session: imaplib.IMAP4, box: Mailbox) -> None:
        self._session = session
        self._box = box

    def search(self, header: str, value: str) -> list[str]:
        """The messages whose header holds the text."""
        found = self._done("SEARCH", "HEADER", header, f'"{value}"')
        numbers: list[str] = found[0].decode().split() if found and found[0] else []
        return numbers

    def newest(self, sender: str | None) -> float | None:
        """When the newest message, or the newest from this sender, came into the folder (seconds since 1970)."""
        found = [*self.search("From", sender)[-1:]] if sender else ["*"]
        for answer in self._done("FETCH", found[0], "(INTERNALDATE)") if found else ():
            came = imaplib.Internaldate2tuple(answer) if isinstance(answer, bytes) else None
            if came is not None:
                return time.mktime(came)
        return None

    def message(self, number: str) -> bytes:
        """The whole message, which stays unread for its owner. Raises DoesNotHoldError when it is gone."""
        found = self._done("FETCH", number, f"(BODY.PEEK[]<0.{MOST_BYTES}>)")
        for part in found:
            if isinstance(part, tuple):
                message: bytes = part[1]
                return message
        raise DoesNotHoldError(f"The message in {self._box.user}'s mailbox at {self._box.host} is gone.")

    def delete(self, numbers: list[str]) -> None:
        """Those and no other message; where the server can't tell them apart they are only marked (RFC 4315)."""
        listed = ",".join(numbers)
        self._done("STORE", listed, "+FLAGS.SILENT", r"(\Deleted)")
        _, said = self._session.capability()
        if b"UIDPLUS" in (said[0] or b"").upper().split():
            self._done("EXPUNGE", listed)

    def _done(self, *command: str) -> list[Any]:
        status, found = self._session.uid(*command)
        if status != "OK":
            raise imaplib.IMAP4.error(f"{command[0]} was answered {status}")
        return found


@contextmanager
def folder_of(box: Mailbox, attempt: Attempt) -> Iterator[Folder]:
    """The mailbox's folder. Raises DoesNotHoldError; ProviderError(permanent) when the server lets nobody in."""
    at = f"The IMAP server {box.host} port {box.port}"
    try:
        session = _Session(box, attempt)
    except FAILURES as error:
        raise DoesNotHoldError(f"{at} does not greet as it should ({_said(error)}).") from error
    try:
        _log_in(session, box, attempt, at)
        status, said = session.select(_quoted(box.folder))
        if status != "OK":
            raise ProviderError(f"{at} has no folder {box.folder!r} for {box.user}; correct the check.", permanent=True)
        del said
        yield Folder(session, box)
    except FAILURES as error:
        raise DoesNotHoldError(f"{at} broke off ({_said(error)}).") from error
    finally:
        with suppress(*FAILURES):
            session.logout()


def _log_in(session: imaplib.IMAP4, box: Mailbox, attempt: Attempt, at: str) -> None:
    secret = attempt.context.reveal(box.password).reveal()
    try:
        session.login(_quoted(box.user), secret)
    except session.abort:
        raise
    except imaplib.IMAP4.error as error:
        # `from None`: the server's words could repeat what was sent.
        told = _said(error).replace(secret, "…")
        raise ProviderError(
            f"{at} does not let {box.user} in ({told}); check the mailbox's password.",
            permanent=True,
            said=Said(text=told, refused=not _FOR_NOW.match(told)),
        ) from None


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _said(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError | OSError):
        return words(error)
    first = error.args[0] if error.args else ""
    text = first.decode(errors="replace") if isinstance(first, bytes) else str(first)
    return " ".join(text.split())[:300] or type(error).__name__
