"""Notices to people: told once on each channel, provably ours, and taken back by a notice."""

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pydantic import ValidationError

from providers.base import Context, Presence, ProviderError, Secret, Tag
from providers.examiners import examine
from providers.people.inform import PeopleInform
from providers.people.sms import gsm, parts
from providers.rights import State, Subject
from providers.simulator.fediverse import FediverseServer
from providers.simulator.mastodon import MASTODON
from providers.wants import Fact, Inform, Sheets, Words
from tests.contract.suite import Case, UnprovableContract, quiet, refused
from tests.contract.test_notify import Channel, changed, channel_server, ends_message
from tests.dns_servers import Relay, relayed
from tests.probe_targets import MailServer, mail_server
from tests.served import Served, served

TAG = Tag("2026-11-25-cutoff", "people/tell")
TOKEN = "token-only-known-to-this-test"
NOTICE = Inform(
    channels=["crisis", "paper"],
    subject=Words(fr="Votre messagerie change d'adresse", en="Your mailbox moves"),
    facts=[
        Fact(
            what=Words(fr="Messagerie <web>", en="Webmail"),
            old="https://outlook.office.com",
            new="https://mail.valbourg.example",
        ),
        Fact(what=Words(fr="Serveur IMAP", en="IMAP server"), new="imap.valbourg.example port 993"),
    ],
    unchanged=[Words(fr="Votre adresse de courriel.", en="Your mail address.")],
    from_when="2026-11-26 08:00",
    instructions=Sheets(fr="sheets/mail.fr.md", en="sheets/mail.en.md"),
    contact=Words(fr="la mairie, 01 00 00 00 00", en="the town hall, 01 00 00 00 00"),
)
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
PLAIN = serialization.NoEncryption()


@dataclass(frozen=True, slots=True)
class Keys:
    """An authority, and the keys of those who sign. `ca`: its certificate's file."""

    ca: Path
    secrets: dict[str, str]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """The signer's certificate lies in `signer.pem` beside the authority's."""
    folder = tmp_path_factory.mktemp("keys")
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("Autorité de Valbourg", ca_key, ca_key, "Autorité de Valbourg", authority=True)
    mine = _certificate("Mairie de Valbourg", key, ca_key, "Autorité de Valbourg", authority=False)
    (folder / "ca.pem").write_bytes(ca.public_bytes(PEM))
    (folder / "signer.pem").write_bytes(mine.public_bytes(PEM))
    made: dict[str, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey] = {
        "mail-key": key,
        "notice-key": ed25519.Ed25519PrivateKey.generate(),
    }
    return Keys(folder / "ca.pem", {name: one.private_bytes(PEM, PKCS8, PLAIN).decode() for name, one in made.items()})


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signed_by: ec.EllipticCurvePrivateKey, issuer: str, *, authority: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    mail = x509.SubjectAlternativeName([x509.RFC822Name("mairie@valbourg.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        made = made.add_extension(mail, critical=False)
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return made.sign(signed_by, hashes.SHA256())


def town(directory: Path, port: int, keys: Keys, **channels: Any) -> Context:
    """A scope whose channel `crisis` is a mail server, and which signs."""
    (directory / "sheets").mkdir()
    (directory / "sheets/mail.fr.md").write_text("# Étapes\n\n1. Ouvrez **l'adresse**.\n<script>x</script>\n")
    (directory / "sheets/mail.en.md").write_text("# Steps\n\n1. Open **the address**. ![](https://x.example/p.png)\n")
    (directory / "signer.pem").write_bytes((keys.ca.parent / "signer.pem").read_bytes())
    mail = {"host": "127.0.0.1", "port": port, "from": "mairie@valbourg.example", "to": ["anne@valbourg.example"]}
    scope = {
        "networks": ["127.0.0.0/8"],
        "notify": {"crisis": {"driver": "smtp", **mail}, **channels},
        "smtp": {"helo": "bascule.valbourg.example"},
        "people": {
            "certificate": "signer.pem",
            "signing_key": "secret://mail-key",
            "notice_key": "secret://notice-key",
            "page": "https://www.valbourg.example/annonces",
        },
    }
    secrets = dict(keys.secrets)
    reveal = lambda reference: Secret(secrets[reference.removeprefix("secret://")])  # noqa: E731
    return Context(scope, reveal, directory / "workspace", directory, deadline=5.0)


class TestInform(UnprovableContract):
    @pytest.fixture
    def case(self, tmp_path: Path, keys: Keys) -> Iterator[Case]:
        with mail_server() as mail, relayed(mail.port, ends_message) as relay:
            context = town(tmp_path, relay.port, keys)
            yield Case(
                want=NOTICE,
                context=context,
                make=PeopleInform,
                world=lambda: (list(mail.taken), pages(tmp_path)),
                effects=lambda: len(mail.taken) + len(pages(tmp_path)),
                effects_once=2,
                crash_after_write=relay.losing_answers,
                break_permanently=lambda: changed(context.scope["notify"]["crisis"], to=["nobody@valbourg.example"]),
                break_briefly=relay.down,
                secrets=["".join(one.splitlines()[1:-1])[:40] for one in keys.secrets.values()],
                tag=TAG,
            )


def pages(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "workspace").glob("notice-*.html"))


def the_mail(mail: MailServer) -> EmailMessage:
    message = message_from_bytes(mail.taken[-1], policy=default)
    assert isinstance(message, EmailMessage)
    return message


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_mail_program_verifies_who_signed(tmp_path: Path, keys: Keys) -> None:
    with mail_server() as mail:
        PeopleInform(town(tmp_path, mail.port, keys)).apply(NOTICE, TAG, {}, quiet)
    (tmp_path / "mail.eml").write_bytes(mail.taken[0])
    told = ["cms", "-verify", "-in", str(tmp_path / "mail.eml"), "-CAfile", str(keys.ca), "-purpose", "smimesign"]
    openssl(*told, "-signer", str(tmp_path / "who.pem"), "-out", str(tmp_path / "content"))
    assert "Mairie de Valbourg" in openssl(
        "x509", "-in", str(tmp_path / "who.pem"), "-noout", "-subject", "-nameopt", "utf8"
    )
    assert b"Content-Language: fr" in (tmp_path / "content").read_bytes()
    (tmp_path / "mail.eml").write_bytes(mail.taken[0].replace(b"993", b"994"))
    with pytest.raises(AssertionError, match=r"digest failure|verification failure"):
        openssl(*told, "-out", str(tmp_path / "content"))


def test_anybody_verifies_the_text_with_the_published_key(tmp_path: Path, keys: Keys) -> None:
    with mail_server() as mail:
        done = PeopleInform(town(tmp_path, mail.port, keys)).apply(NOTICE, TAG, {}, quiet)
    page = Path(str(done.outputs["paper"]))
    files = {end: page.with_suffix(end) for end in (".txt", ".sig", ".pem")}
    key = ["-pubin", "-inkey", str(files[".pem"]), "-sigfile", str(files[".sig"]), "-in", str(files[".txt"])]
    assert "Verified Successfully" in openssl("pkeyutl", "-verify", "-rawin", *key)
    published = page.with_name(f"{page.stem}-verify.txt").read_text()
    assert all(text in published for text in (files[".pem"].read_text().strip(), str(done.outputs["reference"])))
    assert base64.b64decode(str(done.outputs["signature"])) == files[".sig"].read_bytes()
    assert str(done.outputs["signature"]) in page.read_text().replace("&#x27;", "'")


def test_the_mail_says_what_changes_what_is_never_asked_and_how_to_check(tmp_path: Path, keys: Keys) -> None:
    with mail_server() as mail:
        done = PeopleInform(town(tmp_path, mail.port, keys)).apply(NOTICE, TAG, {}, quiet)
        message = the_mail(mail)
    assert message["Message-ID"] == done.outputs["messages"]["crisis"]
    assert message["Subject"] == f"Votre messagerie change d'adresse / Your mailbox moves [{done.outputs['reference']}]"
    texts = {
        part["Content-Language"]: part.get_content()
        for part in message.walk()
        if part.get_content_type() == "text/plain" and part["Content-Language"]
    }
    for text, said in (
        (texts["fr"], ["jusqu'ici : https://outlook.office.com", "Votre mot de passe", "01 00 00 00 00", "Étapes"]),
        (texts["en"], ["until now: https://outlook.office.com", "click on a link to sign in", "Open **the address**"]),
    ):
        assert [one for one in [*said, str(done.outputs["reference"]), "https://www.valbourg.example/annonces",
                                "imap.valbourg.example", "2026-11-26 08:00", "Mairie de Valbourg"]
                if one not in text] == []  # fmt: skip


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing(tmp_path: Path, keys: Keys) -> None:
    with mail_server() as mail:
        done = PeopleInform(town(tmp_path, mail.port, keys)).apply(NOTICE, TAG, {}, quiet)
    page = Path(str(done.outputs["paper"])).read_text()
    assert re.findall(r"<(?:script|img|link|iframe|a)\b|url\(|@import", page) == []
    assert "Messagerie &lt;web&gt;" in page
    assert "<strong>l'adresse</strong>" in page
    assert [*re.findall(r'<article lang="(..)">', page)] == ["fr", "en"]
    assert "size: A4" in page


@contextmanager
def every_channel(directory: Path, keys: Keys) -> Iterator[tuple[Context, MailServer, Channel, Served, Relay]]:
    """Mail, an SMS gateway behind a relay, a social account, and paper."""
    with ExitStack() as stack:
        mail, channel = stack.enter_context(mail_server()), stack.enter_context(channel_server())
        relay = stack.enter_context(relayed(channel.server_address[1], lambda sent: b"POST" in sent))
        server = stack.enter_context(
            served("mastodon", lambda url, effects: FediverseServer(MASTODON, url, TOKEN, effects), directory)
        )
        context = town(directory, mail.port, keys, sms={"driver": "apprise", "url": "secret://sms", "sms": True})
        scope = {
            **context.scope,
            "tls": {"ca": str(server.ca)},
            "social": {"town": {"driver": "mastodon", "url": server.url, "token": "secret://token"}},
        }
        known = {"secret://sms": f"json://127.0.0.1:{relay.port}/", "secret://token": TOKEN}
        yield (
            replace(
                context,
                scope=scope,
                deadline=10.0,
                reveal=lambda name: Secret(known[name]) if name in known else context.reveal(name),
            ),
            mail,
            channel,
            server,
            relay,
        )


EVERYWHERE = NOTICE.model_copy(
    update={"channels": ["sms", "crisis", "social:town", "paper"], "facts": NOTICE.facts[:1]}
)


def test_every_channel_is_told_once_and_told_once_that_it_is_taken_back(tmp_path: Path, keys: Keys) -> None:
    with every_channel(tmp_path, keys) as (context, mail, channel, server, _):
        looked = PeopleInform(context).observe(EVERYWHERE, TAG, None).message
        done = PeopleInform(context).apply(EVERYWHERE, TAG, {}, quiet)
        for _ in range(2):
            assert PeopleInform(context).undo(EVERYWHERE, TAG, done.effect, quiet).presence is Presence.ABSENT
        back = the_mail(mail)
        texts = [one.text for one in server.stand_in.statuses]
    assert "SMS to sms, 3 parts each" in looked
    assert "signed by Mairie de Valbourg" in looked
    first = str(done.outputs["reference"])
    assert (len(mail.taken), len(channel.taken), len(texts), len(pages(tmp_path))) == (2, 2, 2, 2)
    assert back["In-Reply-To"].strip() == done.outputs["messages"]["crisis"]
    assert str(back["Subject"]).startswith("Annulé : Votre messagerie change d'adresse / Taken back: ")
    for text in (back.as_string(), texts[1], json.dumps(channel.taken[1])):
        assert first in text
    assert "https://outlook.office.com" in texts[1]
    assert "https://mail.valbourg.example" not in texts[1]
    assert re.search(rf"ref\. {first}$", texts[0])


def test_what_was_interrupted_goes_on_with_those_not_told_yet(tmp_path: Path, keys: Keys) -> None:
    """The gateway's answer is lost: the others are told, it is not asked again, and a person is told the doubt."""
    with every_channel(tmp_path, keys) as (context, mail, channel, _, relay):
        with relay.losing_answers(), changed(context.scope["notify"]["crisis"], port=1), refused() as caught:
            PeopleInform(context).apply(EVERYWHERE, TAG, {}, quiet)
        assert (caught.value.permanent, caught.value.effect_possible) == (False, True)
        assert "nothing shows whether sms took" in caught.value.message
        found = PeopleInform(context).observe(EVERYWHERE, TAG, {})
        assert found.presence is Presence.ABSENT
        assert "Not told yet: crisis." in found.message
        assert set(found.effect["channels"]) == {"social:town", "paper"}
        with refused() as caught:
            PeopleInform(context).apply(EVERYWHERE, TAG, {}, quiet)
        found = PeopleInform(context).observe(EVERYWHERE, TAG, {})
        assert found.presence is Presence.UNPROVABLE
        assert set(found.effect["channels"]) == {"crisis", "social:town", "paper"}
        assert (len(mail.taken), len(channel.taken)) == (1, 1)


def test_an_undo_in_doubt_is_not_repeated(tmp_path: Path, keys: Keys) -> None:
    with mail_server() as mail, relayed(mail.port, ends_message) as relay:
        context = town(tmp_path, relay.port, keys)
        done = PeopleInform(context).apply(NOTICE, TAG, {}, quiet)
        with relay.losing_answers(), refused() as caught:
            PeopleInform(context).undo(NOTICE, TAG, done.effect, quiet)
        assert (caught.value.permanent, caught.value.effect_possible) == (True, True)
        with refused() as caught:
            PeopleInform(context).undo(NOTICE, TAG, done.effect, quiet)
        assert caught.value.permanent
        assert len(mail.taken) == 2


def test_without_keys_the_reference_and_the_contact_remain(tmp_path: Path, keys: Keys) -> None:
    with mail_server() as mail:
        context = town(tmp_path, mail.port, keys)
        context = replace(context, scope={key: value for key, value in context.scope.items() if key != "people"})
        want = NOTICE.model_copy(update={"reference": "VALB-2026"})
        done = PeopleInform(context).apply(want, TAG, {}, quiet)
        message = the_mail(mail)
    assert (done.outputs["reference"], done.outputs["signature"]) == ("VALB-2026", "")
    assert message.get_content_type() == "multipart/mixed"
    assert "VALB-2026" in message["Subject"]


@pytest.mark.parametrize(
    ("people", "said"),
    [
        ({"notice_key": "secret://mail-key"}, "is no Ed25519 key"),
        ({"signing_key": "secret://notice-key"}, "neither an RSA nor an EC key"),
        ({"certificate": "nowhere.pem"}, "can't be read"),
        ({"certificate": "ca.pem"}, "does not belong to"),
    ],
)
def test_keys_that_can_not_be_used_are_said_when_the_plan_is_made(
    tmp_path: Path, keys: Keys, people: dict[str, str], said: str
) -> None:
    context = town(tmp_path, 1, keys)
    (tmp_path / "ca.pem").write_bytes(keys.ca.read_bytes())
    with changed(context.scope["people"], **people), pytest.raises(ProviderError, match=said) as caught:
        PeopleInform(context).observe(NOTICE, TAG, None)
    assert caught.value.permanent
    assert "PRIVATE" not in caught.value.message


def test_an_expired_certificate_is_said(tmp_path: Path, keys: Keys) -> None:
    late = (datetime.now(UTC) + timedelta(days=31)).timestamp()
    with pytest.raises(ProviderError, match="was valid until"):
        PeopleInform(replace(town(tmp_path, 1, keys), clock=lambda: late)).observe(NOTICE, TAG, None)


def test_the_doctor_reads_the_keys_and_tells_when_the_certificate_ends(tmp_path: Path, keys: Keys) -> None:
    context = town(tmp_path, 1, keys)
    soon = (datetime.now(UTC) + timedelta(days=10)).timestamp()
    found = examine(context, Subject("people", "signatures", "", soon))
    assert found.ok
    assert [right.state for right in found.rights] == [State.HELD, State.HELD]
    assert "It ends in 19 days" in found.rights[1].advice
    with changed(context.scope["people"], notice_key="secret://mail-key"):
        assert "is no Ed25519 key" in examine(context, Subject("people", "signatures", "", soon)).message


@pytest.mark.parametrize(
    ("text", "sent", "count"),
    [
        ("L’été à Noël : ça va, œuvre « ô »", 'L\'été à Noel : ca va, oeuvre " o "', 1),
        ("x" * 160, "x" * 160, 1),
        ("x" * 161, "x" * 161, 2),
        ("€" * 81, "€" * 81, 2),
        ("日本 \n\n ok", "?? ok", 1),
    ],
)
def test_an_sms_is_in_the_gsm_alphabet_and_is_counted(text: str, sent: str, count: int) -> None:
    assert gsm(text) == sent
    assert parts(gsm(text)) == count


@pytest.mark.parametrize("channels", [["a", "a"], ["Papier"], ["social:"], []])
def test_channels_are_named_once_and_rightly(channels: list[str]) -> None:
    with pytest.raises(ValidationError):
        Inform.model_validate({**NOTICE.model_dump(), "channels": channels})
