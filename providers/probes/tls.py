"""A certificate that is valid for its name, under the scope's authorities, and for long enough."""

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime

from providers.base import Context
from providers.probes.check import ATTEMPT_SECONDS, Attempt, Check, DoesNotHoldError, Seen
from providers.probes.connection import connect, tls_context, words
from providers.wants import TlsProbe

DAY = 86400.0
RENEWED_AT = 2 / 3
"""Of a certificate's life: when programs renew it (Let's Encrypt, "Integration Guide")."""


class TlsCheck(Check[TlsProbe]):
    """`probe.tls`. Outputs: `address`, `not_after` (UTC), `days_left` (whole days).

    Measures `overdue`: seconds since two thirds of the certificate's life were over, when it is usually renewed.
    """

    def __init__(self, context: Context, *, wall_clock: Callable[[], float] = time.time) -> None:
        super().__init__(context)
        self._wall_clock = wall_clock

    def _look(self, want: TlsProbe, attempt: Attempt) -> Seen:
        name = want.server_name or want.host
        begins, ends, address = _certificate_life(want, name, attempt)
        now = self._wall_clock()
        days = int((ends - now) // DAY)
        measured = {"overdue": max(0.0, now - (begins + RENEWED_AT * (ends - begins)))}
        if days < want.days_left:
            raise DoesNotHoldError(
                f"The certificate of {name} at {address} is valid for {days} more days; expected at least "
                f"{want.days_left}.",
                measured=measured,
            )
        not_after = datetime.fromtimestamp(ends, UTC).isoformat()
        return Seen(
            f"The certificate of {name} at {address} is valid until {not_after}.",
            {"address": address, "not_after": not_after, "days_left": days},
            measured,
        )


def _certificate_life(want: TlsProbe, name: str, attempt: Attempt) -> tuple[float, float, str]:
    """From when and until when the verified certificate is valid (seconds since 1970), and who showed it."""
    trusted = tls_context(attempt.context)
    line, address = connect(want.host, want.port, attempt)
    line.settimeout(attempt.deadline.within(ATTEMPT_SECONDS))
    with line:
        try:
            with trusted.wrap_socket(line, server_hostname=name) as secured:
                certificate = secured.getpeercert() or {}
        except OSError as error:
            raise DoesNotHoldError(
                f"{want.host} port {want.port} at {address} shows no valid certificate for {name} ({words(error)})."
            ) from error
    begins, ends = (ssl.cert_time_to_seconds(str(certificate[key])) for key in ("notBefore", "notAfter"))
    return begins, ends, address
