"""The event stream as it is read, and the addresses that settings become."""

from pathlib import Path

import pytest

from orchestrator.cli.client import Service, StreamEvent, read_events
from orchestrator.cli.exits import CommandError, NoService
from orchestrator.cli.inside import database_address, estate_address
from orchestrator.cli.wording import size

STREAM = [": hello", "", "id: 7", "event: step", 'data: {"a":', "data: 1}", "", "event: run", "data:{}", "", "data: 2"]


def test_events_keep_their_id_and_kind() -> None:
    assert list(read_events(iter(STREAM))) == [StreamEvent("7", "step", {"a": 1}), StreamEvent("7", "run", {})]


def test_without_a_service_the_command_to_start_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoService, match="Start one with: bascule serve"):
        Service.of(tmp_path)


def test_a_service_that_went_away_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "service.json").write_text('{"url": "http://127.0.0.1:9", "pid": 1}')
    (tmp_path / "token").write_text("bsc_x")
    with Service.of(tmp_path) as service, pytest.raises(NoService, match="bascule serve"):
        service.runs()


def test_the_database_password_comes_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("p/w@1\n")
    environment = {"BASCULE_DATABASE_PASSWORD_FILE": str(file)}
    url = "postgresql+psycopg://bascule@database/bascule"
    assert database_address(url, environment) == "postgresql+psycopg://bascule:p%2Fw%401@database/bascule"
    assert database_address(url, {}) == url
    assert database_address("", environment) == ""
    with pytest.raises(CommandError, match="BASCULE_DATABASE_PASSWORD_FILE"):
        database_address(url, {"BASCULE_DATABASE_PASSWORD_FILE": str(tmp_path / "none")})


def test_a_directory_becomes_an_absolute_estate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert estate_address("estate") == str(tmp_path / "estate")
    assert estate_address("ssh://git@forge.example/estate") == "ssh://git@forge.example/estate"
    assert estate_address("") == ""


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (3400, "3.4 kB"), (2_500_000, "2.5 MB")])
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
