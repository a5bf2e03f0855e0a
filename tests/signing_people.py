"""People with SSH keys who sign commits and tags of an estate, by real git and ssh-keygen."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.town_hall import git


class Person:
    def __init__(self, folder: Path, name: str) -> None:
        self.name = f"{name}@valbourg.example"
        self.key = folder / name
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.key)], check=True)
        said = subprocess.run(["ssh-keygen", "-lf", str(self.key)], check=True, capture_output=True, text=True).stdout
        self.fingerprint = said.split()[1]

    def line(self, options: str = "", name: str = "") -> str:
        """This person in a file of allowed signers."""
        kind, key = self.key.with_suffix(".pub").read_text().split()[:2]
        return " ".join(part for part in (name or self.name, options, kind, key) if part) + "\n"

    def git(self, estate: Path, *arguments: str) -> str:
        """As somebody types it who has set Git up to sign."""
        return git(estate, "-c", "gpg.format=ssh", "-c", f"user.signingkey={self.key}", *arguments)

    def commit(self, estate: Path, message: str = "signed", *options: str) -> str:
        git(estate, "add", "--all")
        self.git(estate, "commit", "--quiet", "--allow-empty", "-S", "-m", message, *options)
        return git(estate, "rev-parse", "HEAD").strip()

    def approve(self, estate: Path, commit: str = "HEAD", name: str = "") -> str:
        """A signed tag on a commit; its name."""
        name = name or f"approve/{git(estate, 'rev-parse', '--short=12', commit).strip()}-{self.key.name}"
        self.git(estate, "tag", "-s", "-f", "-m", "approved", name, commit)
        return name


def signers_file(file: Path, lines: Iterable[str]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(lines))
    file.chmod(0o644)
    return file


def vouched(estate: Path, data: Path) -> None:
    """Two people may sign this estate, and have approved it as it is."""
    people = [Person(data.with_name("people"), name) for name in ("alice", "bruno")]
    signers_file(data / "signers", (one.line() for one in people))
    for one in people:
        one.approve(estate)
