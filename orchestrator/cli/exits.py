"""How a command ends: its exit code, and the one sentence that explains a bad end."""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command; `docs/cli.md` and `bascule --help` list them."""

    DONE = 0
    FAILED = 1
    """Something failed, or is not valid."""
    USAGE = 2
    WAITS = 3
    """Nothing failed: a person is waited for."""
    REFUSED = 4
    """A gate is closed."""
    INTERRUPTED = 130
    """Ctrl-C, as shells count it (128 + SIGINT)."""


class CommandError(Exception):
    """A command can't do what it was asked. The text is for the person who typed it: what happened, what to do."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class NoService(CommandError):
    """No service answers for this data directory."""
