"""The page after an action that shows what is shown once: a link, a token, sealed codes; or what it left to do.

It is the answer to the form itself, so that no secret is ever in an address; like every page it is kept nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import Response

from orchestrator.web.pages.page import render
from orchestrator.web.words import Language


@dataclass(frozen=True, slots=True)
class Slip:
    """One thing to be copied, or cut out of the printed page. `about`: what it is, for whoever finds it."""

    value: str
    about: str = ""


def told_once(
    request: Request,
    language: Language,
    *,
    title: str,
    says: str,
    back: str,
    slips: Sequence[Slip] = (),
    left: Sequence[str] = (),
) -> Response:
    """All texts are in the reader's language, but `left`: what the service says is left to do, in English."""
    return render(request, "told_once.html", language, title=title, says=says, back=back, slips=slips, left=left)
