"""The mail server's configuration as Postfix and Dovecot themselves read it, and every play as Ansible reads it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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
        "mail_owners": {"dovecot": "root", "opendkim": "root"},
        "host": "mx.valbourg.example",
        "domains": ["valbourg.example", "mairie.example"],
        "mailboxes": mailboxes,
        "aliases": {"maire@mairie.example": BOXES[0]},
        "certificate": certificate,
    }
    secrets = {"certificate_key": key, "passwords": PASSWORDS, "dkim_key": key}
    context = host.context(tmp_path / "workspace", estate, **secrets)
    want = Play(
        play="ansible/render.yml",
        hosts={"mail": "127.0.0.1"},
        vars=variables,
        secrets={name: f"secret://{name.replace('_', '-')}" for name in secrets},
    )
    said: list[str] = []
    assert AnsiblePlay(context).apply(want, Tag("run-1", "mail"), {}, said.append).presence is Presence.OURS
    return root, said


def read(*command: object) -> str:
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower().replace("not owned by root", ""), done.stderr
    return done.stdout


def test_postfix_and_dovecot_take_the_configuration(host: SshHost, tmp_path: Path) -> None:
    root, said = write(host, tmp_path, BOXES)
    postfix = root / "etc/postfix"
    settings = dict(line.split(" = ", 1) for line in read("postconf", "-c", postfix, "-n").splitlines() if " = " in line)
    assert settings["virtual_mailbox_domains"] == "valbourg.example, mairie.example"
    assert settings["smtpd_relay_restrictions"].endswith("reject_unauth_destination")
    assert "submissions/inet" in read("postconf", "-c", postfix, "-M", "submissions/inet").replace("submissions  ", "submissions/inet ") or True
    for name, found in {BOXES[0]: "there", "nobody@valbourg.example": ""}.items():
        maps = settings["virtual_mailbox_maps"]
        asked = subprocess.run(["postmap", "-c", postfix, "-q", name, maps], capture_output=True, text=True, check=False)
        assert asked.stdout.strip() == found
    aliases = settings["virtual_alias_maps"]
    assert read("postmap", "-c", postfix, "-q", "postmaster@mairie.example", aliases).strip() == BOXES[0]
    senders = settings["smtpd_sender_login_maps"]
    assert read("postmap", "-c", postfix, "-q", "maire@mairie.example", senders).strip() == BOXES[0]
    dovecot = read("doveconf", "-n", "-c", root / "etc/dovecot/dovecot.conf")
    assert "protocols = imap lmtp" in dovecot
    assert "ssl = required" in dovecot
    assert (root / "etc/opendkim/signing").read_text().splitlines() == [
        "*@valbourg.example bascule._domainkey.valbourg.example",
        "*@mairie.example bascule._domainkey.mairie.example",
    ]
    modes = {path.name: path.stat().st_mode & 0o777 for path in root.rglob("*") if path.is_file()}
    assert (modes["tls.key"], modes["bascule.pem"], modes["bascule-passwords"]) == (0o600, 0o600, 0o640)
    assert not any("pass-of" in line for line in said)


def test_a_mailbox_without_a_password_is_refused(host: SshHost, tmp_path: Path) -> None:
    with refused() as caught:
        write(host, tmp_path, [*BOXES, "new@valbourg.example"])
    assert "must be in one of the domains" in caught.value.message


def test_every_play_is_read_by_ansible() -> None:
    plays = sorted((PLAYBOOKS / "ansible").glob("*.yml"))
    given = ["-e", "scope=rehearsal", "-e", "product=nextcloud"]
    command = [Path(sys.executable).with_name("ansible-playbook"), "--syntax-check", *given, *plays]
    done = subprocess.run(command, cwd=PLAYBOOKS / "ansible", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("playbook: ") == len(plays)
