"""The estate's mirror: files at a commit, and a remote that goes away. Those that mean harm are in tests/security."""

from pathlib import Path

import pytest

from orchestrator import estate_git
from orchestrator.estate_git import Difference, EstateGitError, EstateMirror
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


def test_what_differs_between_two_commits_is_told_line_by_line(remote: Path, mirror: EstateMirror) -> None:
    (remote / "gone.txt").write_text("one\ntwo")
    first = commit_all(remote, "first")
    (remote / "bascule.yaml").write_text("estate: été\nlater: true\n", encoding="utf-8")
    (remote / "gone.txt").unlink()
    (remote / "new.txt").write_text("<b>\n")
    (remote / "sheets" / "fiche é.md").write_bytes(b"one\nthree\n\0four")
    second = commit_all(remote, "second")
    mirror.fetch(str(remote))
    moved = mirror.moved(first, second)
    assert list(moved) == ["bascule.yaml", "gone.txt", "new.txt", "sheets/fiche é.md"]
    told = {path: mirror.difference(*ids) for path, ids in moved.items()}
    assert told["bascule.yaml"].text == "@@ -1 +1,2 @@\n estate: été\n+later: true\n"
    assert told["gone.txt"].text == "-one\n-two\n"
    assert told["new.txt"].text == "+<b>\n"
    assert told["sheets/fiche é.md"] == Difference(binary=True)
    assert mirror.moved(first, first) == {}


def test_what_differs_much_is_cut(remote: Path, mirror: EstateMirror, monkeypatch: pytest.MonkeyPatch) -> None:
    (remote / "bascule.yaml").write_text("".join(f"{number}\n" for number in range(5000)))
    first = commit_all(remote, "first")
    (remote / "bascule.yaml").write_text("".join(f"{number}!\n" for number in range(5000)))
    second = commit_all(remote, "second")
    mirror.fetch(str(remote))
    (old, new) = mirror.moved(first, second)["bascule.yaml"]
    monkeypatch.setattr(estate_git, "MAX_DIFFERENCE", 1000)
    for found in (mirror.difference(old, new), mirror.difference(None, new), mirror.difference(old, None)):
        assert found.cut
        assert len(found.text) < 2000
        assert found.text.endswith("\n")
    assert not mirror.difference(old, old).text


def test_a_difference_that_takes_too_long_is_given_up(
    tmp_path: Path, mirror: EstateMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:/usr/bin:/bin")
    assert mirror.difference("a" * 40, "b" * 40, within=0.1) == Difference(late=True)


@pytest.mark.parametrize("wrong", ["HEAD", "--output=/tmp/x", "a" * 39, ""])
def test_only_ids_are_compared(remote: Path, mirror: EstateMirror, wrong: str) -> None:
    commit = commit_all(remote, "first")
    mirror.fetch(str(remote))
    with pytest.raises(EstateGitError, match="is not a commit id"):
        mirror.moved(commit, wrong)
    with pytest.raises(EstateGitError, match="is not a commit id"):
        mirror.difference(wrong, None)
