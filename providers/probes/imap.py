"""A message that has arrived in a mailbox."""

import hashlib
import json
from email import message_from_bytes
from email.policy import default as plain_policy

from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.probes.imap_session import folder_of
from providers.step_note import write_note
from providers.wants import ImapProbe


class ImapCheck(Check[ImapProbe]):
    """`probe.imap`. Outputs: `message_id`, `subject`. `apply` deletes what it found; `observe` only looks.

    What was found and deleted stays on record in the step's workspace, so that a step which is done again after a
    crash does not miss what it took away itself.
    """

    def _look(self, want: ImapProbe, attempt: Attempt) -> Seen:
        wanted = f"<{want.message_id.strip('<>')}>"
        note = attempt.context.workspace / f"found-{hashlib.sha256(wanted.encode()).hexdigest()[:16]}.json"
        if note.exists():
            return _seen(want, json.loads(note.read_text()))
        with folder_of(want, attempt) as folder:
            numbers = folder.search("Message-ID", wanted)
            if not numbers:
                raise DoesNotHoldError(f"The message {wanted} is not in {want.user}'s {want.folder} at {want.host}.")
            message = message_from_bytes(folder.message(numbers[-1]), policy=plain_policy)
            outputs = {"message_id": wanted, "subject": " ".join(str(message.get("Subject", "")).split())}
            if attempt.writing:
                write_note(note, outputs)
                folder.delete(numbers)
        return _seen(want, outputs)


def _seen(want: ImapProbe, outputs: dict[str, str]) -> Seen:
    said = f"The message {outputs['message_id']} has arrived in {want.user}'s {want.folder} at {want.host}."
    return Seen(said, outputs)
