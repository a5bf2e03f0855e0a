"""Where a secret is found: sealed in the database, then in a backend with its sealed copy, then in a plain file.

A reveal is a scope's own: it opens what was sealed for this scope, and nothing else. A value that a scope of another
mode has as well is handed out to neither.
"""

import hmac
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from orchestrator.domain.model import Mode
from orchestrator.domain.signals.source import SECRETS as SIGNALS
from orchestrator.store import audit, people, sealed_secrets, secret_files
from orchestrator.store.database import Connection, Database, DatabaseAwayError
from orchestrator.store.journal import SYSTEM
from orchestrator.store.sealed_secrets import Origin, Row
from orchestrator.store.sealing import KeyFault, Keyring, NotSealedForThis, UnknownKey
from orchestrator.store.secret_files import SecretFile
from providers.base import ProviderError, Reveal, Secret
from providers.redaction import redact

log = logging.getLogger("bascule.secrets")

SEEN_EVERY = 60.0
"""Seconds after which a copy is marked anew as the same as its original."""
LOOKS = 3
"""How often a row is looked at again whose key is not here."""
_PLAIN = frozenset({Mode.REHEARSAL.value, Mode.DRILL.value, SIGNALS})
"""Scopes that take secrets from plain files. A live one takes what is sealed."""
_UNKNOWN = "unknown"


class Backend(Protocol):
    """A service that keeps secrets; never the only place of one."""

    name: str

    def read(self, scope: str, name: str) -> str | None:
        """None when it has none of this name. Raises ProviderError within seconds when it does not answer."""
        ...


class SharedBetweenModes(Exception):
    """A scope of another mode has this value already; the text says which, and what to do."""


class SecretStore:
    """The secrets of one installation. `mode_of`: the mode of a scope, None where the estate has none of this name."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        files: Path,
        mode_of: Callable[[str], Mode | None],
        clock: Callable[[], float],
        backend: Backend | None = None,
    ) -> None:
        self.database = database
        self.keyring = keyring
        self.files = files
        self.backend = backend
        self._mode_of = mode_of
        self._clock = clock

    def prepare(self) -> None:
        """At the start: an installation without a key makes its own, unless its secrets were sealed by one that is
        gone. Raises KeyFault."""
        with self.database.read() as conn:
            sealed = bool(sealed_secrets.listed(conn) or people.sealed_seeds(conn))
        if not self.keyring.ids and sealed:
            log.error("the key of the secrets is missing from %s: no sealed secret opens", self.keyring.source.where)
        elif not self.keyring.ids:
            self.keyring.make_first()
        for key in self.keyring.texts():
            redact.add(key)

    def of(self, scope: str) -> Reveal:
        """What a scope's references are revealed with."""

        def reveal(reference: str) -> Secret:
            name = secret_files.name_in(reference)
            try:
                return Secret(self._value(scope, name))
            except SharedBetweenModes as error:
                raise ProviderError(str(error), permanent=True) from None
            except KeyFault as error:
                raise ProviderError(str(error), permanent=True) from error
            except DatabaseAwayError as error:
                raise ProviderError(
                    f"The secret {reference} of scope {scope} can't be looked up: the database does not answer "
                    f"({type(error).__name__}). It is tried again.",
                    permanent=False,
                ) from error

        return reveal

    def kind_of(self, scope: str) -> str:
        """The scope's mode, or `signals` for those who post webhooks; `unknown` where there is no such scope."""
        if scope == SIGNALS:
            return SIGNALS
        mode = self._mode_of(scope)
        return _UNKNOWN if mode is None else mode.value

    def fault_of(self, scope: str, reference: str) -> str:
        """What is wrong with a reference's secret, with the remedy; nothing where all is well. Tells no secret."""
        name = reference.removeprefix("secret://")
        try:
            with self.database.read() as conn:
                row = sealed_secrets.get(conn, scope, name)
            if row is None and self.backend is None and self.kind_of(scope) in _PLAIN:
                fault = secret_files.fault_of(self.files, scope, reference)
                if fault:
                    return fault
            return "" if self.of(scope)(reference).reveal().strip() else f"It is empty: {_how_to_set(scope, name)}"
        except ProviderError as error:
            return error.message

    def unsealed(self, scope: str, reference: str) -> bool:
        """Whether it is in a plain file alone."""
        name = reference.removeprefix("secret://")
        with self.database.read() as conn:
            return sealed_secrets.get(conn, scope, name) is None and (self.files / scope / name).is_file()

    def stored(self, scope: str) -> list[str]:
        """References of all secrets that are kept here for a scope, sorted."""
        with self.database.read() as conn:
            sealed = {f"secret://{row.name}" for row in sealed_secrets.listed(conn) if row.scope == scope}
        return sorted(sealed | set(secret_files.stored(self.files, scope)))

    def rows(self) -> Sequence[Row]:
        """What is sealed, by scope and name."""
        with self.database.read() as conn:
            return sealed_secrets.listed(conn)

    def plain(self) -> Sequence[SecretFile]:
        """What lies in plain files."""
        return secret_files.files_in(self.files)

    def opened(self, row: Row) -> str:
        """The value of a row. A key that came meanwhile is read before this fails. Raises ProviderError."""
        try:
            return self._open_newest(row)
        except UnknownKey:
            raise ProviderError(
                f"The secret {_place(row.place)} is sealed by the key {row.sealed.key}, which this service does not "
                f"have; its keys come from {self.keyring.source.where}. Give it that key, or set the secret anew: "
                f"{_how_to_set(*row.place)}",
                permanent=True,
            ) from None
        except NotSealedForThis:
            raise ProviderError(
                f"What is stored for the secret {_place(row.place)} was not sealed for it: the row was moved or "
                f"changed. Find out who did that, then set it anew: {_how_to_set(*row.place)}",
                permanent=True,
            ) from None

    def keep(self, conn: Connection, scope: str, name: str, value: str, origin: Origin, by: str) -> bool:
        """Seal a value in this transaction; whether it replaced another. Raises SharedBetweenModes, KeyFault."""
        sealed_secrets.exclude(conn)
        self.keyring.refresh()
        kind = self.kind_of(scope)
        self.require_own(conn, scope, kind, value)
        sealed = self.keyring.seal(scope, name, value)
        now = self._clock()
        read_at = now if origin is Origin.OPENBAO else None
        return sealed_secrets.put(conn, Row(scope, name, sealed, kind, origin, now, by, read_at))

    def require_own(self, conn: Connection, scope: str, kind: str, value: str) -> None:
        """No scope of another mode has this value, sealed or in a plain file. Raises SharedBetweenModes."""
        self._require_not(sealed_secrets.twin(conn, kind, self._marks(value)) or self._plain_twin(kind, value), scope)

    def _marks(self, value: str) -> Sequence[str]:
        """What equal values are known by; nothing for what is no secret."""
        return [] if is_public(value) else list(self.keyring.fingerprints(value).values())

    @staticmethod
    def _require_not(found: tuple[str, str] | None, scope: str) -> None:
        if found is not None:
            raise SharedBetweenModes(
                f"The value is the same as that of {_place(found)}, a scope of another mode: a credential is of one "
                f"mode alone. Make one of its own for the scope {scope}, with the rights of docs/credentials.md."
            )

    def require_comparable(self, conn: Connection, scope: str) -> None:
        """All that is sealed for other modes can be compared with a new value. Raises KeyFault."""
        kind = self.kind_of(scope)
        left = sealed_secrets.incomparable(conn, kind, self.keyring.ids)
        if left:
            raise KeyFault(
                f"{', '.join(map(_place, left[:5]))} can't be compared with the new value: sealed by a key that is "
                "not here. Put that key back, or remove what it sealed: bascule secrets remove SCOPE NAME"
            )

    def _plain_twin(self, kind: str, value: str) -> tuple[str, str] | None:
        alike = [] if is_public(value) else [file for file in self.plain() if _holds(file, value)]
        return next(((file.scope, file.name) for file in alike if self.kind_of(file.scope) != kind), None)

    def _value(self, scope: str, name: str) -> str:
        with self.database.read() as conn:
            row = sealed_secrets.get(conn, scope, name)
        if row is not None:
            self._require_mode(row)
        if row is not None and row.origin is not Origin.OPENBAO:
            return self.opened(row)
        if self.backend is not None:
            return self._from_backend(self.backend, scope, name, row)
        return self.opened(row) if row is not None else self._from_file(scope, name)

    def _require_mode(self, row: Row) -> None:
        """A scope that became one of another mode has none of the secrets that it had. Raises ProviderError."""
        kind = self.kind_of(row.scope)
        if kind != row.kind:
            raise ProviderError(
                f"The secret {_place(row.place)} was stored while that scope's mode was {row.kind}; now it is {kind}. "
                f"Make one for that mode, and store it: {_how_to_set(*row.place)}",
                permanent=True,
            )

    def _from_backend(self, backend: Backend, scope: str, name: str, row: Row | None) -> str:
        """What the backend says, kept as a copy; else the copy, else a plain file."""
        try:
            value = backend.read(scope, name)
            said = f"{backend.name} has no such secret"
        except ProviderError as error:
            value, said = None, error.message
        if value is not None:
            self._copy(scope, name, value, row)
            return value
        if row is None:
            return self._from_file(scope, name, said)
        age = self._clock() - (row.read_at or row.set_at)
        log.warning("secret %s: its sealed copy is used, %d minutes old, because %s", _place(row.place), age / 60, said)
        return self.opened(row)

    def _copy(self, scope: str, name: str, value: str, row: Row | None) -> None:
        """Keep what was read. A database that is away does not keep it, and hinders nothing else."""
        now = self._clock()
        same = row is not None and self._is_copy(row, value)
        if row is not None and same and now - (row.read_at or 0.0) < SEEN_EVERY:
            return
        try:
            with self.database.write() as conn:
                if row is not None and same:
                    sealed_secrets.seen_again(conn, row, now)
                else:
                    self.keep(conn, scope, name, value, Origin.OPENBAO, SYSTEM)
                    audit.record(conn, "secret.copied", SYSTEM, {"scope": scope, "name": name}, now)
        except DatabaseAwayError as error:
            log.warning("secret %s: no sealed copy was kept (%s)", _place((scope, name)), type(error).__name__)

    def _is_copy(self, row: Row, value: str) -> bool:
        try:
            return hmac.compare_digest(self._open(row).encode(), value.encode())
        except (UnknownKey, NotSealedForThis):
            return False

    def _from_file(self, scope: str, name: str, said: str = "") -> str:
        kind = self.kind_of(scope)
        besides = f" ({said})" if said else ""
        if kind not in _PLAIN:
            self._refuse_plain(scope, name, kind, besides)
        value = secret_files.read_file(self.files, scope, name)
        if value is None:
            raise ProviderError(
                f"The secret {_place((scope, name))} is missing{besides}. Store it: {_how_to_set(scope, name)}. "
                f"Or put it into secrets/{scope}/{name} of the data directory, with mode 600.",
                permanent=True,
            )
        with self.database.read() as conn:
            self._require_not(sealed_secrets.twin(conn, kind, self._marks(value)), scope)
        return value

    def _refuse_plain(self, scope: str, name: str, kind: str, besides: str) -> None:
        if (self.files / scope / name).exists():
            why = "is live" if kind == Mode.LIVE else "is not in the estate"
            text = (
                f"The secret {_place((scope, name))} lies unsealed in secrets/{scope}/{name}, and its scope {why}: "
                f"seal it with `bascule secrets seal`{besides}."
            )
        else:
            text = f"The secret {_place((scope, name))} is missing{besides}. Store it: {_how_to_set(scope, name)}"
        raise ProviderError(text, permanent=True)

    def _open(self, row: Row) -> str:
        try:
            return self.keyring.open(row.scope, row.name, row.sealed)
        except UnknownKey:
            self.keyring.refresh()
            return self.keyring.open(row.scope, row.name, row.sealed)

    def _open_newest(self, row: Row) -> str:
        """Keys may change between the look at the row and here, and the row with them: then it is looked at again."""
        for _ in range(LOOKS):
            try:
                return self._open(row)
            except UnknownKey:
                with self.database.read() as conn:
                    row = sealed_secrets.get(conn, *row.place) or row
        return self._open(row)

    def resealed(self, conn: Connection) -> tuple[int, list[tuple[str, str]]]:
        """Seal everything by the first key; how many were, and which could not be opened. Holds up other sealing."""
        sealed_secrets.exclude_all(conn)
        self.keyring.refresh()
        done, left = 0, []
        for row in sealed_secrets.listed(conn):
            if row.sealed.key == self.keyring.ids[0]:
                continue
            try:
                value = self._open(row)
            except (UnknownKey, NotSealedForThis):
                left.append(row.place)
                continue
            sealed_secrets.reseal(conn, row, self.keyring.seal(row.scope, row.name, value))
            done += 1
        return done, left


def is_public(value: str) -> bool:
    """Certificates are no secret: the same authority may be trusted in every mode."""
    return value.lstrip().startswith("-----BEGIN CERTIFICATE-----") and "PRIVATE KEY" not in value


def _holds(file: SecretFile, value: str) -> bool:
    try:
        return hmac.compare_digest(
            secret_files.as_value(file.path.read_text(encoding="utf-8")).encode(), value.encode()
        )
    except (OSError, UnicodeDecodeError):
        return False


def _place(place: tuple[str, str]) -> str:
    return f"secret://{place[1]} of scope {place[0]}"


def _how_to_set(scope: str, name: str) -> str:
    return f"bascule secrets set {scope} {name}"
