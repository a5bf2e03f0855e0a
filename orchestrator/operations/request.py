"""What every use case shares: how it says no, and where things are kept."""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

MOST_SAID = 4000
"""Characters of a reason or a comment: it stands in the journal, on every page of its run, and in each stream."""


class RequestError(Exception):
    """A request that can't be fulfilled. `code` is stable for programs, the text is for people."""

    code = "invalid"


class NotFound(RequestError):
    code = "not_found"


class Conflict(RequestError):
    """It contradicts what is there already; nothing was changed."""

    code = "conflict"


class Denied(RequestError):
    """A gate is closed."""

    code = "refused"


class Uncontained(Denied):
    """Plays can't be contained on this machine, and such a run needs that."""

    code = "containment_missing"


class SecretsMissing(Denied):
    """A run needs secrets that can't be had: it would stop halfway."""

    code = "secrets_missing"


def require_short(said: str) -> None:
    """Raises RequestError for a reason or a comment that no journal keeps."""
    if len(said) > MOST_SAID:
        raise RequestError(f"Say it in {MOST_SAID} characters at most; this is {len(said)} long.")


def hook_secret(token: str) -> str:
    """What a forge is given so that its push hastens the fetch: made from the installation's token, and not it."""
    return "bsh_" + hmac.new(token.encode(), b"bascule estate webhook", hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Paths:
    """The data directory's rooms."""

    data: Path

    @property
    def mirror(self) -> Path:
        return self.data / "estate.git"

    @property
    def checkouts(self) -> Path:
        return self.data / "checkouts"

    @property
    def workspaces(self) -> Path:
        return self.data / "work"

    @property
    def secrets(self) -> Path:
        return self.data / "secrets"

    @property
    def inventories(self) -> Path:
        """What sources said when they were read."""
        return self.data / "inventories"

    @property
    def maps(self) -> Path:
        """What was seen of the organisation's domains when they were mapped."""
        return self.data / "maps"

    @property
    def examinations(self) -> Path:
        """What was found when somebody had something looked at from a page."""
        return self.data / "examinations"

    @property
    def audit(self) -> Path:
        """The key that signs checkpoints, and the checkpoints themselves."""
        return self.data / "audit"

    @property
    def signers(self) -> Path:
        """Who may sign the estate's commits, unless another file is named."""
        return self.data / "signers"

    @property
    def token(self) -> Path:
        return self.data / "token"

    @property
    def first_admin(self) -> Path:
        """The first admin's link, while there is nobody."""
        return self.data / "first-admin"

    @property
    def hook(self) -> Path:
        """What a forge is given, so that its push hastens the fetch."""
        return self.data / "estate-hook"

    @property
    def service(self) -> Path:
        """Where the running service says how it is reached."""
        return self.data / "service.json"

    @property
    def lock(self) -> Path:
        return self.data / "lock"

    def make(self) -> None:
        for path in (self.data, self.checkouts, self.workspaces, self.secrets):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
