"""Something wrong in a file of the estate, said so that its author can mend it."""

from dataclasses import asdict, dataclass

Path = tuple[str | int, ...]
"""Where a value stands within a document: keys and list positions from the root."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a value (or, `on_key`, with its key), before it is known in which file it stands."""

    path: Path
    message: str
    remedy: str
    on_key: bool = False

    def under(self, *prefix: str | int) -> "Complaint":
        """The same complaint about data that stands at `prefix` of a larger whole."""
        return Complaint((*prefix, *self.path), self.message, self.remedy, self.on_key)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """`line` and `column` count from 1. `remedy` is a concrete thing to do."""

    file: str
    line: int
    column: int
    message: str
    remedy: str

    def as_json(self) -> dict[str, str | int]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message} {self.remedy}"
