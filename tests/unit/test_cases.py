"""Malformed runbooks and estates: each is refused at the right place, with a remedy, and nothing else is found.

A case says itself what is wrong with it: its first lines are `# expect: LINE:COLUMN part of the message`.
Each is put into the small valid estate of `cases/estate`, as a runbook, or as its bascule.yaml.
"""

import re
from pathlib import Path

import pytest

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import read_bundle
from orchestrator.domain.problem import Problem

CASES = Path(__file__).parent.parent / "cases"
NAMES = sorted(path.stem for path in CASES.glob("*.yaml"))
EXPECT = re.compile(r"# expect: (\d+):(\d+) (.+)")


def valid_estate() -> dict[str, bytes]:
    base = CASES / "estate"
    return {str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*") if path.is_file()}


def expectations(text: bytes) -> list[tuple[int, int, str]]:
    lines = text.decode("utf-8", "replace").splitlines()
    found = [EXPECT.match(line) for line in lines]
    return sorted((int(match[1]), int(match[2]), match[3]) for match in found if match)


def told(problem: Problem) -> str:
    return f"{problem.line}:{problem.column} {problem.message}"


def test_the_estate_of_the_cases_is_valid() -> None:
    bundle, problems = read_bundle(valid_estate(), shipped())
    assert problems == []
    assert bundle is not None
    assert set(bundle.runbooks) == {"web-failover", "web-failback", "tell"}


def test_there_are_enough_cases() -> None:
    runbooks = [name for name in NAMES if not name.startswith("estate-")]
    assert len(runbooks) >= 60
    assert len(NAMES) - len(runbooks) >= 5


@pytest.mark.parametrize("name", NAMES)
def test_a_malformed_file_is_refused_at_the_right_place(name: str) -> None:
    text = (CASES / f"{name}.yaml").read_bytes()
    expected = expectations(text)
    assert expected, "a case begins with `# expect: LINE:COLUMN part of the message`"
    file = "bascule.yaml" if name.startswith("estate-") else f"runbooks/{name}.yaml"
    bundle, problems = read_bundle({**valid_estate(), file: text}, shipped())
    assert bundle is None
    assert [problem.file for problem in problems] == [file] * len(expected), "\n".join(map(told, problems))
    left = list(problems)
    for line, column, fragment in expected:
        match = next((p for p in left if (p.line, p.column) == (line, column) and fragment in p.message), None)
        assert match is not None, f"{line}:{column} {fragment}\nfound:\n" + "\n".join(map(told, left))
        left.remove(match)
        assert match.remedy.endswith((".", "?"))
        assert match.message.endswith(".")
