"""What people do under pressure they can do by a command and on a page; docs/cli.md says by which."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from orchestrator.cli.root import app
from orchestrator.domain.people.role import Permission
from orchestrator.web.edge.permissions import NEEDS

SAID: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("parity.yaml").read_text("utf-8"))
ROWS: list[dict[str, str | None]] = SAID["actions"]
COMMANDS = typer.main.get_command(app)
DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
CALM = frozenset({None, Permission.OWN, Permission.MANAGE, Permission.AUDIT})
"""Permissions of what lets people in, is their own, or is administered in peace."""


def is_action(key: str) -> bool:
    return not key.startswith(("GET ", "OPTIONS ")) and NEEDS[key] not in CALM


def test_every_action_of_the_api_is_in_the_table() -> None:
    listed = {row["api"] for row in ROWS} | set(SAID["besides"])
    actions = {key for key in NEEDS if "/api/" in key and is_action(key)}
    assert sorted(actions - listed) == []
    assert sorted(key for key in listed if key is not None and key not in NEEDS) == []


def test_every_action_of_the_pages_is_in_the_table() -> None:
    listed = {(row["page"] or "").removeprefix("GET ") for row in ROWS}
    actions = {key.partition(" ")[2] for key in NEEDS if "/api/" not in key and is_action(key)}
    assert sorted(path for path in actions if not any(path.startswith(page) for page in listed if len(page) > 1)) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["action"]))
def test_it_can_be_typed_and_clicked(row: dict[str, str | None]) -> None:
    assert row["command"] is not None
    assert exists(row["command"]), row["command"]
    page = row["page"]
    assert page is None or page in NEEDS, f"there is no page {page}"


def exists(command: str) -> bool:
    """Whether its words lead to a command."""
    found: Any = COMMANDS
    for word in command.split()[1:]:
        if not re.fullmatch(r"[a-z-]+", word) or word.startswith("-"):
            options = {option for parameter in found.params for option in parameter.opts}
            return not word.startswith("-") or word in options
        if not isinstance(found, TyperGroup) or word not in found.commands:
            return False
        found = found.commands[word]
    return True


def test_what_does_not_exist_is_told_from_what_does() -> None:
    assert exists("bascule proposals release PROPOSAL")
    assert exists("bascule halt --lift")
    assert not exists("bascule proposals approve PROPOSAL")
    assert not exists("bascule halt --raise")


def test_the_documentation_has_the_table() -> None:
    lines = ["| to | command | page |", "|---|---|---|"]
    for row in ROWS:
        page = f"`{(row['page'] or '').removeprefix('GET ')}`" if row["page"] else "–"
        lines.append(f"| {row['action']} | `{row['command']}` | {page} |")
    assert "\n".join(lines) in DOCS.read_text("utf-8"), "put this into docs/cli.md:\n" + "\n".join(lines)
