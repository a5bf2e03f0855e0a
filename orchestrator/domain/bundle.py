"""A whole estate at one commit: its sheet and its runbooks, checked one by one and against each other."""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.catalogue_text import read_catalogue
from orchestrator.domain.checks.audit import check_audit
from orchestrator.domain.checks.draft import Draft
from orchestrator.domain.checks.limits import check_limits
from orchestrator.domain.checks.needs import check_needs
from orchestrator.domain.checks.nesting import check_nesting
from orchestrator.domain.checks.places import check_places
from orchestrator.domain.checks.probes import advise_probes, check_probes
from orchestrator.domain.checks.proposals import check_proposals
from orchestrator.domain.checks.references import check_references
from orchestrator.domain.checks.restores import check_restores
from orchestrator.domain.checks.rules import check_rules
from orchestrator.domain.checks.services import check_services
from orchestrator.domain.checks.signals import check_signals
from orchestrator.domain.checks.sovereignty import check_policy, check_sovereignty
from orchestrator.domain.checks.swaps import check_swaps
from orchestrator.domain.estate import FILE, Estate, read_estate_sheet
from orchestrator.domain.problem import Problem
from orchestrator.domain.runbook import Runbook, Sheet, read_sheet
from orchestrator.domain.yaml_text import MAX_BYTES

RUNBOOKS = "runbooks"
CATALOGUE = "catalogue"
MAX_RUNBOOKS = 500
MAX_RUNBOOK_BYTES = 8 * 1024 * 1024
"""All runbooks together; a larger estate is split."""

_CHECKS = (
    check_services,
    check_needs,
    check_references,
    check_nesting,
    check_rules,
    check_places,
    check_restores,
    check_swaps,
    check_policy,
    check_signals,
    check_proposals,
    check_limits,
    check_audit,
    check_probes,
)
_ADVICE = (advise_probes,)
_AT_THE_DOOR = (*_CHECKS, check_sovereignty)


@dataclass(frozen=True, slots=True)
class Bundle:
    """An estate without problems. `files` are the paths of all its files; the catalogue has its own additions.

    `advice`: what is allowed, and could be better.
    """

    estate: Estate
    runbooks: dict[str, Runbook]
    files: frozenset[str]
    catalogue: Catalogue
    advice: tuple[Problem, ...] = ()


def read_bundle(
    files: Mapping[str, bytes], known: Catalogue, *, judged: bool = True, today: datetime.date | None = None
) -> tuple[Bundle | None, list[Problem]]:
    """The bundle, or None and every problem, in the order of files and lines. Never raises on any content.

    `known`: the catalogue that the estate builds on; files below its own `catalogue/` add to it.
    `judged`: targets are held against the policy as well. What was accepted once is read without that: a fact that a
    newer catalogue knows must not take the estate away from a run that is under way; plans and releases are judged.
    `today`: exceptions that have ended by then count no more.
    """
    paths = [*_runbook_files(files)]
    if len(paths) > MAX_RUNBOOKS or sum(min(len(files[path]), MAX_BYTES) for path in paths) > MAX_RUNBOOK_BYTES:
        message = f"The estate has more than {MAX_RUNBOOKS} runbooks, or more than 8 MiB of them."
        return None, [Problem(FILE, 1, 1, message, "Split the estate.")]
    problems = [*_misplaced(files)]
    sheets: dict[str, Sheet] = {}
    unreadable: set[str] = set()
    for path in paths:
        stem = PurePosixPath(path).stem
        sheet, found = read_sheet(files[path], path)
        problems += found
        if sheet is None:
            unreadable.add(stem)
        else:
            sheets[stem] = sheet
    if FILE not in files:
        problems.append(Problem(FILE, 1, 1, f"The estate has no {FILE}.", f"Write {FILE} with `estate: name`."))
        return None, sorted(problems)
    estate, found = read_estate_sheet(files[FILE], FILE)
    problems += found
    if estate is None:
        return None, sorted(problems)
    own = {path: files[path] for path in files if path.startswith(f"{CATALOGUE}/")}
    catalogue, found = read_catalogue(own, known)
    problems += found
    draft = Draft(estate, sheets, frozenset(unreadable), frozenset(files), catalogue, today)
    told = {(problem.file, problem.line, problem.column) for problem in problems}
    for check in _AT_THE_DOOR if judged else _CHECKS:
        problems += [found for found in check(draft) if (found.file, found.line, found.column) not in told]
    if problems:
        return None, sorted(set(problems))
    advice = tuple(sorted(found for advise in _ADVICE for found in advise(draft)))
    runbooks = {stem: sheet.runbook for stem, sheet in sheets.items()}
    return Bundle(estate.estate, runbooks, draft.files, catalogue, advice), []


def _runbook_files(files: Mapping[str, bytes]) -> Iterator[str]:
    for path in sorted(files):
        if _is_runbook(path):
            yield path


def _is_runbook(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return len(parts) == 2 and parts[0] == RUNBOOKS and path.endswith(".yaml")


def _misplaced(files: Mapping[str, bytes]) -> Iterator[Problem]:
    for path in sorted(files):
        below = path.startswith(f"{RUNBOOKS}/")
        if below and path.endswith((".yaml", ".yml")) and not _is_runbook(path):
            name = PurePosixPath(path).stem
            yield Problem(path, 1, 1, "This file is not read as a runbook.", f"Rename it to {RUNBOOKS}/{name}.yaml.")
