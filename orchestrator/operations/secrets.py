"""Secrets, as people keep them: stored, removed, sealed, and their keys changed. A value goes in and never comes out.

Each of these is told to the audit in the transaction that does it, with the secret's place and without its value.
"""

import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.domain.needed_secrets import missing_secrets
from orchestrator.domain.plan import Plan
from orchestrator.domain.signals.source import SECRETS as SIGNALS
from orchestrator.operations.estate import Estates
from orchestrator.operations.people.sealing import PeopleSealing
from orchestrator.operations.request import Conflict, Denied, NotFound, RequestError
from orchestrator.store import audit, people, sealed_secrets
from orchestrator.store.database import Connection
from orchestrator.store.sealed_secrets import Origin, Row
from orchestrator.store.sealing import KeyFault
from orchestrator.store.secret_files import VALUE_LIMIT, SecretFile, as_value, is_name, shred
from orchestrator.store.secret_store import SecretStore, SharedBetweenModes
from providers.base import ProviderError

log = logging.getLogger("bascule.secrets")

CODES = "one-time codes"
"""How what people's authenticator apps were told is called, where secrets have a scope."""


class Shared(Denied):
    """The value is a credential of another mode already."""


class NoKeyForSecrets(Conflict):
    """The keys can't be had, or not be changed here."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A secret's place and state; never its value.

    `source`: `sealed`, `openbao` (a sealed copy of what is there), or `file` (plain). `opens`: whether its key is here.
    `newest_key`: whether it is sealed by the key that seals now. `checked_at`: a copy's last look at its original.
    """

    scope: str
    name: str
    source: str
    set_at: float
    set_by: str
    opens: bool = True
    newest_key: bool = True
    checked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """`created` is false when it took another one's place."""

    scope: str
    name: str
    created: bool


@dataclass(frozen=True, slots=True)
class LeftOpen:
    """A plain file that stays as it is, and why."""

    scope: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class SealedFiles:
    """`sealed`: what lay in plain files and does not any more, as `scope/name`. `left`: what does still."""

    sealed: tuple[str, ...]
    left: tuple[LeftOpen, ...]


@dataclass(frozen=True, slots=True)
class Rotated:
    """`made`: the id of a new key, empty when none was made. `key`: of the one that seals now.

    `left`: secrets that could not be sealed anew, as `scope/name`. `dropped`: old keys that were let go.
    `advice`: what a person has to do, empty when nothing.
    """

    key: str
    made: str = ""
    resealed: int = 0
    left: tuple[str, ...] = ()
    dropped: int = 0
    advice: tuple[str, ...] = field(default=())


class Secrets:
    def __init__(self, store: SecretStore, estates: Estates, clock: Callable[[], float]) -> None:
        self._store = store
        self._estates = estates
        self._clock = clock
        self._database = store.database
        self._people = PeopleSealing(store.keyring)

    def listed(self) -> list[Listed]:
        """What there is, sealed or in plain files, by scope and name."""
        keys = self._store.keyring.ids
        rows = self._store.rows()
        sealed = {row.place for row in rows}
        found = [_listed(row, keys) for row in rows]
        plain = [file for file in self._store.plain() if (file.scope, file.name) not in sealed]
        found += [Listed(file.scope, file.name, "file", file.set_at, "") for file in plain]
        return sorted(found, key=lambda one: (one.scope, one.name))

    def set(self, scope: str, name: str, value: str, by: str) -> Stored:
        """Seal a value for one scope. Raises NotFound, RequestError, Shared, NoKeyForSecrets."""
        self._require_place(scope, name)
        value = as_value(value)
        if not value.strip():
            raise RequestError("The value is empty: nothing was stored.")
        if len(value.encode()) > VALUE_LIMIT or "\0" in value:
            raise RequestError(f"A secret is text of at most {VALUE_LIMIT} bytes; nothing was stored.")
        replaced = self._keep(scope, name, value, Origin.PERSON, by, "secret.set")
        return Stored(scope, name, not replaced)

    def remove(self, scope: str, name: str, by: str) -> None:
        """Remove a sealed secret; a plain file is removed by whoever put it there. Raises NotFound."""
        with self._database.write() as conn:
            gone = sealed_secrets.remove(conn, scope, name)
            if gone:
                audit.record(conn, "secret.removed", by, {"scope": scope, "name": name}, self._clock())
        if not gone and any((file.scope, file.name) == (scope, name) for file in self._store.plain()):
            raise NotFound(f"{name} of scope {scope} is not sealed: remove the file secrets/{scope}/{name}.")
        if not gone:
            raise NotFound(f"The scope {scope} has no sealed secret {name}: `bascule secrets list` shows all.")

    def seal(self, by: str, scope: str = "") -> SealedFiles:
        """Seal what lies in plain files of the data directory, of one scope or of all, then destroy these files.

        Each file by itself: one that can't be sealed stays, and hinders none of the others.
        """
        done, left = [], []
        for file in self._store.plain():
            if scope in ("", file.scope):
                why = self._seal_file(file, by)
                if why:
                    left.append(LeftOpen(file.scope, file.name, why))
                else:
                    done.append(f"{file.scope}/{file.name}")
        return SealedFiles(tuple(done), tuple(left))

    def rotate(self, by: str, *, new_key: bool = True, drop_old: bool = False) -> Rotated:
        """Put a new key first, seal everything by it while work goes on, and let the old keys go if nothing needs them.

        Without `new_key` everything is sealed by the first key that is there. Where the keys are not this service's to
        write, it says what to do. Raises NoKeyForSecrets.
        """
        made, advice = "", list[str]()
        try:
            self._store.keyring.refresh()
            if new_key and self._store.keyring.source.writable:
                made = self._store.keyring.put_first()
            elif new_key:
                advice.append(self._store.keyring.source.how_to_change)
            self._store.keyring.first()
            return self._resealed(by, made, advice, drop_old=drop_old)
        except KeyFault as error:
            raise NoKeyForSecrets(str(error)) from error

    def missing(self, plan: Plan) -> list[str]:
        """References of the secrets that a plan needs, and that can't be had now: neither sealed, nor a copy, nor read.

        Raises NotFound and NotHere when the plan's estate can't be read.
        """
        reveal = self._store.of(plan.scope)

        def is_there(reference: str) -> bool:
            try:
                return bool(reveal(reference).reveal().strip())
            except ProviderError:
                return False

        return missing_secrets(plan, self._estates.scope(plan.commit, plan.scope), is_there)

    def _resealed(self, by: str, made: str, advice: list[str], *, drop_old: bool) -> Rotated:
        keyring = self._store.keyring
        with self._database.write() as conn:
            resealed, places = self._store.resealed(conn)
            codes, persons = self._codes_resealed(conn)
            said = {"key": keyring.ids[0], "new": bool(made), "count": resealed, "codes": codes}
            audit.record(conn, "secrets.resealed", by, said, self._clock())
        left = (*(f"{scope}/{name}" for scope, name in places), *persons)
        dropped = self._drop_old(by, advice) if drop_old else 0
        return Rotated(keyring.ids[0], made, resealed, left, dropped, tuple(advice))

    def _codes_resealed(self, conn: Connection) -> tuple[int, list[str]]:
        """What authenticator apps were told is sealed by the same keys: how many were, and whose could not be."""
        people.exclude(conn)  # after the secrets' lock, as wherever both are taken: nobody enrols an app meanwhile
        done, left = 0, []
        for name, seed in people.sealed_seeds(conn):
            try:
                new = self._people.resealed(f"totp:{name}", seed)
            except RequestError:
                left.append(f"{CODES}/{name}")
                continue
            if new is not None and people.reseal_seed(conn, name, seed, new):
                done += 1
        return done, left

    def _drop_old(self, by: str, advice: list[str]) -> int:
        """Only once what was sealed anew is committed: a key that goes too early takes its secrets along."""
        keyring = self._store.keyring
        with self._database.write() as conn:
            sealed_secrets.exclude_all(conn)
            keyring.refresh()
            first = keyring.ids[0]
            held = [f"{row.scope}/{row.name}" for row in sealed_secrets.listed(conn) if row.sealed.key != first]
            held += [f"{CODES}/{name}" for name, seed in people.sealed_seeds(conn) if self._people.is_old(seed)]
            if held:
                advice.append(f"No key was let go: other keys seal {', '.join(held)}. Set or remove them first.")
                return 0
            if not keyring.source.writable:
                advice.append(f"Nothing is sealed by old keys: remove all but the first from {keyring.source.where}.")
                return 0
            dropped = keyring.keep_first(first)
            audit.record(conn, "secrets.keys_dropped", by, {"key": first, "count": dropped}, self._clock())
        return dropped

    def _seal_file(self, file: SecretFile, by: str) -> str:
        """Why it stays; empty when it is sealed and gone."""
        try:
            value = as_value(file.path.read_text(encoding="utf-8"))
            self._require_place(file.scope, file.name)
            if not value.strip():
                return "It is empty."
            with self._database.read() as conn:
                row = sealed_secrets.get(conn, file.scope, file.name)
            if row is None:
                self._keep(file.scope, file.name, value, Origin.FILE, by, "secret.sealed")
            elif not hmac.compare_digest(self._store.opened(row).encode(), value.encode()):
                return "Another value is sealed already, and is used: remove this file, or set its value."
            shred(file.path)
        except UnicodeDecodeError:
            return "It is no text in UTF-8."
        except OSError as error:
            return f"It can't be read or removed ({error.strerror}): once it is sealed, remove it by hand."
        except (RequestError, ProviderError) as error:
            return str(error)
        return ""

    def _keep(self, scope: str, name: str, value: str, origin: Origin, by: str, kind: str) -> bool:
        try:
            with self._database.write() as conn:
                self._store.require_comparable(conn, scope)
                replaced = self._store.keep(conn, scope, name, value, origin, by)
                audit.record(conn, kind, by, {"scope": scope, "name": name}, self._clock())
        except SharedBetweenModes as error:
            raise Shared(str(error)) from None
        except KeyFault as error:
            raise NoKeyForSecrets(str(error)) from error
        except ProviderError as error:
            raise RequestError(error.message) from error
        return replaced

    def _require_place(self, scope: str, name: str) -> None:
        scopes = self._estates.bundle(self._estates.newest()).estate.scopes
        if scope != SIGNALS and scope not in scopes:
            known = ", ".join([*sorted(scopes), SIGNALS])
            raise NotFound(f"The estate has no scope {scope!r}; secrets are kept for {known}.")
        if not is_name(name):
            raise RequestError(f"{name!r} is no name of a secret: write what stands after secret:// in bascule.yaml.")


def _listed(row: Row, keys: tuple[str, ...]) -> Listed:
    return Listed(
        row.scope,
        row.name,
        "openbao" if row.origin is Origin.OPENBAO else "sealed",
        row.set_at,
        row.set_by,
        opens=row.sealed.key in keys,
        newest_key=bool(keys) and row.sealed.key == keys[0],
        checked_at=row.read_at,
    )
