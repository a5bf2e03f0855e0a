"""Clocks as people are shown them, and the warnings that are due."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalogue_files import shipped
from orchestrator.cli.clocks_command import clock_lines
from orchestrator.domain.estate import Service
from orchestrator.domain.signals.clock import RunningClock, running_clocks
from orchestrator.domain.signals.clock_board import LEVELS, SOON, ClockStanding, clock_board, due_warnings
from orchestrator.web.api.clock_routes import _answer
from orchestrator.web.words import LANGUAGES

ONSET, HOUR, DAY = 1_800_000_000.0, 3600.0, 86400.0


def service(vendor: str, *needs: str) -> Service:
    words = {"fr": "x", "en": "x"}
    return Service.model_validate({"title": words, "vendor": vendor, "target": "nowhere", "needs": needs})


SERVICES = {"identity": service("entra-id"), "mail": service("microsoft-365", "identity"), "files": service("aws")}


def clock(at: float, service: str = "mail", since: float = ONSET, name: str = "tokens") -> RunningClock:
    return RunningClock(at, service, service, "aws", name, since, ("Jetons", "Tokens"), ("Plus rien", "Everything"))


def test_a_clock_is_one_line_whatever_it_hits_and_says_how_near_its_end_is() -> None:
    board = clock_board({"entra-id": ONSET}, SERVICES, shipped(), ONSET + 2 * HOUR)
    assert board.running
    found = {line.clock: line for line in board.lines}
    token, refresh = found["entra-access-token"], found["entra-refresh-token"]
    assert (token.standing, refresh.standing) == (ClockStanding.OUT, ClockStanding.RUNNING)
    assert (token.services, token.at, token.lasts) == (("identity", "mail"), ONSET + HOUR, HOUR)
    assert token.breaks[1].startswith("Applications ask")
    near = clock_board({"entra-id": ONSET}, SERVICES, shipped(), ONSET + 89 * DAY)
    assert [line.standing for line in near.lines] == [ClockStanding.OUT, ClockStanding.SOON]


def test_while_nothing_is_lost_it_says_what_would_be() -> None:
    board = clock_board({}, SERVICES, shipped(), ONSET)
    assert not board.running
    assert {(line.since, line.at, line.standing) for line in board.lines} == {(None, None, ClockStanding.IF_LOST)}
    assert [line.lasts for line in board.lines] == sorted(line.lasts for line in board.lines)
    assert {"aws", "entra-id", "microsoft-365"} == {line.vendor for line in board.lines}
    assert clock_board({"aws": ONSET}, {}, shipped(), ONSET).lines == ()


def test_every_clock_of_the_catalogue_says_what_stops_in_both_languages() -> None:
    clocks = [(name, one) for name, vendor in shipped().vendors.items() for one in vendor.clocks]
    assert clocks
    assert [f"{name}: {one.name}" for name, one in clocks if one.breaks is None] == []


def test_the_terminal_shows_it_in_80_columns_and_in_french() -> None:
    for onsets in ({}, {"entra-id": ONSET, "microsoft-365": ONSET}):
        board = clock_board(onsets, SERVICES, shipped(), ONSET + 2 * HOUR)
        said = {"running": board.running, "clocks": [_answer(line).model_dump(mode="json") for line in board.lines]}
        for language in LANGUAGES:
            lines = list(clock_lines(said, language, ONSET + 2 * HOUR))
            assert max(map(len, lines)) <= 80
            text = "\n".join(lines)
            assert ("Ce qui s’arrête" if language == "fr" else "What stops") in text
            assert ("!" in text) is board.running
    assert list(clock_lines({"running": False, "clocks": []}, "fr", 0.0)) == [
        "Aucun service ne dépend de ce qui expire."
    ]


def test_each_level_is_told_once_and_only_the_most_urgent() -> None:
    clocks = [clock(ONSET + 30 * HOUR), clock(ONSET + 30 * HOUR, "files")]
    told: set[str] = set()
    heard: list[tuple[float, str]] = []
    for quarters in range(4 * 32):
        now = ONSET + quarters * HOUR / 4
        for warning in due_warnings(clocks, now, told):
            told.add(warning.key)
            heard.append(((now - ONSET) / HOUR, warning.level))
            assert warning.services == ("files", "mail")
    assert heard == [(6.0, "24h"), (26.0, "4h"), (29.0, "1h"), (30.0, "out")]
    (late,) = due_warnings(clocks, ONSET + 29.5 * HOUR, ())
    assert late.level == "1h"
    assert late.words["en"] == (
        "Tokens (aws): 30 min left, until 2027-01-16 14:00 UTC. Services: files, mail. What stops: Everything."
    )
    assert late.words["fr"].startswith("Jetons (aws) : il reste 30 min, jusqu'au 2027-01-16 14:00 UTC. Services :")
    (over,) = due_warnings(clocks, ONSET + 31 * HOUR, told - {key for key in told if key.endswith("/out")})
    assert over.words["en"].startswith("Tokens (aws): ran out on 2027-01-16 14:00 UTC.")


def test_a_loss_that_comes_again_is_told_anew() -> None:
    first, again = clock(ONSET + HOUR), clock(ONSET + 3 * DAY + HOUR, since=ONSET + 3 * DAY)
    told = {one.key for one in due_warnings([first], ONSET, ())}
    assert due_warnings([first], ONSET, told) == []
    assert [one.level for one in due_warnings([again], ONSET + 3 * DAY, told)] == ["1h"]


@given(
    st.dictionaries(st.sampled_from("xyz"), st.floats(0, 4 * DAY)),
    st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2),
    st.lists(st.floats(ONSET, ONSET + 5 * DAY), max_size=12),
)
def test_whenever_somebody_looks_nothing_is_told_twice_and_nothing_due_is_left_out(
    lasts: dict[str, float], hit: list[str], looks: Sequence[float]
) -> None:
    clocks = [clock(ONSET + seconds, one, name=name) for name, seconds in lasts.items() for one in hit]
    told: set[str] = set()
    urgency = {name: place for place, (name, _) in enumerate(LEVELS)}
    latest: dict[str, int] = {}
    for now in sorted(looks):
        due = due_warnings(clocks, now, told)
        assert [one.at for one in due] == sorted(one.at for one in due)
        for one in due:
            assert one.key not in told
            about = f"{one.at}/{one.key.rsplit('/', 1)[0]}"
            assert urgency[one.level] < latest.get(about, len(LEVELS))
            latest[about] = urgency[one.level]
            told.add(one.key)
        assert due_warnings(clocks, now, told) == []
        for running in clocks:
            if running.at - now <= SOON:
                assert any(key.startswith(f"{running.vendor}/{running.clock}/") for key in told)


def test_the_clocks_that_run_are_those_of_the_board() -> None:
    onsets = {"aws": ONSET, "entra-id": ONSET}
    board = clock_board(onsets, SERVICES, shipped(), ONSET)
    running = running_clocks(onsets, SERVICES, shipped())
    assert {(line.vendor, line.clock) for line in board.lines} == {(one.vendor, one.clock) for one in running}
