"""Verdicts by example: what each kind of loss, fault and forgery becomes, and in which words."""

import random
from dataclasses import replace

import pytest

from orchestrator.catalogue_files import shipped
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.quorum import Verdict
from orchestrator.domain.signals.replay import replay
from orchestrator.domain.signals.thresholds import DEFAULT
from orchestrator.domain.signals.watch import Watch
from tests.unit.signals_readings import (
    DAY,
    HOUR,
    MINUTE,
    PLACES,
    ROUND,
    START,
    after,
    refused,
    rounds,
    verdicts,
    watched,
)

CUT, ERODING, SUSPECT, NOMINAL, UNKNOWN = (
    Verdict.CUT, Verdict.ERODING, Verdict.SUSPECT, Verdict.NOMINAL, Verdict.UNKNOWN,
)  # fmt: skip


def is_vendor(one: Observation) -> bool:
    return one.vendor == "microsoft-365"


def test_a_vendor_that_refuses_everything_that_needs_it_is_cut() -> None:
    watch, changes = watched(rounds(12, after(6, refused)))
    cut = next(one for one in changes if one.verdict is CUT)
    assert verdicts(changes) == [NOMINAL, SUSPECT, CUT]
    assert cut.at - (START + 6 * HOUR) <= 4 * ROUND
    assert watch.onsets() == {"microsoft-365": pytest.approx(START + 6 * HOUR, abs=ROUND)}


def test_probes_may_be_rarer_than_usual() -> None:
    rarer = (one._replace(at=START + (one.at - START) * 6) for one in rounds(8, after(6, refused)))
    _, changes = watched(rarer)
    assert verdicts(changes)[-1] is CUT
    assert len(verdicts(changes)) <= 6


def test_its_reasons_are_the_observations_and_words_in_both_languages() -> None:
    _, changes = watched(rounds(12, after(6, refused)))
    cut = next(one for one in changes if one.verdict is CUT)
    told = cut.as_json()
    assert cut.words["en"].startswith("Microsoft 365: cut since 06:00: token refresh refused from 2 vantages")
    assert cut.words["en"].endswith("controls healthy")
    assert cut.words["fr"].startswith(
        "Microsoft 365 : coupé depuis 06:00 : token refresh refusé depuis 2 points de vue"
    )
    seen = [one for reason in told["reasons"] for one in reason["observations"]]
    assert {one["trust_domain"] for one in seen} == {"own", "peer"}
    assert all(one["outcome"] == "denied" for one in seen)


def test_an_outage_of_hours_is_no_cut_however_complete() -> None:
    _, changes = watched(
        rounds(24, lambda one: "fail" if is_vendor(one) and START + 6 * HOUR <= one.at < START + 16 * HOUR else "ok")
    )
    assert verdicts(changes) == [NOMINAL, SUSPECT, NOMINAL]


def test_what_is_wholly_lost_for_longer_than_outages_last_is_cut() -> None:
    _, changes = watched(rounds(36, after(6, lambda one: "fail" if is_vendor(one) else "ok")))
    cut = next(one for one in changes if one.verdict is CUT)
    assert cut.at - (START + 6 * HOUR) >= DEFAULT.outage_longest


def test_an_outage_of_a_part_for_longer_than_a_day_is_an_erosion() -> None:
    _, changes = watched(rounds(40, after(6, lambda one: "fail" if is_vendor(one) and one.aspect != "tls" else "ok")))
    assert verdicts(changes)[-1] is ERODING


def test_an_outage_that_answers_with_a_refusal_now_and_then_is_one() -> None:
    draw = random.Random(4)
    _, changes = watched(
        rounds(
            14,
            after(
                4,
                lambda one: (
                    ("denied" if draw.random() < 0.15 else "fail") if is_vendor(one) and one.aspect != "tls" else "ok"
                ),
            ),
        )
    )
    assert CUT not in verdicts(changes)


@pytest.mark.parametrize("outcome", ["fail", "denied"])
def test_our_own_network_makes_vendors_unknown_and_never_lost(outcome: str) -> None:
    _, changes = watched(rounds(14, after(6, lambda one: outcome)))
    assert verdicts(changes) == [NOMINAL, UNKNOWN]
    assert changes[-1].words["en"].endswith("controls failing from lyon, paris: it is us")


def test_a_resolver_that_fails_at_one_place_leaves_the_others_word_alone() -> None:
    draw = random.Random(7)
    _, changes = watched(
        rounds(20, after(6, lambda one: "fail" if one.vantage == "paris" and draw.random() < 0.5 else "ok"))
    )
    assert max(verdict.rank for verdict in verdicts(changes)) <= SUSPECT.rank


def test_unrelated_vendors_of_different_laws_that_fail_together_are_our_own_trouble() -> None:
    vendors = ("microsoft-365", "aws", "scaleway", "mailo")
    _, changes = watched(rounds(40, after(6, lambda one: "fail" if not one.is_control else "ok"), vendors))
    assert not [one for one in changes if one.verdict.rank >= ERODING.rank]


def test_one_trust_domain_alone_makes_a_vendor_suspect_at_most() -> None:
    _, changes = watched(rounds(40, after(6, lambda one: refused(one) if one.trust_domain == "own" else "ok")))
    assert verdicts(changes) == [NOMINAL, SUSPECT]


def test_one_trust_domain_alone_does_not_unmake_a_cut() -> None:
    def lied(one: Observation) -> str:
        return "ok" if one.trust_domain == "own" and one.at > START + 8 * HOUR else refused(one)

    watch, _ = watched(rounds(40, after(6, lied)))
    assert watch.verdict("microsoft-365") is CUT


def test_without_controls_nothing_is_cut() -> None:
    _, changes = watched(rounds(40, after(6, refused), controls=()))
    assert verdicts(changes)[-1] is ERODING


def test_controls_that_one_trust_domain_forges_silence_nobody_else() -> None:
    places = (("own", "paris"), ("peer", "lyon"), ("third", "bonn"), ("alerts", "oslo"))

    def forged(one: Observation) -> str | Observation:
        return ("fail" if one.trust_domain == "own" else "ok") if one.is_control else after(6, refused)(one)

    readings = (
        one for one in rounds(12, forged, places=places) if not (one.is_control and one.trust_domain == "alerts")
    )
    assert verdicts(watched(readings)[1])[-1] is CUT


def test_one_aspect_alone_is_an_erosion() -> None:
    _, changes = watched(
        rounds(20, after(6, lambda one: "denied" if is_vendor(one) and one.aspect == "auth" else "ok"))
    )
    assert verdicts(changes) == [NOMINAL, SUSPECT, ERODING]


def test_one_account_that_is_refused_is_a_targeted_erosion() -> None:
    def readings() -> list[Observation]:
        found = []
        for number in range(12 * 12):
            for which, (domain, vantage) in enumerate(PLACES):
                at = START + number * ROUND + which * 20
                found.append(Observation(at, "control-eu", "semantic", "page", vantage, domain, "ok"))
                for account in ("canary", "mayor"):
                    at += 1
                    outcome = "denied" if account == "mayor" and number > 72 else "ok"
                    found.append(
                        Observation(at, "microsoft-365", "auth", "sign-in", vantage, domain, outcome, None, account)
                    )
        return found

    _, changes = watched(readings())
    assert verdicts(changes)[-1] is ERODING
    assert changes[-1].targeted == "mayor"
    assert "(account mayor)" in changes[-1].words["en"]


def test_a_lag_that_grows_is_an_erosion_seen_early() -> None:
    draw = random.Random(1)

    def lag(one: Observation) -> Observation:
        if one.aspect != "semantic" or one.is_control:
            return one
        late = max(one.at - (START + 4 * DAY), 0.0) / (3 * DAY) * 12 * HOUR
        usual = 180 + 120 * (one.at % DAY > DAY / 3) + draw.gauss(0, 20)
        return one._replace(aspect="sync", sensor="mailbox-sync", value=usual + late)

    _, changes = watched(rounds(24 * 4.5, lag))
    eroding = next(one for one in changes if one.verdict is ERODING)
    assert eroding.at - (START + 4 * DAY) < 7.2 * HOUR
    assert "mailbox sync" in eroding.words["en"]
    assert "min behind" in eroding.words["en"]
    assert "en retard de" in eroding.words["fr"]


def test_a_daily_and_weekly_rhythm_is_no_slope() -> None:
    draw = random.Random(2)

    def busy(one: Observation) -> Observation:
        day, hour = int(one.at // DAY + 3) % 7, one.at % DAY / HOUR
        value = (600.0 if 8 <= hour < 18 else 60.0) * (1.0 if day < 5 else 0.3) * draw.uniform(0.8, 1.2)
        return one._replace(aspect="sync", value=value) if one.aspect == "semantic" and not one.is_control else one

    _, changes = watched(rounds(24 * 17, busy))
    assert verdicts(changes) == [NOMINAL]


def test_a_slow_drift_teaches_the_baseline_nothing() -> None:
    def drifting(one: Observation) -> Observation:
        value = 120.0 + max(one.at - (START + 8 * DAY), 0.0) / DAY * 60
        return one._replace(aspect="sync", value=value)

    readings = (one if one.is_control else drifting(one) for one in rounds(24 * 16) if one.aspect == "semantic")
    changes = replay(readings, shipped(), replace(DEFAULT, learning=7 * DAY)).changes
    assert ERODING in verdicts(changes)


def test_silence_is_unknown_and_never_nominal() -> None:
    watch, _ = watched(rounds(6))
    for minute in range(0, 60, 5):
        watch.tick(START + 6 * HOUR + minute * MINUTE)
    assert watch.verdict("microsoft-365") is UNKNOWN


def test_a_trust_domain_that_falls_silent_is_missed() -> None:
    _, changes = watched(one for one in rounds(12) if one.trust_domain == "own" or one.at < START + 6 * HOUR)
    assert verdicts(changes) == [NOMINAL, UNKNOWN]
    assert "silence of peer" in changes[-1].words["en"]


def test_a_cut_that_ends_stays_suspect_until_a_person_has_seen_it() -> None:
    watch = Watch(shipped())
    for one in rounds(24, lambda one: refused(one) if START + 6 * HOUR <= one.at < START + 12 * HOUR else "ok"):
        watch.take(one)
    assert watch.verdict("microsoft-365") is SUSPECT
    watch.acknowledge("microsoft-365")
    for one in rounds(1, start=START + 24 * HOUR):
        watch.take(one)
    assert watch.verdict("microsoft-365") is NOMINAL


def test_flapping_changes_few_verdicts_and_cuts_nothing() -> None:
    def flaps(one: Observation) -> str:
        return "fail" if is_vendor(one) and (one.at - START) % (40 * MINUTE) < 20 * MINUTE else "ok"

    _, changes = watched(rounds(48, flaps))
    assert CUT not in verdicts(changes)
    assert len(verdicts(changes)) <= 4


def test_unrelated_vendors_of_one_law_make_a_verdict_on_it() -> None:
    vendors = ("microsoft-365", "aws", "zoom")
    lost = {"microsoft-365", "zoom"}
    _, changes = watched(
        rounds(12, after(6, lambda one: "denied" if one.vendor in lost and one.aspect != "tls" else "ok"), vendors)
    )
    law = [one for one in changes if one.subject == "jurisdiction:US"]
    assert [one.verdict for one in law][-1] is CUT
    assert {reason.subject for reason in law[-1].reasons} == lost
    assert law[-1].reasons[0].observations


def test_products_of_one_owner_are_one_for_the_law() -> None:
    vendors = ("microsoft-365", "github", "aws")
    lost = {"microsoft-365", "github"}
    _, changes = watched(
        rounds(12, after(6, lambda one: "denied" if one.vendor in lost and one.aspect != "tls" else "ok"), vendors)
    )
    assert verdicts(changes, "github")[-1] is CUT
    assert max(verdict.rank for verdict in verdicts(changes, "jurisdiction:US")) == NOMINAL.rank


def test_failures_alone_cut_only_those_who_are_lost_together_under_one_law() -> None:
    vendors = ("microsoft-365", "aws", "zoom", "openai", "scaleway")
    _, changes = watched(rounds(12, after(6, lambda one: "fail" if one.vendor in vendors[:4] else "ok"), vendors))
    assert verdicts(changes, "aws")[-1] is CUT
    assert verdicts(changes, "scaleway") == [NOMINAL]
    assert verdicts(changes, "jurisdiction:US")[-1] is CUT
