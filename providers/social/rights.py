"""Whether an account on a social network could announce, without announcing anything."""

from providers.base import Context, Tag
from providers.rights import Examination, Right, State, Subject
from providers.social.mastodon_api import fields_of
from providers.social.mastodon_session import signed_in

READING = Tag("doctor", "look")


def examine(context: Context, subject: Subject) -> Examination:
    """Sign in and read; what the token may write is told only when something is posted. Raises ProviderError."""
    with signed_in(context, subject.entry, READING) as api:
        account = api.account()
        next(api.statuses(str(account["id"])), None)
        where = str(account.get("url") or context.scope["social"][subject.entry]["url"])
    said = "The server tells only when a status is posted; a drill proves it."
    return subject.found(
        where,
        [
            Right(f"read the account, its statuses and its {len(fields_of(account))} fields", State.HELD),
            Right("write statuses and the profile", State.UNKNOWN, said),
        ],
    )
