"""What each check sees, says, and refuses to do."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from providers.base import Finding, Presence, ProviderError, Tag
from providers.probes.dns import DnsCheck
from providers.probes.http import HttpCheck
from providers.probes.smtp import SmtpCheck
from providers.probes.ssh import SshCheck
from providers.probes.tcp import TcpCheck
from providers.probes.tls import TlsCheck
from providers.wants import DnsProbe, HttpProbe, SmtpProbe, SshProbe, TcpProbe, TlsProbe
from tests.contract.suite import quiet, refused
from tests.contract.test_probes import MAIL, WWW, Town, at
from tests.dns_servers import ZONE, bind, notify
from tests.probe_targets import PAGE, mail_server, web_server
from tests.ssh_host import make_host

__all__ = ["at"]

TAG = Tag("run-1", "probe")


def look(town: Town, make: Any, want: Any) -> Finding:
    found: Finding = make(town.context).observe(want, TAG, None)
    return found


@pytest.mark.parametrize(
    ("path", "wanted", "said"),
    [
        ("/gone", {}, "answered 404; expected 200"),
        ("/", {"contains": "Welcome"}, "does not contain 'Welcome'"),
        ("/", {"status": 204}, "answered 200; expected 204"),
        ("/away", {}, "answered 302, leading to http://elsewhere.example/; expected 200"),
        ("/loop", {}, "redirects more than 5 times"),
        ("/big", {"contains": "the end"}, "the first 1048576 bytes"),
    ],
)
def test_http_says_what_it_saw(at: Town, path: str, wanted: dict[str, Any], said: str) -> None:
    with web_server() as web:
        found = look(at, HttpCheck, HttpProbe(url=f"http://{WWW}:{web.port}{path}", **wanted))
    assert found.presence is Presence.ABSENT
    assert said in found.message


def test_http_keeps_the_name_while_it_connects_to_the_address(at: Town) -> None:
    with web_server() as web:
        url = f"http://new.elsewhere.example:{web.port}/moved"
        found = look(at, HttpCheck, HttpProbe(url=url, address="127.0.0.1", contains=PAGE))
        assert found.outputs == {
            "status": 200,
            "url": f"http://new.elsewhere.example:{web.port}/",
            "address": "127.0.0.1",
        }
        assert web.asked == [f"new.elsewhere.example:{web.port}/moved", f"new.elsewhere.example:{web.port}/"]


def test_http_asked_for_a_redirect_does_not_follow_it(at: Town) -> None:
    with web_server() as web:
        found = look(at, HttpCheck, HttpProbe(url=f"http://{WWW}:{web.port}/moved", status=302))
    assert found.presence is Presence.ALREADY


def test_http_ends_at_its_deadline_although_the_page_never_does(at: Town) -> None:
    with web_server() as web:
        check = HttpCheck(replace(at.context, deadline=0.5))
        begun = time.monotonic()
        found = check.observe(HttpProbe(url=f"http://{WWW}:{web.port}/drip"), TAG, None)
    assert found.presence is Presence.ABSENT
    assert "time" in found.message
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    ("names", "server_name", "days", "said"),
    [
        ((WWW,), None, 30, "valid until"),
        ((WWW,), MAIL, 30, f"no valid certificate for {MAIL} (Hostname mismatch"),
        ((WWW,), None, -1, "certificate has expired"),
        ((WWW,), None, 2, "is valid for 1 more days; expected at least 14"),
        ((MAIL,), MAIL, 30, "valid until"),
    ],
)
def test_tls_says_what_it_saw(at: Town, names: tuple[str, ...], server_name: str | None, days: int, said: str) -> None:
    with web_server(at.authority.server_context(*names, days=days)) as web:
        found = look(at, TlsCheck, TlsProbe(host=WWW, port=web.port, server_name=server_name, days_left=14))
    assert said in found.message
    assert (found.presence is Presence.ALREADY) == (said == "valid until")


def test_tls_trusts_only_the_scopes_authorities(at: Town) -> None:
    del at.scope["tls"]["ca"]
    with web_server(at.authority.server_context(WWW)) as web:
        found = look(at, TlsCheck, TlsProbe(host=WWW, port=web.port))
    assert found.presence is Presence.ABSENT
    assert "unable to get local issuer certificate" in found.message


def test_dns_wants_every_server_to_agree(at: Town, tmp_path: Path) -> None:
    (second := tmp_path / "second").mkdir()
    want = DnsProbe(zone=ZONE, name="WWW", type="A", values=["127.0.0.8"])
    with bind(second, at.dns) as behind:
        at.scope["dns"]["zones"][ZONE]["servers"].append(behind.address)
        at.dns.change("delete www A", "add www 60 A 127.0.0.8")
        found = look(at, DnsCheck, want)
        assert found.presence is Presence.ABSENT
        assert f"is 127.0.0.1 at {behind.address}; expected 127.0.0.8" in found.message
        notify(behind)
        end = time.monotonic() + 10
        while (found := look(at, DnsCheck, want)).presence is not Presence.ALREADY:
            assert time.monotonic() < end, found.message
            time.sleep(0.02)
    assert found.outputs["servers"] == [at.dns.address, behind.address]


def test_smtp_wants_exactly_these_mail_servers(at: Town) -> None:
    with mail_server() as mail:
        found = look(at, SmtpCheck, SmtpProbe(domain=ZONE, port=mail.port, mx=["mx.mailo.com"]))
        assert found.presence is Presence.ABSENT
        assert found.message == f"{ZONE} publishes the mail servers {MAIL}; expected mx.mailo.com."
        at.dns.change("delete @ MX", "add @ 60 MX 0 .")
        found = look(at, SmtpCheck, SmtpProbe(domain=ZONE, port=mail.port))
        assert "publishes no mail server" in found.message


def test_smtp_delivers_a_canary_once_applied_and_only_asks_when_observed(at: Town) -> None:
    at.dns.change("add @ 60 MX 5 first", "add first 60 A 127.0.0.1")
    with mail_server() as mail:
        want = SmtpProbe(domain=ZONE, port=mail.port, deliver_to=f"maire@{ZONE}")
        found = look(at, SmtpCheck, want)
        assert (found.presence, mail.taken) == (Presence.ALREADY, [])
        done = SmtpCheck(at.context).apply(want, TAG, {}, quiet)
    assert done.outputs["mx"] == [f"first.{ZONE}", MAIL]
    assert done.outputs["delivered_to"] == f"first.{ZONE}"
    (taken,) = [message_from_bytes(each, policy=default) for each in mail.taken]
    assert (taken["Message-ID"], taken["From"]) == (done.outputs["message_id"], f"canary@{ZONE}")
    assert mail.recipients == [f"maire@{ZONE}"]


@pytest.mark.parametrize("recipient", ["nobody", "later"])
def test_smtp_that_refuses_the_canary_does_not_hold(at: Town, recipient: str) -> None:
    with mail_server() as mail:
        want = SmtpProbe(domain=ZONE, port=mail.port, deliver_to=f"{recipient}@{ZONE}")
        assert look(at, SmtpCheck, want).presence is Presence.ABSENT
        with refused() as caught:
            SmtpCheck(at.context).apply(want, TAG, {}, quiet)
    assert not caught.value.permanent
    assert "did not take the canary" in caught.value.message


def test_smtp_verifies_certificates_only_when_told(at: Town) -> None:
    with mail_server(at.authority.server_context("other.example")) as mail:
        want = SmtpProbe(domain=ZONE, port=mail.port)
        assert look(at, SmtpCheck, want).outputs["starttls"] == [MAIL]
        at.scope["tls"]["verify"] = True
        found = look(at, SmtpCheck, want)
    assert found.presence is Presence.ABSENT
    assert "Hostname mismatch" in found.message


def test_ssh_refuses_another_host_key_and_leaves_no_key_behind(
    at: Town, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host = make_host(tmp_path_factory.mktemp("ssh"))
    want = SshProbe(host=WWW, port=host.port)
    at.secrets["ssh-key"] = host.key
    at.scope.update(host.scope)
    with host.running():
        found = look(at, SshCheck, want)
        assert (found.presence, found.outputs["login"]) == (Presence.ALREADY, True)
    host.new_host_key()
    with host.running():
        found = look(at, SshCheck, want)
    assert found.presence is Presence.ABSENT
    assert "refused the login" in found.message
    assert sorted(path.name for path in at.context.workspace.iterdir()) == ["known_hosts"]


def test_ssh_without_a_key_only_reads_the_greeting(at: Town, tmp_path_factory: pytest.TempPathFactory) -> None:
    host = make_host(tmp_path_factory.mktemp("ssh"))
    with host.running():
        found = look(at, SshCheck, SshProbe(host=WWW, port=host.port))
    assert found.outputs["login"] is False
    assert found.outputs["version"].startswith("SSH-2.0-")


@contextmanager
def greeting(said: bytes) -> Iterator[int]:
    """A server that says this to whoever comes, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                line.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("said", "presence"),
    [
        (b"Welcome\r\nSSH-2.0-other\r\n", Presence.ALREADY),
        (b"SSH-1.99-old\r\n", Presence.ABSENT),
        (b"220 mail\r\n", Presence.ABSENT),
        (b"", Presence.ABSENT),
        (b"x" * 50_000, Presence.ABSENT),
    ],
)
def test_ssh_greetings(at: Town, said: bytes, presence: Presence) -> None:
    with greeting(said) as port:
        assert look(at, SshCheck, SshProbe(host=WWW, port=port)).presence is presence


def test_names_follow_aliases_and_never_leave_the_scopes_networks(at: Town) -> None:
    at.dns.change("add alias 60 CNAME www", "add mixed 60 A 169.254.169.254", "add mixed 60 A 127.0.0.1")
    at.dns.change("add metadata 60 A 169.254.169.254")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        for host in (f"alias.{ZONE}", f"mixed.{ZONE}"):
            assert look(at, TcpCheck, TcpProbe(host=host, port=port)).outputs == {"address": "127.0.0.1"}
        for host in (f"metadata.{ZONE}", "169.254.169.254", "::ffff:169.254.169.254"):
            with pytest.raises(ProviderError, match="outside the networks") as caught:
                look(at, TcpCheck, TcpProbe(host=host, port=port))
            assert caught.value.permanent


def test_a_redirect_can_not_leave_the_scopes_networks(at: Town) -> None:
    at.dns.change("delete www A", "add www 60 A 169.254.169.254")
    with pytest.raises(ProviderError, match="outside the networks"):
        look(at, HttpCheck, HttpProbe(url=f"http://{WWW}/"))


def test_names_are_never_looked_up_by_the_machine(at: Town) -> None:
    """`localhost` is in every machine's hosts file, and in no zone of ours."""
    found = look(at, TcpCheck, TcpProbe(host="localhost", port=1))
    assert found.presence is Presence.ABSENT
    assert "can't be looked up" in found.message
    del at.scope["dns"]["resolvers"]
    with pytest.raises(ProviderError, match=r"no `dns.resolvers`"):
        look(at, TcpCheck, TcpProbe(host="localhost", port=1))
