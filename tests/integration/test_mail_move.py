"""A domain's mail moves between real servers while a third party goes on writing, and no message is lost or bounced."""

import json
import smtplib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.kinds import KINDS, parse_inputs
from orchestrator.domain.plan import PlannedStep
from orchestrator.domain.references import UNKNOWN_YET, substitute
from providers.base import Context, Finding, Presence, ProviderError, Secret, Tag
from providers.registry import provider_for
from tests.dns_servers import KEY, KEY_NAME, ZONE, Server, bind
from tests.mail_move import mail_steps
from tests.mail_servers import (
    Dovecot,
    Postfix,
    dovecot,
    loopback,
    maildir_settings,
    messages,
    open_directory,
    postfix,
    resolver,
)
from tests.probe_targets import Authority

THIRD = "third.example"
MAYOR, CANARY = f"maire@{ZONE}", f"canary@{ZONE}"
OLD, NEW = f"mx-old.{ZONE}", f"mx-new.{ZONE}"
PASSWORD = "canary-password-only-known-to-this-test"
OUTLOOK = "spf.protection.outlook.com"
PATIENCE = 45.0
"""Seconds within which every message must have arrived."""


@dataclass
class Town:
    """The domain's old and new mail servers, the third party that writes to it, and the DNS between them."""

    dns: Server
    third: Postfix
    old: Postfix
    new: Postfix
    boxes: Dovecot
    context: Context
    old_mail: Path
    end_old: Callable[[], None]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, numbers: Sequence[int]) -> None:
        """The third party's people hand their mail to their own server, one after the other."""
        with smtplib.SMTP(self.third.address, 25, local_hostname="desk", timeout=10) as session:
            for number in numbers:
                text = (
                    f"From: voisin@{THIRD}\r\nMessage-ID: <{number}@{THIRD}>\r\nSubject: {number}\r\n\r\nBonjour.\r\n"
                )
                session.sendmail(f"voisin@{THIRD}", [MAYOR], text)

    def arrived(self) -> list[str]:
        """The Message-IDs in the mayor's two mailboxes."""
        found = messages(self.old_mail / "maire") + messages(self.boxes.maildir(MAYOR))
        return sorted(str(message["Message-ID"]) for message in found)


@contextmanager
def town(tmp_path: Path) -> Iterator[Town]:
    with ExitStack() as stack, ExitStack() as olds:
        dns = stack.enter_context(bind(tmp_path))
        records = [f'{OUTLOOK}. IN TXT "v=spf1 ip4:192.0.2.0/24 -all"']
        resolving = stack.enter_context(resolver({ZONE: dns.port}, records))
        authority = Authority(tmp_path)
        authority.server_context(NEW)
        certificate = tmp_path / f"{NEW}-30.pem"
        old, new = loopback(), loopback()
        boxes = stack.enter_context(dovecot(new, certificate, {MAYOR: PASSWORD, CANARY: PASSWORD}))
        lmtp = {
            "virtual_mailbox_domains": ZONE,
            "virtual_mailbox_maps": f"inline:{{ {{ {MAYOR} = x }}, {{ {CANARY} = x }} }}",
            "virtual_transport": f"lmtp:unix:{boxes.lmtp}",
            "smtpd_tls_chain_files": str(certificate),
            "smtpd_tls_security_level": "may",
        }
        place = stack.enter_context(open_directory()) / "mail"
        third = stack.enter_context(
            postfix(f"mx.{THIRD}", loopback(), {"mynetworks": "127.0.0.1/32"}, resolver=resolving)
        )
        now = stack.enter_context(postfix(NEW, new, lmtp))
        before = olds.enter_context(postfix(OLD, old, maildir_settings(place, ZONE, "maire", "canary")))
        dns.change(
            f"add mx-old 60 A {old}",
            f"add mx-new 60 A {new}",
            "delete @ MX",
            f"add @ 2 MX 10 {OLD}.",
            "delete @ TXT",
            f'add @ 60 TXT "v=spf1 include:{OUTLOOK} -all"',
            'add @ 60 TXT "MS=ms123"',
            'add _dmarc 60 TXT "v=DMARC1; p=reject"',
        )
        context = _context(tmp_path, dns, resolving)
        yield Town(dns, third, before, now, boxes, context, old_mail=place, end_old=olds.close)


def _context(tmp_path: Path, dns: Server, resolving: str) -> Context:
    zone = {"driver": "rfc2136", "servers": [dns.address], "key_name": KEY_NAME, "key": "secret://tsig"}
    secrets = {"tsig": KEY, "canary": PASSWORD}
    return Context(
        scope={
            "networks": ["127.0.0.0/8"],
            "dns": {"zones": {ZONE: zone}, "resolvers": [f"{resolving}:53"]},
            "tls": {"ca": str(tmp_path / "ca.pem")},
            "smtp": {"helo": "bascule.example", "from": f"bascule@{THIRD}"},
        },
        reveal=lambda reference: Secret(secrets[reference.removeprefix("secret://")]),
        workspace=tmp_path / "workspace",
        estate=tmp_path,
        deadline=30.0,
    )


def move() -> list[PlannedStep]:
    settings = {
        "host": NEW,
        "client_host": NEW,
        "dkim": "v=DKIM1; p=AAAA",
        "canary": CANARY,
        "tls": "required",
        "mailbox_host": NEW,
        "mailbox_user": CANARY,
        "mailbox_password": "secret://canary",
    }
    return mail_steps("postfix-dovecot", json.dumps(settings))


def carry_out(at: Town, steps: Sequence[PlannedStep]) -> list[tuple[PlannedStep, Finding]]:
    """Each step as the engine does it, with the retries that the recipe gives it."""
    return [(step, _done(at, step)) for step in steps if KINDS[step.uses].has_provider]


def _done(at: Town, step: PlannedStep) -> Finding:
    provider, want, tag = _provider(at, step)
    before = {} if KINDS[step.uses].reads_only else provider.observe(want, tag, None).values
    end = time.monotonic() + PATIENCE
    found, failed = _tried(lambda: provider.apply(want, tag, before, _quiet))
    while failed is not None and not failed.permanent and time.monotonic() < end:
        time.sleep(0.3)
        found, failed = _tried(lambda: provider.apply(want, tag, before, _quiet))
    assert found is not None, f"{step.id}: {failed}"
    assert found.presence in (Presence.OURS, Presence.ALREADY), f"{step.id}: {found.message}"
    at.outputs[step.id.rpartition("/")[2]] = dict(found.outputs)
    return found


def _tried(attempt: Callable[[], Finding]) -> tuple[Finding | None, ProviderError | None]:
    try:
        return attempt(), None
    except ProviderError as error:
        return None, error


def _provider(at: Town, step: PlannedStep) -> tuple[Any, Any, Tag]:
    def look_up(path: tuple[str, ...]) -> object:
        return at.outputs[path[1]][path[3]] if path[0] == "steps" else UNKNOWN_YET

    zone = next(one.with_["zone"] for one in move() if one.id.endswith("cutover-mx"))
    placed = json.loads(json.dumps(step.with_).replace(zone, ZONE))
    want = parse_inputs(step.uses, substitute(placed, look_up))
    tag = Tag("run-1", step.id.rpartition("/")[2])
    workspace = at.context.workspace / tag.step
    context = Context(at.context.scope, at.context.reveal, workspace, at.context.estate, at.context.deadline)
    return provider_for(step.uses, want, context), want, tag


def _quiet(_: str) -> None:
    """A report that nobody reads."""


def staged(stage: str) -> list[PlannedStep]:
    return [step for step in move() if step.id.rpartition("/")[2].startswith(f"{stage}-")]


def until(holds: Callable[[], bool], told: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, told()
        time.sleep(0.1)


def ids(numbers: Sequence[int]) -> list[str]:
    return sorted(f"<{number}@{THIRD}>" for number in numbers)


@pytest.mark.faults
@pytest.mark.parametrize(("count", "old_side"), product([21, 201], ["goes on", "is cut off"]))
def test_every_message_of_a_third_party_arrives_once(tmp_path: Path, count: int, old_side: str) -> None:
    third = count // 3
    with town(tmp_path) as at:
        at.write(range(third))
        until(lambda: len(messages(at.old_mail / "maire")) == third, lambda: at.third.log[-3000:])
        start = at.dns.records()
        done = carry_out(at, staged("prepare"))
        if old_side == "is cut off":
            at.end_old()
        writing = threading.Thread(target=at.write, args=(range(third, 2 * third),))
        writing.start()
        done += carry_out(at, staged("cutover"))
        writing.join()
        at.write(range(2 * third, count))
        done += carry_out(at, staged("settle"))
        until(lambda: len(at.arrived()) >= count, lambda: f"{len(at.arrived())} of {count}\n{at.third.log[-3000:]}")
        assert at.arrived() == ids(range(count))
        assert at.third.queued() == 0
        assert "status=bounced" not in at.third.log
        # A sender goes on for seconds with an open connection to the old side, and with its cached MX.
        there = len(messages(at.boxes.maildir(MAYOR)))
        assert there == count - third if old_side == "is cut off" else there > 0
        assert at.outputs["prepare-takes-mail"]["certificates"][NEW].startswith("valid until")
        assert at.outputs["prepare-arrives"]["subject"].startswith("Bascule canary")
        _moved(at)
        _go_back(at, done)
        assert at.dns.records() == start


def _moved(at: Town) -> None:
    records = at.dns.records()
    assert "@ 300 MX 10 mx-new" in records
    assert '@ 60 TXT "MS=ms123"' in records
    assert f'@ 60 TXT "v=spf1 include:_spf-mail.{ZONE} -all"' in records
    assert '_dmarc 60 TXT "v=DMARC1; p=quarantine"' in records
    assert not [line for line in records if line.startswith("autodiscover ")]


def _go_back(at: Town, done: Sequence[tuple[PlannedStep, Finding]]) -> None:
    for step, found in reversed(done):
        provider, want, tag = _provider(at, step)
        assert provider.undo(want, tag, found.effect, _quiet).presence is Presence.ABSENT


@pytest.mark.faults
def test_no_mail_is_led_to_a_side_that_refuses_the_domain(tmp_path: Path) -> None:
    with town(tmp_path) as at:
        steps: Mapping[str, PlannedStep] = {step.id.rpartition("/")[2]: step for step in move()}
        check = steps["prepare-takes-mail"]
        refused = check.model_copy(update={"with_": {**check.with_, "deliver_to": f"nobody@{ZONE}"}})
        provider, want, tag = _provider(at, refused)
        with pytest.raises(ProviderError, match=f"did not take the canary for nobody@{ZONE}"):
            provider.apply(want, tag, {}, _quiet)
        stranger = check.model_copy(update={"with_": {**check.with_, "servers": [OLD], "tls": "required"}})
        provider, want, tag = _provider(at, stranger)
        with pytest.raises(ProviderError, match="does not offer STARTTLS"):
            provider.apply(want, tag, {}, _quiet)
        assert f"@ 2 MX 10 {OLD.removesuffix('.' + ZONE)}" in at.dns.records()
