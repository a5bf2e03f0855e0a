"""What is compiled beforehand is what pytest would have made, and is found by it."""

import shutil
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from tests import compiled


def test_what_was_compiled_is_what_pytest_makes_and_looks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    file = Path(shutil.copy(Path(__file__), tmp_path / "test_example.py"))
    assert compiled.put(file)
    assert not compiled.put(file), "it is there already"
    found = rewrite._read_pyc(file, compiled.compiled_at(file))
    source_hash, made = rewrite._rewrite_test(file, pytestconfig)
    assert found == made
    assert compiled.compiled_at(file).read_bytes()[8:16] == source_hash[:8]
    file.write_text("assert True\n")
    assert compiled.put(file), "it has changed"
    assert Path(__file__) in set(compiled.sources())
