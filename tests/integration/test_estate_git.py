"""The estate's mirror: files at a commit, and a remote that goes away. Those that mean harm are in tests/security."""

from pathlib import Path

import pytest

from orchestrator.estate_git import EstateGitError, EstateMirror
from tests.town_hall import commit_all, git


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    path = tmp_path / "remote"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch", "main")
    (path / "bascule.yaml").write_text("estate: été\n", encoding="utf-8")
    (path / "sheets").mkdir()
    (path / "sheets" / "fiche é.md").write_bytes(b"one\ntwo\n\0three")
    return path


@pytest.fixture
def mirror(tmp_path: Path) -> EstateMirror:
    (tmp_path / "checkouts").mkdir()
    return EstateMirror(tmp_path / "mirror.git", tmp_path / "checkouts")


def test_files_are_those_of_the_commit_whatever_came_after(remote: Path, mirror: EstateMirror) -> None:
    first = commit_all(remote, "first")
    assert mirror.fetch(str(remote)) == first
    (remote / "bascule.yaml").write_text("estate: later\n")
    second = commit_all(remote, "second")
    assert mirror.fetch(str(remote)) == second
    assert mirror.files(first)["bascule.yaml"].decode() == "estate: été\n"
    assert mirror.files(first)["sheets/fiche é.md"] == b"one\ntwo\n\0three"
    assert (mirror.checkout(second) / "bascule.yaml").read_text() == "estate: later\n"


def test_the_mirror_serves_when_the_remote_is_gone(remote: Path, mirror: EstateMirror) -> None:
    commit = commit_all(remote, "first")
    mirror.fetch(str(remote))
    remote.rename(remote.with_name("gone"))
    with pytest.raises(EstateGitError, match="fetch failed"):
        mirror.fetch(str(remote))
    assert mirror.newest() == commit
    assert "bascule.yaml" in mirror.files(commit)
