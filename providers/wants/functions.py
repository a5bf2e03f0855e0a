"""What steps of the kinds `probe.*` ask of a whole service: that it does its work, not only that it answers."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from providers.wants.base import AtAddress, SecretRef, WebAddress

UserName = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f:]+$")]
"""A user's name as HTTP's basic authentication can carry it (RFC 7617 §2: no colon)."""

_BELOW = r"^(?:[^\x00-\x1f\x7f/.][^\x00-\x1f\x7f/]*(?:/[^\x00-\x1f\x7f/.][^\x00-\x1f\x7f/]*)*/?)?$"
"""A path without `.`, `..` and hidden folders."""


class WebdavProbe(AtAddress):
    """`probe.webdav`: a small file can be written, read back and removed; a look only asks for the folder."""

    url: WebAddress = Field(description="the user's files, such as https://cloud.example.net/remote.php/dav/files/anne")
    user: UserName
    password: SecretRef
    folder: str = Field(default="", max_length=500, pattern=_BELOW, description="below `url`, such as drills/2026")


class NextcloudProbe(AtAddress):
    """`probe.nextcloud`: installed, not in maintenance, up to date; with a user, somebody can sign in."""

    url: WebAddress
    user: UserName | None = None
    password: SecretRef | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise PydanticCustomError(
                "half_a_login",
                "`user` and `password` belong together.",
                {"remedy": "Write both, the password as secret://name, or neither."},
            )
        return self


class OnlyofficeProbe(AtAddress):
    """`probe.onlyoffice`: healthy, takes what is signed with this secret, and refuses what is not signed."""

    url: WebAddress
    secret: SecretRef = Field(description="the secret of its JSON Web Tokens")


class CollaboraProbe(AtAddress):
    """`probe.collabora`: edits text documents, spreadsheets and presentations, under its own address."""

    url: WebAddress


class CryptpadProbe(AtAddress):
    """`probe.cryptpad`: both of its origins answer, name each other, and its websocket opens."""

    url: WebAddress = Field(description="the origin that people open (httpUnsafeOrigin)")
    safe_url: WebAddress = Field(description="the sandbox's origin (httpSafeOrigin)")

    @model_validator(mode="after")
    def _two_origins(self) -> Self:
        if urlsplit(self.url)[:2] == urlsplit(self.safe_url)[:2]:
            raise PydanticCustomError(
                "one_origin",
                "CryptPad keeps pads apart from the page by a second origin; `safe_url` is the same as `url`.",
                {"remedy": "Write the address of its sandbox, such as https://sandbox.pads.example.net."},
            )
        return self


class MeetProbe(AtAddress):
    """`probe.meet`: Visio is healthy, and its LiveKit answers; with a key, it lets a participant in."""

    url: WebAddress
    livekit_key: SecretRef | None = None
    livekit_secret: SecretRef | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.livekit_key is None) != (self.livekit_secret is None):
            raise PydanticCustomError(
                "half_a_key",
                "`livekit_key` and `livekit_secret` belong together.",
                {"remedy": "Write both as secret://name, or neither."},
            )
        return self


class JitsiProbe(AtAddress):
    """`probe.jitsi`: its configuration names an XMPP domain, and that domain opens a session."""

    url: WebAddress
