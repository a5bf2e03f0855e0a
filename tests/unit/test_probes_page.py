"""What docs/probes.md tells people to paste is accepted, and what it says of numbers is so."""

import re
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from orchestrator.catalogue_files import shipped
from orchestrator.cli.agent_command import KEPT_FOR
from orchestrator.domain.agent import read_agent
from orchestrator.domain.bundle import read_bundle
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.schema import estate_schema
from orchestrator.domain.signals.schedule import BUDGET, SIDE_BY_SIDE
from orchestrator.operations.looking import LOOK_FOR, MOST_KEPT
from tests.unit.test_cases import valid_estate

PAGE = (Path(__file__).parents[2] / "docs" / "probes.md").read_text(encoding="utf-8")
BLOCK, AGENT = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_block_of_the_page_can_be_pasted_and_its_author_is_told_nothing() -> None:
    estate = {**valid_estate(), "keys/archive.asc": b"a key"}
    sheet = estate["bascule.yaml"].decode() + BLOCK.replace("scope: live", "scope: rehearsal")
    bundle, problems = read_bundle({**estate, "bascule.yaml": sheet.encode()}, shipped())
    assert problems == []
    assert bundle is not None
    assert bundle.advice == ()
    editor = Draft202012Validator(estate_schema())
    data = yaml.safe_load(sheet)
    assert [error.message for error in editor.iter_errors(data)] == []
    data["signals"]["probes"]["accounts"]["mayor-mail"]["with"]["uri"] = "x"
    assert not editor.is_valid(data), "an editor sees the inputs of each probe"


def test_the_agents_file_of_the_page_can_be_pasted() -> None:
    agent, problems = read_agent(AGENT.encode(), "agent.yaml", frozenset(), shipped())
    assert problems == []
    assert agent is not None
    assert agent.advice == ()
    assert agent.post.url.endswith("/webhooks/lyon")


def test_the_page_speaks_of_every_measure_and_of_the_bounds_there_are() -> None:
    text = " ".join(PAGE.split())
    for kind in KINDS.values():
        assert all(f"`{measure}`" in text for measure in kind.measures)
        assert not kind.measures or f"`{kind.name}`" in text
    assert f"At most {SIDE_BY_SIDE} looks go on at once, each for at most {LOOK_FOR:.0f} seconds" in text
    assert f"no more than {BUDGET} times in any minute" in text
    assert f"up to {MOST_KEPT:,} observations" in text
    assert KEPT_FOR == 7 * 86_400
