"""The keys that secrets are sealed with: where they come from, what they seal and open, and how they change.

A key is 32 random bytes in base64, one a line. The first line seals; all of them open, so that a new key can be put
before the old ones while everything goes on. What is sealed says which scope and name it was sealed for: copied to
another place, it does not open.
"""

import base64
import binascii
import fcntl
import hashlib
import hmac
import json
import logging
import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

log = logging.getLogger("bascule.secrets")

KEY_VARIABLE = "BASCULE_SECRETS_KEY"
FILE_VARIABLE = "BASCULE_SECRETS_KEY_FILE"
CREDENTIAL = "bascule-secrets-key"
"""systemd's name for it: `LoadCredential=bascule-secrets-key:/etc/…`."""
OWN_FILE = "secrets.key"
"""In the data directory, where nothing else is named."""
KEY_BYTES = 32
HOW_TO_MAKE = "openssl rand -base64 32"
_FORM = "bascule-secret-1"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyFault(Exception):
    """The keys can't be had, or not be changed; the text is for a person."""


class UnknownKey(Exception):
    """It was sealed by a key that is not here."""


class NotSealedForThis(Exception):
    """It was sealed for another scope or name, or was changed since."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """`id` tells keys apart and tells nothing of them; `text` is the line that holds it."""

    id: str
    text: str = field(repr=False)
    _fingerprints: bytes = field(repr=False)

    @classmethod
    def read(cls, line: str) -> "SealingKey":
        """Both alphabets of base64 are taken: `openssl rand -base64 32` makes one. Raises ValueError."""
        raw = base64.b64decode(line.strip().translate(str.maketrans("-_", "+/")), validate=True)
        if len(raw) != KEY_BYTES:
            raise ValueError("another length")
        identity = hmac.digest(raw, b"bascule secrets: the name of this key", hashlib.sha256).hex()[:16]
        marks = hmac.digest(raw, b"bascule secrets: fingerprints of values", hashlib.sha256)
        return cls(identity, base64.urlsafe_b64encode(raw).decode(), marks)

    @classmethod
    def new(cls) -> "SealingKey":
        return cls.read(base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode())

    @property
    def fernet(self) -> Fernet:
        return Fernet(self.text)

    def fingerprint(self, value: str) -> str:
        """Equal for equal values; without the key nobody can try a guess."""
        return hmac.digest(self._fingerprints, value.strip().encode(), hashlib.sha256).hex()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value as it is kept: `key` is the id of the key that sealed it."""

    token: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the keys come from. `text`: what the environment said; `own`: the data directory's file.

    `fixed`: somebody else delivers the file, and this service only reads it.
    """

    where: str
    file: Path | None = None
    text: str = field(default="", repr=False)
    own: bool = False
    fixed: bool = False

    def read(self) -> tuple[SealingKey, ...]:
        """All keys, the one that seals first; none where there is no file. Raises KeyFault."""
        return _keys_of(self.text if self.file is None else self._content(self.file), self.where)

    def _content(self, file: Path) -> str:
        try:
            if self.own and file.stat().st_mode & _OTHERS:
                raise KeyFault(f"Others can read the key of the secrets: chmod 600 {file}")
            return file.read_text(encoding="ascii")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFault(
                f"The key of the secrets can't be read from {self.where} ({type(error).__name__}): "
                "give it to the account of the service, one key a line."
            ) from error

    @property
    def writable(self) -> bool:
        """Whether a new key can be put there by the service itself: whole, or not at all."""
        file = self.file
        return file is not None and not self.fixed and os.access(file.parent, os.W_OK) and not file.is_mount()

    @property
    def how_to_change(self) -> str:
        """For a person, where the service does not write the keys itself."""
        again = "restart the service" if self.file is None or self.fixed else "leave the service running"
        return (
            f"The keys come from {self.where}, which this service does not write. Make a new one (`{HOW_TO_MAKE}`), "
            f"put it first, before those that are there, for every worker; {again}, then run "
            "`bascule secrets rotate --reseal`."
        )


def key_source(data: Path, environment: Mapping[str, str]) -> KeySource:
    """The first that is there: the environment's key, a named file, systemd's credential, the data directory's file."""
    if environment.get(KEY_VARIABLE, "").strip():
        return KeySource(KEY_VARIABLE, text=environment[KEY_VARIABLE])
    if environment.get(FILE_VARIABLE, "").strip():
        file = Path(environment[FILE_VARIABLE]).expanduser().absolute()
        return KeySource(f"{file} ({FILE_VARIABLE})", file)
    folder = environment.get("CREDENTIALS_DIRECTORY", "")
    if folder and (file := Path(folder) / CREDENTIAL).exists():
        return KeySource(f"the credential {CREDENTIAL}", file, fixed=True)
    return KeySource(str(data / OWN_FILE), data / OWN_FILE, own=True)


class Keyring:
    """The keys of this process. Its methods may be called from any thread."""

    def __init__(self, source: KeySource) -> None:
        """Raises KeyFault."""
        self.source = source
        self._lock = threading.Lock()
        self._keys = source.read()
        if not self._keys and not source.own:
            raise KeyFault(f"There is no key of the secrets in {source.where}: put one there, `{HOW_TO_MAKE}`.")

    @property
    def ids(self) -> tuple[str, ...]:
        """The first seals."""
        return tuple(key.id for key in self._keys)

    def make_first(self) -> None:
        """At the first start: a key of this installation's own, where the data directory is to hold it."""
        with self._lock:
            if not self._keys:
                _create(self._writable(), SealingKey.new())
                self._keys = self.source.read()

    def refresh(self) -> bool:
        """Read the source again; whether there are other keys now. A file that is gone takes none away.

        Raises KeyFault.
        """
        with self._lock:
            known, found = self._keys, self.source.read()
            self._keys = found or known
            return known != self._keys

    def seal(self, scope: str, name: str, value: str) -> Sealed:
        """Raises KeyFault where there is no key."""
        key = self.first()
        text = json.dumps([_FORM, scope, name, value]).encode()
        return Sealed(key.fernet.encrypt(text).decode(), key.id, key.fingerprint(value))

    def open(self, scope: str, name: str, sealed: Sealed) -> str:
        """Raises UnknownKey and NotSealedForThis."""
        keys = self._keys
        if sealed.key not in {key.id for key in keys}:
            raise UnknownKey(sealed.key)
        try:
            form, for_scope, for_name, value = json.loads(
                MultiFernet([key.fernet for key in keys]).decrypt(sealed.token.encode())
            )
        except (InvalidToken, ValueError) as error:
            raise NotSealedForThis from error
        if (form, for_scope, for_name) != (_FORM, scope, name):
            raise NotSealedForThis
        return str(value)

    def fingerprints(self, value: str) -> dict[str, str]:
        """By the id of each key here: what is still sealed by an old key is compared by that one."""
        return {key.id: key.fingerprint(value) for key in self._keys}

    def put_first(self) -> str:
        """A new key, before the others, in the file; its id. Raises KeyFault where that is not ours to write."""
        with self._lock, _turn_at(self._writable()) as file:
            new = SealingKey.new()
            _replace(file, [new, *self.source.read()])
            self._keys = self.source.read()
            return new.id

    def keep_first(self, first: str) -> int:
        """Let go of all keys but the first, in the file; how many they were. Raises KeyFault.

        `first`: the id of the one that seals everything. Where another one is first by now, all stay.
        """
        with self._lock, _turn_at(self._writable()) as file:
            keys = self.source.read()
            if len(keys) < 2 or keys[0].id != first:
                return 0
            _replace(file, keys[:1])
            self._keys = self.source.read()
            return len(keys) - 1

    def texts(self) -> list[str]:
        """The keys themselves, for whoever keeps them out of logs."""
        return [key.text for key in self._keys]

    def first(self) -> SealingKey:
        """The key that seals now. Raises KeyFault where there is none."""
        keys = self._keys
        if not keys:
            raise KeyFault(
                f"The key of the secrets is missing from {self.source.where}, and secrets are sealed by it: put it "
                "back from its copy. Without one: docs/secrets.md, When the key is lost."
            )
        return keys[0]

    def _writable(self) -> Path:
        file = self.source.file
        if file is None or not self.source.writable:
            raise KeyFault(self.source.how_to_change)
        return file


@contextmanager
def _turn_at(file: Path) -> Iterator[Path]:
    """Between reading the file and replacing it, no other process does: a key that got lost takes its secrets along.

    The folder is locked, since the file itself is replaced. Network file systems may not lock folders; then it goes on.
    """
    handle = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            log.warning("the folder of the secrets' key can't be locked (%s): change keys in one place only", error)
        yield file
    finally:
        os.close(handle)


def _keys_of(text: str, where: str) -> tuple[SealingKey, ...]:
    lines = [line.strip() for line in text.replace(",", "\n").splitlines()]
    keys: dict[str, SealingKey] = {}
    for number, line in enumerate(lines, 1):
        if line and not line.startswith("#"):
            try:
                key = SealingKey.read(line)
            except (ValueError, binascii.Error) as error:
                raise KeyFault(
                    f"Line {number} of {where} is no key of 32 bytes in base64: make one with `{HOW_TO_MAKE}`."
                ) from error
            keys.setdefault(key.id, key)
    return tuple(keys.values())


def _create(file: Path, key: SealingKey) -> None:
    """Whole or not at all; of two that make it at the same time, one is kept."""
    new = _written(file, [key], 0o600)
    try:
        os.link(new, file)
    except FileExistsError:
        pass
    finally:
        new.unlink()
    _sync_folder(file)


def _replace(file: Path, keys: Sequence[SealingKey]) -> None:
    """In one step, with the owner and the mode that the file has."""
    found = file.stat()
    new = _written(file, keys, stat.S_IMODE(found.st_mode))
    if os.geteuid() == 0:
        os.chown(new, found.st_uid, found.st_gid)
    new.replace(file)
    _sync_folder(file)


def _written(file: Path, keys: Sequence[SealingKey], mode: int) -> Path:
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="ascii") as written:
        os.fchmod(written.fileno(), mode)
        written.writelines(f"{key.text}\n" for key in keys)
        written.flush()
        os.fsync(written.fileno())
    return new


def _sync_folder(file: Path) -> None:
    handle = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
