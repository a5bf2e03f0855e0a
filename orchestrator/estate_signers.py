"""The allowed signers, a file of OpenSSH's format outside the estate, and signatures held against it by ssh-keygen.

What counts is the moment of checking, never the date that a commit gives itself: whoever steals a key that has ended
could write any date. (ssh-keygen(1), ALLOWED SIGNERS; Git asks by the commit's date instead.)
"""

import os
import re
import stat
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.domain.signed_object import NotSigned, Signed
from orchestrator.domain.trust import Signature

NAMESPACE = "git"
MAX_BYTES = 1024 * 1024
MAX_PRINCIPALS = 20
TIMEOUT = 20.0
"""Seconds for one question."""

_KEY = re.compile(rb"\bkey (SHA256:[A-Za-z0-9+/]{43})\b")


class SignersFault(Exception):
    """The signers file can't be used; the text says why and what to do."""


class Signers:
    """`named`: somebody asked for this file, so that its absence is a fault and not the wish to do without."""

    def __init__(self, file: Path, *, named: bool = False) -> None:
        self.file = file
        self._named = named

    @property
    def asked_for(self) -> bool:
        return self._named or self.file.exists() or self.file.is_symlink()

    def check(self, estate_url: str = "") -> None:
        """Raises SignersFault when the file is away, others may write it, or it lies in the estate itself."""
        try:
            found = self.file.stat()
        except OSError as error:
            raise SignersFault(
                f"The signers file {self.file} can't be read ({error.strerror}): put it there, one line a person; "
                "no commit is accepted without it."
            ) from error
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            raise SignersFault(f"{self.file} is no signers file: a plain file of at most 1 MiB.")
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise SignersFault(f"Others than its owner may write the signers file {self.file}: chmod go-w {self.file}")
        estate = Path(estate_url.removeprefix("file://"))
        if estate_url and estate.is_absolute() and self.file.resolve().is_relative_to(estate.resolve()):
            raise SignersFault(
                f"The signers file {self.file} lies in the estate, whose authors could then name themselves: "
                "move it out of there."
            )

    def verify(self, signed: Signed, now: float) -> Signature:
        """Who signed this. Raises NotSigned when no allowed person did, SignersFault when it can't be told."""
        with tempfile.TemporaryDirectory(prefix="bascule-signature-") as folder:
            armor = Path(folder) / "signature"
            armor.write_bytes(signed.armor)
            valid = _ask("check-novalidate", ["-n", NAMESPACE, "-s", str(armor)], signed.text)
            key = _KEY.search(valid.stdout)
            if valid.returncode != 0 or key is None:
                raise NotSigned("has a signature that is not one of Git's over this content")
            fingerprint = key[1].decode()
            at = f"verify-time={datetime.fromtimestamp(now, UTC):%Y%m%d%H%M%S}"
            asked = ["-f", str(self.file), "-s", str(armor), "-O", at]
            named = _ask("find-principals", asked).stdout.decode("utf-8", "replace").splitlines()
            holds = tuple(
                principal
                for principal in dict.fromkeys(named[:MAX_PRINCIPALS])
                if _ask("verify", ["-n", NAMESPACE, "-I", principal, *asked], signed.text).returncode == 0
            )
        if not holds:
            raise NotSigned(f"is signed with the key {fingerprint}, which is not an allowed one today")
        return Signature(holds, fingerprint)

    def people(self) -> int:
        """How many lines name somebody: two are needed before a policy can be changed."""
        lines = self.file.read_text(encoding="utf-8", errors="replace").splitlines()
        return len({line.split()[0].casefold() for line in lines if line.strip() and not line.startswith("#")})


def _ask(what: str, arguments: list[str], text: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """`ssh-keygen -Y` in an environment of its own; times are UTC."""
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent", "LC_ALL": "C", "TZ": "UTC0"}
    command = ["ssh-keygen", "-Y", what, *arguments]
    try:
        return subprocess.run(command, input=text, capture_output=True, timeout=TIMEOUT, env=environment, check=False)
    except subprocess.TimeoutExpired as error:
        raise SignersFault(f"ssh-keygen gave no answer within {TIMEOUT:g} s.") from error
    except FileNotFoundError as error:
        raise SignersFault("ssh-keygen is not installed: install the package openssh-client.") from error
