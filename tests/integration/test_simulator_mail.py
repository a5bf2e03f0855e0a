"""The mail providers and the directory that stand in for the old and the new ones."""

import smtplib
import socket
from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest

from tests.simulator_fixture import Simulator


def deliver(simulator: Simulator, host: int, recipient: str, message_id: str = "<1@test>") -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Message-ID"] = "canary@valbourg.example", recipient, message_id
    message["Subject"] = "Essai é"
    message.set_content("Bonjour")
    with smtplib.SMTP(simulator.service(host), 25, timeout=5) as client:
        client.send_message(message)


def test_each_provider_takes_what_it_serves(fresh_simulator: Simulator) -> None:
    deliver(fresh_simulator, 25, "maire@valbourg.example", "<old@test>")
    deliver(fresh_simulator, 26, "maire@valbourg.example", "<new@test>")
    deliver(fresh_simulator, 27, "crise@valbourg.example", "<crisis@test>")
    for host, recipient in ((25, "a@elsewhere.test"), (26, "a@elsewhere.test"), (27, "maire@valbourg.example")):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            deliver(fresh_simulator, host, recipient)
        assert refused.value.recipients[recipient][0] == 550
    assert fresh_simulator.state()["mailboxes"] == {
        "smtp-crisis": ["<crisis@test>"],
        "smtp-new": ["<new@test>"],
        "smtp-old": ["<old@test>"],
    }
    assert [effect["tag"] for effect in fresh_simulator.effects("message.accept")] == [
        "<old@test>",
        "<new@test>",
        "<crisis@test>",
    ]
    assert "Bonjour" in fresh_simulator.messages()["smtp-new"][0]["text"]


def test_a_lost_answer_and_a_refusal_for_now(fresh_simulator: Simulator) -> None:
    fresh_simulator.faults({"service": "smtp-new", "route": "DATA", "kind": "lose_answer"})
    with pytest.raises(smtplib.SMTPServerDisconnected):
        deliver(fresh_simulator, 26, "maire@valbourg.example")
    assert fresh_simulator.state()["mailboxes"]["smtp-new"] == ["<1@test>"]
    fresh_simulator.faults({"service": "smtp-new", "route": "DATA", "kind": "tempfail"})
    with pytest.raises(smtplib.SMTPDataError) as refused:
        deliver(fresh_simulator, 26, "maire@valbourg.example", "<2@test>")
    assert refused.value.smtp_code == 451
    deliver(fresh_simulator, 26, "maire@valbourg.example", "<3@test>")
    assert fresh_simulator.state()["mailboxes"]["smtp-new"] == ["<1@test>", "<3@test>"]


def test_the_directory_answers_a_bind(fresh_simulator: Simulator) -> None:
    where = urlsplit(fresh_simulator.addresses["identity-old"])
    assert where.hostname is not None
    with socket.create_connection((where.hostname, where.port or 389), 5) as client:
        client.sendall(bytes.fromhex("300c020101600702010304008000"))
        assert client.recv(100) == bytes.fromhex("300c02010161070a010004000400")
        client.sendall(bytes.fromhex("30050201024200"))
        assert client.recv(100) == b""
