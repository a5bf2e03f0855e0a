"""An estate with people who sign it, and the use cases that accept it, on a database of their own; no service runs."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path

from orchestrator.estate_git import EstateMirror
from orchestrator.estate_signers import Signers
from orchestrator.operations.estate import Estates
from orchestrator.operations.trust import Trust
from orchestrator.store.database import Database
from tests.signing_people import Person, signers_file
from tests.town_hall import git

SHEET = """
estate: village
title: {fr: Village, en: Village}
services:
  port: {title: {fr: Port, en: Port}, vendor: aws, target: scaleway, failover: port-failover}
scopes:
  rehearsal: {mode: rehearsal, networks: [127.0.0.0/8]}
"""
PORT = """
runbook: port-failover
service: port
title: {fr: Port, en: Port}
steps:
  answers: {uses: probe.tcp, with: {host: 127.0.0.1, port: 9}}
"""
MIRROR = "estate.git"


def write(estate: Path, **changes: str) -> None:
    """The small estate; `sheet` and `runbook` replace its two files."""
    (estate / "runbooks").mkdir(parents=True, exist_ok=True)
    (estate / "bascule.yaml").write_text(changes.get("sheet", SHEET))
    (estate / "runbooks/port-failover.yaml").write_text(changes.get("runbook", PORT))


class World:
    """`now`: the injected clock. Alice and Bruno may sign; Mallory may not, and has a key.

    `like`: a world that was prepared, closed, and is copied here.
    """

    def __init__(self, folder: Path, keys: dict[str, Person], like: Path | None = None) -> None:
        self.folder = folder
        self.estate = folder / "estate"
        self.alice, self.bruno, self.mallory = (copy(keys[name]) for name in ("alice", "bruno", "mallory"))
        self.signers = folder / "data" / "signers"
        self.now = time.time()
        if like is None:
            self._begin()
        else:
            shutil.copytree(like, folder, dirs_exist_ok=True)
        self.mirror = EstateMirror(folder / MIRROR, folder / "checkouts")
        self.database = Database(f"sqlite:///{folder / 'bascule.db'}")
        if like is None:
            self.database.migrate()
        self.estates = self.reading()

    def _begin(self) -> None:
        (self.folder / "checkouts").mkdir(parents=True)
        self.estate.mkdir()
        git(self.estate, "init", "--quiet", "--initial-branch", "main")
        write(self.estate)

    def reading(self, *, named: bool = False) -> Estates:
        trust = Trust(self.mirror, Signers(self.signers, named=named), lambda: self.now, str(self.estate))
        return Estates(self.database, self.mirror, trust, lambda: self.now, str(self.estate))

    def allow(self, *lines: str) -> None:
        """Who may sign; Alice and Bruno, unless it is said."""
        signers_file(self.signers, lines or (self.alice.line(), self.bruno.line()))

    def sync(self) -> str:
        return self.estates.sync("test")[0]

    def found(self) -> None:
        """A first commit, signed by Alice, whose policy Bruno approved; it is accepted."""
        self.allow()
        commit = self.alice.commit(self.estate, "founded")
        self.bruno.approve(self.estate)
        assert self.estates.sync("test") == (commit, True)

    def push(self, stored: bytes, branch: str = "main") -> str:
        """A commit made byte by byte becomes the branch's newest."""
        command = ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"]
        made = subprocess.run(command, cwd=self.estate, input=stored, capture_output=True, check=True)
        commit = made.stdout.decode().strip()
        git(self.estate, "update-ref", f"refs/heads/{branch}", commit)
        return commit

    def stored(self, commit: str = "HEAD") -> bytes:
        command = ["git", "cat-file", "commit", commit]
        return subprocess.run(command, cwd=self.estate, capture_output=True, check=True).stdout


@contextmanager
def world(folder: Path, keys: dict[str, Person], like: Path | None = None) -> Iterator[World]:
    made = World(folder, keys, like)
    try:
        yield made
    finally:
        made.database.close()
