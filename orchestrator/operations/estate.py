"""The estate: fetched into the mirror, accepted commit by commit, read at one of them."""

import datetime
import functools
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import Bundle, read_bundle
from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.problem import Problem
from orchestrator.estate_git import EstateGitError, EstateMirror
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.store import estates
from orchestrator.store.database import Database

log = logging.getLogger("bascule.estate")


class InvalidEstate(RequestError):
    """The estate at a commit has problems; `problems` lists them all."""

    code = "invalid_estate"

    def __init__(self, commit: str, problems: list[Problem]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        where = f"{first.file}:{first.line}:{first.column}"
        super().__init__(f"The estate at {commit[:12]} is not valid: {where}: {first.message} {first.remedy}{more}")
        self.problems = problems


class Estates:
    """Reads estates at commits. A commit that was read once is kept in memory."""

    def __init__(
        self, database: Database, mirror: EstateMirror, clock: Callable[[], float], url: str, branch: str = "main"
    ) -> None:
        self._database = database
        self._mirror = mirror
        self._clock = clock
        self.url = url
        self.branch = branch
        self.bundle = functools.lru_cache(maxsize=16)(self._bundle)

    @property
    def shipped(self) -> Catalogue:
        """What Bascule knows of vendors and targets without any estate."""
        return shipped()

    def sync(self, by: str) -> tuple[str, bool]:
        """Fetch the remote and accept its newest commit if it is valid; answers it and whether it is new.

        Raises EstateGitError when the remote can't be reached: the mirror serves on.
        """
        commit = self._mirror.fetch(self.url, self.branch)
        if self._accepted(commit):
            self.bundle(commit)
        else:
            self._read(commit, judged=True)
        with self._database.write() as conn:
            new = estates.accept(conn, commit, by, self._clock())
        if new:
            log.info("accepted estate commit %s, brought by %s", commit, by)
        return commit, new

    def newest(self) -> str:
        """The newest accepted commit. Raises NotFound when none was ever accepted."""
        with self._database.read() as conn:
            row = estates.newest(conn)
        if row is None:
            raise NotFound("No estate has been read yet: run `bascule estate sync`.")
        return str(row.commit)

    def scope(self, commit: str, name: str) -> Mapping[str, Any]:
        """One scope's block, as providers are given it."""
        scope: Mapping[str, Any] = self.bundle(commit).estate.scopes[name].model_dump(mode="json", by_alias=True)
        return scope

    def checkout(self, commit: str) -> Path:
        return self._mirror.checkout(commit)

    def _accepted(self, commit: str) -> bool:
        with self._database.read() as conn:
            row = estates.newest(conn)
        return row is not None and str(row.commit) == commit

    def _bundle(self, commit: str) -> Bundle:
        return self._read(commit, judged=False)

    def _read(self, commit: str, *, judged: bool) -> Bundle:
        """`judged`: its targets are held against its policy as well, as a commit is before it is accepted."""
        today = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC).date()
        try:
            files = self._mirror.files(commit)
        except EstateGitError as error:
            raise NotFound(f"The estate's commit {commit[:12]} is not in the mirror: {error}") from error
        bundle, problems = read_bundle(files, self.shipped, judged=judged, today=today)
        if bundle is None:
            raise InvalidEstate(commit, problems)
        return bundle
