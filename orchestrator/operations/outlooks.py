"""What comes next of a verdict: what it is about to become, who has seen it, and what policy would propose."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.proposals.ahead import Stage, stage
from orchestrator.domain.proposals.proposal import Sight
from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.proposals.subject import services_of
from orchestrator.domain.signals.board import Board
from orchestrator.domain.signals.change import JURISDICTION
from orchestrator.domain.signals.outlook import Outlook, Sighting
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.operations.estate import Estates
from orchestrator.operations.request import RequestError
from orchestrator.store import proposals, verdicts
from orchestrator.store.database import Connection, Database
from orchestrator.store.runs import Row


@dataclass(frozen=True, slots=True)
class RuleAhead:
    """A rule of policy that looks at the subject, or at the law that binds it. `at`: when it proposes if nothing
    changes, UTC seconds, where its stage is `holds`."""

    name: str
    rule: ProposalRule
    services: tuple[str, ...]
    stage: Stage
    at: float | None


@dataclass(frozen=True, slots=True)
class Ahead:
    """`outlook` is None where this worker does not watch, and for a law. `reached`: since when it is suspect at least;
    `seen`: the acknowledgement of that, if there is one."""

    outlook: Outlook | None
    reached: float | None
    seen: Row | None
    rules: tuple[RuleAhead, ...]


class Outlooks:
    """`sighting`: what the watch saw last, if it is this worker that watches."""

    def __init__(self, database: Database, estates: Estates, sighting: Callable[[], Sighting | None]) -> None:
        self._database = database
        self._estates = estates
        self._sighting = sighting

    def of(self, subjects: Iterable[str]) -> Mapping[str, Ahead]:
        """By subject, as of one moment; without rules while no estate can be read."""
        sighting, bundle = self._sighting(), self._bundle()
        with self._database.read() as conn:
            board = verdicts.board(conn)
            seen = {row.subject: row for row in verdicts.last_acknowledged(conn)}
            return {one: _ahead(conn, one, board, seen.get(one), sighting, bundle) for one in subjects}

    def _bundle(self) -> Bundle | None:
        try:
            return self._estates.bundle(self._estates.newest())
        except RequestError:
            return None


def _ahead(
    conn: Connection, subject: str, board: Board, seen: Row | None, sighting: Sighting | None, bundle: Bundle | None
) -> Ahead:
    reached = board.reached(subject, Verdict.SUSPECT)
    return Ahead(
        outlook=sighting.outlooks.get(subject) if sighting is not None else None,
        reached=reached,
        seen=seen if seen is not None and reached is not None and seen.at >= reached else None,
        rules=tuple(_rules(conn, subject, board, sighting, bundle)) if bundle is not None else (),
    )


def _rules(
    conn: Connection, subject: str, board: Board, sighting: Sighting | None, bundle: Bundle
) -> Iterator[RuleAhead]:
    product = bundle.catalogue.product(subject)
    about = {subject, f"{JURISDICTION}{product.control.country}" if product is not None else subject}
    for name, rule in bundle.estate.policy.proposals.items():
        if rule.when.subject not in about:
            continue
        said = rule.propose or services_of(rule.when.subject, bundle.estate.services, bundle.catalogue)
        where, at = stage(rule, _sight(rule, board, sighting), proposals.last_of(conn, name))
        yield RuleAhead(name, rule, tuple(said), where, at)


def _sight(rule: ProposalRule, board: Board, sighting: Sighting | None) -> Sight:
    """Where another worker watches, the observations are taken to say what the verdict says."""
    subject = rule.when.subject
    verdict = board.verdict(subject)
    evidence = sighting.evidence.get(subject, Verdict.UNKNOWN) if sighting is not None else verdict
    return Sight(verdict, board.reached(subject, rule.when.bar), evidence)
