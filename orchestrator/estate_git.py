"""The estate's repository: a local mirror that outlives its remote, and its files at one commit.

git runs with a fixed environment and fixed arguments: no hooks, no submodules,
no helper programs, no filters, no replaced or borrowed objects, only the
transports https, ssh and file. It never writes a work tree: files are read from
its objects by the commit's id, and written here. Links and submodules inside the
estate are refused, and so are paths that lead elsewhere.
"""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

MAX_FILES = 5_000
MAX_BYTES = 64 * 1024 * 1024
MAX_LISTING = MAX_FILES * 512
"""Bytes of a listing of that many files; their paths are seldom half as long."""
MAX_PATH = 1_000
"""Bytes of one path, so that a checkout fits below any data directory."""
MAX_NAME = 255
"""Bytes of one name in it, as file systems have it."""
MAX_FETCH = 512 * 1024 * 1024
"""Bytes that one fetch may bring: with its whole history an estate may be larger than at one commit."""
MAX_HISTORY = 500
"""Commits that are looked at between two accepted ones."""
MAX_APPROVALS = 100
"""Approving tags of one commit that are looked at."""
GIT_TIMEOUT = 60.0
"""Seconds for one git command."""
MAX_DIFFERENCE = 48 * 1024
"""Bytes of one file's differences that are read."""
DIFFERENCE_TIMEOUT = 5.0
"""Seconds for the differences of one file."""
APPROVALS = "approve/"
"""How the names of tags begin by which people sign a commit that is there already."""

_HOST = r"(?:[A-Za-z0-9._~+]+(?::[A-Za-z0-9._~+%\-]*)?@)?[A-Za-z0-9][A-Za-z0-9.\-]*(?::[0-9]{1,5})?"
_URL = re.compile(rf"(?:(?:https|ssh)://{_HOST}/|file:///|/)[A-Za-z0-9@._~:/+%\-]+")
"""No host or user begins with a hyphen: ssh would take it for an option."""
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/\-]{0,100}")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_TAG = re.compile(rf"refs/tags/{APPROVALS}[A-Za-z0-9][A-Za-z0-9._\-]{{0,100}}")
_KEPT = "refs/bascule/accepted/"
_SETTINGS = (
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
    "core.hooksPath=/dev/null",
    "core.symlinks=false",
    "credential.helper=",
    "fetch.fsckObjects=true",
    "transfer.fsckObjects=true",
    "transfer.bundleURI=false",
    "http.followRedirects=false",
    "core.attributesFile=/dev/null",
    "core.bigFileThreshold=16m",
    "gc.pruneExpire=1.day.ago",
    "safe.directory=*",
    "submodule.recurse=false",
)
_BOUNDED = ["/bin/sh", "-c", 'ulimit -f "$0"; exec "$@"', str(MAX_FETCH // 512)]
"""A program that may write no larger file; git has no bound of its own for what it fetches."""


class _Some(NamedTuple):
    text: bytes
    more: bool
    late: bool


class EstateGitError(Exception):
    """The repository can't be read; the text says what happened and what to do."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of one file, line by line, from its first hunk on (the unified format of diff).

    `cut`: there is more. `binary`: it is no text, and there are no lines. `late`: it took too long to be told.
    """

    text: str = ""
    cut: bool = False
    binary: bool = False
    late: bool = False


class EstateMirror:
    """A bare mirror of one branch of the estate, in the data directory."""

    def __init__(self, directory: Path, checkouts: Path) -> None:
        self._git_dir = directory
        self._checkouts = checkouts
        self._lock = threading.Lock()

    @property
    def exists(self) -> bool:
        return (self._git_dir / "HEAD").exists()

    def fetch(self, url: str, branch: str = "main") -> str:
        """Bring the branch's commits here; answers the newest commit. Raises EstateGitError."""
        if not _URL.fullmatch(url) or "::" in url:
            raise EstateGitError(
                f"The estate's address {_shown(url)} is refused: give an https:// or ssh:// address, or a path."
            )
        if not _BRANCH.fullmatch(branch) or ".." in branch:
            raise EstateGitError(f"The branch name {branch!r} is refused: letters, digits, dot, slash and hyphen.")
        with self._lock:
            if not self.exists:
                self._git_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._git("init", "--bare", "--quiet", "--template=", "--", str(self._git_dir), inside=False)
            self._fetch(url, f"+refs/heads/{branch}:refs/heads/{branch}")
        return self.newest(branch)

    def _fetch(self, url: str, branch: str) -> None:
        """What a fetch that failed has left behind is removed: otherwise each new try would leave as much again."""
        approvals = f"+refs/tags/{APPROVALS}*:refs/tags/{APPROVALS}*"
        arguments = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", url, branch, approvals]
        try:
            self._run(arguments, bounded=True)
        except EstateGitError:
            objects = self._git_dir / "objects"
            for left in (*objects.glob("pack/tmp_*"), *objects.glob("??/tmp_obj_*"), *objects.glob("tmp_objdir*")):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
            raise

    def has(self, commit: str) -> bool:
        self._check_commit(commit)
        return self._holds("cat-file", "-e", f"{commit}^{{commit}}")

    def keep(self, commit: str) -> None:
        """Never let go of an accepted commit that is here, whatever becomes of the branch: runs may stand on it."""
        if self.has(commit):
            with self._lock:
                self._git("update-ref", f"{_KEPT}{commit}", commit)

    def descends(self, commit: str, ancestor: str) -> bool:
        """Whether a commit is the ancestor itself or comes after it. False when the ancestor is not here at all."""
        self._check_commit(commit)
        return self.has(ancestor) and self._holds("merge-base", "--is-ancestor", ancestor, commit)

    def history(self, commit: str, since: str | None) -> dict[str, tuple[str, ...]]:
        """The commits up to this one that `since` does not contain, each with its parents; the newest few hundred."""
        self._check_commit(commit)
        known = [f"^{since}"] if since and self.has(since) else []
        arguments = ["rev-list", "--topo-order", "--parents", f"--max-count={MAX_HISTORY}", commit, *known, "--"]
        lines = [line.split() for line in self._git(*arguments).splitlines()]
        return {line[0]: tuple(line[1:]) for line in lines}

    def commit_object(self, commit: str) -> bytes:
        """The commit as it is stored, with its signature if it has one."""
        self._check_commit(commit)
        return self._run(["cat-file", "commit", commit])

    def approvals(self, commit: str) -> dict[str, bytes]:
        """Name -> stored object of every fetched tag `approve/…` that leads to the commit; the first hundred."""
        self._check_commit(commit)
        form = "--format=%(objecttype) %(objectname) %(refname)"
        listed = self._git("for-each-ref", f"--points-at={commit}", form, f"refs/tags/{APPROVALS}")
        tags = [line.split(" ", 2) for line in listed.splitlines()]
        named = [(name, id_) for kind, id_, name in tags if kind == "tag" and _TAG.fullmatch(name)][:MAX_APPROVALS]
        return {name.removeprefix("refs/tags/"): self._run(["cat-file", "tag", id_]) for name, id_ in named}

    def newest(self, branch: str = "main") -> str:
        """The newest fetched commit of the branch. Raises EstateGitError when there is none."""
        return self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"refs/heads/{branch}^{{commit}}"
        ).strip()

    def files(self, commit: str) -> dict[str, bytes]:
        """Path -> content of every file at the commit. Raises EstateGitError for links, submodules and excess."""
        return self._blobs(self.entries(commit))

    def content(self, commit: str, path: str) -> bytes | None:
        """One file at the commit, if it is there."""
        entries = self.entries(commit)
        return self._blobs({path: entries[path]})[path] if path in entries else None

    def entries(self, commit: str) -> dict[str, str]:
        """Path -> id of the content of every file at the commit. Raises EstateGitError as `files` does."""
        self._check_commit(commit)
        entries: dict[str, str] = {}
        total = 0
        for line in self._listing(commit):
            head, path = line.split("\t", 1)
            mode, _kind, blob, size = head.split()
            if mode not in ("100644", "100755"):
                raise EstateGitError(f"The estate has a link or submodule at {path}: replace it by a plain file.")
            if not _is_safe(path):
                raise EstateGitError(f"The estate has a file with an unsafe path: {_shown(path)}. Rename it.")
            entries[path] = blob
            total += int(size)
        if total > MAX_BYTES:
            raise EstateGitError(f"The estate has {total} bytes in {len(entries)} files; the bound is {MAX_BYTES}.")
        return entries

    def moved(self, before: str, after: str) -> dict[str, tuple[str | None, str | None]]:
        """Path -> ids of the content before and after, None where there is none, of every file that differs.

        Raises EstateGitError as `files` does.
        """
        old, new = self.entries(before), self.entries(after)
        paths = sorted(path for path in {**old, **new} if old.get(path) != new.get(path))
        return {path: (old.get(path), new.get(path)) for path in paths}

    def difference(self, before: str | None, after: str | None, within: float = DIFFERENCE_TIMEOUT) -> Difference:
        """What differs between two contents by their ids, of which one may be none. Raises EstateGitError."""
        for blob in (before, after):
            if blob is not None:
                self._check_commit(blob)
        if before is None or after is None:
            found = self._read_some(["cat-file", "blob", before or after or ""], MAX_DIFFERENCE, within)
            return _all_of(found, "+" if before is None else "-")
        options = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--unified=3")
        found = self._read_some(["diff", *options, before, after], MAX_DIFFERENCE, within)
        return _from_hunk(found)

    def _listing(self, commit: str) -> list[str]:
        """One line a file. A small repository can unfold to any number of them, so what is read is bounded."""
        arguments = ["ls-tree", "-r", "-l", "-z", "--full-tree", commit]
        text, more, late = self._read_some(arguments, MAX_LISTING, GIT_TIMEOUT)
        if late:
            raise EstateGitError(f"git ls-tree gave no answer within {GIT_TIMEOUT:g} s.")
        lines = text.decode("utf-8", "surrogateescape").split("\0")[:-1]
        if more or len(lines) > MAX_FILES:
            raise EstateGitError(f"The estate has more than {MAX_FILES} files; that is its bound.")
        if not text:
            raise EstateGitError(f"The commit {commit} has no files, or is not here.")
        return lines

    def checkout(self, commit: str) -> Path:
        """A directory with the files at the commit, made once and never changed."""
        target = self._checkouts / commit
        with self._lock:
            if target.exists():
                return target
            staging = self._checkouts / f".{commit}.{os.getpid()}"
            shutil.rmtree(staging, ignore_errors=True)
            for path, content in self.files(commit).items():
                file = staging / path
                file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                file.write_bytes(content)
            staging.rename(target)
        return target

    def _check_commit(self, commit: str) -> None:
        if not _COMMIT.fullmatch(commit):
            raise EstateGitError(f"{commit!r} is not a commit id.")

    def _blobs(self, entries: Mapping[str, str]) -> dict[str, bytes]:
        ask = "".join(f"{blob}\n" for blob in entries.values()).encode()
        answer = self._run(["cat-file", "--batch"], ask)
        found: dict[str, bytes] = {}
        at = 0
        for path in entries:
            end = answer.index(b"\n", at)
            size = int(answer[at:end].split()[2])
            found[path] = answer[end + 1 : end + 1 + size]
            at = end + 1 + size + 1
        return found

    def _git(self, *arguments: str, inside: bool = True) -> str:
        return self._run(list(arguments), inside=inside).decode("utf-8", "surrogateescape")

    def _holds(self, *arguments: str) -> bool:
        """A question that git answers by its exit code."""
        return self._done(list(arguments)).returncode == 0

    def _read_some(self, arguments: list[str], most: int, within: float) -> _Some:
        """What git writes, up to `most` bytes and for so many seconds; whether there was more; whether it was late."""
        command, environment = self._command(arguments)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment
        ) as process:
            assert process.stdout is not None
            late = threading.Event()

            def stop() -> None:
                late.set()
                process.kill()

            timer = threading.Timer(within, stop)
            timer.daemon = True
            timer.start()
            try:
                text = process.stdout.read(most)
                more = process.stdout.read(1)
            finally:
                timer.cancel()
                process.kill()
        return _Some(text, bool(more), late.is_set())

    def _run(self, arguments: list[str], stdin: bytes = b"", *, inside: bool = True, bounded: bool = False) -> bytes:
        done = self._done(arguments, stdin, inside=inside, bounded=bounded)
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise EstateGitError(f"git {arguments[0]} failed: {said[-1] if said else 'it gave no reason'}")
        return done.stdout

    def _done(
        self, arguments: list[str], stdin: bytes = b"", *, inside: bool = True, bounded: bool = False
    ) -> "subprocess.CompletedProcess[bytes]":
        command, environment = self._command(arguments, inside=inside)
        command = [*_BOUNDED, *command] if bounded else command
        try:
            return subprocess.run(
                command, input=stdin, capture_output=True, timeout=GIT_TIMEOUT, env=environment, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise EstateGitError(f"git {arguments[0]} gave no answer within {GIT_TIMEOUT:g} s.") from error
        except FileNotFoundError as error:
            raise EstateGitError("git is not installed: install the package git.") from error

    def _command(self, arguments: list[str], *, inside: bool = True) -> tuple[list[str], dict[str, str]]:
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        place = ["--git-dir", str(self._git_dir)] if inside else []
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent", "LC_ALL": "C"}
        environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
        environment |= {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_ATTR_NOSYSTEM": "1"}
        environment |= {"GIT_SSH_COMMAND": os.environ.get("BASCULE_GIT_SSH", "ssh -o BatchMode=yes")}
        return ["git", *settings, *place, *arguments], environment


def _all_of(found: _Some, sign: str) -> Difference:
    """A file that came or went: each of its lines."""
    if b"\0" in found.text:
        return Difference(binary=True)
    lines = found.text.decode("utf-8", "replace").split("\n")
    lines = lines[:-1] if lines[-1] == "" or found.more else lines
    return Difference("".join(f"{sign}{line}\n" for line in lines), cut=found.more, late=found.late)


def _from_hunk(found: _Some) -> Difference:
    """Without git's head, which knows ids in the place of names."""
    head, sign, text = found.text.partition(b"\n@@")
    if not sign:
        return Difference(binary=b"Binary files" in head, late=found.late)
    told = f"@@{text.decode('utf-8', 'replace')}"
    return Difference(told.rpartition("\n")[0] + "\n" if found.more else told, cut=found.more, late=found.late)


def _is_safe(path: str) -> bool:
    """A plain path below the estate, that a file system can hold and that nobody takes for Git's own."""
    written = path.encode("utf-8", "surrogateescape")
    names = written.split(b"/")
    plain = all(name not in (b"", b".", b"..") and len(name) <= MAX_NAME for name in names)
    gits = any(name.lower().rstrip(b". ") in (b".git", b"git~1") for name in names)
    return plain and not gits and len(written) <= MAX_PATH and all(byte >= 0x20 and byte != 0x7F for byte in written)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 200 else f"{text[:200]}…")
