"""The estate's repository: a local mirror that outlives its remote, and its files at one commit.

git runs with a fixed environment and fixed arguments: no hooks, no submodules,
no helper programs, only the transports https, ssh and file. Links and
submodules inside the estate are refused.
"""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

MAX_FILES = 5_000
MAX_BYTES = 64 * 1024 * 1024
MAX_LISTING = MAX_FILES * 512
"""Bytes of a listing of that many files; their paths are seldom half as long."""
GIT_TIMEOUT = 60.0
"""Seconds for one git command."""

_URL = re.compile(r"^(?:https://|ssh://|file:///|/)[A-Za-z0-9@._~:/+%\-]+$")
_BRANCH = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._/\-]{0,100}$")
_COMMIT = re.compile(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")
_SETTINGS = (
    "protocol.allow=never",
    "protocol.https.allow=always",
    "protocol.ssh.allow=always",
    "protocol.file.allow=always",
    "core.hooksPath=/dev/null",
    "core.symlinks=false",
    "credential.helper=",
    "fetch.fsckObjects=true",
    "safe.directory=*",
    "submodule.recurse=false",
)


class EstateGitError(Exception):
    """The repository can't be read; the text says what happened and what to do."""


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
        if not _URL.match(url) or "::" in url:
            raise EstateGitError(f"The estate's address {url!r} is refused: give an https://, ssh:// or file path.")
        if not _BRANCH.match(branch) or ".." in branch:
            raise EstateGitError(f"The branch name {branch!r} is refused: letters, digits, dot, slash and hyphen.")
        with self._lock:
            if not self.exists:
                self._git_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._git("init", "--bare", "--quiet", "--", str(self._git_dir), inside=False)
            refspec = f"+refs/heads/{branch}:refs/heads/{branch}"
            self._git("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--", url, refspec)
        return self.newest(branch)

    def newest(self, branch: str = "main") -> str:
        """The newest fetched commit of the branch. Raises EstateGitError when there is none."""
        return self._git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"refs/heads/{branch}^{{commit}}"
        ).strip()

    def files(self, commit: str) -> dict[str, bytes]:
        """Path -> content of every file at the commit. Raises EstateGitError for links, submodules and excess."""
        self._check_commit(commit)
        entries: dict[str, str] = {}
        total = 0
        for line in self._listing(commit):
            head, path = line.split("\t", 1)
            mode, _kind, blob, size = head.split()
            if mode not in ("100644", "100755"):
                raise EstateGitError(f"The estate has a link or submodule at {path}: replace it by a plain file.")
            if ".." in PurePosixPath(path).parts or path.startswith("/"):
                raise EstateGitError(f"The estate has a file with an unsafe path: {path!r}.")
            entries[path] = blob
            total += int(size)
        if total > MAX_BYTES:
            raise EstateGitError(f"The estate has {total} bytes in {len(entries)} files; the bound is {MAX_BYTES}.")
        return self._blobs(entries)

    def _listing(self, commit: str) -> list[str]:
        """One line a file. A small repository can unfold to any number of them, so what is read is bounded."""
        command, environment = self._command(["ls-tree", "-r", "-l", "-z", "--full-tree", commit])
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment
        ) as process:
            assert process.stdout is not None
            text = process.stdout.read(MAX_LISTING)
            more = process.stdout.read(1)
            process.kill()
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
        if not _COMMIT.match(commit):
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

    def _run(self, arguments: list[str], stdin: bytes = b"", *, inside: bool = True) -> bytes:
        command, environment = self._command(arguments, inside=inside)
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, timeout=GIT_TIMEOUT, env=environment, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise EstateGitError(f"git {arguments[0]} gave no answer within {GIT_TIMEOUT:g} s.") from error
        except FileNotFoundError as error:
            raise EstateGitError("git is not installed: install the package git.") from error
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise EstateGitError(f"git {arguments[0]} failed: {said[-1] if said else 'it gave no reason'}")
        return done.stdout

    def _command(self, arguments: list[str], *, inside: bool = True) -> tuple[list[str], dict[str, str]]:
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        place = ["--git-dir", str(self._git_dir)] if inside else []
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent", "LC_ALL": "C"}
        environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}
        environment |= {"GIT_SSH_COMMAND": os.environ.get("BASCULE_GIT_SSH", "ssh -o BatchMode=yes")}
        return ["git", *settings, *place, *arguments], environment
