"""Whether a channel would take a message, without sending one."""

import apprise

from providers.base import Context
from providers.dns.deadline import Deadline
from providers.mail_delivery import smtp_session
from providers.notify import AppriseMessage
from providers.rights import Examination, Right, State, Subject


def examine_smtp(context: Context, subject: Subject) -> Examination:
    """Connect, greet, and say goodbye. Raises ProviderError."""
    settings = context.scope["notify"][subject.entry]
    host, port = str(settings["host"]), int(settings["port"])
    with smtp_session(context, host, port, Deadline(context.deadline)):
        pass
    said = "The server tells only when a message is sent; a drill proves it."
    return subject.found(
        f"{host}:{port}",
        [Right("greet the mail server", State.HELD), Right(f"send as {settings['from']}", State.UNKNOWN, said)],
    )


def examine_apprise(context: Context, subject: Subject) -> Examination:
    """Parse the URL, and hold it against the scope's networks; nothing is contacted. Raises ProviderError."""
    settings = context.scope["notify"][subject.entry]
    AppriseMessage(context).channel(subject.entry, settings)
    said = "The channel tells only when a message is sent; a drill proves it."
    where = f"Apprise {apprise.__version__}"
    return subject.found(where, [Right("a URL that Apprise knows", State.HELD), Right("send", State.UNKNOWN, said)])
