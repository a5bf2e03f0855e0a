"""The pictures that are uploaded to a server of the social web, and shown with statuses.

Requests and answers: https://docs.joinmastodon.org/methods/media/.
"""

from dataclasses import dataclass
from typing import Any

from providers.simulator.api_request import form_parts, json_answer
from providers.simulator.http_service import Request, Response

Json = dict[str, Any]
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF")


@dataclass
class Media:
    """One picture. `looks`: how often somebody who asks is told that it is still worked on."""

    id: str
    kind: str
    content: bytes
    description: str
    looks: int


class Pictures:
    """Those of one server, by id. Its caller sees to it that one request is served after the other."""

    def __init__(self, base: str) -> None:
        self.held: dict[str, Media] = {}
        self._base = base

    def clear(self) -> None:
        self.held.clear()

    def upload(self, request: Request, *, at_once: bool) -> Response:
        """Version 2 of the API answers at once and works on the picture later; version 1 when all is done."""
        parts = form_parts(request)
        kind, content = parts.get("file", ("", b""))
        if not kind.startswith("image/") or not content.startswith(_BEGINNINGS):
            refusal = "Validation failed: File content type is invalid, File is invalid"
            return json_answer(422, {"error": refusal})
        description = parts.get("description", ("", b""))[1].decode()
        media = Media(str(112_000_000_000_000_001 + len(self.held)), kind, content, description, 0 if at_once else 1)
        self.held[media.id] = media
        return json_answer(200 if at_once else 202, self.shown(media.id))

    def looked_at(self, media: str) -> Response:
        found = self.held[media]
        if not found.looks:
            return json_answer(200, self.shown(media))
        found.looks -= 1
        return json_answer(206, self.shown(media) | {"url": None})

    def can_be_shown(self, media: str) -> bool:
        return media in self.held and not self.held[media].looks

    def shown(self, media: str) -> Json:
        """As a status shows it; without a URL while it is worked on."""
        found = self.held[media]
        url = f"{self._base}/media/{media}"
        return {
            "id": media,
            "type": "image",
            "url": None if found.looks else url,
            "preview_url": url,
            "description": found.description or None,
        }
