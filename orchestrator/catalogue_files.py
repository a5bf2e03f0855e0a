"""The catalogue that Bascule ships: its files, read once."""

from functools import cache
from pathlib import Path

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.catalogue_text import read_catalogue
from providers import catalogue


@cache
def shipped() -> Catalogue:
    """What is known of vendors and targets without any estate. Raises ValueError when a shipped file is wrong."""
    root = Path(catalogue.__file__).parent
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.glob("*/*.yaml"))}
    found, problems = read_catalogue(files)
    if problems:
        raise ValueError(f"The catalogue that came with Bascule is damaged: {problems[0]}")
    return found
