"""TCP and TLS connections of the checks."""

import socket
import ssl

from providers.base import Context, ProviderError
from providers.probes.check import ATTEMPT_SECONDS, Attempt, DoesNotHoldError

SECRET = "secret://"  # noqa: S105  # how references to secrets begin


def connect(host: str, port: int, attempt: Attempt) -> tuple[socket.socket, str]:
    """A connection to the first address of the host that takes one, and that address. Raises DoesNotHoldError."""
    refusals: list[str] = []
    for address in attempt.names.addresses(host):
        try:
            line = socket.create_connection((address, port), timeout=attempt.deadline.within(ATTEMPT_SECONDS))
        except OSError as error:
            refusals.append(f"{address}: {words(error)}")
        else:
            return line, address
    raise DoesNotHoldError(f"{host} port {port} takes no connection ({'; '.join(refusals)}).")


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
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def words(error: BaseException) -> str:
    """The error's own words on one line, or its kind when it has none."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
