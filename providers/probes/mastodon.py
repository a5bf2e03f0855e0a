"""A server with Mastodon's API that is well and, given a token, takes a status, shows it and deletes it.

The status is there for a second, to nobody but the account itself unless the step says otherwise. One that an
earlier attempt left, because its answer was lost, is found by its mark and deleted too. Where the server takes
none without a picture (Pixelfed), a small one goes with it.
"""

import hashlib

from providers.base import ProviderError
from providers.probes.api_answer import said
from providers.probes.check import Attempt, Check, DoesNotHoldError, Seen
from providers.social.mastodon_api import MastodonApi, plain, posted
from providers.social.picture import Picture
from providers.wants import MastodonProbe

HIDDEN = frozenset({"direct", "private"})
PAUSE = 0.3
"""Seconds between two looks at a status that is being deleted."""


class MastodonCheck(Check[MastodonProbe]):
    """`probe.mastodon`. Outputs: `version`, and with a token `account`. Only `apply` posts."""

    def _look(self, want: MastodonProbe, attempt: Attempt) -> Seen:
        api = MastodonApi(attempt, want.url, want.token)
        api.healthy()
        version = api.version()
        if want.token is None:
            return Seen(f"{want.url} answers as Mastodon {version}.", {"version": version})
        account = api.account()
        name = str(account.get("acct") or account["id"])
        if attempt.writing:
            _post_and_delete(api, str(account["id"]), want, attempt)
        return Seen(f"{want.url} (Mastodon {version}) serves {name}.", {"version": version, "account": name})


def _post_and_delete(api: MastodonApi, account: str, want: MastodonProbe, attempt: Attempt) -> None:
    mark = hashlib.sha256(f"check\0{attempt.tag.run}\0{attempt.tag.step}".encode()).hexdigest()[:16]
    for left in [one for one in api.statuses(account) if mark in plain(one)]:
        api.delete(str(left["id"]))
    pictured = want.picture or api.needs_picture()
    media = api.upload(Picture.small(f"Bascule {mark}")) if pictured else None
    answer = api.post(f"Bascule {mark}", want.visibility, f"check-{mark}", media)
    if answer.status != 200:
        raise DoesNotHoldError(f"{answer.at} takes no {want.visibility} status ({answer.status}: {said(answer)}).")
    status = posted(answer)
    try:
        _require_shown(api, status, mark, want)
    finally:
        deleted = api.delete(status)
    while api.status(status) is not None:
        if not deleted:
            raise ProviderError(
                f"{want.url} deletes no status by its API; delete {status} by hand, and check it without `token`.",
                permanent=True,
            )
        if not attempt.deadline.pause(PAUSE):
            raise DoesNotHoldError(f"{want.url} still shows the status {status} that it was told to delete.")


def _require_shown(api: MastodonApi, status: str, mark: str, want: MastodonProbe) -> None:
    """Raises DoesNotHoldError unless the status is there, and hidden when it was to be.

    Relatives have fewer words for who may see it: what is not for everybody is `private` at some.
    """
    shown = api.status(status)
    if shown is None or mark not in plain(shown):
        raise DoesNotHoldError(f"{want.url} took the status {status} and does not show it.")
    if want.visibility in HIDDEN and shown.get("visibility") not in HIDDEN:
        raise DoesNotHoldError(
            f"{want.url} made the status {status} {str(shown.get('visibility'))[:20]}; expected {want.visibility}."
        )
