"""How long ago the newest message came into a mailbox."""

from datetime import UTC, datetime

from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.imap_session import folder_of
from providers.wants import MailboxProbe


class MailboxCheck(Check[MailboxProbe]):
    """`probe.mailbox`. Outputs: `newest` (UTC). Measures `age`: seconds since it came.

    In the copy of a mailbox that is kept elsewhere, this is how far the copy is behind, if a message comes now and
    then: `from` names who sends it.
    """

    def _look(self, want: MailboxProbe, attempt: Attempt) -> Seen:
        with folder_of(want, attempt) as folder:
            came = folder.newest(want.from_)
        at = f"{want.user}'s {want.folder} at {want.host}"
        if came is None:
            raise DoesNotHoldError(f"There is no message{f' from {want.from_}' if want.from_ else ''} in {at}.")
        newest = datetime.fromtimestamp(came, UTC).isoformat()
        age = max(0.0, attempt.context.clock() - came)
        if want.max_age is not None and age > want.max_age:
            raise DoesNotHoldError(
                f"The newest message in {at} came at {newest}, {age / 60:.0f} minutes ago; expected at most "
                f"{want.max_age / 60:.0f}.",
                measured={"age": age},
            )
        return Seen(f"The newest message in {at} came at {newest}.", {"newest": newest}, {"age": age})
