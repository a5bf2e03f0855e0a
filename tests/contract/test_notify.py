"""Messages: sent once, proven by a receipt, and never repeated in doubt."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from providers.base import Context, Presence, ProviderError, Secret, Tag
from providers.notify import AppriseMessage, SmtpMessage
from providers.wants import Message, Words
from tests.contract.suite import Case, UnprovableContract, quiet, refused
from tests.dns_servers import Relay, relayed
from tests.probe_targets import MailServer, mail_server

TAG = Tag("2026-11-23-mail-failover", "tell-the-crisis-team/first")
CRISIS = Message(
    channel="crisis",
    title=Words(fr="Bascule\r\nde la messagerie", en="Mail moves"),
    body=Words(fr="La messagerie déménage.\n.\nFin.", en="Mail moves to its new home."),
)
TOKEN = "token-only-known-to-this-test"


def ends_message(sent: bytes) -> bool:
    return sent.endswith(b"\r\n.\r\n")


def smtp_context(tmp_path: Path, port: int) -> Context:
    channel = {"host": "127.0.0.1", "port": port, "from": "bascule@valbourg.example", "to": ["crise@valbourg.example"]}
    scope = {
        "networks": ["127.0.0.0/8"],
        "notify": {"crisis": {"driver": "smtp", **channel}},
        "smtp": {"helo": "bascule.valbourg.example"},
    }
    return Context(scope, Secret, tmp_path / "workspace", tmp_path, deadline=5.0)


@contextmanager
def changed(settings: dict[str, Any], **values: Any) -> Iterator[None]:
    before = dict(settings)
    settings.update(values)
    yield
    settings.update(before)


class TestSmtpMessage(UnprovableContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[Case]:
        with mail_server() as mail, relayed(mail.port, ends_message) as relay:
            context = smtp_context(tmp_path, relay.port)
            yield Case(
                want=CRISIS,
                context=context,
                make=SmtpMessage,
                world=lambda: list(mail.taken),
                effects=lambda: len(mail.taken),
                effects_once=1,
                crash_after_write=relay.losing_answers,
                break_permanently=lambda: changed(context.scope["notify"]["crisis"], to=["nobody@valbourg.example"]),
                break_briefly=relay.down,
                secrets=[TOKEN],
                tag=TAG,
            )


class Channel(ThreadingHTTPServer):
    """Takes what Apprise posts as JSON."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.taken: list[dict[str, Any]] = []


class _Post(BaseHTTPRequestHandler):
    server: Channel

    def do_POST(self) -> None:
        self.server.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def channel_server() -> Iterator[Channel]:
    with Channel() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def apprise_context(tmp_path: Path, relay: Relay, secrets: dict[str, str]) -> Context:
    secrets["crisis-url"] = f"json://user:{TOKEN}@127.0.0.1:{relay.port}/"
    scope = {
        "networks": ["127.0.0.0/8"],
        "notify": {"crisis": {"driver": "apprise", "url": "secret://crisis-url"}},
        "smtp": {"helo": "bascule.valbourg.example"},
    }
    reveal = lambda reference: Secret(secrets[reference.removeprefix("secret://")])  # noqa: E731
    return Context(scope, reveal, tmp_path / "workspace", tmp_path, deadline=5.0)


class TestAppriseMessage(UnprovableContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Iterator[Case]:
        secrets: dict[str, str] = {}
        with channel_server() as channel, relayed(channel.server_address[1], lambda sent: b"POST" in sent) as relay:
            yield Case(
                want=CRISIS,
                context=apprise_context(tmp_path, relay, secrets),
                make=AppriseMessage,
                world=lambda: list(channel.taken),
                effects=lambda: len(channel.taken),
                effects_once=1,
                crash_after_write=relay.losing_answers,
                break_permanently=lambda: changed(secrets, **{"crisis-url": f"json://{TOKEN}.example/"}),
                break_briefly=relay.down,
                secrets=[TOKEN],
                tag=TAG,
            )


def sent_mail(mail: MailServer) -> EmailMessage:
    (content,) = mail.taken
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_the_mail_has_both_languages_and_an_id_that_every_attempt_shares(tmp_path: Path) -> None:
    with mail_server() as mail:
        context = smtp_context(tmp_path, mail.port)
        done = SmtpMessage(context).apply(CRISIS, TAG, {}, quiet)
        message = sent_mail(mail)
        again = SmtpMessage(replace(context, workspace=tmp_path / "elsewhere")).apply(CRISIS, TAG, {}, quiet)
    assert message["Message-ID"] == done.outputs["message_id"] == again.outputs["message_id"]
    assert message["Message-ID"].endswith("@bascule.valbourg.example>")
    assert message["Subject"] == "Bascule de la messagerie / Mail moves"
    parts = {part["Content-Language"]: part.get_content().split() for part in message.iter_parts()}
    assert parts == {language: text.split() for language, text in CRISIS.body}


def test_another_step_has_another_id(tmp_path: Path) -> None:
    with mail_server() as mail:
        context = smtp_context(tmp_path, mail.port)
        ids = {
            SmtpMessage(context).apply(CRISIS, Tag(run, step), {}, quiet).outputs["message_id"]
            for run, step in [("a", "b/c"), ("a/b", "c"), ("a", "b.c"), ("r" * 90, "s" * 90), ("r" * 90, "s" * 91)]
        }
    assert len(ids) == len(mail.taken) == 5


def before_data(stack: ExitStack, mail: MailServer) -> Relay:
    """The connection breaks at DATA, before any text."""
    return stack.enter_context(relayed(mail.port, lambda sent: sent == b"data\r\n"))


def after_data(stack: ExitStack, mail: MailServer) -> Relay:
    return stack.enter_context(relayed(mail.port, ends_message))


def at_rcpt(stack: ExitStack, mail: MailServer) -> Relay:
    return stack.enter_context(relayed(mail.port, lambda sent: sent.startswith(b"rcpt")))


@pytest.mark.parametrize(("broken", "possible"), [(at_rcpt, False), (before_data, True), (after_data, True)])
def test_a_lost_connection_is_a_doubt_only_from_data_on(
    tmp_path: Path, broken: Callable[[ExitStack, MailServer], Relay], possible: bool
) -> None:
    with mail_server() as mail, ExitStack() as stack:
        relay = broken(stack, mail)
        with relay.losing_answers(), refused() as caught:
            SmtpMessage(smtp_context(tmp_path, relay.port)).apply(CRISIS, TAG, {}, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (False, possible)


@pytest.mark.parametrize(
    ("recipients", "permanent"),
    [
        (["nobody@valbourg.example"], True),
        (["later@valbourg.example"], False),
        (["nobody@valbourg.example", "later@valbourg.example"], False),
    ],
)
def test_a_refusal_is_no_effect_and_says_whether_it_is_for_good(
    tmp_path: Path, recipients: list[str], permanent: bool
) -> None:
    with mail_server() as mail:
        context = smtp_context(tmp_path, mail.port)
        context.scope["notify"]["crisis"]["to"] = recipients
        with refused() as caught:
            SmtpMessage(context).apply(CRISIS, TAG, {}, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (permanent, False)
    assert mail.taken == []


def test_who_can_be_reached_is_told_when_another_can_not(tmp_path: Path) -> None:
    reported: list[str] = []
    with mail_server() as mail:
        context = smtp_context(tmp_path, mail.port)
        context.scope["notify"]["crisis"]["to"] = ["nobody@valbourg.example", "crise@valbourg.example"]
        done = SmtpMessage(context).apply(CRISIS, TAG, {}, reported.append)
    assert (done.presence, mail.recipients) == (Presence.OURS, ["crise@valbourg.example"])
    assert any("nobody@valbourg.example" in line for line in reported)


@pytest.mark.parametrize("url", ["not a url", "nosuchscheme://127.0.0.1/", "json://192.0.2.1/", "json://host.example/"])
def test_apprise_urls_that_lead_nowhere_or_out_of_the_networks_are_refused(tmp_path: Path, url: str) -> None:
    scope = {"networks": ["127.0.0.0/8"], "notify": {"crisis": {"url": "secret://u"}}, "smtp": {"helo": "b.example"}}
    context = Context(scope, lambda _: Secret(url), tmp_path, tmp_path, 5.0)
    with pytest.raises(ProviderError) as caught:
        AppriseMessage(context).apply(CRISIS, TAG, {}, quiet)
    assert (caught.value.permanent, caught.value.effect_possible) == (True, False)
    assert "example" not in caught.value.message
