"""What the scan says of pip-audit's reports: nothing that was not asked counts as asked."""

import json
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "advisories"


@pytest.fixture(scope="module")
def advisories() -> ModuleType:
    loader = SourceFileLoader("advisories", str(SCRIPT))
    spec = spec_from_loader("advisories", loader)
    assert spec is not None
    made = module_from_spec(spec)
    patched = pytest.MonkeyPatch()
    patched.setitem(__import__("sys").modules, "advisories", made)  # dataclasses look their module up
    loader.exec_module(made)
    patched.undo()
    return made


def report(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


FOUND = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.0"], "description": "bad"}
WELL = {"name": "good", "version": "1", "vulns": []}
ILL = {"name": "bad", "version": "1", "vulns": [FOUND]}
UNASKED = {"name": "alien", "skip_reason": "Dependency not found on PyPI: alien (1)"}


def test_what_is_known_is_told_with_its_remedy(advisories: ModuleType) -> None:
    found = advisories.answer_of(report(WELL, ILL), frozenset())
    assert (found.asked, found.unasked) == (2, 0)
    assert found.known == ("bad 1: PYSEC-2026-1 (CVE-2026-1), mended in 2.0",)


@pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-1"])
def test_what_is_explained_is_left(advisories: ModuleType, name: str) -> None:
    left = advisories.explained([f"{name} the function is never called", "# a remark", ""])
    assert advisories.answer_of(report(ILL), left).known == ()


def test_an_explanation_without_a_reason_is_none(advisories: ModuleType) -> None:
    with pytest.raises(ValueError, match="CVE-2026-1 has no reason"):
        advisories.explained(["CVE-2026-1"])


def test_what_was_not_asked_does_not_count_as_asked(advisories: ModuleType) -> None:
    found = advisories.answer_of(report(UNASKED, UNASKED), frozenset())
    assert (found.asked, found.unasked, found.known, found.why) == (0, 2, (), "Dependency not found on PyPI")


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        ({"asked": 0, "unasked": 2, "why": "no such page"}, 0, "not asked: known problems of x.lock: no such page"),
        ({"asked": 0, "unasked": 0, "why": "no connection"}, 0, "not asked: known problems of x.lock: no connection"),
        ({"asked": 3, "unasked": 1, "why": "no such page"}, 0, "not asked: 1 of 4 packages of x.lock: no such page"),
        ({"asked": 3, "unasked": 0}, 0, "x.lock: 3 packages asked, 0 problems known"),
        ({"asked": 3, "unasked": 0, "known": ("bad 1: X",)}, 1, "FOUND x.lock: bad 1: X"),
    ],
)
def test_the_summary_is_plain(
    advisories: ModuleType,
    answer: dict[str, Any],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(advisories, "asked", lambda *_: advisories.Answer(**answer))
    assert advisories.main(["x.lock"]) == code
    assert says in capsys.readouterr().out
