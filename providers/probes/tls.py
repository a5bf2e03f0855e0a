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


class TlsCheck(Check[TlsProbe]):
    """`probe.tls`. Outputs: `address`, `not_after` (UTC), `days_left` (whole days)."""

    def __init__(self, context: Context, *, wall_clock: Callable[[], float] = time.time) -> None:
        super().__init__(context)
        self._wall_clock = wall_clock

    def _look(self, want: TlsProbe, attempt: Attempt) -> Seen:
        name = want.server_name or want.host
        ends, address = _certificate_end(want, name, attempt)
        days = int((ends - self._wall_clock()) // DAY)
        if days < want.days_left:
            raise DoesNotHoldError(
                f"The certificate of {name} at {address} is valid for {days} more days; expected at least "
                f"{want.days_left}."
            )
        not_after = datetime.fromtimestamp(ends, UTC).isoformat()
        return Seen(
            f"The certificate of {name} at {address} is valid until {not_after}.",
            {"address": address, "not_after": not_after, "days_left": days},
        )


def _certificate_end(want: TlsProbe, name: str, attempt: Attempt) -> tuple[float, str]:
    """Until when the verified certificate is valid (seconds since 1970), and who showed it."""
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
    return ssl.cert_time_to_seconds(str(certificate["notAfter"])), address
