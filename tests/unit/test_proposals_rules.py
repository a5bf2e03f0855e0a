"""Rules and proposals, by example and property: when policy proposes, when it takes back, and what it never does."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalogue_files import shipped
from orchestrator.domain.policy import Policy
from orchestrator.domain.proposals.forecast import forecast
from orchestrator.domain.proposals.proposal import (
    TABLE,
    WAITING,
    WEAK_FOR,
    IllegalProposalEvent,
    Past,
    ProposalEvent,
    ProposalState,
    Sight,
    is_due,
    is_withdrawn,
    next_state,
    weak_since,
)
from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.signals.board import Board, Said
from orchestrator.domain.signals.quorum import Verdict
from tests.unit.signals_readings import HOUR, MINUTE, START, after, as_it_is, refused, rounds

RULE = ProposalRule.model_validate({"when": {"vendor": "microsoft-365", "verdict": "cut", "for": "15m"}})
CUT, ERODING = Verdict.CUT, Verdict.ERODING


def test_it_is_due_when_the_verdict_has_held_and_the_evidence_still_does() -> None:
    sight = Sight(CUT, START, CUT)
    assert not is_due(RULE, sight, None, START + 899)
    assert is_due(RULE, sight, None, START + 900)
    assert not is_due(RULE, Sight(CUT, START, ERODING), None, START + 900)
    assert not is_due(RULE, Sight(ERODING, None, CUT), None, START + 9000)


@pytest.mark.parametrize("state", [ProposalState.RELEASED, ProposalState.REJECTED])
def test_what_people_decided_stays_decided_until_the_verdict_was_better(state: ProposalState) -> None:
    past = Past(state, START, START + 1000)
    assert not is_due(RULE, Sight(CUT, START, CUT), past, START + HOUR)
    assert is_due(RULE, Sight(CUT, START + 2 * HOUR, CUT), past, START + 3 * HOUR)


def test_a_withdrawn_one_comes_back_after_the_whole_time() -> None:
    past = Past(ProposalState.WITHDRAWN, START, START + HOUR)
    assert not is_due(RULE, Sight(CUT, START, CUT), past, START + HOUR + 899)
    assert is_due(RULE, Sight(CUT, START, CUT), past, START + HOUR + 900)


def test_a_moments_doubt_withdraws_nothing_and_a_fallen_verdict_does_at_once() -> None:
    doubt = Sight(CUT, START, Verdict.SUSPECT)
    weak = weak_since(CUT, doubt, None, START + 10)
    assert weak == START + 10
    assert weak_since(CUT, doubt, weak, START + 99) == START + 10
    assert not is_withdrawn(weak, doubt, START + 10 + WEAK_FOR - 1)
    assert is_withdrawn(weak, doubt, START + 10 + WEAK_FOR)
    assert weak_since(CUT, Sight(CUT, START, CUT), weak, START + 99) is None
    assert is_withdrawn(START, Sight(Verdict.SUSPECT, None, CUT), START)


def test_every_other_event_is_refused() -> None:
    states = [None, *ProposalState]
    for state, event in itertools.product(states, ProposalEvent):
        if (state, event) in TABLE:
            assert next_state(state, event) is TABLE[state, event]
        else:
            with pytest.raises(IllegalProposalEvent):
                next_state(state, event)
    ended = set(ProposalState) - WAITING
    assert not [state for state, _ in TABLE if state in ended], "what has ended takes no event"


@given(st.lists(st.tuples(st.sampled_from(list(Verdict)), st.integers(1, 10_000)), max_size=30))
def test_the_board_knows_since_when_it_has_been_that_bad(steps: list[tuple[Verdict, int]]) -> None:
    at, changes = START, list[Said]()
    for verdict, seconds in steps:
        at += seconds
        changes.append(Said("x", verdict, at, at - 1))
    board = Board.of(changes)
    changes = [one for one in changes if one.verdict is not Verdict.UNKNOWN]  # silence ends nothing
    for bar in (Verdict.SUSPECT, ERODING, CUT):
        bad = [one.verdict.rank >= bar.rank for one in reversed(changes)]
        streak = changes[len(changes) - len(list(itertools.takewhile(bool, bad))) :]
        assert board.reached("x", bar) == (streak[0].at if streak else None)
    assert board.verdict("x") is (steps[-1][0] if steps else Verdict.UNKNOWN)
    assert set(board.onsets()) == ({"x"} if changes and changes[-1].verdict.rank >= 2 else set())


def test_a_recording_shows_what_policy_would_have_proposed() -> None:
    there_and_back = after(2, lambda one: refused(one) if one.at < START + 4 * HOUR else "ok")
    found, turns = forecast(rounds(8, there_and_back), shipped(), {"gone": RULE})
    assert [one.what for one in turns] == ["armed", "withdrawn"]
    cut = next(one for one in found.changes if one.verdict is CUT)
    assert turns[0].at - cut.at == pytest.approx(15 * MINUTE, abs=6 * MINUTE)
    assert turns[1].at - (START + 4 * HOUR) <= WEAK_FOR + 20 * MINUTE
    assert forecast(rounds(3, as_it_is), shipped(), {"gone": RULE})[1] == []


def test_a_rule_is_about_one_subject_and_for_people_to_release() -> None:
    law = {"jurisdiction": "US", "verdict": "eroding", "for": "1h"}
    policy = Policy.model_validate({"proposals": {"law": {"when": law, "propose": ["mail"]}}})
    assert policy.proposals["law"].when.subject == "jurisdiction:US"
    assert policy.proposals["law"].approvals == 2
    for wrong in ({"verdict": "cut"}, {**law, "vendor": "zoom"}, {**law, "verdict": "suspect"}):
        with pytest.raises(ValueError, match=r"vendor|verdict|jurisdiction"):
            Policy.model_validate({"proposals": {"law": {"when": wrong}}})
