"""The estate: fetched into the mirror, accepted commit by commit, read at one of them."""

import datetime
import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import Bundle, read_bundle
from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.model import Mode
from orchestrator.domain.problem import Problem
from orchestrator.domain.trust import Voucher, is_trusted
from orchestrator.estate_git import EstateGitError, EstateMirror
from orchestrator.operations.request import Conflict, NotFound, RequestError
from orchestrator.operations.trust import SHORT, Trust, Untrusted
from orchestrator.store import estates
from orchestrator.store.database import Database
from orchestrator.store.estates import Accepted
from providers.base import ProviderError

log = logging.getLogger("bascule.estate")

MOST_SHOWN = 64 * 1024
"""Bytes of one of the estate's files that people are shown."""


class NotHere(RequestError):
    """The commit was accepted, by another worker perhaps, and this mirror does not have it yet."""

    code = "estate_unreachable"


class InvalidEstate(RequestError):
    """The estate at a commit has problems; `problems` lists them all."""

    code = "invalid_estate"

    def __init__(self, commit: str, problems: list[Problem]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        where = f"{first.file}:{first.line}:{first.column}"
        super().__init__(f"The estate at {commit[:12]} is not valid: {where}: {first.message} {first.remedy}{more}")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Refusal:
    """The branch's newest commit, which was not accepted, and why. `problems`: all of them, if it is not valid."""

    commit: str
    why: str
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Fetched:
    """The last time that this process asked the remote; `error`: why that brought nothing, empty when it answered."""

    at: float
    error: str


class Estates:
    """Reads estates at commits. A commit that was read once is kept in memory."""

    def __init__(
        self,
        database: Database,
        mirror: EstateMirror,
        trust: Trust,
        clock: Callable[[], float],
        url: str,
        branch: str = "main",
    ) -> None:
        self._database = database
        self._mirror = mirror
        self._trust = trust
        self._clock = clock
        self.url = url
        self.branch = branch
        self.refusal: Refusal | None = None
        self.fetched: Fetched | None = None
        self.bundle = functools.lru_cache(maxsize=16)(self._bundle)

    @property
    def shipped(self) -> Catalogue:
        """What Bascule knows of vendors and targets without any estate."""
        return shipped()

    def sync(self, by: str) -> tuple[str, bool]:
        """Fetch the remote and accept its newest commit if it is signed, newer and valid; it, and whether it is new.

        Raises EstateGitError when the remote can't be reached, Untrusted, InvalidEstate: the mirror serves on.
        """
        commit = self._fetch()
        return commit, self._judged(commit, by)

    def accept(self, commit: str, by: str, reason: str) -> tuple[str, bool]:
        """Accept the branch's newest commit though it does not come after the one that was accepted last.

        A person answers for that. Signatures are asked for as ever, but where no signers file is named any more. Raises
        Conflict when the branch is elsewhere, and as `sync` does.
        """
        if not reason.strip():
            raise RequestError("Give a reason, why another history is accepted: it is kept.")
        newest = self._fetch()
        if len(commit) < SHORT or not newest.startswith(commit.lower()):
            raise Conflict(
                f"The branch {self.branch} is at {newest}, not at {commit}. Look at what is there, and name that."
            )
        return newest, self._judged(newest, by, reason.strip())

    def _fetch(self) -> str:
        """The branch's newest commit, and remembered whether the remote answered. Raises EstateGitError."""
        try:
            newest = self._mirror.fetch(self.url, self.branch)
        except EstateGitError as error:
            self.fetched = Fetched(self._clock(), str(error))
            raise
        self.fetched = Fetched(self._clock(), "")
        return newest

    def _judged(self, commit: str, by: str, reason: str = "") -> bool:
        """Accept it, or remember why not."""
        try:
            new = self._take(commit, by, reason)
        except RequestError as error:
            problems = tuple(error.problems) if isinstance(error, InvalidEstate) else ()
            self.refusal = Refusal(commit, str(error), problems)
            raise
        self.refusal = None
        return new

    def _take(self, commit: str, by: str, reason: str) -> bool:
        """Accept it if it may be; whether that is news."""
        with self._database.read() as conn:
            last, trusted = estates.newest(conn), estates.newest_trusted(conn)
        known = last is not None and last.commit == commit
        if last is not None:
            self._mirror.keep(last.commit)
        if last is not None and known and (is_trusted(last.voucher) or not self._trust.asked_for):
            self.bundle(commit)
            return False
        if last is not None and not known and not reason:
            self._trust.require_later(commit, last.commit)
        voucher = self._vouched(commit, last, trusted.commit if trusted else None, allowed=bool(reason))
        self._mirror.keep(commit)
        with self._database.write() as conn:
            if last is not None and known:
                estates.vouch(conn, last, voucher)
                return False
            new = estates.accept(conn, commit, by, self._clock(), after=last, voucher=voucher, reason=reason)
        if new:
            log.info("accepted estate commit %s, brought by %s, %s", commit, by, _signed_by(voucher))
        return new

    def _vouched(self, commit: str, last: Accepted | None, trusted: str | None, *, allowed: bool) -> Voucher | None:
        """Read the commit and hold it against everything; who stands for it, if that is asked for here."""
        if not self._trust.asked_for:
            if last is not None and is_trusted(last.voucher) and not allowed:
                raise Untrusted(
                    "The signers file is gone, and the estate was accepted by signatures before: put it back. To do "
                    f"without signatures from now on: bascule estate accept {commit} --reason WHY"
                )
            self._read(commit, judged=True)
            return None
        signature = self._trust.signature(commit)
        self._read(commit, judged=True)
        return self._trust.voucher(commit, signature, trusted)

    def newest(self) -> str:
        """The newest accepted commit. Raises NotFound when none was ever accepted."""
        return self.accepted().commit

    def accepted(self, commit: str = "") -> Accepted:
        """How a commit was accepted; without one, the newest that was. Raises NotFound."""
        with self._database.read() as conn:
            found = estates.at(conn, commit) if commit else estates.newest(conn)
        if found is None and commit:
            raise NotFound(f"The estate's commit {commit[:SHORT]} was never accepted.")
        if found is None:
            raise NotFound("No estate has been read yet: run `bascule estate sync`.")
        return found

    def scope(self, commit: str, name: str) -> Mapping[str, Any]:
        """One scope's block, as providers are given it."""
        scope: Mapping[str, Any] = self.bundle(commit).estate.scopes[name].model_dump(mode="json", by_alias=True)
        return scope

    def mode(self, scope: str) -> Mode | None:
        """The mode of a scope of the newest estate; None where there is no such scope, or no estate yet.

        Raises ProviderError, as what is revealed to providers depends on it, when that estate can't be read here.
        """
        try:
            scopes = self.bundle(self.newest()).estate.scopes
        except NotFound:
            return None
        except RequestError as error:
            raise ProviderError(str(error), permanent=False) from error
        return scopes[scope].mode if scope in scopes else None

    def checkout(self, commit: str) -> Path:
        return self._mirror.checkout(commit)

    def sheet(self, commit: str, path: str) -> str:
        """The text of one file at a commit, as far as people are shown it; empty where it is not there."""
        try:
            found = self._mirror.content(commit, path)
        except EstateGitError:
            return ""
        return (found or b"")[:MOST_SHOWN].decode("utf-8", "replace")

    def _bundle(self, commit: str) -> Bundle:
        return self._read(commit, judged=False)

    def _read(self, commit: str, *, judged: bool) -> Bundle:
        """`judged`: its targets are held against its policy as well, as a commit is before it is accepted."""
        today = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC).date()
        try:
            files = self._mirror.files(commit)
        except EstateGitError as error:
            raise NotHere(f"The estate's commit {commit[:12]} is not in the mirror: {error}") from error
        bundle, problems = read_bundle(files, self.shipped, judged=judged, today=today)
        if bundle is None:
            raise InvalidEstate(commit, problems)
        return bundle


def _signed_by(voucher: Voucher | None) -> str:
    return "unsigned" if voucher is None else f"signed by {voucher.signature.name}"
