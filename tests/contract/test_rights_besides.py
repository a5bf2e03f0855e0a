"""The SSH key, the files of authorities, the channels of messages: examined without sending anything."""

import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

from providers.base import Context, Secret
from providers.examiners import examine
from providers.rights import Examination, State, Subject
from tests.probe_targets import mail_server

NOW = datetime(2026, 11, 25, tzinfo=UTC)
FORMATS = {
    "openssh": (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH),
    "pkcs8": (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8),
}


def examined(
    tmp_path: Path, scope: dict[str, Any], kind: str, entry: str, driver: str = "", secret: str = ""
) -> Examination:
    context = Context(scope, lambda _: Secret(secret), tmp_path / "work", tmp_path, deadline=5.0)
    found = examine(context, Subject(kind, entry, driver, now=NOW.timestamp()))
    assert not secret or secret not in str(found.as_json())
    return found


# The SSH key


def ssh(tmp_path: Path, text: str) -> Examination:
    return examined(tmp_path, {"ssh": {"key": "secret://ssh-key"}}, "ssh", "key", secret=text)


def written(key: Ed25519PrivateKey | rsa.RSAPrivateKey, form: str) -> str:
    return key.private_bytes(*FORMATS[form], serialization.NoEncryption()).decode()


def locked(tmp_path: Path, *form: str) -> str:
    """A key behind a passphrase, as ssh-keygen writes it."""
    command = ["ssh-keygen", "-q", "-t", "ecdsa", *form, "-N", "known to nobody here", "-f", str(tmp_path / "key")]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return (tmp_path / "key").read_text()


@pytest.mark.parametrize("form", FORMATS)
def test_a_private_key_that_opens_by_itself(tmp_path: Path, form: str) -> None:
    assert ssh(tmp_path, written(Ed25519PrivateKey.generate(), form)).ok


@pytest.mark.parametrize("form", [(), ("-m", "PEM"), ("-m", "PKCS8")], ids=["openssh", "pem", "pkcs8"])
def test_a_private_key_behind_a_passphrase(tmp_path: Path, form: tuple[str, ...]) -> None:
    found = ssh(tmp_path, locked(tmp_path, *form))
    assert not found.ok
    assert "passphrase" in found.message


@pytest.mark.parametrize("text", ["ssh-ed25519 AAAA", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", "\x00\xff"])
def test_what_is_no_private_key(tmp_path: Path, text: str) -> None:
    found = ssh(tmp_path, text)
    assert not found.ok
    assert "can't be read" in found.message


def test_an_rsa_key_that_openssh_refuses(tmp_path: Path) -> None:
    found = ssh(tmp_path, written(rsa.generate_private_key(65537, 1024), "openssh"))
    assert not found.ok
    assert "1024 bits" in found.message


# Authorities


def certificate(name: str, end: datetime) -> bytes:
    key = Ed25519PrivateKey.generate()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - timedelta(days=365))
        .not_valid_after(end)
        .sign(key, None)
    )
    return made.public_bytes(serialization.Encoding.PEM)


def authorities(tmp_path: Path, *ends: timedelta) -> Examination:
    (tmp_path / "ca.pem").write_bytes(b"".join(certificate(f"CA {n}", NOW + end) for n, end in enumerate(ends)))
    return examined(tmp_path, {}, "tls", "ca.pem")


def test_authorities_that_hold(tmp_path: Path) -> None:
    found = authorities(tmp_path, timedelta(days=400), timedelta(days=20))
    assert found.ok
    assert found.where == "ca.pem"
    assert ["20 days" in right.advice for right in found.rights] == [False, True]


def test_an_authority_that_ended(tmp_path: Path) -> None:
    found = authorities(tmp_path, timedelta(days=400), timedelta(days=-1))
    assert not found.ok
    assert [right.state for right in found.rights] == [State.HELD, State.MISSING]


def test_authorities_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    assert "no certificate" in examined(tmp_path, {}, "tls", "ca.pem").message
    assert "can't be read" in examined(tmp_path, {}, "tls", "gone.pem").message


# Messages


def smtp(tmp_path: Path, port: int) -> Examination:
    channel = {"driver": "smtp", "host": "127.0.0.1", "port": port, "from": "a@valbourg.example", "to": ["b@c.example"]}
    scope = {"networks": ["127.0.0.0/8"], "notify": {"crisis": channel}, "smtp": {"helo": "bascule.example"}}
    return examined(tmp_path, scope, "notify", "crisis", "smtp")


def test_a_mail_server_that_greets(tmp_path: Path) -> None:
    with mail_server() as mail:
        found = smtp(tmp_path, mail.port)
        assert list(mail.taken) == []
    assert found.ok
    assert [right.state for right in found.rights] == [State.HELD, State.UNKNOWN]


def test_a_mail_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = smtp(tmp_path, closed.getsockname()[1])
    assert not found.ok
    assert "does not greet" in found.message


def apprise(tmp_path: Path, url: str, networks: list[str] | None = None) -> Examination:
    scope: dict[str, Any] = {"notify": {"chat": {"driver": "apprise", "url": "secret://chat"}}}
    if networks is not None:
        scope["networks"] = networks
    return examined(tmp_path, scope, "notify", "chat", "apprise", url)


def test_apprise_urls_are_read_and_nothing_is_sent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        assert apprise(tmp_path, f"json://127.0.0.1:{listener.getsockname()[1]}/token-of-this-test").ok
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    ("url", "networks"), [("no url at all", None), ("json://192.0.2.9/token-of-this-test", ["127.0.0.0/8"])]
)
def test_apprise_urls_that_would_not_do(tmp_path: Path, url: str, networks: list[str] | None) -> None:
    found = apprise(tmp_path, url, networks)
    assert not found.ok
    assert "orrect the secret" in found.message


def test_drivers_that_nothing_is_known_of(tmp_path: Path) -> None:
    found = examined(tmp_path, {}, "storage", "old", "tape")
    assert found.ok
    assert "Not examined" in found.message
