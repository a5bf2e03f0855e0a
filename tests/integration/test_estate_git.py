"""The estate's mirror: files at a commit, a remote that goes away, and repositories that mean harm."""

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


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c 'touch pwned'", "--upload-pack=touch pwned", "http://plain.example/x", "git://x.example/y", "-u", ""],
)
def test_hostile_addresses_are_refused_before_git_sees_them(
    url: str, mirror: EstateMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EstateGitError, match="refused"):
        mirror.fetch(url)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("branch", ["--exec=x", "a..b", "main:refs/heads/x", ""])
def test_hostile_branches_are_refused(branch: str, remote: Path, mirror: EstateMirror) -> None:
    commit_all(remote, "first")
    with pytest.raises(EstateGitError, match="refused"):
        mirror.fetch(str(remote), branch)


def test_links_and_submodules_are_refused_by_name(remote: Path, mirror: EstateMirror) -> None:
    (remote / "innocent.yaml").symlink_to("/etc/passwd")
    commit = commit_all(remote, "a link")
    mirror.fetch(str(remote))
    with pytest.raises(EstateGitError, match=r"innocent\.yaml"):
        mirror.files(commit)
    (remote / "innocent.yaml").unlink()
    git(remote, "update-index", "--add", "--cacheinfo", f"160000,{commit},module")
    git(remote, "commit", "--quiet", "--message", "a submodule")
    commit = mirror.fetch(str(remote))
    with pytest.raises(EstateGitError, match="module"):
        mirror.files(commit)


def test_hooks_and_settings_of_the_remote_do_nothing_here(remote: Path, mirror: EstateMirror, tmp_path: Path) -> None:
    hook = remote / ".git" / "hooks" / "post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    commit = commit_all(remote, "first")
    mirror.fetch(str(remote))
    mirror.checkout(commit)
    assert not (tmp_path / "hooked").exists()
