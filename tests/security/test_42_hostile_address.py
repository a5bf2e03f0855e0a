"""Row 42: hostile Git addresses and refs, such as `--upload-pack` and `ext::`, are refused and run nothing."""

import re
from pathlib import Path

import pytest

from orchestrator import estate_git
from orchestrator.cli import main
from orchestrator.estate_git import EstateGitError
from tests.security.estate_world import World
from tests.town_hall import commit_all, git

ADDRESSES = [
    "ext::sh -c 'touch pwned'",
    "ext::sh%20-c%20touch%20pwned",
    "/srv/estate::x",
    "fd::17",
    "--upload-pack=touch pwned",
    "-u",
    "",
    "http://plain.example/x",
    "git://x.example/y",
    "ftp://x.example/y",
    "ssh://-oProxyCommand=touch/x",
    "ssh://-oProxyCommand/x",
    "ssh://-l@host.example/x",
    "ssh://%2doProxyCommand/x",
    "ssh://host.example:-1/x",
    "host.example:estate.git",
    "https://host.example/x\n",
    "https://host.example/x\n--upload-pack=touch",
    "https://host.example/$(touch pwned)",
    "https://host.example/`touch pwned`",
    "https:///x",
    "file://elsewhere.example/x",
]


@pytest.mark.parametrize("url", ADDRESSES)
def test_hostile_addresses_are_refused_before_git_sees_them(
    url: str, village: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(village.folder)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EstateGitError, match="refused"):
        village.mirror.fetch(url)
    assert not (village.folder / "pwned").exists()


@pytest.mark.parametrize(
    "url",
    [
        "https://forge.example/town/estate.git",
        "https://robot:glpat-x_y@forge.example:8443/town/estate",
        "ssh://git@forge.example:2222/~town/estate.git",
        "file:///srv/estate",
        "/srv/estate",
    ],
)
def test_plain_addresses_come_as_far_as_git(url: str, village: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EstateGitError, match=r"not installed|fetch failed"):
        village.mirror.fetch(url)


@pytest.mark.parametrize(
    "branch",
    [
        "--exec=x",
        "--upload-pack=touch pwned",
        "a..b",
        "main:refs/heads/x",
        "main\n",
        "+main",
        "^main",
        "main@{1}",
        "*",
        "",
        ".x",
        "/main",
        "x" * 200,
    ],
)
def test_hostile_branches_are_refused(branch: str, village: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(village.folder)
    with pytest.raises(EstateGitError, match="refused"):
        village.mirror.fetch(str(village.estate), branch)
    assert not (village.folder / "pwned").exists()


@pytest.mark.parametrize("branch", ["main.lock", "a//b", "main/", "main."])
def test_branches_that_git_does_not_know_are_refused_by_it(branch: str, village: World) -> None:
    with pytest.raises(EstateGitError, match="fetch failed"):
        village.mirror.fetch(str(village.estate), branch)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "git://127.0.0.1:1/x", "ftp://127.0.0.1:1/x"])
def test_git_itself_is_told_to_use_no_other_transport(
    url: str, village: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second wall: should an address slip through, git has no transport for it."""
    monkeypatch.setattr(estate_git, "_URL", re.compile(".*"))
    with pytest.raises(EstateGitError, match=r"transport .* not allowed"):
        village.mirror.fetch(url)


def test_settings_of_who_runs_it_and_of_the_machine_do_not_count(
    village: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`url.X.insteadOf` would send the fetch elsewhere; `core.sshCommand` and GIT_… would run something."""
    home = tmp_path / "home"
    home.mkdir()
    settings = f'[url "{tmp_path}/other"]\n\tinsteadOf = {village.estate}\n[core]\n\tsshCommand = touch {home}/pwned\n'
    (home / ".gitconfig").write_text(settings)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{tmp_path}/other.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(village.estate))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_ALTERNATE_OBJECT_DIRECTORIES", str(tmp_path))
    assert village.mirror.fetch(str(village.estate)) == village.estates.newest()
    assert not (home / "pwned").exists()


@pytest.mark.parametrize("url", ["ext::sh -c 'touch pwned'", "--upload-pack=touch pwned", "http://plain.example/x"])
def test_the_command_says_no_as_well(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["--data", str(tmp_path / "data"), f"--estate={url}", "estate", "sync", "--as", "olga"])
    assert ended.value.code == 1
    assert "is refused" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "pwned").exists()


def test_tags_of_strange_names_are_no_approvals(village: World) -> None:
    commit = commit_all(village.estate, "x")
    for name in ("approve/-x", "approve/a/b", "approve/x$(id)"):
        git(village.estate, "tag", "-a", "-m", "x", name)
    village.bruno.approve(village.estate, name="approve/plain")
    village.mirror.fetch(str(village.estate))
    assert list(village.mirror.approvals(commit)) == ["approve/plain"]
