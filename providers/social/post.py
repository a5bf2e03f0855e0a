"""One announcement on a social network: posted once, found again by its reference, and deleted by undo.

The text ends with a short reference made of run and step. It is the proof: among the account's own
statuses it is looked for before anything is sent, and after an answer was lost.
"""

import base64
import hashlib
import re

from providers.base import Context, Finding, JsonMap, Presence, ProviderError, Report, Tag
from providers.probes.api_answer import said
from providers.social.mastodon_api import Json, MastodonApi, plain, posted
from providers.social.mastodon_session import signed_in
from providers.social.picture import Picture
from providers.social.sent_once import SentOnce
from providers.wants import Post

MARK = "ref. "
"""What a reference begins with."""
URL_LENGTH = 23
"""Characters that a URL counts for at Mastodon, however long it is."""


class MastodonPost:
    """`social.post` by Mastodon's API. Outputs: `id`, `url`, `reference`."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def observe(self, want: Post, tag: Tag, before: JsonMap | None) -> Finding:
        sent = self._sent()
        self._picture(want)
        with signed_in(self.context, want.account, tag) as api:
            found = _ours(api, reference(tag), sent.status())
            if found:
                return _posted(want, tag, found)
            if before is None:
                _require_room(api, want, tag)
                _require_picture(api, want)
        if wait := sent.in_flight():
            return Finding(
                Presence.PENDING,
                message=f"An announcement of {want.account} had no answer; it may still appear.",
                again_after=min(wait, 1.0),
            )
        return Finding(Presence.ABSENT, message=f"Would announce on {want.account}: {want.text.en[:100]!r}.")

    def apply(self, want: Post, tag: Tag, before: JsonMap, report: Report) -> Finding:
        del before  # what proves it is the reference, not a state
        sent = self._sent()
        with signed_in(self.context, want.account, tag) as api:
            found = _ours(api, reference(tag), sent.status())
            if not found:
                _require_quiet(want, sent)
                picture = self._picture(want)
                media = api.upload(picture) if picture is not None else None
                found = [_send(api, want, tag, sent, media)]
        finding = _posted(want, tag, found)
        report(finding.message)
        return finding

    def undo(self, want: Post, tag: Tag, effect: JsonMap, report: Report) -> Finding:
        if not effect:
            return Finding(Presence.ABSENT, message="Nothing was announced, so there is nothing to delete.")
        with signed_in(self.context, want.account, tag) as api:
            held = [api.status(str(status)) for status in effect["statuses"]]
            there = [status for status in held if status is not None]
            if others := [status for status in there if not _is_untouched(status, tag)]:
                return Finding(Presence.CONFLICT, message=_changed_since(want, others))
            refused = [status for status in there if not api.delete(str(status["id"]))]
            left = [status for status in there if api.status(str(status["id"])) is not None]
            if any(status in left for status in refused) and self._sent().outlives():
                raise ProviderError(
                    f"The server of {want.account} deletes no status by its API; delete {_where(left)} by hand.",
                    permanent=True,
                )
        report(f"Deleted the announcement {_where(there)}")
        if left:
            return Finding(Presence.PENDING, message=f"{want.account} is deleting its announcement.")
        self._sent().forget()
        return Finding(Presence.ABSENT, message=f"{want.account} has no such announcement any more.")

    def _picture(self, want: Post) -> Picture | None:
        """Raises ProviderError(permanent) when the file can't be used: better now than in the crisis."""
        if want.picture is None or want.picture_text is None:
            return None
        return Picture.read(self.context.estate, want.picture, want.picture_text)

    def _sent(self) -> SentOnce:
        return SentOnce(self.context.workspace, self.context.clock)


def reference(tag: Tag) -> str:
    """What the announcement ends with: the same for every attempt at this step, and short enough to read out."""
    digest = hashlib.sha256(f"{tag.run}\0{tag.step}".encode()).digest()
    return f"{MARK}{base64.b32encode(digest)[:8].decode()}"


def text_of(want: Post, tag: Tag) -> str:
    """French, then English, then the reference."""
    return f"{want.text.fr.strip()}\n\n{want.text.en.strip()}\n\n{reference(tag)}"


def _ours(api: MastodonApi, mark: str, status: str | None) -> list[Json]:
    """The account's statuses with this reference, the oldest first; the one that is known is asked for by its id."""
    known = api.status(status) if status is not None else None
    if known is not None and mark in plain(known):
        return [known]
    account = str(api.account()["id"])
    return [one for one in api.statuses(account) if mark in plain(one)][::-1]


def _send(api: MastodonApi, want: Post, tag: Tag, sent: SentOnce, media: str | None) -> Json:
    """Post it. Raises ProviderError(permanent) when the server refuses the text."""
    sent.begin()
    key = hashlib.sha256(f"{tag.run}\0{tag.step}\0{want.account}".encode()).hexdigest()
    try:
        answer = api.post(text_of(want, tag), want.visibility, key, media)
        if answer.status != 200:
            raise ProviderError(
                f"{answer.url.host} refuses the announcement of {want.account} ({answer.status}: {said(answer)}); "
                "correct `text`.",
                permanent=True,
            )
        sent.arrived(posted(answer))
        found: Json = answer.json()
        return found
    finally:
        if not api.wrote:
            sent.refused()


def _require_quiet(want: Post, sent: SentOnce) -> None:
    """Raises ProviderError while an earlier post may still appear."""
    if wait := sent.in_flight():
        raise ProviderError(
            f"An announcement of {want.account} was sent and had no answer; it is looked for before another goes.",
            permanent=False,
            effect_possible=True,
            retry_after=wait,
        )


def _require_room(api: MastodonApi, want: Post, tag: Tag) -> None:
    """Raises ProviderError(permanent) when the server takes no text of this length: better now than in the crisis."""
    length = len(re.sub(r"https?://\S+", "x" * URL_LENGTH, text_of(want, tag)))
    most = api.longest_status()
    if length > most:
        raise ProviderError(
            f"The announcement has {length} characters in both languages with its reference, and the server of "
            f"{want.account} takes {most}; shorten `text`.",
            permanent=True,
        )


def _require_picture(api: MastodonApi, want: Post) -> None:
    if want.picture is None and api.needs_picture():
        raise ProviderError(
            f"The server of {want.account} takes no announcement without a picture; give `picture` and `picture_text`.",
            permanent=True,
        )


def _posted(want: Post, tag: Tag, found: list[Json]) -> Finding:
    first = found[0]
    more = f", and {len(found) - 1} times more" if len(found) > 1 else ""
    return Finding(
        Presence.OURS,
        outputs={"id": str(first["id"]), "url": str(first.get("url") or ""), "reference": reference(tag)},
        effect={"statuses": [str(one["id"]) for one in found]},
        message=f"{want.account} announced it at {first.get('url') or first['id']}{more}.",
    )


def _is_untouched(status: Json, tag: Tag) -> bool:
    """Whether it is still what we posted: an announcement that people corrected is theirs."""
    return reference(tag) in plain(status) and not status.get("edited_at")


def _changed_since(want: Post, others: list[Json]) -> str:
    return (
        f"People changed the announcement of {want.account} since ({_where(others)}); "
        "delete it by hand if it has to go."
    )


def _where(statuses: list[Json]) -> str:
    return ", ".join(str(status.get("url") or status["id"]) for status in statuses) or "that was gone already"
