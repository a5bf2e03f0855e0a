"""What is told of the next verdict and the next proposal is what then comes, at the time that was told."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from orchestrator.catalogue_files import shipped
from orchestrator.domain.proposals.ahead import Stage, stage
from orchestrator.domain.proposals.proposal import Past, ProposalState, Sight, is_due
from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.outlook import next_verdict
from orchestrator.domain.signals.quorum import Evidence, Verdict
from orchestrator.domain.signals.standing import Standing, acknowledged, weighed
from orchestrator.domain.signals.thresholds import DEFAULT, HOUR, MINUTE
from orchestrator.domain.signals.watch import Watch
from tests.unit.signals_readings import START, as_it_is, refused, rounds

V = Verdict
RULE = ProposalRule.model_validate({"when": {"vendor": "aws", "verdict": "cut", "for": "15m"}})
NOW = 1_000_000.0

evidences = some.builds(
    Evidence, some.sampled_from(V), well=some.integers(0, 3), silent=some.booleans()
)  # fmt: skip
walks = some.lists(some.tuples(evidences, some.sampled_from([60.0, 300.0, 1800.0, 4000.0, 20_000.0])), max_size=8)


@settings(max_examples=60)
@given(walk=walks, last=evidences, seen=some.booleans())
def test_the_verdict_that_is_told_comes_when_it_is_told_and_no_other_before(
    walk: list[tuple[Evidence, float]], last: Evidence, seen: bool
) -> None:
    standing, now = Standing(), NOW
    for evidence, lasts in walk:
        standing = weighed(standing, evidence, now, DEFAULT)
        now += lasts
    standing = weighed(acknowledged(standing) if seen else standing, last, now, DEFAULT)
    becomes, at = next_verdict(standing, last, now, DEFAULT)
    end = at if at is not None else now + 2 * 86400.0
    walked, when = standing, now
    while when + 300.0 < end - 1.0:
        when += 300.0
        walked = weighed(walked, last, when, DEFAULT)
        assert walked.verdict is standing.verdict, "another one came before"
    if at is not None:
        assert weighed(walked, last, at, DEFAULT).verdict is becomes


def test_a_cut_is_told_before_it_is_one() -> None:
    told: list[tuple[V, float]] = []
    watch, changes = Watch(shipped()), list[Change]()
    for one in [*rounds(1, as_it_is), *rounds(1, refused, start=START + HOUR)]:
        changes += watch.take(one)
        outlook = watch.outlooks().get("microsoft-365")
        if outlook is not None and outlook.becomes is V.CUT and outlook.at is not None:
            told.append((outlook.becomes, outlook.at))
    (cut,) = [one.at for one in changes if one.verdict is V.CUT]
    assert told, "nobody was told beforehand"
    assert cut - told[-1][1] < MINUTE + 1, "verdicts are weighed once a minute"
    outlook = watch.outlooks()["microsoft-365"]
    assert (outlook.evidence, outlook.becomes, outlook.unseen) == (V.CUT, None, True)


@pytest.mark.parametrize(
    ("sight", "past", "found"),
    [
        (Sight(V.SUSPECT, None, V.CUT), None, Stage.BELOW),
        (Sight(V.CUT, NOW, V.CUT), None, Stage.HOLDS),
        (Sight(V.CUT, NOW, V.NOMINAL), None, Stage.WEAK),
        (Sight(V.CUT, NOW, V.CUT), Past(ProposalState.ARMED, NOW, None), Stage.WAITS),
        (Sight(V.CUT, NOW, V.CUT), Past(ProposalState.REJECTED, NOW, NOW), Stage.DECIDED),
        (Sight(V.CUT, NOW, V.CUT), Past(ProposalState.REJECTED, NOW - 1, NOW), Stage.HOLDS),
        (Sight(V.CUT, NOW, V.CUT), Past(ProposalState.WITHDRAWN, NOW, NOW + 9 * MINUTE), Stage.HOLDS),
    ],
)
def test_where_a_rule_is_on_its_way(sight: Sight, past: Past | None, found: Stage) -> None:
    told, at = stage(RULE, sight, past)
    assert told is found
    due = [when for when in range(0, 7200, 30) if is_due(RULE, sight, past, NOW + when)]
    if found is Stage.HOLDS:
        assert at is not None
        assert due[0] == at - NOW
    else:
        assert not due
