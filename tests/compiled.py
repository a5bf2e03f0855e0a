"""Compiles the tests as pytest does when it loads them, once and on all cores: `python -m tests.compiled`.

pytest rewrites their assertions, which takes longer than anything else at its start, and every worker of a session
would do it by itself, all at the same time. What is compiled already, and has not changed since, is left.
"""

import ast
import importlib.util
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

from _pytest.assertion import rewrite

FOLDER = Path(__file__).parent
AT_ONCE = 16
"""Files that a process is handed together."""


def sources() -> Iterator[Path]:
    """Tests and what they import; benchmarks are loaded by themselves."""
    for path in sorted(FOLDER.rglob("*.py")):
        if FOLDER / "bench" not in path.parents and FOLDER / "cases" not in path.parents:
            yield path


def compiled_at(path: Path) -> Path:
    """Where pytest looks for it."""
    return rewrite.get_cache_dir(path) / f"{path.stem}{rewrite.PYC_TAIL}"


def put(path: Path) -> bool:
    """Whether there was something to do."""
    place = compiled_at(path)
    if rewrite._read_pyc(path, place) is not None:
        return False
    source = path.read_bytes()
    tree = ast.parse(source, filename=str(path))
    rewrite.rewrite_asserts(tree, source, str(path))
    code = compile(tree, str(path), "exec", dont_inherit=True)
    place.parent.mkdir(exist_ok=True)
    state = SimpleNamespace(trace=lambda said: sys.stderr.write(f"{said}\n"))
    rewrite._write_pyc(state, code, importlib.util.source_hash(source), place)  # type: ignore[arg-type]
    return True


def main() -> None:
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(put, sources(), chunksize=AT_ONCE):
            pass


if __name__ == "__main__":
    main()
