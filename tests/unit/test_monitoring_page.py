"""What docs/monitoring.md tells people to paste into their estate is accepted."""

import re
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import read_bundle
from orchestrator.domain.schema import estate_schema
from orchestrator.domain.signals.source import FORMATS
from tests.unit.test_cases import valid_estate

PAGE = Path(__file__).parents[2] / "docs" / "monitoring.md"
SNIPPET = re.compile(r"```yaml\n# bascule\.yaml\n(.*?)```", re.DOTALL)
WHOLE = re.compile(r"```yaml\n(signals:\n.*?)```", re.DOTALL)


def problems_with(block: str) -> list[str]:
    estate = valid_estate()
    _, problems = read_bundle({**estate, "bascule.yaml": estate["bascule.yaml"] + block.encode()}, shipped())
    return [str(problem) for problem in problems]


def test_every_sender_of_the_page_can_be_pasted() -> None:
    text = PAGE.read_text(encoding="utf-8")
    sources = "".join(SNIPPET.findall(text))
    assert problems_with(f"signals:\n  sources:\n{sources}") == []
    read = yaml.safe_load(f"sources:\n{sources}")["sources"]
    assert {one["format"] for one in read.values()} == set(FORMATS)
    [whole] = WHOLE.findall(text)
    assert problems_with(whole) == []
    editor = Draft202012Validator(estate_schema())
    for block in (whole, f"signals:\n  sources:\n{sources}"):
        sheet = yaml.safe_load(valid_estate()["bascule.yaml"].decode() + block)
        assert [error.message for error in editor.iter_errors(sheet)] == []
        sheet["signals"]["sources"]["other"] = {"format": "mail", "auth": {}, "trust_domain": "x", "run": "x"}
        assert not editor.is_valid(sheet)
