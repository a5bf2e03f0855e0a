"""A play gets and gives host keys of its own hosts only."""

from pathlib import Path

from providers.ansible.host_keys import lend, names_of, take_back

ONE, TWO, OTHER = (f"{name} ssh-ed25519 {'A' * 60}{letter}" for name, letter in zip("abc", "XYZ", strict=True))


def test_names_are_as_ssh_writes_them() -> None:
    assert names_of(["Host.example", "2001:db8::1"], 22) == {"host.example", "2001:db8::1"}
    assert names_of(["198.51.100.7"], 2222) == {"[198.51.100.7]:2222"}


def test_only_its_own_hosts_are_lent(tmp_path: Path) -> None:
    known, copy = tmp_path / "known", tmp_path / "copy"
    known.write_text(f"{ONE}\n{OTHER}\n")
    lend(known, copy, {"a", "b"})
    assert copy.read_text() == f"{ONE}\n"
    assert copy.stat().st_mode & 0o777 == 0o600


def test_what_a_play_can_add(tmp_path: Path) -> None:
    known, copy = tmp_path / "known", tmp_path / "copy"
    known.write_text(f"{ONE}\n{OTHER}\n")
    wanted = "\n".join([
        ONE.replace("X", "Q"),  # another key of a known host
        OTHER.replace("Z", "Q"),  # of a host that is none of its own
        f"@cert-authority {TWO}",
        f"*,{TWO}",
        "b ssh-ed25519 short",
        TWO,
    ])  # fmt: skip
    copy.write_text(f"{wanted}\n")
    take_back(known, copy, {"a", "b"})
    assert known.read_text() == f"{ONE}\n{OTHER}\n{TWO}\n"
    take_back(known, copy, {"a", "b"})
    assert known.read_text() == f"{ONE}\n{OTHER}\n{TWO}\n"


def test_nothing_was_known_and_nothing_was_noted(tmp_path: Path) -> None:
    known, copy = tmp_path / "known", tmp_path / "copy"
    lend(known, copy, {"a"})
    take_back(known, copy, {"a"})
    assert not known.exists()
    copy.unlink()
    take_back(known, copy, {"a"})
    assert not known.exists()
