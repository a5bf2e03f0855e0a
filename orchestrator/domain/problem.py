"""What is wrong with an estate, where, and what to do about it."""

from dataclasses import asdict, dataclass

Path = tuple[str | int, ...]
"""Where a value stands in a file's data: mapping keys and list indexes, from the root."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that a person must mend. `line` and `column` count from 1; `remedy` says concretely what to do."""

    file: str
    line: int
    column: int
    message: str
    remedy: str

    def as_json(self) -> dict[str, str | int]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message} {self.remedy}"


@dataclass(frozen=True, slots=True)
class Complaint:
    """A problem that knows its place in the data and not yet in the file."""

    path: Path
    message: str
    remedy: str
    on_key: bool = False
    """True when the key at `path` is meant, and not its value."""

    def under(self, *prefix: str | int) -> "Complaint":
        """The same complaint about data that stands at `prefix` of a larger whole."""
        return Complaint((*prefix, *self.path), self.message, self.remedy, self.on_key)
