"""Row 43: links, `..`, submodules, hooks, filters and borrowed objects in the estate are without effect."""

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator.estate_git import MAX_PATH, EstateGitError
from tests.security.estate_world import PORT, World, write
from tests.town_hall import commit_all, git


def tree(estate: Path, *entries: tuple[str, str, str]) -> str:
    """A commit of these (mode, id, path) beside the estate's files, whatever git thinks of the paths."""
    raw = b"".join(f"{mode} {path}".encode() + b"\0" + bytes.fromhex(id_) for mode, id_, path in entries)
    command = ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"]
    made = subprocess.run(command, cwd=estate, input=raw, capture_output=True, check=True).stdout.decode().strip()
    commit = git(estate, "commit-tree", made, "-p", "HEAD", "-m", "hostile").strip()
    git(estate, "update-ref", "refs/heads/main", commit)
    return commit


def blob(estate: Path, text: str) -> str:
    command = ["git", "hash-object", "-w", "--stdin"]
    return subprocess.run(command, cwd=estate, input=text, text=True, capture_output=True, check=True).stdout.strip()


def slipped_in(village: World) -> str:
    """The remote's newest commit in the mirror, put there without the checks of a fetch."""
    mirror = village.mirror._git_dir
    git(mirror, "-c", "fetch.fsckObjects=false", "fetch", "--quiet", str(village.estate), "+main:main")
    return git(mirror, "rev-parse", "main").strip()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secrets/live/key", "bascule.yaml"])
def test_links_are_refused_by_name(target: str, village: World) -> None:
    (village.estate / "innocent.yaml").symlink_to(target)
    commit = commit_all(village.estate, "a link")
    village.mirror.fetch(str(village.estate))
    with pytest.raises(EstateGitError, match=r"innocent\.yaml"):
        village.mirror.files(commit)
    with pytest.raises(EstateGitError, match=r"innocent\.yaml"):
        village.mirror.checkout(commit)
    assert not [*(village.folder / "checkouts").iterdir()]


def test_a_folder_that_is_a_link_leads_nowhere(village: World) -> None:
    outside = village.folder / "outside"
    outside.mkdir()
    (village.estate / "docs").symlink_to(outside)
    commit = commit_all(village.estate, "a link")
    village.mirror.fetch(str(village.estate))
    with pytest.raises(EstateGitError, match="docs"):
        village.mirror.checkout(commit)
    assert not [*outside.iterdir()]


def test_submodules_are_refused_and_never_fetched(village: World) -> None:
    hostile = f'[submodule "module"]\n\tpath = module\n\turl = ext::sh -c "touch {village.folder}/pwned"\n'
    (village.estate / ".gitmodules").write_text(hostile)
    git(village.estate, "add", "--all")
    git(village.estate, "update-index", "--add", "--cacheinfo", f"160000,{village.estates.newest()},module")
    git(village.estate, "commit", "--quiet", "--message", "a submodule")
    commit = village.mirror.fetch(str(village.estate))
    with pytest.raises(EstateGitError, match="module"):
        village.mirror.files(commit)
    assert not (village.folder / "pwned").exists()


HOSTILE = ["..", ".", ".git", ".GIT", ".Git ", "git~1"]


@pytest.mark.parametrize("name", HOSTILE)
def test_trees_that_lead_elsewhere_do_not_come_in(name: str, village: World) -> None:
    inner = blob(village.estate, "pwned")
    tree(village.estate, ("100644", inner, name))
    before = village.estates.newest()
    if name in ("..", ".", ".git", ".GIT"):
        with pytest.raises(EstateGitError, match="fetch failed"):
            village.mirror.fetch(str(village.estate))
        assert village.mirror.newest() == before
    with pytest.raises(EstateGitError, match="unsafe path"):
        village.mirror.checkout(slipped_in(village))


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x1b[2Jb", "a\x7f", "a" * 256, "b" * MAX_PATH + "b"], ids=["lf", "esc", "del", "name", "path"]
)
def test_names_that_lie_or_do_not_fit_are_refused(name: str, village: World) -> None:
    commit = tree(village.estate, ("100644", blob(village.estate, "x"), name))
    village.mirror.fetch(str(village.estate))
    with pytest.raises(EstateGitError, match="unsafe path") as error:
        village.mirror.files(commit)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


def test_what_lies_deeper_than_a_file_system_goes_is_refused(village: World) -> None:
    entry = ("100644", blob(village.estate, "x"), "x")
    for _ in range(MAX_PATH // 200):
        raw = f"{entry[0]} {entry[2]}".encode() + b"\0" + bytes.fromhex(entry[1])
        command = ["git", "hash-object", "-t", "tree", "-w", "--stdin"]
        done = subprocess.run(command, cwd=village.estate, input=raw, capture_output=True, check=True)
        entry = ("40000", done.stdout.decode().strip(), "d" * 200)
    commit = tree(village.estate, entry)
    village.mirror.fetch(str(village.estate))
    with pytest.raises(EstateGitError, match="unsafe path"):
        village.mirror.checkout(commit)


def test_hooks_of_the_remote_and_of_the_mirror_do_nothing(village: World) -> None:
    mirror = village.mirror._git_dir
    for place, name in ((village.estate / ".git", "post-checkout"), (mirror, "reference-transaction")):
        hook = place / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {village.folder}/{name}\n")
        hook.chmod(0o755)
    commit = village.alice.commit(village.estate)
    assert village.sync() == commit
    village.mirror.checkout(commit)
    assert not (village.folder / "reference-transaction").exists()
    assert not (village.folder / "post-checkout").exists()
    git(mirror, "update-ref", "refs/heads/by-hand", commit)
    assert (village.folder / "reference-transaction").exists(), "the hook would have run"


def test_settings_within_the_remote_run_nothing_here(village: World) -> None:
    pwned = village.folder / "pwned"
    for name in ("uploadpack.packObjectsHook", "core.sshCommand", "core.fsmonitor", "core.pager", "gpg.ssh.program"):
        git(village.estate, "config", name, f"touch {pwned}")
    commit = git(village.estate, "rev-parse", "HEAD").strip()
    assert village.mirror.fetch(str(village.estate)) == commit
    assert not pwned.exists()


def test_attributes_change_no_byte_and_run_no_filter(village: World) -> None:
    mirror = village.mirror._git_dir
    git(mirror, "config", "filter.lfs.smudge", f"touch {village.folder}/pwned")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 9\n"
    write(village.estate, runbook=PORT + "# $Id$ $Format:%H$\n")
    (village.estate / ".gitattributes").write_text("* filter=lfs ident export-subst text eol=crlf\n")
    (village.estate / "big.bin").write_text(pointer)
    git(village.estate, "-c", "filter.lfs.clean=cat", "add", "--all")
    commit = village.alice.commit(village.estate)
    village.sync()
    there = village.mirror.checkout(commit)
    assert (there / "runbooks/port-failover.yaml").read_text() == PORT + "# $Id$ $Format:%H$\n"
    assert (there / "big.bin").read_text() == pointer
    assert not (village.folder / "pwned").exists()


def test_borrowed_objects_are_copied_and_nothing_is_borrowed_here(new_village: World) -> None:
    lender = new_village.folder / "lender"
    commit = commit_all(new_village.estate, "one")
    new_village.estate.rename(lender)
    git(new_village.folder, "clone", "--quiet", "--shared", str(lender), str(new_village.estate))
    assert (new_village.estate / ".git/objects/info/alternates").exists()
    new_village.mirror.fetch(str(new_village.estate))
    lender.rename(new_village.folder / "gone")
    assert not (new_village.mirror._git_dir / "objects/info/alternates").exists()
    assert "bascule.yaml" in new_village.mirror.files(commit)


def test_a_checkout_is_plain_files_for_the_service_alone(village: World) -> None:
    (village.estate / "run.sh").write_text("#!/bin/sh\n")
    (village.estate / "run.sh").chmod(0o755)
    there = village.mirror.checkout(village.alice.commit(village.estate) and village.sync())
    for folder, _, names in os.walk(there):
        for name in names:
            file = Path(folder) / name
            assert file.is_file()
            assert not file.is_symlink()
            assert not file.stat().st_mode & 0o111


def test_an_object_that_is_broken_does_not_come_in(village: World) -> None:
    """fsck looks at every object of a fetch: this commit has no author."""
    before = village.estates.newest()
    village.push(b"\n".join(line for line in village.stored().split(b"\n") if not line.startswith(b"author")))
    with pytest.raises(EstateGitError, match="fetch failed"):
        village.sync()
    assert village.mirror.newest() == before
