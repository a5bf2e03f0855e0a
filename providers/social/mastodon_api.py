"""Mastodon's client API as far as checks, announcements and profiles need it, and as its relatives have it too.

Documentation: https://docs.joinmastodon.org/methods/. Relatives speak a part of it: snac has no `/health`
and no version 2 of the instance, calls every status public or private, and up to 2.75 deletes none; Friendica
and Pixelfed have no `direct` statuses; Pixelfed refuses a repeated Idempotency-Key, and snac and Friendica know
none. Pixelfed takes no status without a picture. So whatever matters is read again.
"""

import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from providers.base import ProviderError, Secret
from providers.probes.api_answer import require, said
from providers.probes.check import Attempt, DoesNotHoldError
from providers.probes.web_answer import Answer
from providers.probes.web_call import bearer, call
from providers.social.picture import Picture

WHAT = "The Mastodon API"
REMEDY = (
    "check that the token is valid and has the scopes read:accounts, read:statuses, write:statuses, write:accounts, "
    "and write:media for pictures"
)
PAGE = 40
"""Statuses of one list; Mastodon gives no more."""
MOST_PAGES = 5
MOST_KEYS = 5
GONE = frozenset({404, 410})
PROCESSING = 206
"""What the server answers of a picture that it still works on."""
PAUSE = 0.3
"""Seconds between two looks at such a picture."""

Json = dict[str, Any]


class MastodonApi:
    """One server, for one call of a provider.

    `wrote`: a write was taken on, or may have been, for all that is known.
    Its methods raise DoesNotHoldError when the server does not answer as it should, and
    ProviderError when it refuses the credential or asks to wait.
    """

    def __init__(self, attempt: Attempt, url: str, token: str | None = None) -> None:
        self._attempt = attempt
        self._url = url.rstrip("/")
        self._token = token
        self.wrote = False

    def version(self) -> str:
        """The server's own version. Old and small servers have only the first form of the description."""
        answer, found = self._instance()
        if not isinstance(found.get("version"), str):
            raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected a description of the server.")
        return str(found["version"])[:100]

    def longest_status(self) -> int:
        """Characters that a status may have; Mastodon's own number where the server says none."""
        _, found = self._instance()
        statuses = _inner(found, "configuration", "statuses")
        most = statuses.get("max_characters", found.get("max_toot_chars"))
        return most if isinstance(most, int) else 500

    def most_fields(self) -> int:
        """Fields that a profile may have; where the server says none, as many as anybody would want."""
        _, found = self._instance()
        most = _inner(found, "configuration", "accounts").get("max_profile_fields")
        return most if isinstance(most, int) else 100

    def healthy(self) -> bool:
        """Whether `/health` says so; False where the server has none. Raises DoesNotHoldError when it is not."""
        return self._ask("GET", "/health", 200, *GONE).status == 200

    def account(self) -> Json:
        """The token's own account, with the text of its profile in `source`.

        422 says that nobody is signed in with this token, as 401 does.
        """
        answer = self._ask("GET", "/api/v1/accounts/verify_credentials", 200, 422)
        if answer.status == 422:
            raise ProviderError(
                f"{WHAT} at {answer.url.host} knows no account by this token; {REMEDY}.", permanent=True
            )
        return self._object(answer, "id")

    def statuses(self, account: str) -> Iterator[Json]:
        """The account's own statuses, the newest first, as far back as MOST_PAGES."""
        path = f"/api/v1/accounts/{quote(account, safe='')}/statuses"
        query: dict[str, str | int] = {"limit": PAGE, "exclude_reblogs": "true"}
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            found = [one for one in self._list(self._ask("GET", f"{path}?{urlencode(query)}")) if one["id"] not in seen]
            yield from (one for one in found if not one.get("reblog"))
            if not found:
                return
            seen |= {one["id"] for one in found}
            query["max_id"] = found[-1]["id"]

    def status(self, status: str) -> Json | None:
        """One status; None when it is gone."""
        answer = self._ask("GET", f"/api/v1/statuses/{quote(status, safe='')}", 200, *GONE)
        return None if answer.status in GONE else self._object(answer, "id")

    def needs_picture(self) -> bool:
        """Whether the server says that it is Pixelfed, which takes no status without a picture."""
        return re.search(r"\bpixelfed\b", self.version(), re.IGNORECASE) is not None

    def upload(self, picture: Picture) -> str:
        """Give the server a picture, and wait until it can be shown; its id.

        Nobody sees a picture without a status, and the server drops it after a while: it is no effect.
        Raises ProviderError(permanent) when the server refuses it.
        """
        before = self.wrote
        try:
            answer = self._uploaded("/api/v2/media", picture)
            if answer.status in GONE:
                answer = self._uploaded("/api/v1/media", picture)
            if answer.status in (400, 413, 415, 422):
                raise ProviderError(
                    f"{answer.url.host} refuses the picture {picture.name} ({answer.status}: {said(answer)}); "
                    "give another.",
                    permanent=True,
                )
            media = str(self._object(answer, "id")["id"])
            if not answer.json().get("url"):
                self._await_shown(media, picture)
        finally:
            self.wrote = before
        return media

    def _uploaded(self, path: str, picture: Picture) -> Answer:
        form = httpx.Request(
            "POST",
            "https://form.invalid",
            files={"file": (picture.name, picture.content, picture.media_type)},
            data={"description": picture.text},
        )
        headers = {"Content-Type": form.headers["Content-Type"]}
        statuses = (200, 202, *GONE, 400, 413, 415, 422)
        return self._ask("POST", path, *statuses, body=form.read(), headers=headers)

    def _await_shown(self, media: str, picture: Picture) -> None:
        while True:
            answer = self._ask("GET", f"/api/v1/media/{quote(media, safe='')}", 200, PROCESSING, 422)
            if answer.status == 422:
                raise ProviderError(
                    f"{answer.url.host} can't show the picture {picture.name} ({said(answer)}); give another.",
                    permanent=True,
                )
            if answer.status == 200:
                return
            if not self._attempt.deadline.pause(PAUSE):
                raise DoesNotHoldError(f"{answer.url.host} still works on the picture {picture.name}.")

    def post(self, text: str, visibility: str, key: str, media: str | None = None) -> Answer:
        """Post a status, or be refused (400, 422); the key makes a repetition the same status, where keys are kept.

        Mastodon answers 404 to a key whose status was deleted within the hour that it keeps keys; then
        the key after it is used.
        """
        form = {"status": text, "visibility": visibility} | ({"media_ids[]": media} if media is not None else {})
        for more in range(MOST_KEYS):
            headers = {"Idempotency-Key": f"{key}-{more}"}
            answer = self._ask("POST", "/api/v1/statuses", 200, 400, 404, 422, form=form, headers=headers)
            if answer.status != 404:
                return answer
        raise DoesNotHoldError(f"{answer.at} answered 404 ({said(answer)}); expected the new status.")

    def delete(self, status: str) -> bool:
        """Take a status away; False when the server knows none of this id to delete, or does not delete at all."""
        return self._ask("DELETE", f"/api/v1/statuses/{quote(status, safe='')}", 200, *GONE).status == 200

    def set_fields(self, fields: list[tuple[str, str]]) -> Json:
        """Put these fields, names and plain texts, in the place of all that the profile has; the account after it."""
        form: dict[str, str] = {}
        for index, (name, value) in enumerate(fields or [("", "")]):  # a list without any would change nothing
            form[f"fields_attributes[{index}][name]"] = name
            form[f"fields_attributes[{index}][value]"] = value
        return self._object(self._ask("PATCH", "/api/v1/accounts/update_credentials", form=form), "id")

    def _instance(self) -> tuple[Answer, Json]:
        answer = self._ask("GET", "/api/v2/instance", 200, *GONE)
        if answer.status in GONE:
            answer = self._ask("GET", "/api/v1/instance")
        return answer, self._object(answer, "version")

    def _ask(
        self,
        method: str,
        path: str,
        *statuses: int,
        form: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent: dict[str, str | Secret] = {"Accept": "application/json", **(headers or {})}
        if self._token is not None:
            sent["Authorization"] = bearer(self._attempt.context, self._token)
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form).encode()
        before, self.wrote = self.wrote, self.wrote or method != "GET"
        answer = call(self._attempt, method, f"{self._url}{path}", headers=sent, body=body)
        if 400 <= answer.status < 500 or answer.status == 503:  # refused, so nothing happened (RFC 9110 §15.6.4)
            self.wrote = before
        return require(answer, WHAT, *(statuses or (200,)), remedy=REMEDY)

    def _object(self, answer: Answer, key: str) -> Json:
        """Raises DoesNotHoldError for what is no object with this key: something in between has answered."""
        found = answer.json()
        if not found.get(key):
            raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected the JSON of Mastodon's API.")
        return found

    def _list(self, answer: Answer) -> list[Json]:
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(one, dict) and one.get("id") for one in found):
            raise DoesNotHoldError(f"{answer.at} answered {answer.words}; expected a list of statuses.")
        return found


def posted(answer: Answer) -> str:
    """The id of the status that a post was answered with. Raises DoesNotHoldError when it was not."""
    found = answer.json()
    if answer.status != 200 or not found.get("id"):
        raise DoesNotHoldError(f"{answer.at} answered {answer.status} {answer.words}; expected a status.")
    return str(found["id"])


def plain(status: Json) -> str:
    """The status's text without its HTML."""
    reader = _Text()
    reader.feed(str(status.get("content") or ""))
    reader.close()
    return "".join(reader.parts)


def fields_of(account: Json) -> list[tuple[str, str]]:
    """The profile's fields, names and plain texts; a relative may have them only as they are shown."""
    source = _inner(account, "source").get("fields")
    fields = source if isinstance(source, list) else account.get("fields")
    return [
        (str(one.get("name") or ""), str(one.get("value") or ""))
        for one in (fields if isinstance(fields, list) else ())
        if isinstance(one, dict)
    ]


def _inner(value: Json, *path: str) -> Json:
    for key in path:
        inner = value.get(key)
        value = inner if isinstance(inner, dict) else {}
    return value


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("br", "p"):
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        self.parts.append(data)
