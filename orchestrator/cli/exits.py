"""How a command ends: its exit code, and the one sentence that explains a bad end."""

from enum import IntEnum
from typing import Self

from orchestrator.web.words import Language, say


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
        self._said: tuple[str, dict[str, object]] | None = None

    @classmethod
    def of(cls, key: str, code: Exit = Exit.FAILED, **values: object) -> Self:
        """One whose sentence is in the catalogues. Raises KeyError."""
        made = cls(say("en", key, **values), code)
        made._said = (key, values)
        return made

    def told(self, language: Language) -> str:
        """In somebody's language, as far as it is known there; what others say stays as they said it."""
        if self._said is None:
            return self.message
        key, values = self._said
        return say(language, key, **values)


class NoService(CommandError):
    """No service answers for this data directory."""
