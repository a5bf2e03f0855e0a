"""The feed: what comes of it depends on what came, and not on how often anybody looked."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.catalogue_files import shipped
from orchestrator.domain.signals.change import Change
from orchestrator.domain.signals.feed import Feed
from orchestrator.domain.signals.observation import Observation
from orchestrator.domain.signals.quorum import Verdict
from tests.unit.signals_readings import HOUR, MINUTE, START, after, as_it_is, refused, rounds

CATALOGUE = shipped()


def told(changes: Sequence[Change]) -> list[tuple[str, str, float]]:
    return [(one.subject, one.verdict.value, one.at) for one in changes]


READINGS = list(rounds(5, after(1, lambda one: refused(one) if one.at < START + 2.5 * HOUR else "ok")))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(0, 5 * HOUR), max_size=40))
def test_looking_more_often_changes_nothing(looks: list[float]) -> None:
    once, often = Feed(CATALOGUE), Feed(CATALOGUE)
    plain = [change for one in READINGS for change in once.observe("", one, one.at)]
    moments = sorted(START + at for at in looks)
    found = list[Change]()
    for one in READINGS:
        while moments and moments[0] <= one.at:
            found += often.pass_time(moments.pop(0))
        found += often.observe("", one, one.at)
    assert told(found) == told(plain)
    assert any(one.verdict is Verdict.CUT for one in found)


def alert(at: float, source: str, aspect: str, outcome: str) -> Observation:
    return Observation(at, "microsoft-365", aspect, f"{source}-{aspect}", source, f"{source}-domain", outcome)


def test_alerts_of_two_sources_hold_until_they_end() -> None:
    sources = {"prometheus": 12 * HOUR, "zabbix": 12 * HOUR}
    news = [
        (START + hour * HOUR, source, alert(START + hour * HOUR, source, aspect, outcome))
        for hour, outcome in ((1, "denied"), (2, "ok"))
        for source in sources
        for aspect in ("auth", "semantic")
    ]
    feed = Feed(CATALOGUE, sources)
    changes = list[Change]()
    for one in rounds(7, as_it_is, vendors=()):
        while news and news[0][0] <= one.at:
            at, source, said = news.pop(0)
            changes += feed.observe(source, said, at)
        changes += feed.observe("", one, one.at)
    found = [one for one in changes if one.subject == "microsoft-365"]
    (cut,) = [one for one in found if one.verdict is Verdict.CUT]
    assert START + HOUR < cut.at < START + 1.5 * HOUR
    assert feed.watch.evidence()["microsoft-365"] is not Verdict.CUT


def test_what_nobody_configured_holds_nothing() -> None:
    feed = Feed(CATALOGUE, {"prometheus": HOUR})
    feed.observe("agent", alert(START, "agent", "auth", "denied"), START)
    changes = feed.pass_time(START + 2 * HOUR)
    assert [one.verdict for one in changes if one.verdict.rank > Verdict.SUSPECT.rank] == []
    assert feed.watch.verdict("microsoft-365") is Verdict.UNKNOWN


def test_a_long_gap_is_not_counted_out_for_ever() -> None:
    feed = Feed(CATALOGUE)
    feed.observe("", READINGS[0], START)
    feed.pass_time(START + 3650 * 24 * HOUR)
    feed.pass_time(START - HOUR)
    assert feed.pass_time(START + MINUTE) == []
