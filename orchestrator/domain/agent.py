"""A probe agent's file: what it looks at from where it stands, and where it posts what it saw. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.checks.draft import Draft
from orchestrator.domain.checks.probes import advise_probes, check_probes
from orchestrator.domain.estate import Estate, EstateSheet, read_scope, written_block
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.salvage import Part, salvage
from orchestrator.domain.scope import Scope
from orchestrator.domain.signals.lookout import Lookout, lookout_of
from orchestrator.domain.signals.probes import Probes
from orchestrator.domain.signals.source import Signals
from orchestrator.domain.yaml_text import read_yaml
from providers.wants import Name, Words

FilePath = Annotated[
    str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$", description="a file's path")
]
HttpAddress = Annotated[
    str,
    Field(
        max_length=500,
        pattern=r"^https?://[^\s/@?#]+/webhooks/[a-z0-9][a-z0-9\-]{0,62}$",
        description="a source's URL such as https://bascule.example.net/webhooks/lyon",
    ),
]


class Post(Part):
    """Where observations go. `secret`: a file with the source's secret; `ca`: the authority of that server's
    certificate. Both from the folder of this file."""

    url: HttpAddress
    secret: FilePath
    ca: FilePath | None = None


class AgentText(Part):
    """The file as it is written."""

    probes: Probes
    scopes: dict[Name, Any] = Field(min_length=1)
    post: Post


@dataclass(frozen=True, slots=True)
class Agent:
    """`advice`: what is allowed, and could be better."""

    lookout: Lookout
    scope: Scope
    post: Post
    advice: tuple[Problem, ...] = ()


def read_agent(
    text: bytes, file: str, files: frozenset[str], catalogue: Catalogue
) -> tuple[Agent | None, list[Problem]]:
    """The agent, or all that is wrong with its file. `files`: what is beside it, by path."""
    document, problems = read_yaml(text, file)
    if document is None or not isinstance(document.data, Mapping):
        none = Problem(file, 1, 1, "The file holds no mapping.", "Write `probes`, `scopes` and `post`.")
        return None, problems or [none]
    complaints: list[Complaint] = []
    some = {"url": "http://localhost/webhooks/x", "secret": "x"}
    head = salvage(
        AgentText, document.data, complaints, probes={"scope": "unknown"}, scopes={"unknown": None}, post=some
    )
    scopes = {name: read_scope(name, body, complaints) for name, body in written_block(document.data, "scopes").items()}
    if head.probes.vendors is None and not (head.probes.sensors or head.probes.accounts):
        message = "An agent knows no services, so it does not know whom to watch."
        complaints.append(Complaint(("probes",), message, "Add `vendors`, such as `aws: {}`.", on_key=True))
    problems += document.problems(complaints)
    nobody = Words(fr="?", en="?")
    estate = Estate(name="agent", title=nobody, services={}, scopes=scopes, signals=Signals(probes=head.probes))
    draft = Draft(EstateSheet(document, estate), {}, frozenset(), files, catalogue)
    if not problems:
        problems += check_probes(draft, ("probes",))
    if problems:
        return None, sorted(set(problems))
    advice = tuple(sorted(advise_probes(draft, ("probes",))))
    lookout = lookout_of(head.probes, (), catalogue)
    return Agent(lookout, scopes[head.probes.scope], head.post, advice), []
