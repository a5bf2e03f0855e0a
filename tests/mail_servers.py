"""Real mail servers for tests: Postfix, Dovecot and unbound from Debian, on loopback addresses of their own.

Each starts in the foreground from a configuration of its own and is ended by its own
process id; Debian's own configuration is neither read nor changed. They change to
other users, so the tests run as root.
"""

import grp
import imaplib
import itertools
import os
import pwd
import shutil
import smtplib
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from tests.dns_servers import program, running

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_HOSTS = itertools.count(1)
MAILDIR_USER = "nobody"
POSTFIX = Path("/usr/lib/postfix/sbin")


def loopback() -> str:
    """An address that no other test server of this machine has."""
    number = next(_HOSTS)
    return f"127.{100 + _WORKER % 100}.{number // 250}.{1 + number % 250}"


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that other users may enter, as the servers do."""
    assert os.geteuid() == 0, "this test needs root: mail servers change to users of their own"
    made = Path(tempfile.mkdtemp(prefix="bascule-mail-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def resolver(zones: Mapping[str, int], records: list[str]) -> Iterator[str]:
    """An unbound at port 53 of its own address, which it gives.

    `zones`: zone -> port of its authoritative server at 127.0.0.1. `records`: what it answers itself.
    """
    address = loopback()
    stubs = "".join(
        f'stub-zone:\n name: "{zone}."\n stub-addr: 127.0.0.1@{port}\n stub-no-cache: no\n'
        for zone, port in zones.items()
    )
    own = "".join(f" local-data: '{record}'\n" for record in records)
    with open_directory() as directory:
        (directory / "unbound.conf").write_text(f"""
server:
 directory: "{directory}"
 username: ""
 chroot: ""
 pidfile: ""
 interface: {address}
 access-control: 127.0.0.0/8 allow
 do-ip6: no
 use-syslog: no
 do-not-query-localhost: no
 module-config: "iterator"
 num-threads: 1
 infra-cache-min-rtt: 50
{own}remote-control:
 control-enable: no
{stubs}""")
        command = [program("unbound", "unbound"), "-d", "-p", "-c", str(directory / "unbound.conf")]
        with running(command, directory / "log", lambda: _answers(address)):
            yield address


def _answers(address: str) -> bool:
    try:
        dns.query.udp(dns.message.make_query("localhost", "A"), address, timeout=1)
    except (OSError, dns.exception.DNSException):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running Postfix: its name, the address whose port 25 it has, and its directory."""

    name: str
    address: str
    directory: Path

    def queued(self) -> int:
        """Messages that it has taken and not yet handed on."""
        queue = self.directory / "queue"
        return sum(
            1
            for part in ("incoming", "active", "deferred", "maildrop")
            for at in (queue / part).rglob("*")
            if at.is_file()
        )

    @property
    def log(self) -> str:
        return (self.directory / "maillog").read_text(errors="replace")


_QUEUES = "active bounce corrupt defer deferred flush hold incoming private saved trace"
"""The directories of a queue that are Postfix's alone."""

_MASTER = """
{address}:25 inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - y - - smtp
relay unix - - y - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def postfix(name: str, address: str, settings: Mapping[str, str], *, resolver: str = "") -> Iterator[Postfix]:
    """A Postfix that retries within seconds. `resolver`: what its outgoing side asks, from a root of its own."""
    with open_directory() as directory:
        server = Postfix(name, address, directory)
        _configure(server, settings)
        if resolver:
            root = directory / "queue" / "etc"
            root.mkdir(parents=True)
            (root / "resolv.conf").write_text(f"nameserver {resolver}\noptions timeout:2 attempts:2\n")
            shutil.copy("/etc/services", root)
        # A session of its own: at its end the master ends every process of its group.
        assert (POSTFIX / "master").exists(), "this test needs Postfix: apt-get install postfix"
        command = ["setsid", str(POSTFIX / "master"), "-c", str(directory / "etc"), "-d"]
        with running(command, directory / "log", lambda: _greets(address)):
            yield server


def _configure(server: Postfix, settings: Mapping[str, str]) -> None:
    directory = server.directory
    etc, data, queue = directory / "etc", directory / "data", directory / "queue"
    for made in (etc, data, queue):
        made.mkdir()
    owner, shared = pwd.getpwnam("postfix"), grp.getgrnam("postdrop")
    os.chown(data, owner.pw_uid, owner.pw_gid)
    (queue / "pid").mkdir()
    for name in _QUEUES.split():
        (queue / name).mkdir(mode=0o700)
        os.chown(queue / name, owner.pw_uid, owner.pw_gid)
    for name, mode in (("maildrop", 0o730), ("public", 0o710)):
        (queue / name).mkdir()
        os.chown(queue / name, owner.pw_uid, shared.gr_gid)
        (queue / name).chmod(mode)
    said = {
        "compatibility_level": "3.6",
        "queue_directory": str(queue),
        "data_directory": str(data),
        "daemon_directory": str(POSTFIX),
        "meta_directory": "/etc/postfix",
        "shlib_directory": "/usr/lib/postfix",
        "maillog_file": str(directory / "maillog"),
        "maillog_file_prefixes": str(directory),
        "myhostname": server.name,
        "mydestination": "",
        "mynetworks": "127.255.255.254/32",
        "inet_interfaces": "loopback-only",
        "inet_protocols": "ipv4",
        "alias_maps": "",
        "local_recipient_maps": "",
        "smtpd_peername_lookup": "no",
        "smtp_bind_address": server.address,
        "smtp_host_lookup": "dns",
        "queue_run_delay": "1s",
        "minimal_backoff_time": "1s",
        "maximal_backoff_time": "2s",
        "smtp_connect_timeout": "3s",
        "smtp_tls_security_level": "may",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        **settings,
    }
    (etc / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in said.items()))
    (etc / "master.cf").write_text(_MASTER.format(address=server.address))


def _greets(address: str) -> bool:
    try:
        with smtplib.SMTP(address, 25, local_hostname="test", timeout=2) as session:
            return session.noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        return False


def maildir_settings(directory: Path, domain: str, *users: str) -> dict[str, str]:
    """Main.cf for a server that keeps a domain's mail in Maildirs below the directory."""
    owner = pwd.getpwnam(MAILDIR_USER)
    directory.mkdir(parents=True, exist_ok=True)
    os.chown(directory, owner.pw_uid, owner.pw_gid)
    boxes = ", ".join(f"{{ {user}@{domain} = {user}/ }}" for user in users)
    return {
        "virtual_mailbox_domains": domain,
        "virtual_mailbox_maps": f"inline:{{ {boxes} }}",
        "virtual_mailbox_base": str(directory),
        "virtual_uid_maps": f"static:{owner.pw_uid}",
        "virtual_gid_maps": f"static:{owner.pw_gid}",
        "virtual_minimum_uid": "1",
    }


def messages(maildir: Path) -> list[Message]:
    """Every message of a Maildir, read or not."""
    found = [path for part in ("new", "cur") for path in sorted((maildir / part).glob("*"))]
    return [message_from_bytes(path.read_bytes()) for path in found]


@dataclass(frozen=True, slots=True)
class Dovecot:
    """A running Dovecot: IMAP over TLS at `address` port 993; mail comes in by LMTP at the socket `lmtp`."""

    address: str
    lmtp: Path
    mail: Path

    def maildir(self, address: str) -> Path:
        return self.mail / address


@contextmanager
def dovecot(address: str, certificate: Path, passwords: Mapping[str, str]) -> Iterator[Dovecot]:
    """`certificate`: key and certificate in one PEM file. `passwords`: mail address -> password."""
    with open_directory() as directory:
        mail = directory / "mail"
        mail.mkdir()
        owner = pwd.getpwnam(MAILDIR_USER)
        os.chown(mail, owner.pw_uid, owner.pw_gid)
        (directory / "users").write_text("".join(f"{user}:{{PLAIN}}{word}\n" for user, word in passwords.items()))
        (directory / "tls.pem").write_bytes(certificate.read_bytes())
        (directory / "dovecot.conf").write_text(f"""
base_dir = {directory}/run
state_dir = {directory}/state
instance_name = {directory.name}
log_path = {directory}/dovecot.log
protocols = imap lmtp
listen = {address}
ssl = required
ssl_cert = <{directory}/tls.pem
ssl_key = <{directory}/tls.pem
mail_location = maildir:{mail}/%u
mail_uid = {owner.pw_uid}
mail_gid = {owner.pw_gid}
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = username_format=%u {directory}/users
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={mail}/%u
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = 993
    ssl = yes
  }}
}}
service lmtp {{
  unix_listener {directory}/lmtp {{
    mode = 0666
  }}
}}
""")
        command = ["setsid", program("dovecot", "dovecot-imapd"), "-F", "-c", str(directory / "dovecot.conf")]
        with running(command, directory / "log", lambda: _greets_by_imap(address)):
            yield Dovecot(address, directory / "lmtp", mail)


def _greets_by_imap(address: str) -> bool:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        with imaplib.IMAP4_SSL(address, 993, ssl_context=trusting, timeout=5):
            return True
    except (OSError, imaplib.IMAP4.error):
        return False
