"""Checks of a mail domain, at a real name server, a real Dovecot and a real Postfix."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from providers.base import Finding, Presence, ProviderError, Tag
from providers.dns.deadline import Deadline
from providers.probes.dns import DnsCheck
from providers.probes.genuine import judged
from providers.probes.imap import ImapCheck
from providers.probes.mail import MailCheck
from providers.probes.mta_sts import MtaStsCheck
from providers.probes.resolver import Names
from providers.probes.smtp import SmtpCheck
from providers.probes.spf import SpfCheck
from providers.wants import DnsProbe, ImapProbe, MailProbe, MtaStsProbe, SmtpProbe, SpfProbe
from tests.contract.suite import Case, ReadOnlyContract, quiet
from tests.contract.test_probes import Town, at, town
from tests.contract.test_probes_details import look
from tests.dns_servers import ZONE
from tests.mail_servers import MAILDIR_USER, Dovecot, dovecot, loopback, postfix
from tests.mail_targets import PolicyServer, Signer, SubmissionServer, policy_server
from tests.probe_targets import mail_server

__all__ = ["at"]

TAG = Tag("run-1", "probe")
MX = f"mx.{ZONE}"
BOX = f"canary@{ZONE}"
PASSWORD = "mailbox-password-only-known-to-this-test"
POLICY = "version: STSv1\nmode: enforce\nmx: mx.old.example\nmx: *.valbourg.example\nmax_age: 604800\n"


class TestSpf(ReadOnlyContract):
    @pytest.fixture
    def case(self, at: Town) -> Case:
        at.dns.change(
            "delete @ TXT", 'add @ 60 TXT "v=spf1 include:_a.valbourg.example -all"', spf("_a", "ip4:192.0.2.1")
        )
        second = at.published('add @ 60 TXT "v=spf1 mx -all"', undone_by=('delete @ TXT "v=spf1 mx -all"',))
        return at.case(SpfProbe(domain=ZONE), SpfCheck, lambda: second, at.dns.records)


def spf(name: str, terms: str) -> str:
    return f'add {name} 60 TXT "v=spf1 {terms} -all"'


def published_spf(at: Town, terms: str, *more: str) -> None:
    at.dns.change("delete @ TXT", f'add @ 60 TXT "v=spf1 {terms}"', 'add @ 60 TXT "MS=ms1"', *more)


def test_spf_counts_what_a_receiver_would_ask_for(at: Town) -> None:
    published_spf(
        at,
        f"a mx ptr exists:%{{i}}.x.{ZONE} ip4:192.0.2.1 include:_a.{ZONE} redirect=_b.{ZONE}",
        spf("_a", f"include:_c.{ZONE} a:www.{ZONE}"),
        spf("_b", "ip4:192.0.2.2"),
        spf("_c", "mx:valbourg.example"),
        "add @ 60 A 192.0.2.7",
    )
    found = look(at, SpfCheck, SpfProbe(domain=ZONE))
    assert found.presence is Presence.ALREADY, found.message
    assert (found.outputs["lookups"], found.outputs["void"]) == (9, 0)
    assert found.outputs["costliest"] == f"include:_a.{ZONE}"


def test_spf_is_counted_as_it_will_be(at: Town) -> None:
    published_spf(
        at,
        f"a a a a a a include:_a.{ZONE} -all",
        spf("_a", "a:www.valbourg.example"),
        spf("_n", " ".join([f"a:www.{ZONE}"] * 3)),
    )
    at.dns.change("add @ 60 A 192.0.2.7")
    assert look(at, SpfCheck, SpfProbe(domain=ZONE)).outputs["lookups"] == 8
    too_many = look(at, SpfCheck, SpfProbe(domain=ZONE, include=[f"_n.{ZONE}"]))
    assert too_many.presence is Presence.ABSENT
    assert (
        "would need 12 DNS lookups, and 10 are allowed; include:_n.valbourg.example alone needs 4" in too_many.message
    )
    swapped = look(at, SpfCheck, SpfProbe(domain=ZONE, include=[f"_n.{ZONE}"], exclude=[f"_a.{ZONE}"]))
    assert swapped.outputs["lookups"] == 10
    assert swapped.outputs["record"] == f"v=spf1 a a a a a a include:_n.{ZONE} -all"


@pytest.mark.parametrize(
    ("terms", "more", "said"),
    [
        (f"include:_nothing.{ZONE} -all", (), "leads to no SPF record"),
        (f"include:_a.{ZONE} -all", (spf("_a", f"include:{ZONE}"),), "leads in a circle"),
        (f"a:n1.{ZONE} a:n2.{ZONE} a:n3.{ZONE} -all", (), "3 names in the SPF record"),
    ],
)
def test_spf_that_receivers_give_up_on(at: Town, terms: str, more: tuple[str, ...], said: str) -> None:
    published_spf(at, terms, *more)
    found = look(at, SpfCheck, SpfProbe(domain=ZONE))
    assert found.presence is Presence.ABSENT
    assert said in found.message


def test_a_domain_without_spf_costs_nothing_until_it_has_one(at: Town) -> None:
    at.dns.change("delete @ TXT", spf("_n", "a:www.valbourg.example"))
    assert look(at, SpfCheck, SpfProbe(domain=ZONE)).outputs["lookups"] == 0
    found = look(at, SpfCheck, SpfProbe(domain=ZONE, include=[f"_n.{ZONE}"]))
    assert found.outputs == {
        "record": f"v=spf1 include:_n.{ZONE} ~all", "lookups": 2, "void": 0, "costliest": f"include:_n.{ZONE}"
    }  # fmt: skip


@pytest.fixture
def policy(at: Town) -> Iterator[PolicyServer]:
    address = loopback()
    at.dns.change('add _mta-sts 60 TXT "v=STSv1; id=20260101;"', f"add mta-sts 60 A {address}")
    with policy_server(address, at.authority.server_context(f"mta-sts.{ZONE}"), POLICY) as server:
        yield server


class TestMtaSts(ReadOnlyContract):
    @pytest.fixture
    def case(self, at: Town, policy: PolicyServer) -> Case:
        @contextmanager
        def other_policy() -> Iterator[None]:
            text, policy.text = policy.text, POLICY.replace("*.valbourg.example", "mx.other.example")
            yield
            policy.text = text

        return at.case(MtaStsProbe(domain=ZONE, mx=[MX]), MtaStsCheck, other_policy, at.dns.records)


def test_an_mta_sts_policy_is_told(at: Town, policy: PolicyServer) -> None:
    found = look(at, MtaStsCheck, MtaStsProbe(domain=ZONE, mx=[f"{MX}.", "MX.old.example"]))
    assert found.outputs == {"id": "20260101", "mode": "enforce", "mx": ["mx.old.example", "*.valbourg.example"]}
    found = look(at, MtaStsCheck, MtaStsProbe(domain=ZONE, mx=[f"a.b.{ZONE}"]))
    assert found.presence is Presence.ABSENT
    assert (
        "lists mx.old.example, *.valbourg.example and not a.b.valbourg.example; add that to https://" in found.message
    )
    policy.text = POLICY.replace("enforce", "none")
    assert "binds no sender" in look(at, MtaStsCheck, MtaStsProbe(domain=ZONE, mx=["mx.x.example"])).message
    policy.text = "<html>"
    assert "is no MTA-STS policy" in look(at, MtaStsCheck, MtaStsProbe(domain=ZONE, mx=[MX])).message
    policy.status = 302
    assert "answered 302; expected 200" in look(at, MtaStsCheck, MtaStsProbe(domain=ZONE, mx=[MX])).message


def test_a_domain_without_mta_sts_needs_no_policy(at: Town) -> None:
    found = look(at, MtaStsCheck, MtaStsProbe(domain=ZONE, mx=[MX]))
    assert found.presence is Presence.ALREADY
    assert "has no MTA-STS" in found.message


@contextmanager
def mailboxes(at: Town) -> Iterator[Dovecot]:
    """The domain's own, at its name `mx`."""
    address = loopback()
    at.authority.server_context(MX)
    at.dns.change(f"add mx 60 A {address}")
    at.secrets["box"] = PASSWORD
    with dovecot(address, at.directory / f"{MX}-30.pem", {BOX: PASSWORD}) as server:
        yield server


@pytest.fixture
def boxes(at: Town) -> Iterator[Dovecot]:
    with mailboxes(at) as server:
        yield server


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Town, Dovecot]]:
    """A town with mailboxes for all tests that leave both as they were."""
    with town(tmp_path_factory.mktemp("town")) as at, mailboxes(at) as server:
        yield at, server


def put(boxes: Dovecot, number: int) -> Path:
    """A message arrives."""
    place = boxes.maildir(BOX)
    owner = pwd.getpwnam(MAILDIR_USER)
    for name in ("", "new", "cur", "tmp"):
        (place / name).mkdir(parents=True, exist_ok=True)
        os.chown(place / name, owner.pw_uid, owner.pw_gid)
    path = place / "new" / f"{number}.test"
    path.write_text(
        f"From: a@third.example\nMessage-ID: <{number}@third.example>\nSubject: Essai {number}\n\nBonjour.\n"
    )
    os.chown(path, owner.pw_uid, owner.pw_gid)
    return path


def in_box(number: int, **more: str) -> ImapProbe:
    said = {"host": MX, "user": BOX, "password": "secret://box", "message_id": f"<{number}@third.example>", **more}
    return ImapProbe.model_validate(said)


class TestImap(ReadOnlyContract):
    @pytest.fixture
    def case(self, kept: tuple[Town, Dovecot], tmp_path: Path) -> Case:
        shared, boxes = kept
        at = replace(shared, directory=tmp_path)
        put(boxes, 1)
        moved = at.published(
            "delete mx A", "add mx 60 A 127.9.9.9", undone_by=("delete mx A", f"add mx 60 A {boxes.address}")
        )
        return at.case(in_box(1), ImapCheck, lambda: moved, at.dns.records)


def test_a_message_is_found_and_only_that_one_deleted(at: Town, boxes: Dovecot) -> None:
    for number in (1, 2):
        put(boxes, number)
    found = look(at, ImapCheck, in_box(2))
    assert found.outputs == {"message_id": "<2@third.example>", "subject": "Essai 2"}
    assert "is not in" in look(at, ImapCheck, in_box(3)).message
    for _ in range(2):
        assert ImapCheck(at.context).apply(in_box(2), TAG, {}, quiet).outputs == found.outputs
    assert look(at, ImapCheck, in_box(1)).presence is Presence.ALREADY
    left = [path for part in ("new", "cur") for path in (boxes.maildir(BOX) / part).iterdir()]
    assert [path.read_text().splitlines()[1] for path in left] == ["Message-ID: <1@third.example>"]


@pytest.mark.faults
def test_a_mailbox_lets_only_its_owner_in(at: Town, boxes: Dovecot) -> None:
    at.secrets["box"] = "another-password"
    with pytest.raises(ProviderError, match="does not let canary@") as caught:
        look(at, ImapCheck, in_box(1))
    assert caught.value.permanent
    assert "another-password" not in str(caught.value)
    at.secrets["box"] = PASSWORD
    with pytest.raises(ProviderError, match="has no folder 'Elsewhere'"):
        look(at, ImapCheck, in_box(1, folder="Elsewhere"))


def test_resolvers_are_asked_and_other_values_may_be_there(at: Town) -> None:
    want = DnsProbe(zone=ZONE, type="MX", values=[f"10 mail.{ZONE}."], at="resolvers")
    assert look(at, DnsCheck, want).outputs["servers"] == [at.dns.address]
    at.dns.change("add @ 60 MX 20 www")
    assert look(at, DnsCheck, want).presence is Presence.ABSENT
    among = want.model_copy(update={"match": "among"})
    assert look(at, DnsCheck, among).presence is Presence.ALREADY
    at.scope["dns"]["resolvers"] = []
    with pytest.raises(ProviderError, match=r"no `dns\.resolvers`"):
        look(at, DnsCheck, want)


def test_named_servers_are_asked_before_they_are_published(at: Town) -> None:
    at.dns.change("add new 60 A 127.0.0.1", "delete @ MX")
    name = f"new.{ZONE}"
    with mail_server(at.authority.server_context(name)) as server:
        want = SmtpProbe(domain=ZONE, port=server.port, servers=[name], tls="required", deliver_to=BOX)
        found = look(at, SmtpCheck, want)
        assert found.outputs["mx"] == [name]
        assert found.outputs["certificates"][name].startswith("valid until 20")
        assert (found.outputs["delivered_to"], server.taken) == (name, [])
        done = SmtpCheck(at.context).apply(want, TAG, {}, quiet)
        assert done.outputs["message_id"].encode() in server.taken[0]
    with mail_server(at.authority.server_context("another.example")) as server:
        want = SmtpProbe(domain=ZONE, port=server.port, servers=[name])
        told = look(at, SmtpCheck, want).outputs["certificates"][name]
        assert told.startswith("not valid: Hostname mismatch")
        strict = look(at, SmtpCheck, want.model_copy(update={"tls": "required"}))
        assert strict.presence is Presence.ABSENT
        assert "Hostname mismatch" in strict.message


@contextmanager
def submission(at: Town, boxes: Dovecot) -> Iterator[SubmissionServer]:
    """The domain's new side hands mail in at one address; a third party's Postfix takes it into a mailbox there."""
    third, sending, submit = loopback(), loopback(), f"submit.{ZONE}"
    signer = Signer(ZONE)
    server = SubmissionServer(loopback(), third, sending, signer, at.authority.server_context(submit), BOX, PASSWORD)
    at.dns.change(
        f"add submit 60 A {server.address}",
        "delete @ TXT",
        f'add @ 60 TXT "v=spf1 ip4:{sending} -all"',
        'add _dmarc 60 TXT "v=DMARC1; p=reject"',
        f"add third 60 MX 10 mx.third.{ZONE}.",
        f"add mx.third 60 A {third}",
        *(f"add bascule._domainkey 60 TXT {part}" for part in [_quoted(signer.published)]),
    )
    settings = {
        "virtual_mailbox_domains": f"third.{ZONE}",
        "virtual_mailbox_maps": f"inline:{{ {{ box@third.{ZONE} = x }} }}",
        "virtual_alias_maps": f"inline:{{ {{ box@third.{ZONE} = {BOX} }} }}",
        "virtual_alias_domains": "",
        "transport_maps": f"inline:{{ {{ {BOX} = lmtp:unix:{boxes.lmtp} }} }}",
    }
    with postfix(f"mx.third.{ZONE}", third, settings), server.running():
        yield server


def _quoted(text: str) -> str:
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))


def outgoing(**more: object) -> MailProbe:
    mailbox = {"host": MX, "user": BOX, "password": "secret://box"}
    submitted = {"host": f"submit.{ZONE}", "user": BOX, "password": "secret://box"}
    said = {"domain": ZONE, "from": BOX, "to": f"box@third.{ZONE}", "mailbox": mailbox, "submission": submitted, **more}
    return MailProbe.model_validate(said)


def sent(at: Town, want: MailProbe, tag: Tag = TAG) -> Finding:
    return MailCheck(at.context).apply(want, tag, {}, quiet)


@pytest.fixture(scope="module")
def sending(kept: tuple[Town, Dovecot]) -> Iterator[SubmissionServer]:
    """The new side, after the canary of run-1's step-1 arrived."""
    at, boxes = kept
    with submission(at, boxes) as server:
        sent(at, outgoing(), Tag("run-1", "step-1"))
        yield server


@pytest.mark.core
class TestMail(ReadOnlyContract):
    @pytest.fixture
    def case(self, kept: tuple[Town, Dovecot], sending: SubmissionServer, tmp_path: Path) -> Case:
        shared, boxes = kept
        at = replace(shared, directory=tmp_path)
        back = ("delete mx A", f"add mx 60 A {boxes.address}")
        moved = at.published("delete mx A", "add mx 60 A 127.9.9.9", undone_by=back)
        return at.case(outgoing(), MailCheck, lambda: moved, lambda: (at.dns.records(), len(sending.taken)))


def test_what_is_said_to_a_mail_server_stays_on_one_line() -> None:
    with pytest.raises(ValueError, match="signs that end a line"):
        in_box(1, folder='INBOX"\r\nA1 DELETE INBOX')


def test_mail_from_the_domain_is_found_genuine_elsewhere(at: Town, boxes: Dovecot) -> None:
    with submission(at, boxes) as server:
        assert "No mail from canary@" in look(at, MailCheck, outgoing()).message
        assert server.taken == []
        found = sent(at, outgoing())
        verdicts = {name: found.outputs[name] for name in ("spf", "dkim", "dmarc")}
        assert verdicts == {"spf": "pass", "dkim": "pass", "dmarc": "pass"}
        assert found.outputs["client"] == server.bind
        assert sent(at, outgoing()).outputs == found.outputs
        assert look(at, MailCheck, outgoing()).outputs == found.outputs
        assert len(server.taken) == 1


@pytest.mark.faults
def test_mail_that_a_receiver_would_doubt_is_told(at: Town, boxes: Dovecot) -> None:
    with submission(at, boxes) as server:
        server.stolen = True
        with pytest.raises(ProviderError, match="genuine by SPF and DKIM and DMARC") as caught:
            sent(at, outgoing())
        assert not caught.value.permanent
        assert "SPF of valbourg.example fail, DKIM none, DMARC of valbourg.example fail" in caught.value.message
        at.secrets["box"] = "another-password"
        with pytest.raises(ProviderError, match="does not let canary@"):
            sent(at, outgoing(), Tag("run-1", "other"))


def test_a_sender_outside_of_the_domain_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a@other\.example is no address of valbourg\.example"):
        outgoing(**{"from": "a@other.example"})


SENDER, STRANGER = "192.0.2.25", "203.0.113.66"


def mail(author: str = BOX, client: str = SENDER, bounces_to: str | None = BOX, hops: tuple[str, ...] = ()) -> bytes:
    """A message as it lies in a third party's mailbox, the newest hop first."""
    taken = f"Received: from out.{ZONE} (unknown [{client}]) by mx.third.example (Postfix) with ESMTP id 1; now"
    lines = [f"Return-Path: <{bounces_to or ''}>", *(f"Received: {hop}" for hop in hops), taken]
    lines += [f"From: Canari <{author}>", "To: box@third.example", "Subject: Essai", "Message-ID: <1@test>"]
    return "\r\n".join([*lines, "", "Bonjour.", ""]).encode()


def verdicts(at: Town, raw: bytes) -> tuple[str, str, str]:
    names = Names(at.scope, Deadline(10.0))
    found = judged(raw, names, ["mx.third.example"])
    return found.spf, found.dkim, found.dmarc


@pytest.fixture
def signer(at: Town) -> Signer:
    """A key of a name below the domain; the domain's own SPF, and a DMARC policy."""
    made = Signer(f"news.{ZONE}")
    at.dns.change(
        f"add bascule._domainkey.news 60 TXT {_quoted(made.published)}",
        "delete @ TXT",
        f'add @ 60 TXT "v=spf1 ip4:{SENDER} -all"',
        'add _dmarc 60 TXT "v=DMARC1; p=reject"',
    )
    return made


def test_a_receiver_s_verdicts(at: Town, signer: Signer) -> None:
    assert verdicts(at, mail()) == ("pass", "none", "pass")
    assert verdicts(at, signer.signed(mail())) == ("pass", "pass", "pass")
    assert verdicts(at, mail(client=STRANGER)) == ("fail", "none", "fail")
    assert verdicts(at, signer.signed(mail(client=STRANGER))) == ("fail", "pass", "pass"), "forwarded, and signed"
    assert verdicts(at, signer.signed(mail()).replace(b"Bonjour.", b"Bonsoir.")) == ("pass", "fail", "pass")
    assert verdicts(at, mail(author="x@elsewhere.example.valbourg.example")) == ("pass", "none", "pass")
    assert verdicts(at, mail(bounces_to=None))[0] == "none", "a bounce is judged by its greeting"
    at.dns.change('add @ 60 TXT "v=spf1 mx -all"')
    assert verdicts(at, mail())[0] == "permerror"


def test_alignment_is_as_strict_as_the_policy_says(at: Town, signer: Signer) -> None:
    forwarded = signer.signed(mail(client=STRANGER))
    at.dns.change("delete _dmarc TXT", 'add _dmarc 60 TXT "v=DMARC1; p=reject; adkim=s"')
    assert verdicts(at, forwarded) == ("fail", "pass", "fail")
    at.dns.change("delete _dmarc TXT")
    assert verdicts(at, forwarded) == ("fail", "pass", "none")


def test_the_sending_address_is_the_one_that_the_receiver_s_mx_saw(at: Town, signer: Signer) -> None:
    inner = ("from mx.third.example (localhost [198.18.0.1]) by store.third.example with LMTP id 2; now",)
    outer = b"Received: from liar (liar [192.0.2.99]) by mx.other.example with ESMTP; before\r\nFrom:"
    assert verdicts(at, mail(hops=inner).replace(b"From:", outer, 1))[0] == "pass"


def test_a_message_that_says_nothing_of_its_way_has_no_spf(at: Town, signer: Signer) -> None:
    assert verdicts(at, b"From: canary@valbourg.example\r\n\r\nBonjour.\r\n") == ("none", "none", "fail")
