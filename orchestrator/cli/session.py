"""What every command is given: where the data is, which estate, and where to write."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from orchestrator.cli.credential import this_person
from orchestrator.cli.language import language_here
from orchestrator.cli.wording import clean, harmless
from orchestrator.operations.request import Paths
from orchestrator.web.words import Language, say


def default_data(environment: Mapping[str, str]) -> Path:
    """XDG Base Directory Specification: data that should outlive the session."""
    base = environment.get("XDG_DATA_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "share") / "bascule"


def _console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False)


@dataclass
class Session:
    """One call of `bascule`. The root command fills in the options before any other command runs."""

    data: Path = field(default_factory=lambda: default_data(os.environ))
    estate: str = ""
    branch: str = "main"
    signers: Path | None = None
    database_url: str = ""
    out: Console = field(default_factory=_console)
    err: Console = field(default_factory=lambda: _console(stderr=True))
    language: Language = field(default_factory=language_here)

    @property
    def paths(self) -> Paths:
        return Paths(self.data)

    @property
    def live(self) -> bool:
        """A person looks at a terminal."""
        return self.out.is_terminal and not self.out.is_dumb_terminal

    def say(self, key: str, **values: object) -> str:
        """A message of the catalogues, in the language of whoever sits here. Raises KeyError."""
        return say(self.language, key, **values)

    def line(self, text: str | Text = "", *, copied: bool = False) -> None:
        """One line on standard output, wrapped at words on a terminal; not where it is `copied`, such as a command."""
        self.out.print(clean(text) if isinstance(text, str) else text, soft_wrap=copied or not self.live)

    def note(self, text: str) -> None:
        """A sentence beside the result, on standard error."""
        self.err.print(clean(text), soft_wrap=True)

    def json(self, value: Any, *, line: bool = False) -> None:
        """One JSON document; as a `line`, one of many (JSON lines)."""
        sys.stdout.write(harmless(json.dumps(value, ensure_ascii=False, indent=None if line else 2)) + "\n")
        sys.stdout.flush()


def session_of(context: typer.Context) -> Session:
    session = context.obj
    assert isinstance(session, Session)
    return session


Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]
As = Annotated[
    str,
    typer.Option("--as", metavar="NAME", envvar="BASCULE_AS", default_factory=this_person, show_default="you",
                 help="Who does this, where nobody is signed in; the journal keeps the name."),
]  # fmt: skip
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; the journal keeps it.")]
