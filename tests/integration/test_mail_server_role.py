"""The mail server's play, with Debian's Postfix and Dovecot in namespaces; and every play as Ansible reads it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.ansible import AnsiblePlay
from providers.base import Presence, Tag
from providers.wants import Play
from tests.certificates import self_signed
from tests.contract.suite import refused
from tests.ssh_host import SshHost, make_host
from tests.town_hall import PLAYBOOKS

RENDER = """
- name: Mail server's configuration
  hosts: all
  gather_facts: false
  tasks:
    - name: Write it
      ansible.builtin.include_role: {name: mail_server, tasks_from: render}
"""
SERVER = """
ip link set lo up
mount -t overlay -o lowerdir=$1/etc:/etc overlay /etc
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay -o lowerdir=/var,upperdir=/mnt/upper,workdir=/mnt/work overlay /var
mount -t tmpfs tmpfs /run
mkdir -p /var/vmail && chown 5000:5000 /var/vmail
postfix check
doveconf -n >/dev/null
dovecot
postfix start >/dev/null
shift
exec "$@"
"""
CLIENT = """
import imaplib, json, smtplib, ssl, time
from email.message import EmailMessage
tls = ssl._create_unverified_context()
ANNE, CANARY = "anne@valbourg.example", "canari@valbourg.example"
found = {}
def letter(subject, sender, to):
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = subject, sender, to
    made.set_content("Bonjour")
    return made
def until(holds, within=20):
    end = time.monotonic() + within
    while not (seen := holds()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.1)
    return seen
def up():
    try:
        return smtplib.SMTP("127.0.0.1", 25, local_hostname="there.example", timeout=20)
    except OSError:
        return None
with until(up) as mx:
    mx.ehlo()
    found["auth before TLS"] = mx.has_extn("auth")
    found["starttls"] = mx.has_extn("starttls")
    mx.starttls(context=tls)
    mx.send_message(letter("from outside", "b@other.example", CANARY))
    mx.send_message(letter("by an alias", "b@other.example", "maire@mairie.example"))
    try:
        mx.sendmail("b@other.example", ["nobody@valbourg.example"], b"x")
    except smtplib.SMTPRecipientsRefused as error:
        found["unknown mailbox"] = error.recipients["nobody@valbourg.example"][0]
with smtplib.SMTP("127.0.0.1", 587, timeout=20) as out:
    out.starttls(context=tls)
    try:
        out.login(ANNE, "wrong")
    except smtplib.SMTPAuthenticationError as error:
        found["wrong password"] = error.smtp_code
with smtplib.SMTP_SSL("127.0.0.1", 465, context=tls, timeout=20) as out:
    out.login(ANNE, "pass-of-a")
    out.send_message(letter("to a colleague", ANNE, CANARY))
    try:
        out.send_message(letter("forged", CANARY, ANNE))
    except smtplib.SMTPRecipientsRefused as error:
        found["another's name"] = next(iter(error.recipients.values()))[0]
def subjects():
    seen = []
    for name, password in ((ANNE, "pass-of-a"), (CANARY, "pass-of-c")):
        with imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=tls, timeout=20) as box:
            box.login(name, password)
            found["folders"] = sorted(one.decode().rsplit(" ", 1)[1] for one in box.list()[1])
            box.select("INBOX")
            for number in box.search(None, "ALL")[1][0].split():
                text = box.fetch(number, "(BODY[HEADER.FIELDS (SUBJECT)])")[1][0][1].decode()
                seen.append(text.removeprefix("Subject: ").strip())
    return sorted(seen) if len(seen) == 3 else None
found["subjects"] = until(subjects)
print(json.dumps(found))
"""
BOXES = ["anne@valbourg.example", "canari@valbourg.example"]
PASSWORDS = "".join(f"{box}:{{PLAIN}}pass-of-{box[0]}\n" for box in BOXES)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[SshHost]:
    made = make_host(tmp_path / "host")
    with made.running():
        yield made


def write(host: SshHost, tmp_path: Path, mailboxes: list[str]) -> tuple[Path, list[str]]:
    """The directory that stands for the server's root, and what the play said."""
    estate = tmp_path / "estate"
    shutil.copytree(PLAYBOOKS, estate, dirs_exist_ok=True)
    (estate / "ansible/render.yml").write_text(RENDER)
    root = host.home / "root"
    certificate, key = self_signed(["mx.valbourg.example"])
    variables = {
        "mail_root": str(root),
        "mail_owners": {"dovecot": "dovecot", "opendkim": "root"},
        "host": "mx.valbourg.example",
        "domains": ["valbourg.example", "mairie.example"],
        "mailboxes": mailboxes,
        "aliases": {"maire@mairie.example": BOXES[0]},
        "certificate": certificate,
    }
    secrets = {"certificate_key": key, "passwords": PASSWORDS, "dkim_key": key}
    context = host.context(tmp_path / "workspace", estate, 60.0, **secrets)
    want = Play(
        play="ansible/render.yml",
        hosts={"mail": "127.0.0.1"},
        vars=variables,
        secrets={name: f"secret://{name.replace('_', '-')}" for name in secrets},
    )
    said: list[str] = []
    assert AnsiblePlay(context).apply(want, Tag("run-1", "mail"), {}, said.append).presence is Presence.OURS
    return root, said


def on_a_server_with(root: Path, program: str) -> dict[str, Any]:
    """What a program answers as JSON in namespaces of its own, where the written files lie over this machine's /etc.

    /var and /run are copies that go away, and there is no network but its own loopback.
    """
    for name, more in (("passwd", "vmail:x:5000:5000::/var/vmail:/usr/sbin/nologin"), ("group", "vmail:x:5000:")):
        (root / "etc" / name).write_text(Path("/etc", name).read_text() + more + "\n")
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "sh", "-euc", SERVER, "sh", str(root)]
    done = subprocess.run(
        [*command, sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.faults
def test_mail_comes_in_goes_out_and_is_read_under_the_right_name_only(host: SshHost, tmp_path: Path) -> None:
    root, said = write(host, tmp_path, BOXES)
    modes = {path.name: path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()}
    assert (modes["tls.key"], modes["bascule.pem"], modes["bascule-passwords"]) == (0o600, 0o600, 0o640)
    assert not any("pass-of" in line for line in said)
    assert (root / "etc/opendkim/signing").read_text().splitlines() == [
        "*@valbourg.example bascule._domainkey.valbourg.example",
        "*@mairie.example bascule._domainkey.mairie.example",
    ]
    found = on_a_server_with(root, CLIENT)
    assert found == {
        "starttls": True,
        "auth before TLS": False,
        "unknown mailbox": 550,
        "another's name": 553,
        "wrong password": 535,
        "subjects": ["by an alias", "from outside", "to a colleague"],
        "folders": ["Drafts", "INBOX", "Junk", "Sent", "Trash"],
    }


@pytest.mark.faults
def test_a_mailbox_without_a_password_is_refused(host: SshHost, tmp_path: Path) -> None:
    with refused() as caught:
        write(host, tmp_path, [*BOXES, "new@valbourg.example"])
    assert "must be in one of the domains" in caught.value.message


def test_every_play_is_read_by_ansible() -> None:
    plays = sorted((PLAYBOOKS / "ansible").glob("*.yml"))
    given = ["-e", "scope=rehearsal", "-e", "product=nextcloud"]
    command = [Path(sys.executable).with_name("ansible-playbook"), "--syntax-check", *given, *plays]
    done = subprocess.run(
        [str(one) for one in command],
        cwd=PLAYBOOKS / "ansible",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("playbook: ") == len(plays)
