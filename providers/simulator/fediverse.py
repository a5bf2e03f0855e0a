"""An account at a server of the social web, behind the client API that Mastodon made and its relatives speak in part.

Requests and answers: https://docs.joinmastodon.org/methods/ (statuses, accounts, instance, health) and the
sources that the dialects name. Where a relative differs is in its Dialect.
"""

import hmac
import html
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

from providers.simulator.api_request import fields, json_answer, page
from providers.simulator.effects import EffectLog
from providers.simulator.faults import Fault
from providers.simulator.fediverse_pictures import Pictures
from providers.simulator.http_service import Request, Response

Json = dict[str, Any]
KEY_SECONDS = 3600.0
"""How long an Idempotency-Key is kept."""
URL = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one software of the social web speaks. `nodeinfo_path`: where its NodeInfo document is.

    `keys`: a repeated Idempotency-Key is the same status, is refused, or is not looked at.
    `api_level`: the number that Mastodon gives its API since 4.3; 0 for relatives.
    `longest`: characters of a status. `most_fields`: of a profile; 0 where it has none to set.
    `media`: by which version of the API it takes pictures; `needs_media`: a status must have one.
    """

    software: str
    version: str
    api_version: str
    nodeinfo_path: str
    maintenance: Callable[[], Response]
    outside_scope: Callable[[], Response]
    keys: Literal["same", "refused", "ignored"] = "same"
    health: bool = False
    api_level: int = 0
    visibilities: tuple[str, ...] = ("public", "unlisted", "private", "direct")
    no_direct: tuple[int, str] = (422, "Validation failed: Visibility is not included in the list")
    needs_media: bool = False
    media: Literal["v1", "v2"] = "v2"
    longest: int = 500
    most_fields: int = 4


@dataclass
class Status:
    """One status, and whether people edited it since."""

    id: str
    text: str
    visibility: str
    at: float
    edited_at: float | None = None
    media: tuple[str, ...] = ()
    """The ids of its pictures."""


class FediverseServer:
    """One server with one account. Thread-safe; `effects`: every status posted or deleted, every profile changed."""

    def __init__(
        self,
        dialect: Dialect,
        base: str,
        token: str,
        effects: EffectLog,
        *,
        user: str = "valbourg",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.dialect = dialect
        self.base = base
        self.user = user
        self.statuses: list[Status] = []
        """The oldest first."""
        self.fields: list[tuple[str, str]] = []
        self.scripted = False
        self.pictures = Pictures(base)
        self._token = token
        self._effects = effects
        self._clock = clock
        self._keys: dict[str, tuple[str, float]] = {}
        self._made = 0
        self._lock = threading.RLock()

    def handle(self, request: Request) -> Response:
        with self._lock:
            return self._public(request) or self._signed_in(request)

    def refusal(self, fault: Fault, _request: Request) -> Response:
        return json_answer(fault.status, {"error": "Too many requests" if fault.status == 429 else "simulated refusal"})

    def in_maintenance(self, _request: Request) -> Response:
        return self.dialect.maintenance()

    def read_only(self, request: Request) -> Response:
        """A token without the scopes that begin with write."""
        if request.method != "GET":
            return self.dialect.outside_scope()
        return self.handle(request)

    def clear(self) -> None:
        """Nobody has posted anything, and the profile has no fields."""
        with self._lock:
            self.statuses.clear()
            self.fields.clear()
            self.pictures.clear()
            self._keys.clear()

    def edit(self, status: str, text: str) -> None:
        """People change a status."""
        found = self._find(status)
        assert found is not None
        found.text, found.edited_at = text, self._clock()

    def _public(self, request: Request) -> Response | None:
        """What everybody may read; None for anything else."""
        dialect = self.dialect
        match request.method, request.path.rstrip("/"):
            case "GET", "/health" if dialect.health:
                return json_answer(200, {"status": "UP"})
            case "GET", "/.well-known/nodeinfo":
                link = {
                    "rel": "http://nodeinfo.diaspora.software/ns/schema/2.0",
                    "href": self.base + dialect.nodeinfo_path,
                }
                return json_answer(200, {"links": [link]})
            case "GET", dialect.nodeinfo_path:
                return json_answer(200, self._nodeinfo())
            case "GET", "/api/v1/instance":
                return json_answer(
                    200, self._instance() | {"uri": self.base.partition("//")[2], "urls": {}, "stats": {}}
                )
            case "GET", "/api/v2/instance":
                return json_answer(200, self._instance() | {"domain": self.base.partition("//")[2]})
            case "GET", "/api/v1/accounts/lookup" if request.query.get("acct") == self.user:
                return json_answer(200, {name: value for name, value in self._account().items() if name != "source"})
            case "GET", path if path == f"/@{self.user}":
                return page(200, self._profile_page())
        return None

    def _signed_in(self, request: Request) -> Response:
        if not request.path.startswith("/api/"):
            return page(404, "<!doctype html><html><head><title>404</title></head><body>Not Found</body></html>")
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {self._token}".encode()):
            return error(401, "The access token is invalid")
        match request.method, request.path.rstrip("/").split("/")[1:]:
            case "GET", ["api", "v1", "accounts", "verify_credentials"]:
                return json_answer(200, self._account())
            case "PATCH", ["api", "v1", "accounts", "update_credentials"] if self.dialect.most_fields:
                return self._update(fields(request))
            case "GET", ["api", "v1", "accounts", account, "statuses"] if account == self._account()["id"]:
                return self._list(request.query)
            case "POST", ["api", version, "media"] if version in ("v1", self.dialect.media):
                return self.pictures.upload(request, at_once=version == "v1")
            case "GET", ["api", "v1", "media", media] if media in self.pictures.held:
                return self.pictures.looked_at(media)
            case "POST", ["api", "v1", "statuses"]:
                return self._post(fields(request), request.headers.get("Idempotency-Key"))
            case "GET", ["api", "v1", "statuses", status]:
                found = self._find(status)
                return json_answer(200, self._shown(found)) if found else error(404, "Record not found")
            case "DELETE", ["api", "v1", "statuses", status]:
                return self._delete(status)
        return error(404, "Record not found")

    def _post(self, asked: Json, key: str | None) -> Response:
        text, visibility = str(asked.get("status") or ""), str(asked.get("visibility") or "public")
        kept = self._kept(key)
        if kept is not None and self.dialect.keys == "refused":
            return error(400, "Duplicate idempotency key.")
        if kept is not None:
            found = self._find(kept)
            return json_answer(200, self._shown(found)) if found else error(404, "Record not found")
        if refused := self._refused(text, visibility, asked):
            return refused
        self._made += 1
        media = tuple(one for one in [str(asked.get("media_ids[]") or "")] if one)
        made = Status(str(113_000_000_000_000_000 + self._made), text, visibility, self._clock(), media=media)
        self.statuses.append(made)
        if key is not None and self.dialect.keys != "ignored":
            self._keys[key] = made.id, self._clock()
        self._effects.add(self.dialect.software, "status.post", made.id, text.splitlines()[-1])
        return json_answer(200, self._shown(made))

    def _kept(self, key: str | None) -> str | None:
        """The id of the status that came with this key within the hour."""
        status, at = self._keys.get(key or "", ("", 0.0))
        return status if status and self._clock() - at < KEY_SECONDS else None

    def _refused(self, text: str, visibility: str, asked: Json) -> Response | None:
        dialect = self.dialect
        media = asked.get("media_ids[]")
        if dialect.needs_media and not media:
            return json_answer(403, {"message": "Empty statuses are not allowed"})
        if media and not self.pictures.can_be_shown(media):
            return error(422, "Cannot attach files that have not finished processing. Try again in a moment!")
        if not text.strip():
            return error(422, "Validation failed: Text can't be blank")
        if len(URL.sub("x" * 23, text)) > dialect.longest:
            return error(422, f"Validation failed: Text character limit of {dialect.longest} exceeded")
        if visibility not in dialect.visibilities:
            return error(*dialect.no_direct)
        return None

    def _delete(self, status: str) -> Response:
        found = self._find(status)
        if found is None:
            return error(404, "Record not found")
        self.statuses.remove(found)
        self._effects.add(self.dialect.software, "status.delete", found.id)
        return json_answer(200, self._shown(found) | {"text": found.text})

    def _list(self, query: dict[str, str]) -> Response:
        most = min(int(query.get("limit", "20")), 40)
        older = [one for one in reversed(self.statuses) if "max_id" not in query or int(one.id) < int(query["max_id"])]
        return json_answer(200, [self._shown(one) for one in older[:most]])

    def _update(self, asked: Json) -> Response:
        """The fields in the order in which they come, those without a name left out; nothing else is changed here."""
        nested = asked.get("fields_attributes")
        given: dict[str, dict[str, str]] = dict(nested) if isinstance(nested, dict) else {}
        for name, value in asked.items():
            if found := re.fullmatch(r"fields_attributes\[(-?\w+)\]\[(name|value)\]", name):
                given.setdefault(found[1], {})[found[2]] = str(value)
        if given:
            wanted = [(one.get("name", ""), one.get("value", "")) for one in given.values() if one.get("name")]
            if len(wanted) > self.dialect.most_fields:
                return error(422, "Validation failed: Fields is too long")
            if wanted != self.fields:
                self._effects.add(self.dialect.software, "profile.update", self.user)
            self.fields = wanted
        return json_answer(200, self._account())

    def _find(self, status: str) -> Status | None:
        return next((one for one in self.statuses if one.id == status), None)

    def _account(self) -> Json:
        plain = [{"name": name, "value": value, "verified_at": None} for name, value in self.fields]
        shown = [one | {"value": _linked(str(one["value"]))} for one in plain]
        return {
            "id": "109000000000000001",
            "username": self.user,
            "acct": self.user,
            "display_name": "Mairie de Valbourg",
            "locked": False,
            "bot": False,
            "discoverable": True,
            "group": False,
            "created_at": "2022-11-20T00:00:00.000Z",
            "note": "<p>Compte officiel.</p>",
            "url": f"{self.base}/@{self.user}",
            "uri": f"{self.base}/users/{self.user}",
            "avatar": f"{self.base}/avatar.png",
            "avatar_static": f"{self.base}/avatar.png",
            "header": f"{self.base}/header.png",
            "header_static": f"{self.base}/header.png",
            "followers_count": 0,
            "following_count": 0,
            "statuses_count": len(self.statuses),
            "last_status_at": None,
            "emojis": [],
            "fields": shown,
            "source": {
                "privacy": "public",
                "sensitive": False,
                "language": "fr",
                "note": "Compte officiel.",
                "fields": plain,
            },
        }

    def _shown(self, status: Status) -> Json:
        return {
            "id": status.id,
            "created_at": _time(status.at),
            "edited_at": None if status.edited_at is None else _time(status.edited_at),
            "in_reply_to_id": None,
            "in_reply_to_account_id": None,
            "sensitive": False,
            "spoiler_text": "",
            "visibility": status.visibility,
            "language": "fr",
            "uri": f"{self.base}/users/{self.user}/statuses/{status.id}",
            "url": f"{self.base}/@{self.user}/{status.id}",
            "replies_count": 0,
            "reblogs_count": 0,
            "favourites_count": 0,
            "content": _paragraphs(status.text),
            "reblog": None,
            "account": self._account(),
            "media_attachments": [self.pictures.shown(one) for one in status.media],
            "mentions": [],
            "tags": [],
            "emojis": [],
            "card": None,
            "poll": None,
        }

    def _instance(self) -> Json:
        dialect = self.dialect
        return {
            "title": "Valbourg",
            "version": dialect.api_version,
            "source_url": f"https://example.org/{dialect.software}",
            "description": "Le réseau social de la commune",
            "languages": ["fr"],
            "rules": [],
            "api_versions": {"mastodon": dialect.api_level} if dialect.api_level else {},
            "configuration": {
                "accounts": {"max_profile_fields": dialect.most_fields, "max_featured_tags": 10},
                "statuses": {
                    "max_characters": dialect.longest,
                    "max_media_attachments": 4,
                    "characters_reserved_per_url": 23,
                },
            },
        }

    def _nodeinfo(self) -> Json:
        return {
            "version": "2.0",
            "software": {"name": self.dialect.software, "version": self.dialect.version},
            "protocols": ["activitypub"],
            "services": {"inbound": [], "outbound": []},
            "usage": {"users": {"total": 1, "activeMonth": 1, "activeHalfyear": 1}, "localPosts": len(self.statuses)},
            "openRegistrations": False,
            "metadata": {"nodeName": "Valbourg"},
        }

    def _profile_page(self) -> str:
        """With its links in the head for those who verify; not where the page is filled in by scripts alone."""
        links = (
            ""
            if self.scripted
            else "".join(
                f'<link rel="me" type="text/html" href="{html.escape(value)}">'
                for _, value in self.fields
                if URL.fullmatch(value)
            )
        )
        return f"<!doctype html><html><head><title>@{self.user}</title>{links}</head><body></body></html>"


def outside_scope() -> Response:
    """As Mastodon words it, and Friendica after it."""
    return error(403, "This action is outside the authorized scopes")


def error(status: int, message: str) -> Response:
    return json_answer(status, {"error": message})


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _linked(text: str) -> str:
    """A text with its URLs as links, as Mastodon shows them."""

    def link(found: re.Match[str]) -> str:
        url = html.unescape(found[0])
        return (
            f'<a href="{quote(url, safe=":/?=&%#@")}" target="_blank" rel="nofollow noopener me" translate="no">'
            f'<span class="invisible">https://</span><span class="">{url.partition("//")[2]}</span></a>'
        )

    return URL.sub(link, html.escape(text))


def _paragraphs(text: str) -> str:
    """Blank lines part paragraphs, others are line breaks."""
    parts = re.split(r"\n{2,}", text.replace("\r\n", "\n").strip())
    return "".join("<p>{}</p>".format(_linked(part).replace("\n", "<br />")) for part in parts)
