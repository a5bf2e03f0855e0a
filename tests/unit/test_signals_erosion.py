"""An erosion by refusals here and there: told from chance, and never made of an outage, flapping, or one word."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.signals.balance import Balance
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.quorum import Verdict, agree, is_eroding
from orchestrator.domain.signals.thresholds import DEFAULT
from orchestrator.domain.signals.view import Vote
from tests.unit.signals_readings import HOUR, MINUTE, START, after, rounds, verdicts, watched

ERODING, SUSPECT = Verdict.ERODING, Verdict.SUSPECT
RATE = 3 / (5 * MINUTE)
"""Readings a second: three sensors."""
INFINITE = float("inf")


def worst(changes: list[Change]) -> Verdict:
    return max(verdicts(changes), key=lambda one: one.rank)


def signs_in(one: Observation) -> bool:
    return one.vendor == "microsoft-365" and one.aspect in ("auth", "semantic")


def refused_at(hours: dict[str, list[float]]) -> Callable[[Observation], str]:
    """By trust domain, the hours at which the next reading that signs in is refused, each once."""
    left = {domain: sorted(found) for domain, found in hours.items()}

    def spoil(one: Observation) -> str:
        due = left.get(one.trust_domain, [])
        if signs_in(one) and due and one.at >= START + due[0] * HOUR:
            del due[0]
            return "denied"
        return "ok"

    return spoil


@pytest.mark.parametrize(
    ("own", "peer", "verdict"),
    [
        ([6.0, 7.0, 8.0], [6.5, 8.5], ERODING),
        ([6.0, 7.0], [6.5, 8.5], Verdict.NOMINAL),
        ([6.0, 6.4, 6.8, 7.2, 7.6, 8.0, 8.4], [8.5], SUSPECT),
        ([6.0, 12.0, 18.0], [9.0, 15.0, 21.0], Verdict.NOMINAL),
    ],
    ids=["more than chance at both", "no more than chance", "one says it and the other once", "too far apart"],
)
def test_rare_refusals_are_an_erosion_when_two_trust_domains_have_more_than_chance(
    own: list[float], peer: list[float], verdict: Verdict
) -> None:
    _, changes = watched(rounds(24, refused_at({"own": own, "peer": peer})))
    assert worst(changes) is verdict


@pytest.mark.parametrize(
    ("times", "verdict"), [([8.0, 9.0], SUSPECT), ([8.0, 8.4, 8.8, 9.2, 9.6, 10.0, 10.4], ERODING)]
)
def test_beside_a_domain_that_is_refused_outright_chance_is_not_enough(times: list[float], verdict: Verdict) -> None:
    """So different a share has another cause: a credential that ran out, or a forger."""
    rare = refused_at({"peer": times})

    def spoil(one: Observation) -> str:
        return "denied" if one.trust_domain == "own" and signs_in(one) and one.at > START + 6 * HOUR else rare(one)

    _, changes = watched(rounds(14, spoil))
    assert worst(changes) is verdict


@pytest.mark.parametrize("seed", range(6))
def test_an_outage_that_refuses_now_and_then_is_no_erosion(seed: int) -> None:
    draw = random.Random(seed)

    def spoil(one: Observation) -> str:
        if not signs_in(one) or not START + 6 * HOUR <= one.at < START + 14 * HOUR or draw.random() > 0.8:
            return "ok"
        return "denied" if draw.random() < 0.15 else "fail"

    _, changes = watched(rounds(24, spoil))
    assert worst(changes) is SUSPECT


def test_flapping_for_hours_is_no_erosion() -> None:
    _, changes = watched(
        rounds(20, after(6, lambda one: "fail" if signs_in(one) and one.at % (20 * MINUTE) < 10 * MINUTE else "ok"))
    )
    assert worst(changes) is SUSPECT


def test_a_part_that_fails_for_longer_than_outages_last_is_an_erosion() -> None:
    draw = random.Random(1)
    _, changes = watched(rounds(40, after(6, lambda one: "fail" if signs_in(one) and draw.random() < 0.3 else "ok")))
    found = next(one for one in changes if one.verdict is ERODING)
    assert START + 30 * HOUR <= found.at <= START + 32 * HOUR


def test_what_shows_no_credential_is_not_refused() -> None:
    _, changes = watched(
        rounds(20, after(6, lambda one: "denied" if one.aspect == "tls" and one.at % HOUR < 300 else "ok"))
    )
    assert worst(changes) is Verdict.NOMINAL


def test_failures_that_are_chance_hide_no_refusal() -> None:
    balance = Balance(DEFAULT)
    balance.note(START, refused=False)
    balance.note(START + 60, refused=True)
    assert balance.refuses(START + 120, RATE)


def test_many_failures_with_few_refusals_are_an_outage_until_they_fade() -> None:
    balance = Balance(DEFAULT)
    for number in range(12):
        balance.note(START + number * 100, refused=number % 6 == 0)
    assert balance.is_outage(RATE)
    assert not balance.refuses(START + 1200, RATE)
    assert balance.refuses(START + 1200 + 6 * HOUR, RATE)


@given(st.floats(0, 15), st.floats(0, 15))
def test_agreement_has_no_sides(one: float, other: float) -> None:
    first, second = Vote("a", drip=one, eroding=True), Vote("b", drip=other, eroding=True)
    assert agree(first, second, DEFAULT) is agree(second, first, DEFAULT)
    assert agree(first, second, DEFAULT) is (one + other >= DEFAULT.pool_joint)


@given(st.lists(st.floats(0, 15) | st.just(INFINITE), min_size=2, max_size=4))
def test_no_one_erodes_alone(drips: list[float]) -> None:
    votes = [Vote(str(number), eroding=True, drip=drip) for number, drip in enumerate(drips)]
    assert not is_eroding(votes[:1], 0.0, DEFAULT)
    assert not is_eroding([votes[0], *(Vote(f"well-{number}") for number in range(3))], 0.0, DEFAULT)
    least, most = sorted(drips)[-2:]
    if is_eroding(votes, 0.0, DEFAULT):
        assert most == least == INFINITE or least + min(most, 15.0) >= DEFAULT.pool_joint
