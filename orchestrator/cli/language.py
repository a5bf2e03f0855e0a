"""In which language people are spoken to on a terminal: the one of their locale."""

import os
from collections.abc import Mapping
from typing import Annotated

import typer

from orchestrator.web.words import Language, say

VARIABLE = "BASCULE_LANG"
_IN_ORDER = (VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG")
"""The first that is set says it (POSIX.1-2017, XBD 8.2, with ours in front)."""


def language_in(environment: Mapping[str, str]) -> Language:
    """French where the locale is a French one, otherwise English."""
    said = next((environment[name] for name in _IN_ORDER if environment.get(name)), "")
    return "fr" if said.lower().replace("_", "-").partition(".")[0].split("-")[0] == "fr" else "en"


def language_here() -> Language:
    return language_in(os.environ)


def here(key: str, **values: object) -> str:
    """A message in the language of this terminal, for where no session is at hand. Raises KeyError."""
    return say(language_here(), key, **values)


Chosen = Annotated[
    Language,
    typer.Option("--language", "-l", default_factory=language_here, show_default="that of your locale",
                 help="Of the texts for people."),
]  # fmt: skip
