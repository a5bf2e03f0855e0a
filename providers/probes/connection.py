"""TCP and TLS connections of the checks."""

import errno
import socket
import ssl

from providers.base import Context, ProviderError
from providers.probes.check import ATTEMPT_SECONDS, Attempt, DoesNotHoldError

OURS = frozenset(
    {errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
)
"""Errors of this machine: it has no way out, or nothing left to connect with. They say nothing of the other side."""

SECRET = "secret://"  # noqa: S105  # how references to secrets begin


def connect(host: str, port: int, attempt: Attempt) -> tuple[socket.socket, str]:
    """A connection to the first address of the host that takes one, and that address. Raises DoesNotHoldError."""
    refusals: list[str] = []
    unseen = True
    for address in attempt.names.addresses(host):
        try:
            line = socket.create_connection((address, port), timeout=attempt.deadline.within(ATTEMPT_SECONDS))
        except OSError as error:
            refusals.append(f"{address}: {words(error)}")
            unseen = unseen and is_ours(error)
        else:
            return line, address
    raise DoesNotHoldError(f"{host} port {port} takes no connection ({'; '.join(refusals)}).", unseen=unseen)


def is_ours(error: BaseException | None) -> bool:
    """Whether the error, or what it came of, is one of this machine's own."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in OURS:
            return True
        error = error.__cause__ or error.__context__
    return False


def tls_context(context: Context, *, verify: bool = True) -> ssl.SSLContext:
    """The authorities of the scope's `tls.ca`, or the machine's when it is not set.

    `tls.ca` is a file of the estate, an absolute path, or a secret that holds it, in PEM
    form. Raises ProviderError(permanent) when it can't be read.
    """
    ca = context.scope.get("tls", {}).get("ca")
    held = context.reveal(ca).reveal() if ca and ca.startswith(SECRET) else None
    try:
        made = ssl.create_default_context(cafile=str(context.estate / ca) if ca and not held else None, cadata=held)
    except OSError as error:  # ssl.SSLError is one
        raise ProviderError(
            f"The authorities in `tls.ca` ({ca}) can't be read ({words(error)}); give a PEM file.", permanent=True
        ) from error
    if not verify:
        # Mail goes all the same to servers whose certificate does not hold, and a probe tells of it.
        made.check_hostname = False  # nosemgrep: certificate-not-checked  # for mail only
        made.verify_mode = ssl.CERT_NONE  # nosemgrep: certificate-not-checked  # for mail only
    return made


def words(error: BaseException) -> str:
    """The error's own words on one line, or its kind when it has none."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
