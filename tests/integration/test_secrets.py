"""Secrets of one installation: sealed in the database, found in their order, one mode's own, their keys changed."""

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrator.domain.model import Mode
from orchestrator.store import sealed_secrets
from orchestrator.store.database import Database
from orchestrator.store.sealed_secrets import Origin
from orchestrator.store.sealing import Keyring, key_source
from orchestrator.store.secret_store import SecretStore
from orchestrator.store.tables import sealed_secrets as table
from providers.base import ProviderError

MODES = {"live": Mode.LIVE, "drill": Mode.DRILL, "practice": Mode.REHEARSAL, "second": Mode.LIVE}
PUBLIC = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@dataclass
class Keeper:
    """A backend that answers, or does not."""

    values: dict[tuple[str, str], str] = field(default_factory=dict)
    away: bool = False
    name: str = "OpenBao"
    asked: int = 0

    def read(self, scope: str, name: str) -> str | None:
        self.asked += 1
        if self.away:
            raise ProviderError("OpenBao does not answer.", permanent=False)
        return self.values.get((scope, name))


@dataclass
class Room:
    """A data directory on a database, and a clock."""

    database: Database
    data: Path
    now: float = 1000.0
    modes: dict[str, Mode] = field(default_factory=lambda: dict(MODES))

    def worker(self, backend: Keeper | None = None) -> SecretStore:
        keyring = Keyring(key_source(self.data, {}))
        made = SecretStore(self.database, keyring, self.data / "secrets", self.modes.get, lambda: self.now, backend)
        made.prepare()
        return made

    def file(self, scope: str, name: str, value: str, mode: int = 0o600) -> Path:
        path = self.data / "secrets" / scope / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)
        path.chmod(mode)
        return path

    def everything(self) -> str:
        with self.database.read() as conn:
            return repr(conn.execute(sa.select(table)).all())


def keep(store: SecretStore, scope: str, name: str, value: str, origin: Origin = Origin.PERSON) -> None:
    with store.database.write() as conn:
        store.keep(conn, scope, name, value, origin, "olga")


def value(store: SecretStore, scope: str, name: str) -> str:
    return store.of(scope)(f"secret://{name}").reveal()


@pytest.fixture
def room(database: Database, tmp_path: Path) -> Room:
    (tmp_path / "data").mkdir()
    return Room(database, tmp_path / "data")


def test_all_workers_of_a_database_open_what_one_has_sealed(room: Room) -> None:
    one, other = room.worker(), room.worker()
    keep(one, "live", "token", "the-live-token")
    assert value(other, "live", "token") == "the-live-token"
    assert "the-live-token" not in room.everything()
    assert other.keyring.texts()[0] not in room.everything()


def test_a_scope_never_sees_another_s(room: Room) -> None:
    store = room.worker()
    keep(store, "live", "token", "the-live-token")
    for scope in ("drill", "practice", "second", "nowhere"):
        with pytest.raises(ProviderError, match="missing"):
            value(store, scope, "token")
    for reference in ("secret://../live/token", "secret://live/token", "secret://.token", "token", "secret://"):
        with pytest.raises(ProviderError, match="not a secret's reference"):
            store.of("drill")(reference)


def test_what_is_sealed_goes_before_a_file(room: Room) -> None:
    store = room.worker()
    room.file("drill", "token", "from-the-file\n")
    assert value(store, "drill", "token") == "from-the-file"
    assert store.unsealed("drill", "secret://token")
    keep(store, "drill", "token", "from-the-database")
    assert value(store, "drill", "token") == "from-the-database"
    assert not store.unsealed("drill", "secret://token")


def test_a_live_scope_takes_what_is_sealed_alone(room: Room) -> None:
    store = room.worker()
    room.file("live", "token", "x" * 20)
    with pytest.raises(ProviderError, match=r"lies unsealed in secrets/live/token.*bascule secrets seal") as refused:
        value(store, "live", "token")
    assert refused.value.permanent
    with pytest.raises(ProviderError, match="bascule secrets set live other"):
        value(store, "live", "other")
    room.file("gone", "token", "y" * 20)
    with pytest.raises(ProviderError, match="is not in the estate"):
        value(store, "gone", "token")
    room.file("signals", "prometheus", "z" * 20)
    assert value(store, "signals", "prometheus") == "z" * 20


def test_plain_files_for_the_owner_alone(room: Room) -> None:
    store = room.worker()
    room.file("drill", "token", "x" * 20, 0o644)
    with pytest.raises(ProviderError, match="set its mode to 600"):
        value(store, "drill", "token")
    room.file("drill", "odd", "x").write_bytes(b"\xff\xfe")
    with pytest.raises(ProviderError, match="UnicodeDecodeError"):
        value(store, "drill", "odd")


def test_a_value_of_another_mode_is_not_handed_out_from_a_file_either(room: Room) -> None:
    store = room.worker()
    keep(store, "live", "token", "shared-by-mistake")
    room.file("drill", "borrowed", "shared-by-mistake\n")
    with pytest.raises(ProviderError, match="the same as that of secret://token of scope live") as refused:
        value(store, "drill", "borrowed")
    assert "shared-by-mistake" not in str(refused.value)
    (room.data / "secrets/drill/borrowed").unlink()
    keep(store, "second", "token", "shared-by-mistake")
    keep(store, "live", "authority", PUBLIC)
    room.file("drill", "authority", PUBLIC)
    assert value(store, "drill", "authority") == PUBLIC, "a certificate is no secret"


def test_a_scope_whose_mode_changes_loses_what_was_stored_for_it(room: Room) -> None:
    store = room.worker()
    keep(store, "live", "token", "the-live-token")
    room.modes["live"] = Mode.DRILL
    with pytest.raises(ProviderError, match="that scope's mode was live; now it is drill"):
        value(store, "live", "token")
    room.modes["live"] = Mode.LIVE
    assert value(store, "live", "token") == "the-live-token"


def test_a_key_that_came_meanwhile_is_read_before_anything_fails(room: Room) -> None:
    one, other = room.worker(), room.worker()
    keep(one, "live", "token", "the-live-token")
    one.keyring.put_first()
    with room.database.write() as conn:
        assert one.resealed(conn) == (1, [])
    assert value(other, "live", "token") == "the-live-token"
    assert other.keyring.ids == one.keyring.ids


def test_a_key_that_is_gone_is_told_and_none_is_made_instead(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    store = room.worker()
    keep(store, "live", "token", "the-live-token")
    kept = (room.data / "secrets.key").rename(room.data / "elsewhere")
    lost = room.worker()
    assert "no sealed secret opens" in caplog.text
    assert not (room.data / "secrets.key").exists()
    with pytest.raises(ProviderError, match=r"sealed by the key [0-9a-f]{16}, which this service does not have"):
        value(lost, "live", "token")
    kept.rename(room.data / "secrets.key")
    assert value(lost, "live", "token") == "the-live-token"


def test_what_cannot_be_compared_is_not_stored(room: Room) -> None:
    store = room.worker()
    keep(store, "live", "token", "the-live-token")
    (room.data / "secrets.key").unlink()
    with room.database.write() as conn:
        row = sealed_secrets.get(conn, "live", "token")
        assert row is not None
        sealed_secrets.remove(conn, "live", "token")
    other = room.worker()
    with room.database.write() as conn:
        sealed_secrets.put(conn, row)
    with room.database.read() as conn, pytest.raises(Exception, match="live can't be compared"):
        other.require_comparable(conn, "drill")
    with room.database.read() as conn:
        other.require_comparable(conn, "second")


def test_many_threads_reveal_while_keys_change(room: Room) -> None:
    store, beside = room.worker(), room.worker()
    for number in range(6):
        keep(store, "live", f"token-{number}", f"value-of-{number}")
    ended, wrong = threading.Event(), list[str]()

    def reveal() -> None:
        while not ended.is_set():
            for number in range(6):
                try:
                    found = value(beside, "live", f"token-{number}")
                except ProviderError as error:
                    found = str(error)
                if found != f"value-of-{number}":
                    wrong.append(found)

    threads = [threading.Thread(target=reveal) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        new = store.keyring.put_first()
        with room.database.write() as conn:
            assert store.resealed(conn) == (6, [])
        store.keyring.keep_first(new)
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_backend_s_secret_is_copied_and_the_copy_serves_when_it_is_away(
    room: Room, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = Keeper({("live", "token"): "first-of-the-bao"})
    store = room.worker(keeper)
    assert value(store, "live", "token") == "first-of-the-bao"
    room.now += 30
    assert value(store, "live", "token") == "first-of-the-bao"
    keeper.values["live", "token"] = "second-of-the-bao"
    assert value(store, "live", "token") == "second-of-the-bao"
    keeper.away, room.now = True, room.now + 7200
    assert value(store, "live", "token") == "second-of-the-bao"
    assert "its sealed copy is used, 120 minutes old, because OpenBao does not answer." in caplog.text
    assert value(room.worker(None), "live", "token") == "second-of-the-bao", "not even named any more"
    with pytest.raises(ProviderError, match="OpenBao does not answer"):
        value(store, "live", "never-read")
    room.file("drill", "plain", "from-the-file")
    assert value(store, "drill", "plain") == "from-the-file"
    keeper.away = False
    keeper.values.clear()
    assert value(store, "live", "token") == "second-of-the-bao", "what was removed there by mistake is still here"


def test_what_a_person_sealed_goes_before_the_backend(room: Room) -> None:
    keeper = Keeper({("live", "token"): "of-the-bao"})
    store = room.worker(keeper)
    keep(store, "live", "token", "of-olga")
    assert value(store, "live", "token") == "of-olga"
    assert keeper.asked == 0


def test_a_backend_cannot_give_two_modes_one_value(room: Room) -> None:
    keeper = Keeper({("live", "token"): "the-same", ("drill", "token"): "the-same"})
    store = room.worker(keeper)
    assert value(store, "live", "token") == "the-same"
    with pytest.raises(ProviderError, match="a credential is of one mode"):
        value(store, "drill", "token")


def test_doctor_s_words(room: Room) -> None:
    store = room.worker()
    keep(store, "live", "token", "the-live-token")
    room.file("drill", "plain", "p" * 12)
    room.file("drill", "empty", "\n")
    assert store.fault_of("live", "secret://token") == ""
    assert store.fault_of("drill", "secret://plain") == ""
    assert "empty" in store.fault_of("drill", "secret://empty")
    assert "Put it into secrets/drill/none" in store.fault_of("drill", "secret://none")
    assert "bascule secrets set live none" in store.fault_of("live", "secret://none")
    assert store.stored("drill") == ["secret://empty", "secret://plain"]
    assert store.stored("live") == ["secret://token"]


def test_a_row_is_moved_by_nobody(room: Room) -> None:
    store = room.worker()
    keep(store, "live", "token", "the-live-token")
    with room.database.write() as conn:
        row = sealed_secrets.get(conn, "live", "token")
        assert row is not None
        sealed_secrets.put(conn, replace(row, scope="drill", kind="drill"))
        sealed_secrets.put(conn, replace(row, name="other"))
    for scope, name in (("drill", "token"), ("live", "other")):
        with pytest.raises(ProviderError, match="the row was moved or changed"):
            value(store, scope, name)
