"""The volatile directory of an attempt: everything Ansible reads, secrets included, in memory only.

It lies on tmpfs, belongs to this user alone and is removed when the attempt ends.
Ansible's own temporary files, which may hold rendered secrets, are in it, or in memory
that only the sandbox has. `view` says what of it a contained play sees.
"""

import json
import os
import re
import shlex
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from providers.ansible import host_keys
from providers.ansible.ahead import control_path
from providers.ansible.attempts import PRIVATE_PREFIX
from providers.ansible.sandbox import View
from providers.base import JsonMap, ProviderError, Secret
from providers.volatile import volatile_directory
from providers.wants import Play

SSH_CONFIG = """\
Host *
  IdentityFile "{key}"
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile "{known_hosts}"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking accept-new
  UpdateHostKeys no
  BatchMode yes
  ForwardAgent no
  ConnectTimeout 10
  ServerAliveInterval 15
  LogLevel ERROR
"""
THROUGH_THE_DOOR = """\
  ProxyCommand {command} %h %p
  ProxyUseFdpass yes
"""
DOOR = Path(__file__).with_name("door.py")
INTERPRETER = "/usr/bin/python3"
"""Debian's Python on every host: looking for one costs a round trip per host."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CONTENT = {
    "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "False",
    "ANSIBLE_GALAXY_SERVER": "",
    "ANSIBLE_GALAXY_SERVER_LIST": "",
    "ANSIBLE_GALAXY_DISABLE_GPG_VERIFY": "False",
}
RESULT_LIMIT = 200_000
"""Characters of one task's result; ansible-runner leaves larger ones out."""
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\Z")


@dataclass(frozen=True, slots=True)
class Access:
    """How hosts are reached: the scope's `ssh` block, with its key revealed."""

    user: str
    port: int
    key: Secret

    @classmethod
    def of(cls, block: Any, key: Secret) -> "Access":
        """Raises ProviderError(permanent) for a value that cannot be right."""
        user, port = block.get("user", "root"), block.get("port", 22)
        if not isinstance(user, str) or not USER.match(user):
            raise ProviderError(f"`ssh.user` {user!r} of the scope is not a user name; mend it.", permanent=True)
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
            raise ProviderError(f"`ssh.port` {port!r} of the scope is not a port; mend it.", permanent=True)
        if block.get("host_keys", "accept-new") != "accept-new":
            raise ProviderError("`ssh.host_keys` of the scope must be accept-new; set it so.", permanent=True)
        return cls(user, port, key)


def private_directory() -> AbstractContextManager[Path]:
    """A new directory in memory, gone afterwards. Raises ProviderError where there is no such file system."""
    return volatile_directory(PRIVATE_PREFIX)


def fill(
    private: Path,
    want: Play,
    secrets: Mapping[str, Secret],
    access: Access,
    known_hosts: Path,
    *,
    contained: bool,
) -> None:
    """Write what Ansible reads; for a contained play, with a door in place of a network."""
    for name in ("inventory", "ssh", "home", "sockets", "etc"):
        (private / name).mkdir(mode=0o700)
    _write(private / "inventory" / "hosts.json", json.dumps(_inventory(want, access)))
    revealed = {name: secret.reveal() for name, secret in secrets.items()}
    _write(private / "vars.json", json.dumps(_variables(want.vars | revealed)))
    _write(private / "ssh" / "key", access.key.reveal().strip() + "\n")
    config = SSH_CONFIG.format(key=_ssh_path(private / "ssh" / "key"), known_hosts=_ssh_path(known_hosts_of(private)))
    _write(private / "ssh" / "config", config + (_door(private) if contained else ""))
    host_keys.lend(known_hosts, known_hosts_of(private), host_keys.names_of(want.hosts.values(), access.port))
    _write(private / "ansible.cfg", "")
    for name, text in _etc(private).items():
        _write(private / "etc" / name, text)


def known_hosts_of(private: Path) -> Path:
    """Where ssh looks for host keys, and notes new ones."""
    return private / "known_hosts"


def door_of(private: Path) -> Path:
    """The socket at which a contained play's ssh asks for connections."""
    return private / "door"


def events_of(private: Path, attempt: str) -> Path:
    """Where Ansible leaves what happened, for the supervisor to read at once."""
    return private / "runner" / "artifacts" / attempt / "job_events"


def view(private: Path, estate: Path, attempt: str, fence: int) -> View:
    """What a contained play sees: its own files, the estate's, and nothing else of this machine's data."""
    own = [private / name for name in ("inventory", "vars.json", "ssh", "ansible.cfg", "door")]
    return View(
        etc=private / "etc",
        files={private / DOOR.name: DOOR},
        read=[estate, *own],
        write=[known_hosts_of(private), events_of(private, attempt)],
        scratch=[private / "home", private / "sockets"],
        keep=fence,
    )


def environment(private: Path) -> dict[str, str]:
    """All that the supervisor and Ansible see of the environment: nothing is inherited."""
    config, sockets = private / "ssh" / "config", control_path(private)
    shared = ("-o", "ControlMaster=auto", "-o", "ControlPersist=60s", "-o", f"ControlPath={sockets}")
    return {
        "PATH": f"{Path(sys.executable).parent}:{PATH}",
        "HOME": str(private / "home"),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "MAX_EVENT_RES": str(RESULT_LIMIT),
        # Ours is empty: one of the estate, or of the current directory, must not change how plays are run.
        "ANSIBLE_CONFIG": str(private / "ansible.cfg"),
        "ANSIBLE_HOME": str(private / "home" / "ansible"),
        "ANSIBLE_PIPELINING": "True",
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_SSH_ARGS": shlex.join(["-F", str(config), *shared]),
        "ANSIBLE_INVENTORY_ENABLED": "yaml",
        # Content is the estate's, at the run's commit: nothing of this machine's, and nothing fetched.
        **CONTENT,
        "ANSIBLE_COLLECTIONS_PATH": str(private / "home" / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_NOCOWS": "1",
    }


def unsafe(value: Any) -> Any:
    """The value, all its text marked as data (`!unsafe`): Ansible never takes it for a template."""
    match value:
        case str():
            return {"__ansible_unsafe": value}
        case Mapping():
            return {_plain_key(key): unsafe(item) for key, item in value.items()}
        case list() | tuple():
            return [unsafe(item) for item in value]
    return value


MAGIC = frozenset(
    {
        *("hostvars", "groups", "group_names", "play_hosts", "inventory_dir", "inventory_file"),
        *("inventory_hostname", "inventory_hostname_short", "playbook_dir", "role_name", "role_names", "role_path"),
        *("environment", "lookup", "omit", "q", "query", "undef", "vars"),
    }
)
"""What Ansible itself tells plays; a step that could say otherwise would move them, to other files or hosts."""


def _variables(values: Mapping[str, Any]) -> JsonMap:
    """Connections are the scope's, never a step's: a drill could reach live hosts, or this machine, otherwise."""
    for name in values:
        if name.startswith("ansible_") or name in MAGIC:
            text = f"The variable {name} belongs to Ansible; set connections in the scope's `ssh`, or rename it."
            raise ProviderError(text, permanent=True)
    return {name: unsafe(value) for name, value in values.items()}


def _plain_key(key: Any) -> str:
    """Ansible's JSON gives such keys a meaning (`__ansible_vault`), and templates reach keys as well."""
    if not isinstance(key, str) or key.startswith("__ansible") or "{{" in key or "{%" in key:
        raise ProviderError(
            f"The key {str(key)[:80]!r} in the play's `vars` is not allowed; rename it.", permanent=True
        )
    return key


def _inventory(want: Play, access: Access) -> JsonMap:
    everywhere = {
        "ansible_connection": "ssh",
        "ansible_user": unsafe(access.user),
        "ansible_port": access.port,
        "ansible_python_interpreter": INTERPRETER,
    }
    hosts = {name: {"ansible_host": unsafe(address)} for name, address in want.hosts.items()}
    return {"all": {"hosts": hosts, "vars": everywhere}}


def _door(private: Path) -> str:
    command = shlex.join([sys.executable, "-I", "-S", str(private / DOOR.name), str(door_of(private))])
    return THROUGH_THE_DOOR.format(command=command.replace("%", "%%"))


def _etc(private: Path) -> dict[str, str]:
    """All that a contained play learns of users and hosts: its own name."""
    user, group = os.geteuid(), os.getegid()
    return {
        "passwd": f"play:x:{user}:{group}:play:{private / 'home'}:/bin/sh\n",
        "group": f"play:x:{group}:\n",
        "hosts": "127.0.0.1 localhost\n::1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text, encoding="utf-8")


def _ssh_path(path: Path) -> str:
    """ssh expands tokens such as %h in file names."""
    return str(path).replace("%", "%%")
