"""The installation's key that signs checkpoints: Ed25519, made at first need, readable by its owner alone."""

import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_PUBLIC = "key.pub"


class NoKey(Exception):
    """There is no key of that form where it should be; the text is for a person."""


class SigningKey:
    """`public`: 64 hexadecimal digits."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw().hex()

    def sign(self, text: bytes) -> str:
        """In hexadecimal."""
        return self._private.sign(text).hex()


def signing_key(folder: Path) -> SigningKey:
    """The key in this folder, made where there is none. Raises NoKey for a file that is no such key."""
    file = folder / "key"
    if not file.exists():
        _make(folder, file)
    try:
        private = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise NoKey(
            f"The audit's key {file} can't be read ({type(error).__name__}): restore it from a copy."
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise NoKey(f"{file} is no Ed25519 key: restore the audit's own from a copy.")
    key = SigningKey(private)
    public = folder / _PUBLIC
    if not public.exists():
        public.write_text(key.public + "\n", encoding="ascii")
    return key


def public_key(folder: Path) -> str | None:
    """Of this folder's key; None where none was made yet."""
    try:
        return read_public((folder / _PUBLIC).read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError):
        return None


def read_public(text: str) -> str:
    """A public key as `bascule audit key` prints it. Raises NoKey."""
    text = text.strip().lower()
    if len(text) == 64 and all(digit in "0123456789abcdef" for digit in text):
        return text
    raise NoKey("That is no public key of an audit: it has 64 hexadecimal digits, as `bascule audit key` prints them.")


def is_genuine(key: str, signature: str, text: bytes) -> bool:
    """Whether this public key made this signature of this text."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), text)
    except (InvalidSignature, ValueError):
        return False
    return True


def _make(folder: Path, file: Path) -> None:
    """Whole or not at all; of two that make it at the same time, one is kept."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    new = file.with_name(f"key.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as written:
        written.write(pem)
        written.flush()
        os.fsync(written.fileno())
    try:
        os.link(new, file)
    except FileExistsError:
        pass
    finally:
        new.unlink()
