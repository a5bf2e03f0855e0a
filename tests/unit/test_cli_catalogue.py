"""`bascule catalogue`: within 80 columns, complete, and docs/targets.md is what it prints."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from orchestrator.catalogue_files import shipped
from orchestrator.cli import main
from orchestrator.cli.catalogue_markdown import targets_page
from orchestrator.cli.catalogue_page import list_lines, product_lines

DOCS = Path(__file__).parents[2] / "docs"
NAMES = [*sorted(shipped().vendors), *sorted(shipped().targets)]


def said(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main(["catalogue", *arguments])
    code = ended.value.code
    assert isinstance(code, int)
    return int(code), out.getvalue(), err.getvalue()


def test_the_page_of_targets_is_what_the_command_prints() -> None:
    code, printed, _ = said("--markdown")
    assert code == 0
    assert (DOCS / "targets.md").read_text() == printed, "run: bascule catalogue --markdown >docs/targets.md"
    assert all(f"| `{name}` " in targets_page(shipped()) for name in shipped().targets)


@pytest.mark.parametrize("name", NAMES)
def test_a_sheet_fits_on_a_terminal_and_says_where_it_has_it_from(name: str) -> None:
    product = shipped().product(name)
    assert product is not None
    for language in ("fr", "en"):
        lines = list(product_lines(shipped(), product, language))
        assert [line for line in lines if len(line) > 80 and "https://" not in line] == []
        text = "".join("".join(lines).split())
        assert product.control.owner.replace(" ", "") in text
        assert all(source.url in text for source in product.sources)


def test_the_list_has_everything_within_80_columns() -> None:
    lines = list(list_lines(shipped(), "en"))
    assert all(len(line) <= 80 for line in lines)
    assert {line.split()[0] for line in lines if line.startswith("  ")} == set(NAMES)


def test_onboarding_and_clocks_are_told() -> None:
    _, target, _ = said("mistral")
    assert "[ ] Open an account" in target
    _, french, _ = said("mistral", "-l", "fr")
    assert "[ ] Ouvrir un compte" in french
    _, vendor, _ = said("microsoft-365")
    assert "What runs out" in vendor
    assert "- 1 h: Entra access tokens" in " ".join(vendor.split())


def test_programs_get_json() -> None:
    _, out, _ = said("mistral", "--json")
    one = json.loads(out)
    assert (one["kind"], one["target"], one["control"]["country"]) == ("target", "mistral", "FR")
    _, out, _ = said("--json")
    both = json.loads(out)
    assert [each["vendor"] for each in both["vendors"]] + [each["target"] for each in both["targets"]] == NAMES


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["mistrall"], "did you mean mistral?"), (["zzzz"], "lists what it has"), (["--markdown", "aws"], "leave NAME")],
)
def test_what_is_not_there_is_said(arguments: list[str], told: str) -> None:
    code, _, error = said(*arguments)
    assert code == 2
    assert told in error
