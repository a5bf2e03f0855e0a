"""What people meet, fetched over the wire: DNS answers, the portal's page, a message, a file, a meeting."""

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TypeVar

import httpx

from orchestrator.cli.exits import CommandError
from orchestrator.store.secret_files import secrets_of
from providers.base import Context, ProviderError, Tag
from providers.dns.deadline import Deadline
from providers.probes.check import Check
from providers.probes.meet import MeetCheck
from providers.probes.resolver import Names, UnresolvedError
from providers.probes.smtp import SmtpCheck
from providers.probes.webdav import WebdavCheck
from providers.wants import MeetProbe, SmtpProbe, WebdavProbe

DOMAIN = "valbourg.example"
PORTAL = f"portal.{DOMAIN}"
IDENTITY = f"id.{DOMAIN}"
CANARY = f"canari@{DOMAIN}"
CLOUD = f"cloud.{DOMAIN}"
VISIO = f"visio.{DOMAIN}"
FILE = WebdavProbe(
    url=f"https://{CLOUD}/remote.php/dav/files/crise",
    user="crise",
    password="secret://nextcloud-canary",  # noqa: S106  # a reference
)
MEETING = MeetProbe(
    url=f"https://{VISIO}",
    livekit_key="secret://livekit-key",
    livekit_secret="secret://livekit-secret",  # noqa: S106  # a reference
)
YES, NO = "yes", "no"
LOOK_FOR = 10.0
"""Seconds for one look."""

Want = TypeVar("Want")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the town's names lead to at one moment.

    `message_taken_by` is the simulator's own word on where the message arrived.
    """

    identity: str
    portal: str
    heading: str
    served_by: str
    mx: str
    delivered_to: str
    message_taken_by: str
    cloud: str
    keeps_a_file: str
    visio: str
    lets_people_in: str

    def rows(self) -> list[tuple[str, str]]:
        return [
            (IDENTITY, self.identity),
            (PORTAL, self.portal),
            ("  its page says", self.heading),
            ("  and is served by", self.served_by),
            (f"MX of {DOMAIN}", self.mx),
            ("  a message is taken by", f"{self.delivered_to} ({self.message_taken_by})"),
            (CLOUD, self.cloud),
            ("  keeps a file", self.keeps_a_file),
            (VISIO, self.visio),
            ("  lets people meet", self.lets_people_in),
        ]


def fetched_facts(scope: dict[str, Any], data: Path, control: str) -> Facts:
    """Look at everything once. `control` is the simulator's control API. Raises CommandError."""
    try:
        names = Names(scope, Deadline(LOOK_FOR))
        context = Context(scope, secrets_of(data / "secrets", "rehearsal"), data, data, LOOK_FOR)
        portal = names.addresses(PORTAL, ("A",))[0]
        heading, served_by = _page(portal)
        delivered = _delivered(context)
        return Facts(
            identity=names.addresses(IDENTITY, ("A",))[0],
            portal=portal,
            heading=heading,
            served_by=served_by,
            mx=", ".join(host for _, host in names.mail_servers(DOMAIN)),
            delivered_to=delivered["delivered_to"],
            message_taken_by=_taken_by(control, delivered["message_id"]),
            cloud=names.addresses(CLOUD, ("A",))[0],
            keeps_a_file=_holds(WebdavCheck(context), FILE),
            visio=names.addresses(VISIO, ("A",))[0],
            lets_people_in=_holds(MeetCheck(context), MEETING),
        )
    except (ProviderError, UnresolvedError, httpx.HTTPError) as error:
        raise CommandError(f"The proof could not be fetched: {error}") from error


def broken_promises(before: Facts, after: Facts, index: int) -> list[str]:
    """What a finished failover promises and does not hold; empty when the proof holds."""
    taken_by = (before.message_taken_by, after.message_taken_by)
    files = (before.keeps_a_file, after.keeps_a_file)
    meetings = (before.lets_people_in, after.lets_people_in)
    promises = {
        f"{IDENTITY} leads to a new server": _is_server(after.identity, index) and after.identity != before.identity,
        f"{PORTAL} leads to a new server": _is_server(after.portal, index) and after.portal != before.portal,
        "the portal's page is served by the fallback": after.served_by == "bascule" and before.served_by != "bascule",
        "the portal's content is the same": bool(after.heading) and after.heading == before.heading,
        "the new mail server takes a message": taken_by == ("smtp-old", "smtp-new"),
        f"{CLOUD} leads to a Nextcloud that keeps a file": files == (NO, YES) and after.cloud != before.cloud,
        f"{VISIO} leads to a Visio that lets people in": meetings == (NO, YES) and after.visio != before.visio,
    }
    return [promise for promise, holds in promises.items() if not holds]


def _is_server(address: str, index: int) -> bool:
    return address.startswith(f"198.18.{index}.")


def _page(address: str) -> tuple[str, str]:
    """The portal's first heading and who served it, fetched at this address."""
    with httpx.Client(trust_env=False, timeout=LOOK_FOR) as client:
        answer = client.get(f"http://{address}/", headers={"Host": PORTAL})
    answer.raise_for_status()
    reader = _FirstHeading()
    reader.feed(answer.text)
    return reader.text.strip(), answer.headers.get("X-Served-By", "nobody")


class _FirstHeading(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "h1" and not self.text

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "h1"

    def handle_data(self, data: str) -> None:
        self.text += data if self._inside else ""


def _holds(check: Check[Want], want: Want) -> str:
    """Whether a service does its work for somebody who uses it, at the name that people use."""
    try:
        check.apply(want, Tag("demo", "proof"), {}, lambda _line: None)
    except ProviderError:
        return NO
    return YES


def _delivered(context: Context) -> dict[str, str]:
    """Send one message to the town's canary mailbox, by the MX that DNS names."""
    want = SmtpProbe(domain=DOMAIN, deliver_to=CANARY)
    found = SmtpCheck(context).apply(want, Tag("demo", "proof"), {}, lambda _line: None)
    return {name: str(found.outputs[name]) for name in ("delivered_to", "message_id")}


def _taken_by(control: str, message_id: str) -> str:
    """Which of the simulator's mail servers has the message."""
    with httpx.Client(trust_env=False, timeout=LOOK_FOR) as client:
        mailboxes = client.get(f"{control}/mailboxes").raise_for_status().json()
    for name, messages in mailboxes.items():
        if any(message["message_id"] == message_id for message in messages):
            return str(name)
    return "nobody"
