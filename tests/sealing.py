"""Seals a secret for a scope as the service would, beside it and before it starts."""

from pathlib import Path

from orchestrator.store import sealed_secrets
from orchestrator.store.database import Database
from orchestrator.store.sealed_secrets import Origin, Row
from orchestrator.store.sealing import Keyring, key_source


def seal(data: Path, scope: str, name: str, value: str, kind: str = "live", url: str = "") -> None:
    """Into the data directory's database, by the data directory's key; both are made where there are none."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    keyring = Keyring(key_source(data, {}))
    keyring.make_first()
    database = Database(url or f"sqlite:///{data / 'bascule.db'}")
    try:
        database.migrate()
        with database.write() as conn:
            sealed = keyring.seal(scope, name, value)
            sealed_secrets.put(conn, Row(scope, name, sealed, kind, Origin.PERSON, 1.0, "olga"))
    finally:
        database.close()


def unseal(data: Path, scope: str, name: str) -> None:
    """Nothing is sealed there any more."""
    database = Database(f"sqlite:///{data / 'bascule.db'}")
    try:
        with database.write() as conn:
            assert sealed_secrets.remove(conn, scope, name)
    finally:
        database.close()
