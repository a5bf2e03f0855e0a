"""Bascule's own parts inside this process: for `serve`, and for commands that no service answers.

Imported where it is needed only: the parts take two seconds to load, which help and completion can do without.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from orchestrator.app import AlreadyRunning, Bascule, Settings
from orchestrator.cli.exits import CommandError
from orchestrator.cli.session import Session
from orchestrator.domain.model import Mode
from orchestrator.estate_git import EstateGitError
from orchestrator.store.database import Database
from orchestrator.store.sealing import KeyFault, Keyring, key_source
from orchestrator.store.secret_files import secrets_of
from orchestrator.store.secret_store import SecretStore
from providers.base import ProviderError, Reveal
from providers.openbao import OpenBao, openbao_of
from providers.redaction import redact

if TYPE_CHECKING:
    from providers.oidc import IdentityProvider

WITNESS_DIR = "BASCULE_WITNESS_DIR"
"""Names the directory that is given the audit's checkpoints: only who starts the service says so, never an estate."""

TLS_CERT = "BASCULE_TLS_CERT"
"""Names the service's own certificate, as `bascule serve --tls-cert` does."""


OIDC = "BASCULE_OIDC_"
"""Variables that name the identity provider: ISSUER, CLIENT_ID, CLIENT_SECRET_FILE, and CA, a file."""


def settings_of(session: Session, host: str = "127.0.0.1", port: int = 8700) -> Settings:
    return Settings(
        data=session.data,
        estate_url=estate_address(session.estate),
        estate_branch=session.branch,
        signers=session.signers,
        database_url=database_address(session.database_url, os.environ),
        host=host,
        port=port,
        tls_cert=Path(certificate).expanduser().absolute() if (certificate := os.environ.get(TLS_CERT, "")) else None,
        secrets_key=key_source(session.data, os.environ),
        secrets_backend=_backend(os.environ),
        identity=identity_provider(os.environ),
        witness_dir=Path(witness).expanduser().absolute() if (witness := os.environ.get(WITNESS_DIR, "")) else None,
    )


@contextmanager
def bascule_inside(session: Session) -> Iterator[Bascule]:
    """All parts, without working on runs. Raises CommandError when another process works on the data directory."""
    try:
        bascule = Bascule(settings_of(session))
    except AlreadyRunning as error:
        raise CommandError(
            f"Another Bascule works on {session.data} and does not answer: stop it, or wait until it has started."
        ) from error
    try:
        yield bascule
    finally:
        bascule.stop()


@contextmanager
def secrets_beside(session: Session, mode_of: Callable[[str], Mode | None]) -> Iterator[Callable[[str], Reveal]]:
    """What is sealed, and plain files, read beside whatever else works on the data directory. Raises CommandError."""
    settings = settings_of(session)
    if not settings.database_url and not settings.database_file.exists():
        yield partial(secrets_of, session.paths.secrets)
        return
    database = Database(settings.database)
    try:
        keyring = Keyring(settings.secrets_key or key_source(session.data, {}))
        store = SecretStore(database, keyring, session.paths.secrets, mode_of, time.time, settings.secrets_backend)
        yield store.of
    except KeyFault as error:
        raise CommandError(str(error)) from error
    finally:
        database.close()


def newest_estate(session: Session, bascule: Bascule, by: str) -> None:
    """Bring the estate up to date if its repository is known and answers; the mirror serves otherwise.

    Raises CommandError when no estate was ever read here.
    """
    if session.estate:
        try:
            bascule.estates.sync(by)
        except EstateGitError as error:
            if not bascule.mirror.exists:
                raise
            session.note(f"{error} The {by} is made from the newest commit that was read before.")
    elif not bascule.mirror.exists:
        raise CommandError("No estate is known here: name its repository with --estate URL or BASCULE_ESTATE.")


def identity_provider(environment: Mapping[str, str]) -> "IdentityProvider | None":
    """Raises CommandError when half of it is said."""
    said = {
        name: environment.get(f"{OIDC}{name}", "").strip() for name in ("ISSUER", "CLIENT_ID", "CLIENT_SECRET_FILE")
    }
    if not any(said.values()):
        return None
    missing = [f"{OIDC}{name}" for name, value in said.items() if not value]
    if missing or not said["ISSUER"].startswith("https://"):
        raise CommandError(
            f"The identity provider is named by half: set {', '.join(missing) or 'its issuer to an https address'}."
        )
    try:
        secret = Path(said["CLIENT_SECRET_FILE"]).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CommandError(
            f"The identity provider's secret can't be read from {said['CLIENT_SECRET_FILE']} ({error.strerror})."
        ) from error
    from providers.oidc import IdentityProvider  # takes a tenth of a second, and few name one

    return IdentityProvider(said["ISSUER"], said["CLIENT_ID"], secret, environment.get(f"{OIDC}CA", ""))


def estate_address(given: str) -> str:
    """A directory becomes its absolute path; an address stays as it is."""
    if not given or "://" in given:
        return given
    return str(Path(given).expanduser().resolve())


def _backend(environment: Mapping[str, str]) -> OpenBao | None:
    try:
        return openbao_of(environment)
    except ProviderError as error:
        raise CommandError(error.message) from error


def database_address(url: str, environment: Mapping[str, str]) -> str:
    """The database's URL, its password taken from the file that BASCULE_DATABASE_PASSWORD_FILE names, if any."""
    file = environment.get("BASCULE_DATABASE_PASSWORD_FILE", "")
    parts = urlsplit(url)
    if not url or not file or parts.password is not None:
        return url
    try:
        password = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CommandError(
            f"The database's password can't be read from {file} ({error.strerror}): "
            "correct BASCULE_DATABASE_PASSWORD_FILE or the file's mode."
        ) from error
    redact.add(password)
    user, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}").geturl()
