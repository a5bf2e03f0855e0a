"""Standing approvals, by example and property: what one covers, what it never does, what its digest is of."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.proposals.standing_approval import (
    LONGEST,
    OPEN,
    TABLE,
    Case,
    Covered,
    IllegalStandingEvent,
    Lack,
    StandingApproval,
    StandingEvent,
    StandingState,
    announces,
    covers,
    next_state,
)
from orchestrator.domain.proposals.standing_words import StandingTold, body, title
from orchestrator.domain.signals.quorum import Verdict

NOW = 1_800_000_000.0
HOUR, DAY = 3600.0, 86400.0
WHAT = Covered(
    id="a1", rule="gone", subject="microsoft-365", services=("mail", "office"), scope="live", commit="c" * 40,
    verdict=Verdict.CUT, held_for=2 * HOUR, asked_by="olga", expires_at=NOW + 30 * DAY,
)  # fmt: skip
SIGNED = StandingApproval(WHAT, StandingState.IN_FORCE, WHAT.digest, NOW - DAY, ("anne", "bruno"))
CASE = Case(
    rule="gone", subject="microsoft-365", services=("office", "mail"), scope="live", commit="c" * 40,
    approvals_needed=2, armed_until=NOW - 1, reached=NOW - 2 * HOUR, evidence=Verdict.CUT,
)  # fmt: skip


def test_it_covers_exactly_what_was_signed() -> None:
    assert covers(SIGNED, CASE, NOW) is None


def resigned(**changes: Any) -> StandingApproval:
    what = replace(WHAT, **changes)
    return replace(SIGNED, covered=what, digest=what.digest)


@pytest.mark.parametrize(
    ("approval", "case", "now", "lack"),
    [
        (replace(SIGNED, state=StandingState.ASKED), CASE, NOW, Lack.STATE),
        (replace(SIGNED, state=StandingState.REVOKED), CASE, NOW, Lack.STATE),
        (replace(SIGNED, covered=replace(WHAT, expires_at=NOW + 31 * DAY)), CASE, NOW, Lack.FORGED),
        (replace(SIGNED, signers=("anne",)), CASE, NOW, Lack.SIGNERS),
        (replace(SIGNED, signers=("anne", " Anne ")), CASE, NOW, Lack.SIGNERS),
        (replace(SIGNED, signers=("anne", "Olga")), CASE, NOW, Lack.SIGNERS),
        (SIGNED, replace(CASE, approvals_needed=3), NOW, Lack.SIGNERS),
        (SIGNED, CASE, WHAT.expires_at, Lack.EXPIRED),
        (SIGNED, replace(CASE, armed_until=SIGNED.asked_at - 2), SIGNED.asked_at - 1, Lack.EXPIRED),
        (resigned(expires_at=SIGNED.asked_at + LONGEST + 1), CASE, NOW, Lack.EXPIRED),
        (SIGNED, replace(CASE, rule="other"), NOW, Lack.RULE),
        (SIGNED, replace(CASE, subject="aws"), NOW, Lack.RULE),
        (SIGNED, replace(CASE, services=("mail",)), NOW, Lack.SERVICES),
        (SIGNED, replace(CASE, services=("mail", "office", "portal")), NOW, Lack.SERVICES),
        (SIGNED, replace(CASE, scope="drill"), NOW, Lack.SCOPE),
        (SIGNED, replace(CASE, commit="d" * 40), NOW, Lack.COMMIT),
        (SIGNED, replace(CASE, armed_until=NOW + 1), NOW, Lack.COUNTDOWN),
        (SIGNED, replace(CASE, reached=None), NOW, Lack.EVIDENCE),
        (SIGNED, replace(CASE, reached=NOW - 2 * HOUR + 1), NOW, Lack.EVIDENCE),
        (SIGNED, replace(CASE, evidence=Verdict.ERODING), NOW, Lack.EVIDENCE),
    ],
)
def test_and_nothing_besides(approval: StandingApproval, case: Case, now: float, lack: Lack) -> None:
    assert covers(approval, case, now) is lack
    assert announces(approval, case, now) is (lack in (Lack.COUNTDOWN, Lack.EVIDENCE))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "a2"}, {"rule": "x"}, {"subject": "x"}, {"services": ("mail",)}, {"scope": "x"}, {"commit": "x"},
        {"verdict": Verdict.ERODING}, {"held_for": 1.0}, {"asked_by": "x"}, {"expires_at": NOW},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_the_digest_is_of_all_that_is_covered(changes: dict[str, Any]) -> None:
    assert replace(WHAT, **changes).digest != WHAT.digest
    assert replace(WHAT, services=("office", "mail")).digest == WHAT.digest, "an order of services says nothing"


def test_every_other_event_is_refused() -> None:
    for state, event in itertools.product([None, *StandingState], StandingEvent):
        if (state, event) in TABLE:
            assert next_state(state, event) is TABLE[state, event]
        else:
            with pytest.raises(IllegalStandingEvent):
                next_state(state, event)
    assert {state for state, _ in TABLE if state is not None} == OPEN, "what has ended takes no event"


names = st.lists(st.sampled_from(["anne", "Anne", "bruno", "carla", "olga", "OLGA ", "dora"]), max_size=5)


@given(
    names, st.integers(0, 5), st.sampled_from(list(StandingState)), st.floats(-2 * DAY, 120 * DAY),
    st.floats(-HOUR, HOUR), st.none() | st.floats(0, 5 * HOUR), st.sampled_from(list(Verdict)),
)  # fmt: skip
def test_it_never_releases_without_two_others_in_its_time_on_its_evidence(
    signers: list[str],
    needed: int,
    state: StandingState,
    later: float,
    left: float,
    held: float | None,
    evidence: Verdict,
) -> None:
    now = NOW + later
    approval = replace(SIGNED, signers=tuple(signers), state=state)
    reached = None if held is None else now - held
    case = replace(CASE, approvals_needed=needed, armed_until=now + left, reached=reached, evidence=evidence)
    if covers(approval, case, now) is None:
        others = {name.strip().casefold() for name in signers} - {"olga"}
        assert len(others) >= max(2, needed)
        assert state is StandingState.IN_FORCE
        assert SIGNED.asked_at <= now < WHAT.expires_at
        assert left <= 0
        assert evidence is Verdict.CUT
        assert held is not None
        assert held >= 2 * HOUR - 1


@pytest.mark.parametrize("event", list(StandingEvent))
def test_everybody_is_told_in_both_languages_how_it_is_stopped(event: StandingEvent) -> None:
    told = StandingTold(
        id="a1", rule="gone", services=["mail"], scope="live", digest=WHAT.digest, expires_at=NOW, missing=1,
        signers=["anne", "bruno"], by="carla", why="signer" if event is StandingEvent.VOIDED else "late",
        proposal="p1", run_id="r1",
    )  # fmt: skip
    names, words = title(event, told), body(event, told)
    assert names["fr"] != names["en"]
    assert all("mail (live)" in one for one in names.values())
    stops = {StandingEvent.USED: "bascule halt"} | dict.fromkeys(
        (StandingEvent.ASKED, StandingEvent.SIGNED, StandingEvent.IN_FORCE), "bascule standing revoke a1"
    )
    assert all(stops.get(event, "bascule standing ask gone") in one for one in words.values())
