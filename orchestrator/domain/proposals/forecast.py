"""What the rules of an estate would have proposed on recorded observations, and taken back again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from orchestrator.domain.catalogue import Catalogue
from orchestrator.domain.proposals.proposal import Past, ProposalState, Sight, is_due, is_withdrawn, weak_since
from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.signals.board import Board, Said
from orchestrator.domain.signals.observation import Observation, iso
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.replay import Replay, replay
from orchestrator.domain.signals.thresholds import MINUTE
from orchestrator.domain.signals.watch import Watch


@dataclass(frozen=True, slots=True)
class Turn:
    """A rule proposed, or took its proposal back. `at`: UTC seconds. `what`: what a proposal of it is then."""

    at: float
    rule: str
    what: Literal["armed", "withdrawn"]

    def as_json(self) -> dict[str, Any]:
        return {"at": iso(self.at), "rule": self.rule, "proposal": self.what}


class Forecast:
    """Rules under recorded observations, where people neither release nor reject anything."""

    def __init__(self, rules: Mapping[str, ProposalRule]) -> None:
        self.turns: list[Turn] = []
        self._rules = rules
        self._board = Board()
        self._past: dict[str, Past] = {}
        self._weak: dict[str, float | None] = {}
        self._looked = float("-inf")

    def look(self, watch: Watch, found: Replay, now: float) -> None:
        """As the service does: once a minute at most. `found` holds the changes so far."""
        if now < self._looked + MINUTE:
            return
        self._looked = now
        for change in found.changes[self._board.count :]:
            self._board.note(Said(change.subject, change.verdict, change.at, change.since))
        evidence = watch.evidence()
        for name, rule in self._rules.items():
            reached = self._board.reached(rule.when.subject, rule.when.bar)
            verdict = self._board.verdict(rule.when.subject)
            self._weigh(name, rule, Sight(verdict, reached, evidence.get(rule.when.subject, Verdict.UNKNOWN)), now)

    def _weigh(self, name: str, rule: ProposalRule, sight: Sight, now: float) -> None:
        past = self._past.get(name)
        if past is not None and past.state is ProposalState.ARMED:
            weak = self._weak[name] = weak_since(rule.when.bar, sight, self._weak.get(name), now)
            if is_withdrawn(weak, sight, now):
                self._past[name] = Past(ProposalState.WITHDRAWN, past.episode, now)
                self.turns.append(Turn(now, name, "withdrawn"))
        elif is_due(rule, sight, past, now):
            assert sight.reached is not None
            self._past[name] = Past(ProposalState.ARMED, sight.reached, None)
            self._weak[name] = None
            self.turns.append(Turn(now, name, "armed"))


def forecast(
    observations: Iterable[Observation], catalogue: Catalogue, rules: Mapping[str, ProposalRule]
) -> tuple[Replay, list[Turn]]:
    """The replay of observations, and what the rules make of it."""
    told = Forecast(rules)
    found = replay(observations, catalogue, look=told.look)
    return found, told.turns
