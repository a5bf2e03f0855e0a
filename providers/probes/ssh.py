"""A server that greets as SSH and, given the scope's key, lets it in."""

import subprocess
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from providers.base import Context, ProviderError
from providers.probes.check import ATTEMPT_SECONDS, Attempt, Check, DoesNotHoldError, Seen
from providers.probes.connection import connect, words
from providers.volatile import volatile_file
from providers.wants import SshProbe

MOST_GREETING_BYTES = 16 * 1024
"""A server may say other lines before its version (RFC 4253 §4.2), but not for ever."""

LOGIN_REFUSED = 255
"""OpenSSH's exit code when it, not the remote command, failed."""


class SshCheck(Check[SshProbe]):
    """`probe.ssh`. Outputs: `address`, `version` (the server's greeting), `login` (whether a key was tried).

    The server's host key is kept in the step's workspace: once seen there, another
    one is refused. `ssh.host_keys` is `accept-new`, or the path of a known_hosts file
    that has to hold the key.
    """

    def _look(self, want: SshProbe, attempt: Attempt) -> Seen:
        line, address = connect(want.host, want.port, attempt)
        with line:
            line.settimeout(attempt.deadline.within(ATTEMPT_SECONDS))
            try:
                version = _version(line.recv)
            except OSError as error:
                raise DoesNotHoldError(
                    f"{want.host} port {want.port} at {address} sent no SSH greeting ({words(error)})."
                ) from error
        if not version.startswith("SSH-2.0-"):
            raise DoesNotHoldError(
                f"{want.host} port {want.port} at {address} greets with {version[:60]!r}; expected SSH-2.0-."
            )
        settings = attempt.context.scope.get("ssh", {})
        login = bool(settings.get("key"))
        if login:
            _log_in(want, address, settings, attempt)
        return Seen(
            f"{want.host} at {address} {'lets the key in' if login else 'greets'} ({version}).",
            {"address": address, "version": version, "login": login},
        )


def _version(receive: Any) -> str:
    """The first line that begins with SSH-, or the last one before the server stopped talking."""
    said = b""
    while len(said) < MOST_GREETING_BYTES:
        part = receive(1024)
        said += part
        lines = said.split(b"\n")
        complete = lines if not part else lines[:-1]
        versions = [line for line in complete if line.startswith(b"SSH-")]
        if versions or not part:
            line = (versions or complete)[0]
            return str(line.rstrip(b"\r").decode("ascii", "backslashreplace"))
    return said[:60].decode("ascii", "backslashreplace")


def _log_in(want: SshProbe, address: str, settings: Mapping[str, Any], attempt: Attempt) -> None:
    """Run `true` there, through the OpenSSH client, asking nobody anything."""
    seconds = attempt.deadline.within(ATTEMPT_SECONDS)
    with _key_file(attempt.context, settings["key"]) as key:
        command = _command(want, address, settings, key, attempt.context, seconds)
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise DoesNotHoldError(f"The login at {want.host} ({address}) took longer than {seconds:.0f} s.") from error
        except FileNotFoundError as error:
            raise ProviderError(
                "The OpenSSH client is not installed; install the package openssh-client.", permanent=True
            ) from error
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:]
        what = "refused the login" if done.returncode == LOGIN_REFUSED else f"ran `true` with exit {done.returncode}"
        raise DoesNotHoldError(f"{want.host} at {address} {what} ({said}).")


def _command(
    want: SshProbe, address: str, settings: Mapping[str, Any], key: Path, context: Context, seconds: float
) -> list[str]:
    host_keys = str(settings.get("host_keys", "accept-new"))
    accepts = host_keys == "accept-new"
    known = context.workspace / "known_hosts" if accepts else context.estate / host_keys
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(max(1, int(seconds))),
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": want.host,
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "LogLevel": "ERROR",
        "StrictHostKeyChecking": "accept-new" if accepts else "yes",
        "UserKnownHostsFile": f'"{str(known).replace("%", "%%")}"',
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    where = ["-l", str(settings.get("user", "root")), "-p", str(want.port)]
    return ["ssh", "-F", "none", "-T", "-i", str(key), *flags, *where, "--", address, "true"]


def _key_file(context: Context, reference: str) -> AbstractContextManager[Path]:
    """The private key in a file in memory, for as long as the block runs: ssh takes it from nowhere else."""
    context.workspace.mkdir(parents=True, exist_ok=True, mode=0o700)  # for the host keys
    text = context.reveal(reference).reveal()
    return volatile_file("probe-key", text if text.endswith("\n") else text + "\n")
