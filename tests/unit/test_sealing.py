"""Keys of secrets: where they come from, what they open, how they change, and that they are never shown."""

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.store.sealing import (
    KeyFault,
    Keyring,
    KeySource,
    NotSealedForThis,
    Sealed,
    SealingKey,
    UnknownKey,
    key_source,
)


def key(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode()


def ring(*numbers: int) -> Keyring:
    return Keyring(KeySource("here", text="\n".join(map(key, numbers))))


def test_what_is_sealed_opens_at_its_place_alone() -> None:
    keys = ring(1)
    sealed = keys.seal("live", "token", "s3cret-value")
    assert keys.open("live", "token", sealed) == "s3cret-value"
    assert "s3cret" not in sealed.token
    for scope, name in (("drill", "token"), ("live", "other")):
        with pytest.raises(NotSealedForThis):
            keys.open(scope, name, sealed)
    changed = sealed.token[:40] + ("A" if sealed.token[40] != "A" else "B") + sealed.token[41:]
    with pytest.raises(NotSealedForThis):
        keys.open("live", "token", Sealed(changed, sealed.key, sealed.fingerprint))


def test_the_first_key_seals_and_all_open() -> None:
    old = ring(1).seal("live", "token", "value")
    both = ring(2, 1)
    assert both.open("live", "token", old) == "value"
    assert both.seal("live", "token", "value").key == both.ids[0] == ring(2).ids[0]
    with pytest.raises(UnknownKey):
        ring(2).open("live", "token", old)


def test_a_fingerprint_tells_equal_values_and_nothing_without_the_key() -> None:
    one, other = ring(1).seal("live", "a", "value"), ring(1).seal("drill", "b", "value\n")
    assert one.fingerprint == other.fingerprint
    assert one.token != other.token
    assert ring(2).seal("live", "a", "value").fingerprint != one.fingerprint
    assert ring(2, 1).fingerprints("value")[one.key] == one.fingerprint


def test_the_source_is_the_first_that_is_there(tmp_path: Path) -> None:
    file, credentials = tmp_path / "named", tmp_path / "credentials"
    credentials.mkdir()
    file.write_text(key(2))
    (credentials / "bascule-secrets-key").write_text(key(3))
    everything = {
        "BASCULE_SECRETS_KEY": f"{key(1)},{key(9)}",
        "BASCULE_SECRETS_KEY_FILE": str(file),
        "CREDENTIALS_DIRECTORY": str(credentials),
    }
    found = []
    for name in [*everything, ""]:
        source = key_source(tmp_path, everything)
        found.append((Keyring(source).ids, source.writable))
        everything.pop(name, None)
    assert found == [(ring(1, 9).ids, False), (ring(2).ids, True), (ring(3).ids, False), ((), True)]
    assert key_source(tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path)}).own, "no credential of that name"


def test_the_own_key_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    made = Keyring(key_source(tmp_path, {}))
    with pytest.raises(KeyFault, match="missing"):
        made.seal("live", "a", "b")
    made.make_first()
    made.make_first()
    file = tmp_path / "secrets.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Keyring(key_source(tmp_path, {})).ids == made.ids
    assert list(tmp_path.iterdir()) == [file]
    file.chmod(0o640)
    with pytest.raises(KeyFault, match="chmod 600"):
        Keyring(key_source(tmp_path, {}))


@pytest.mark.parametrize("text", ["short", base64.b64encode(b"x" * 31).decode(), "a passphrase of several words"])
def test_what_is_no_key_is_refused_and_not_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "secrets.key").touch(0o600)
    (tmp_path / "secrets.key").write_text(f"# mine\n{text}\n")
    with pytest.raises(KeyFault, match=r"Line 2 of .*secrets.key is no key of 32 bytes") as refused:
        Keyring(key_source(tmp_path, {}))
    assert text not in str(refused.value)
    with pytest.raises(KeyFault, match="no key of the secrets"):
        Keyring(KeySource("BASCULE_SECRETS_KEY", text="# none"))


def test_keys_change_in_the_file_in_one_step(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(key(1))
    file.chmod(0o640)
    keys, beside = (Keyring(key_source(tmp_path, {"BASCULE_SECRETS_KEY_FILE": str(file)})) for _ in range(2))
    old = keys.seal("live", "a", "value")
    new = keys.put_first()
    assert keys.ids == (new, *beside.ids)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    sealed = keys.seal("live", "b", "value")
    with pytest.raises(UnknownKey):
        beside.open("live", "b", sealed)
    assert beside.refresh()
    assert not beside.refresh()
    assert beside.open("live", "b", sealed) == "value"
    assert keys.keep_first(beside.ids[1]) == 0, "the one that was first when it was looked at"
    assert keys.keep_first(new) == 1
    assert keys.keep_first(new) == 0
    with pytest.raises(UnknownKey):
        keys.open("live", "a", old)
    file.unlink()
    assert not beside.refresh(), "a file that is gone takes no key away from those who work"


def test_two_that_change_the_file_at_once_lose_no_key(tmp_path: Path) -> None:
    rings = [Keyring(key_source(tmp_path, {})) for _ in range(4)]
    rings[0].make_first()
    with ThreadPoolExecutor(len(rings)) as pool:
        made = list(pool.map(lambda ring: [ring.put_first() for _ in range(5)], rings))
    rings[0].refresh()
    assert {one for ring in made for one in ring} < set(rings[0].ids)
    assert len(rings[0].ids) == 4 * 5 + 1


def test_keys_of_the_environment_are_changed_by_people() -> None:
    with pytest.raises(KeyFault, match=r"openssl rand -base64 32.*restart.*rotate --reseal"):
        ring(1).put_first()


def test_a_key_is_not_shown() -> None:
    made = SealingKey.new()
    source = KeySource("X", text=made.text)
    assert made.text not in f"{made!r} {source!r} {Keyring(source)!r}"
