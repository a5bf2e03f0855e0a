"""Row 45: YAML bombs and tags, files of 100 MB and deep nesting are bounded, and refused with their place."""

import os
import resource
import subprocess
import time

import pytest

from orchestrator import estate_git
from orchestrator.cli import main
from orchestrator.domain.yaml_text import MAX_BYTES
from orchestrator.estate_git import EstateGitError
from orchestrator.operations.estate import InvalidEstate
from tests.security.estate_world import PORT, SHEET, World, write
from tests.town_hall import commit_all, git

LAUGHS = "x0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
TEXTS = {
    "bomb": (LAUGHS, 5, "stands for more than 50000"),
    "loop": ("x: &x [*x]\n", 1, "inside its own anchor"),
    "merge": ("x: &x {a: 1}\ny: {<<: *x}\n", 2, "Merge keys"),
    "python": ('x: !!python/object/apply:os.system ["touch pwned"]\n', 1, "The tag"),
    "vault": ("x: !vault |\n  6162\n", 1, "The tag !vault"),
    "deep": ("x: " + "[" * 100_000 + "\n", 1, "nested more than 40"),
    "deep blocks": ("".join(" " * n + "x:\n" for n in range(50)), 42, "nested more than 40"),
    "large": ("x: " + "a" * MAX_BYTES + "\n", 1, "at most 1 MiB is read"),
    "control": ("x: a\0b\n", 1, "U+0000"),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("file", ["bascule.yaml", "runbooks/port-failover.yaml"])
def test_hostile_yaml_is_refused_at_its_line_in_bounded_time(
    name: str, file: str, new_village: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, line, message = TEXTS[name]
    head = SHEET if file == "bascule.yaml" else PORT
    whole = name in ("large", "control")
    (new_village.estate / file).write_text(text if whole else head + text)
    commit_all(new_village.estate, name)
    monkeypatch.chdir(new_village.folder)
    new_village.estates.shipped  # noqa: B018 -- read before time is taken
    begun = time.thread_time()
    with pytest.raises(InvalidEstate) as error:
        new_village.sync()
    assert time.thread_time() - begun < 2
    (problem,) = [one for one in error.value.problems if message in one.message]
    assert (problem.file, problem.line) == (file, line + (0 if whole else head.count("\n")))
    assert problem.remedy
    assert not (new_village.folder / "pwned").exists()


def test_a_file_of_100_megabytes_is_refused_before_it_is_read(
    new_village: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (new_village.estate / "big.yaml").open("wb") as file:
        file.truncate(100_000_000)
    commit = commit_all(new_village.estate, "big")
    new_village.mirror.fetch(str(new_village.estate))
    monkeypatch.setattr(estate_git.EstateMirror, "_blobs", lambda *_: pytest.fail("it was read"))
    with pytest.raises(EstateGitError, match=r"100000\d+ bytes in 3 files; the bound is"):
        new_village.mirror.files(commit)


def test_a_directory_of_100_megabytes_is_refused_by_the_command(
    new_village: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with (new_village.estate / "big.yaml").open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(SystemExit) as ended:
        main(["validate", str(new_village.estate)])
    assert ended.value.code == 1
    assert "too large for an estate" in " ".join(capsys.readouterr().err.split())


def test_a_fetch_that_brings_too_much_is_cut_off_and_leaves_nothing(
    village: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = village.estates.newest()
    for number in range(200):  # so many that git keeps them as one pack
        (village.estate / f"{number}.bin").write_bytes(os.urandom(4096))
    commit_all(village.estate, "noise")
    objects = village.mirror._git_dir / "objects"
    kept = sum(file.stat().st_size for file in objects.rglob("*") if file.is_file())
    monkeypatch.setattr(estate_git, "_BOUNDED", [*estate_git._BOUNDED[:3], str(64 * 1024 // 512)])
    for _ in range(2):
        with pytest.raises(EstateGitError, match="fetch failed"):
            village.sync()
    assert sum(file.stat().st_size for file in objects.rglob("*") if file.is_file()) == kept
    assert village.mirror.newest() == before
    monkeypatch.undo()
    assert village.mirror.fetch(str(village.estate)) != before, "the bound alone kept it out"


def test_a_small_repository_that_unfolds_to_millions_of_files_is_refused_at_once(new_village: World) -> None:
    estate = new_village.estate
    commit_all(estate, "one")
    tree = git(estate, "rev-parse", "HEAD^{tree}").strip()
    for _ in range(7):
        entries = "".join(f"040000 tree {tree}\td{n}\n" for n in range(10))
        made = subprocess.run(["git", "mktree"], cwd=estate, input=entries, text=True, capture_output=True, check=True)
        tree = made.stdout.strip()
    git(estate, "update-ref", "refs/heads/main", git(estate, "commit-tree", tree, "-m", "bomb").strip())
    commit = new_village.mirror.fetch(str(estate))
    begun = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with pytest.raises(EstateGitError, match="more than 5000 files"):
        new_village.mirror.files(commit)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begun < 1, "all of it was listed first"


def test_many_approvals_cost_no_more_than_some(village: World) -> None:
    """Whoever may push can make any number of tags; a hundred are looked at, and none is believed."""
    write(village.estate, runbook=PORT + "# more\n")
    commit = commit_all(village.estate, "unsigned")
    village.mallory.approve(village.estate, name="approve/0")
    tag = git(village.estate, "rev-parse", "refs/tags/approve/0").strip()
    refs = "".join(f"create refs/tags/approve/{number} {tag}\n" for number in range(1, 500))
    subprocess.run(["git", "update-ref", "--stdin"], cwd=village.estate, input=refs, text=True, check=True)
    village.mirror.fetch(str(village.estate))
    assert len(village.mirror.approvals(commit)) == estate_git.MAX_APPROVALS
