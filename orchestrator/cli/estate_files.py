"""An estate in a directory, before it is committed: its files, held to the bounds of the mirror."""

import datetime
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from orchestrator.catalogue_files import shipped
from orchestrator.cli.exits import CommandError, Exit
from orchestrator.domain.bundle import RUNBOOKS, Bundle, read_bundle
from orchestrator.domain.estate import FILE, read_estate
from orchestrator.domain.problem import Problem
from orchestrator.domain.runbook import read_runbook
from orchestrator.estate_git import MAX_BYTES, MAX_FILES


def problems_at(path: Path) -> list[Problem]:
    """Everything wrong with an estate's directory, or with one of its files. Raises CommandError (usage).

    A runbook inside an estate is checked together with it, but only its own problems are told.
    """
    if path.is_dir():
        return [_shown_in(path, problem) for problem in _problems_of(path)]
    if not path.is_file():
        raise CommandError(f"There is no file or directory {path}.", Exit.USAGE)
    root = _estate_of(path)
    if root is None:
        return _alone(path)
    within = path.resolve().relative_to(root).as_posix()
    own = [problem for problem in _problems_of(root) if problem.file == within]
    return [Problem(str(path), one.line, one.column, one.message, one.remedy) for one in own]


def advice_at(path: Path) -> list[Problem]:
    """What could be better in an estate's directory that has no problem."""
    bundle = _bundle_of(path)[0] if path.is_dir() else None
    return [_shown_in(path, one) for one in bundle.advice] if bundle else []


def bundle_at(path: Path) -> Bundle:
    """The estate in a directory. Raises CommandError when there is none, or it is not valid."""
    if not (path / FILE).is_file():
        raise CommandError(f"{path} is no estate: it has no {FILE}. Name the estate's directory with --in DIR.")
    bundle, problems = _bundle_of(path)
    if bundle is None:
        more = f" (and {len(problems) - 1} more: `bascule validate {path}`)" if len(problems) > 1 else ""
        raise CommandError(f"{_shown_in(path, problems[0])}{more}")
    return bundle


def _estate_of(path: Path) -> Path | None:
    """The estate that a runbook or sheet stands in, if it does."""
    folder = path.resolve().parent
    if path.name == FILE:
        return folder
    return folder.parent if folder.name == RUNBOOKS and (folder.parent / FILE).is_file() else None


def _alone(path: Path) -> list[Problem]:
    content = _read(path)
    if path.name == FILE:
        return read_estate(content, str(path))[1]
    return read_runbook(content, str(path))[1]


def _problems_of(root: Path) -> list[Problem]:
    return _bundle_of(root)[1]


def _bundle_of(root: Path) -> tuple[Bundle | None, list[Problem]]:
    files: dict[str, bytes] = {}
    links: list[Problem] = []
    total = 0
    for path in _files(root):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            links.append(Problem(name, 1, 1, "This file is a link.", "Replace it by a plain file."))
            continue
        total += path.stat().st_size
        if len(files) >= MAX_FILES or total > MAX_BYTES:
            raise CommandError(
                f"{root} has more than {MAX_FILES} files or {MAX_BYTES} bytes: it is too large for an estate. "
                "Name the estate's own directory."
            )
        files[name] = _read(path)
    today = datetime.datetime.now(datetime.UTC).date()
    bundle, problems = read_bundle(files, shipped(), today=today)
    return (None if links else bundle), sorted([*links, *problems])


def _files(root: Path) -> Iterator[Path]:
    """All files but Git's own, in a fixed order; links are told, never followed."""
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name != ".git" and name not in links)
        for name in sorted([*names, *links]):
            if name != ".git":
                yield here / name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} can't be read ({error.strerror}).") from error


def _shown_in(root: Path, problem: Problem) -> Problem:
    """With the file's path as it is reached from here."""
    file = str(root / PurePosixPath(problem.file))
    return Problem(file, problem.line, problem.column, problem.message, problem.remedy)
