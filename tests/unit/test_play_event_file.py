"""Events are read as a stranger's files: the play can write them."""

import json
import os
from pathlib import Path

import pytest

from providers.ansible.event_file import EVENT_LIMIT, LEFT_OUT, bytes_waiting, take_event

ID = "22cb0e47-1e5c-d5c4-0000-000000000006"


def file_of(directory: Path) -> Path:
    return directory / f"{ID}-partial.json"


def test_an_event_is_read_once(tmp_path: Path) -> None:
    file_of(tmp_path).write_text(json.dumps({"event": "runner_on_ok", "event_data": {"host": "a", "res": {"rc": 0}}}))
    assert bytes_waiting(tmp_path) > 0
    assert take_event(tmp_path, ID) == {"event": "runner_on_ok", "event_data": {"host": "a", "res": {"rc": 0}}}
    assert take_event(tmp_path, ID) == {}
    assert bytes_waiting(tmp_path) == 0


def test_no_link_is_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"event": "verbose", "stdout": "secret"}')
    events = tmp_path / "events"
    events.mkdir()
    file_of(events).symlink_to(secret)
    assert take_event(events, ID) == {}
    assert secret.exists()


@pytest.mark.parametrize("name", ["../secret", f"{ID}/../x", "", 7, None, "x" * 36, ID + "\n"])
def test_no_name_leads_elsewhere(tmp_path: Path, name: object) -> None:
    (tmp_path / "secret-partial.json").write_text('{"event": "verbose"}')
    (tmp_path / "events").mkdir()
    assert take_event(tmp_path / "events", name) == {}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(file_of(tmp_path))
    assert take_event(tmp_path, ID) == {}


def test_what_is_too_large_is_left_out_and_told(tmp_path: Path) -> None:
    with file_of(tmp_path).open("wb") as file:
        file.truncate(EVENT_LIMIT + 1)
    assert take_event(tmp_path, ID) == {LEFT_OUT: EVENT_LIMIT + 1}


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\x00", '"text"'])
def test_what_is_no_event_is_none(tmp_path: Path, text: str) -> None:
    file_of(tmp_path).write_text(text)
    assert take_event(tmp_path, ID) == {}


def test_fields_have_their_form(tmp_path: Path) -> None:
    file_of(tmp_path).write_text('{"event": "runner_on_ok", "event_data": [1]}')
    assert take_event(tmp_path, ID)["event_data"] == {}
    file_of(tmp_path).write_text('{"event": "runner_on_ok", "event_data": {"res": "x"}}')
    assert take_event(tmp_path, ID)["event_data"] == {"res": {}}
