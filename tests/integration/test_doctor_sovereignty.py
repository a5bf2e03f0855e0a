"""`bascule doctor --sovereignty` through a test resolver: not ready with a Git remote in American hands, else ready."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.app import Bascule, Settings
from orchestrator.cli import main
from orchestrator.operations.independence import Independence
from tests.integration.service_fixture import answering
from tests.sealing import seal
from tests.sovereign_estate import World, commit_estate, resolving, sheet

EEA = {"default": {"operated_from": "EEA", "controlled_from": "EEA"}}
NOTIFY = {
    "crisis": {"driver": "smtp", "host": "smtp.noms.example", "from": "a@town.example", "to": ["b@town.example"]},
    "chat": {"driver": "apprise", "url": "secret://chat"},
}
TOKEN = "1234567890:a-token-that-nobody-may-see"
ZONES = {
    "github_com": "@ NS ns1.github.com.\n@ A 140.82.121.4",
    "town_example": (
        "@ NS ns1.town.example.\ngit CNAME code.noms.example.\nmirror CNAME pages.github.com.\nntp A 10.0.0.1"
    ),
    "noms_example": "@ NS ns1.noms.example.\ncode A 127.0.0.1\nsmtp A 127.0.0.1",
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with resolving(**ZONES) as found:
        yield found


@dataclass
class House:
    """A service that answers, on a machine whose configuration the test writes."""

    bascule: Bascule
    http: httpx.Client
    machine: Path

    def found(self, url: str, scope: str = "live") -> dict[str, Any]:
        """The map with the estate at this address."""
        self.bascule.estates.url = url
        answer = self.http.post("/api/v1/doctor/sovereignty", json={"scope": scope}, timeout=30)
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def said(self, code: int, *arguments: str) -> str:
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out):
            patch.setenv("COLUMNS", "80")
            with pytest.raises(SystemExit) as end:
                main(["--data", str(self.bascule.paths.data), "doctor", "--sovereignty", *arguments])
        assert end.value.code == code, out.getvalue()
        return out.getvalue()


@contextmanager
def house(folder: Path, world: World) -> Iterator[House]:
    commit_estate(folder / "estate", sheet(world.resolver, EEA, notify=NOTIFY))
    root = folder / "machine"
    (root / "etc/chrony").mkdir(parents=True)
    (root / "etc/chrony/chrony.conf").write_text("server ntp.town.example\n")
    (root / "etc/resolv.conf").write_text("nameserver 10.0.0.53\n")
    (root / "etc/apt").mkdir()
    (root / "etc/apt/sources.list").write_text("deb https://pages.github.com/debian stable main\n")
    settings = Settings(folder / "data", str(folder / "estate"))
    seal(settings.data, "live", "chat", f"json://chat.noms.example/{TOKEN}")
    bascule = Bascule(settings)
    with ExitStack() as stack:
        stack.callback(bascule.stop)
        bascule.estates.sync("test")
        bascule.independence = Independence(
            bascule.estates, bascule.workshop, lambda: 1.8e9, settings.database, root=root
        )
        url = stack.enter_context(answering(bascule))
        bascule.announce_address(url)
        headers = {"Authorization": f"Bearer {bascule.token}"}
        yield House(bascule, stack.enter_context(httpx.Client(base_url=url, headers=headers)), root)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("town"), world) as found:
        yield found


def by_kind(found: dict[str, Any], kind: str) -> dict[str, Any]:
    (one,) = [one for one in found["findings"] if one["kind"] == kind]
    return dict(one)


@pytest.mark.parametrize(
    ("url", "record"),
    [
        ("https://github.com/town/estate.git", "github.com; vendors/github.yaml"),
        (
            "ssh://git@mirror.town.example/estate",
            "pages.github.com, CNAME of mirror.town.example; vendors/github.yaml",
        ),
    ],
)
def test_a_git_remote_in_american_hands_is_not_ready(town: House, url: str, record: str) -> None:
    found = town.found(url)
    assert found["ready"] is False
    remote = by_kind(found, "estate")
    assert (remote["standing"], remote["product"], remote["country"]) == ("guarded", "github", "US")
    assert remote["record"] == record
    assert "operated from US (GitHub, Inc.) where the policy asks for EEA" in remote["advice"]
    assert [one["kind"] for one in found["findings"] if one["standing"] == "guarded"] == ["estate"]


def test_when_all_is_european_it_is_ready(town: House) -> None:
    found = town.found("https://git.town.example/estate.git")
    assert found["ready"] is True
    standings = {one["kind"]: one["standing"] for one in found["findings"]}
    assert standings == {
        "estate": "clear",
        "database": "own",
        "secrets": "own",
        "identity": "own",
        "resolver": "own",
        "time": "own",
        "packages": "told",
        "messages": "clear",
    }
    assert by_kind(found, "packages")["country"] == "US"
    assert {one["host"] for one in found["findings"] if one["kind"] == "messages"} == {
        "smtp.noms.example",
        "chat.noms.example",
    }
    assert TOKEN not in json.dumps(found)


def test_it_reads_well_at_80_columns_and_ends_with_its_code(town: House) -> None:
    town.bascule.estates.url = "https://github.com/town/estate.git"
    said = town.said(1)
    assert max(map(len, said.splitlines())) <= 80
    flat = " ".join(said.split())
    assert "✘ github.com: It is operated from US (GitHub, Inc.) where the policy asks for EEA" in flat
    assert "not ready: 1 reliance on vendors that it guards against" in flat
    town.bascule.estates.url = "https://git.town.example/estate.git"
    assert "reliances, ready" in " ".join(town.said(0).split())
    assert json.loads(town.said(0, "--json"))["ready"] is True
    assert TOKEN not in said


def test_a_scope_that_does_not_exist(town: House) -> None:
    assert "has no scope 'life'" in town.said(1, "--scope", "life")


def test_without_a_service_it_is_mapped_in_this_process(tmp_path: Path, world: World) -> None:
    commit_estate(tmp_path / "estate", sheet(world.resolver, EEA))
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(io.StringIO()), pytest.raises(SystemExit) as end:
        main(
            [
                "--data",
                str(tmp_path / "data"),
                "--estate",
                str(tmp_path / "estate"),
                "doctor",
                "--sovereignty",
                "--json",
            ]
        )
    assert end.value.code == 0
    assert by_kind(json.loads(out.getvalue()), "estate")["standing"] == "own"
