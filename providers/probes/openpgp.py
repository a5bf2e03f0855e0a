"""Text in clear that carries OpenPGP signatures, checked by Debian's gpgv against given keys only.

gpgv trusts every key of the keyring that it is given and reads no other; what it writes out is the
text that the signature covers, and nothing else of the file is ever looked at.
"""

import base64
import binascii
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from providers.base import ProviderError

_ARMOUR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[^\r\n]+:[^\r\n]*\r?\n)*\r?\n(.*?)"
    rb"(?:\r?\n=[A-Za-z0-9+/]{4})?\s*-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)
_WEAK = ("SHA1", "RIPEMD160")
"""Digests that can be forged; MD5 gpgv refuses by itself."""
_JUDGED = frozenset({"GOODSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "BADSIG", "ERRSIG"})


class UnsignedError(Exception):
    """No signature of a given key covers the text; the message says what was found instead."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The text under the signatures, and the fingerprints of the keys that made the good ones."""

    text: bytes
    signers: Sequence[str]


def verified(signed: bytes, keys: bytes, workspace: Path, seconds: float) -> Signed:
    """The signed text. `keys`: public keys, armoured or binary.

    Raises UnsignedError, and ProviderError when gpgv can't be used.
    """
    workspace.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="openpgp-", dir=workspace) as made:
        home = Path(made)
        (home / "keys.gpg").write_bytes(_binary(keys))
        (home / "signed").write_bytes(signed)
        statuses = _run(home, seconds)
        signers, others = _judged(statuses)
        if not signers:
            raise UnsignedError(others)
        return Signed((home / "text").read_bytes(), signers)


def _binary(keys: bytes) -> bytes:
    """gpgv takes binary keys only. Raises ProviderError(permanent) for an armour that holds none."""
    if b"-----BEGIN PGP" not in keys:
        return keys
    try:
        found = b"".join(base64.b64decode(b"".join(block.split()), validate=True) for block in _ARMOUR.findall(keys))
    except binascii.Error:
        found = b""
    if not found:
        raise ProviderError("The file of trusted keys holds no OpenPGP public key; export it again.", permanent=True)
    return found


def _run(home: Path, seconds: float) -> list[list[str]]:
    """The status lines of gpgv (its documentation: doc/DETAILS), each as its words."""
    weak = [part for digest in _WEAK for part in ("--weak-digest", digest)]
    command = ["gpgv", "--homedir", str(home), "--keyring", str(home / "keys.gpg"), "--status-fd", "1", *weak]
    try:
        done = subprocess.run(
            [*command, "--output", str(home / "text"), "--", str(home / "signed")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "GNUPGHOME": str(home)},
        )
    except subprocess.TimeoutExpired as error:
        raise ProviderError(f"gpgv took longer than {seconds:.0f} s; try again.", permanent=False) from error
    except FileNotFoundError as error:
        raise ProviderError("gpgv is not installed; install the Debian package gpgv.", permanent=True) from error
    prefix = "[GNUPG:] "
    return [line.removeprefix(prefix).split() for line in done.stdout.splitlines() if line.startswith(prefix)]


def _judged(statuses: list[list[str]]) -> tuple[list[str], str]:
    """Fingerprints of the keys whose signature is good, and in words what the others are.

    A file may carry signatures of several keys, of which some are not known here; one good one is enough,
    but a bad one is not made good by it.
    """
    signers: list[str] = []
    verdict = ""
    told: list[str] = []
    for word, *rest in statuses:
        if word in _JUDGED:
            verdict = word
            told.append(_words(word, rest))
        elif word == "VALIDSIG" and verdict == "GOODSIG":
            signers.append(rest[-1])
    if any(word == "BADSIG" for word, *_ in statuses):
        signers = []
    return signers, "; ".join(dict.fromkeys(told)) or "it is not signed"


def _words(word: str, rest: list[str]) -> str:
    key = rest[0][:40] if rest else "unknown"
    return {
        "BADSIG": f"the signature by key {key} does not fit the text",
        "EXPSIG": f"the signature by key {key} has expired",
        "EXPKEYSIG": f"the key {key} has expired",
        "REVKEYSIG": f"the key {key} was revoked",
        "ERRSIG": f"the key {key} is not among the trusted ones, or its digest is too weak",
    }.get(word, f"the signature by key {key} is not valid")
