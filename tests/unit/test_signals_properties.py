"""What holds for every set of observations: order, repeats, single trust domains, silence, more evidence."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.signals.controls import Control, Failing, health, our_side
from orchestrator.domain.signals.jurisdiction import Bound, jurisdiction_verdict
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.quorum import Evidence, Verdict, evidence_of
from orchestrator.domain.signals.sequential_test import SequentialTest
from orchestrator.domain.signals.standing import Standing, acknowledged, weighed
from orchestrator.domain.signals.thresholds import DAY, DEFAULT, MINUTE
from orchestrator.domain.signals.view import Vote
from tests.examples import slow_examples
from tests.unit.signals_readings import HOUR, START, after, refused, rounds, verdicts, watched

SLOW = slow_examples(4, 12)
ASPECTS = st.frozensets(st.sampled_from(["dns", "tls", "auth", "semantic", "sync"]))


@st.composite
def votes(draw: st.DrawFn, domain: str) -> Vote:
    refusing, failing = draw(ASPECTS), draw(ASPECTS)
    eroding = draw(st.booleans()) or bool(refusing)
    return Vote(
        domain,
        fresh=draw(st.booleans()),
        sound=draw(st.booleans()),
        refused=refusing,
        failing=failing | refusing,
        whole=draw(st.booleans()) and len(failing | refusing) >= 2,
        eroding=eroding,
        doubt=eroding or bool(failing),
    )


@given(votes("a"), st.floats(0, 10 * DAY), st.integers(0, 9))
def test_one_vote_alone_is_suspect_at_most(vote: Vote, lost_for: float, companions: int) -> None:
    others = [Vote("b"), Vote("c", fresh=False)]
    assert evidence_of([vote], lost_for, lost_for, companions, DEFAULT).verdict.rank <= Verdict.SUSPECT.rank
    assert evidence_of([vote, *others], lost_for, lost_for, companions, DEFAULT).verdict.rank <= Verdict.SUSPECT.rank


@given(votes("a"), votes("b"), votes("c"), st.floats(0, 10 * DAY), st.integers(0, 9))
def test_one_more_vote_against_never_betters_the_evidence(a: Vote, b: Vote, c: Vote, lost: float, many: int) -> None:
    before = evidence_of([a, b, replace(c, fresh=True)], lost, lost, many, DEFAULT)
    worse = replace(
        c, fresh=True, sound=True, refused=c.refused | {"auth"}, failing=c.failing | {"auth"}, eroding=True, doubt=True
    )
    assert evidence_of([a, b, worse], lost, lost, many, DEFAULT).verdict.rank >= before.verdict.rank


@given(st.lists(votes("x"), max_size=4))
def test_nothing_fresh_is_unknown(found: list[Vote]) -> None:
    stale = [replace(one, fresh=False) for one in found]
    assert evidence_of(stale, 0.0, 0.0, 0, DEFAULT).verdict is Verdict.UNKNOWN


EVIDENCE = st.builds(Evidence, st.sampled_from(list(Verdict)), st.integers(0, 3), st.booleans())


@given(st.lists(st.tuples(EVIDENCE, st.integers(1, 90)), max_size=60))
def test_a_verdict_rises_step_by_step_and_falls_only_after_its_dwell(history: list[tuple[Evidence, int]]) -> None:
    standing, now = Standing(), 0.0
    cut_until_at_least = -1.0
    for evidence, minutes in history:
        now += minutes * MINUTE
        before, standing = standing, weighed(standing, evidence, now, DEFAULT)
        if standing.verdict.rank > max(before.verdict.rank, 1):
            assert evidence.verdict.rank >= standing.verdict.rank
        if standing.verdict is Verdict.CUT and before.verdict is not Verdict.CUT:
            cut_until_at_least = now
        if before.verdict is Verdict.CUT and standing.verdict is not Verdict.CUT:
            assert now - cut_until_at_least >= DEFAULT.release_cut
            assert evidence.well >= 2 or evidence.silent
            assert standing.verdict is not Verdict.NOMINAL
        assert weighed(standing, evidence, now, DEFAULT).verdict is standing.verdict
    assert acknowledged(standing).cooling_until is None


@given(st.lists(st.sampled_from(["ok", "fail", "denied"]), max_size=40))
def test_the_test_of_one_sensor_stays_within_its_cap(outcomes: list[str]) -> None:
    bars, test = DEFAULT, SequentialTest(DEFAULT)
    gains = {"ok": -bars.ok_loss, "fail": bars.fail_gain, "denied": bars.denied_gain}
    for outcome in outcomes:
        worse = SequentialTest(DEFAULT)
        worse.level, worse.on = test.level, test.on
        worse.add(gains["denied"], 1.0)
        test.add(gains[outcome], 1.0)
        assert 0.0 <= test.level <= bars.cap * bars.bar
        assert worse.level >= test.level


def test_the_arithmetic_of_straight_failures() -> None:
    for alpha, needed in ((1e-4, 3), (1e-6, 4)):
        bars = replace(DEFAULT, alpha=alpha)
        test = SequentialTest(bars)
        for number in range(1, needed + 1):
            test.add(bars.fail_gain, 1.0)
            assert test.on == (number == needed)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["US", "FR", "DE"]), st.floats(0, 1e4))))
def test_our_own_side_needs_three_owners_and_two_laws(found: list[tuple[str, str, float]]) -> None:
    failing = [Failing(*one) for one in found]
    if our_side(failing, DEFAULT):
        assert len({one.owner for one in failing}) >= 3
        assert len({one.country for one in failing}) >= 2


def test_half_of_the_controls_may_fail_and_no_more() -> None:
    controls = [Control(name) for name in ("control-a", "control-b", "control-c")]
    for failing, healthy in ((0, True), (1, True), (2, False), (3, False)):
        for number, one in enumerate(controls):
            one.read(100.0, "fail" if number < failing else "ok")
        assert health(controls, 110.0, DEFAULT).sound is healthy
    assert not health(controls, 1e6, DEFAULT).proven


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(list(Verdict))), max_size=8))
def test_a_law_is_never_worse_than_its_second_worst_owner(found: list[tuple[str, Verdict]]) -> None:
    bound = [Bound(f"v{number}", owner, "US", verdict) for number, (owner, verdict) in enumerate(found)]
    verdict = jurisdiction_verdict(bound, DEFAULT)
    worst = {owner: max(one.rank for name, one in found if name == owner) for owner, _ in found}
    if len(worst) < 2:
        assert verdict is None
    else:
        assert verdict is not None
        assert verdict.rank <= sorted(worst.values())[-2]


def recorded(seed: int, hours: float = 5.0) -> list[Observation]:
    draw = random.Random(seed)
    lost = draw.choice((0.0, 0.3, 1.0))

    def spoil(one: Observation) -> str:
        if draw.random() < (lost if one.vendor == "aws" and one.at > START + 2 * HOUR else 0.02):
            return draw.choice(("fail", "denied"))
        return "ok"

    return list(rounds(hours, spoil, ("aws", "zoom")))


def shown(observations: list[Observation]) -> list[dict[str, object]]:
    return [one.as_json() for one in watched(observations)[1]]


@SLOW
@given(st.integers(0, 10**6))
def test_order_and_repeats_change_nothing_within_the_lateness(seed: int) -> None:
    found = recorded(seed)
    draw = random.Random(seed + 1)
    shuffled = sorted(found, key=lambda one: one.at + draw.uniform(0, DEFAULT.lateness - DEFAULT.step))
    repeated = [one for each in shuffled for one in [each] * draw.choice((1, 1, 2))]
    assert shown(repeated) == shown(found)


@SLOW
@given(st.integers(0, 10**6))
def test_the_same_observations_give_the_same_verdicts(seed: int) -> None:
    found = recorded(seed)
    assert shown(found) == shown(list(found))


@SLOW
@given(st.integers(0, 10**6), st.sampled_from(["own", "peer"]))
def test_whatever_one_trust_domain_says_nothing_erodes_and_nothing_is_cut(seed: int, liar: str) -> None:
    draw = random.Random(seed)

    def lie(one: Observation) -> str | Observation:
        if one.trust_domain != liar:
            return "ok"
        outcome = draw.choice(("ok", "fail", "denied", "denied", "denied"))
        return one._replace(
            outcome="ok" if one.is_control else outcome, value=draw.choice((None, draw.uniform(0, 1e6)))
        )

    _, changes = watched(rounds(12, lie, ("microsoft-365", "aws")))
    assert not [one for one in changes if one.verdict.rank >= Verdict.ERODING.rank]


@SLOW
@given(st.integers(0, 10**6))
def test_more_failing_evidence_never_lowers_a_verdict_within_its_dwell(seed: int) -> None:
    draw = random.Random(seed)
    tail = START + 8 * HOUR

    def mixed(one: Observation) -> str:
        return refused(one) if one.at < tail or draw.random() < 0.5 else "ok"

    def worse(one: Observation) -> str:
        return refused(one) if one.at < tail else draw.choice(("fail", "denied")) if not one.is_control else "ok"

    end = 8 + DEFAULT.release_cut / HOUR - 0.2
    before = verdicts(watched(rounds(8, after(4, mixed)))[1])[-1]
    for spoil in (mixed, worse):
        assert verdicts(watched(rounds(end, after(4, spoil)))[1])[-1].rank >= before.rank


@SLOW
@given(st.integers(0, 10**6))
def test_who_says_nothing_is_never_nominal(seed: int) -> None:
    found = recorded(seed, 3.0)
    watch, _ = watched(found)
    end = max(one.at for one in found)
    for minute in range(0, 90, 5):
        watch.tick(end + minute * MINUTE)
    assert watch.verdict("zoom") is not Verdict.NOMINAL
    assert watch.verdict("nobody-looked") is Verdict.UNKNOWN
