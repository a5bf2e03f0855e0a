"""What people have looked at from a page: one at a time of each, kept whatever comes next, and said when it fails."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.operations.examinations import AT_ONCE, Examinations, Kind
from orchestrator.operations.request import Conflict, RequestError
from tests.integration.service_fixture import until

NOON = 1_700_000_000.0


def looks(folder: Path) -> Examinations:
    return Examinations(folder, lambda: NOON)


def ended(one: Examinations, scope: str = "live") -> None:
    until(lambda: one.last(Kind.CREDENTIALS, scope).begun is None or None, 5, lambda: "it does not end")


def test_what_was_found_is_there_after_a_restart(tmp_path: Path) -> None:
    first = looks(tmp_path)
    assert first.last(Kind.CREDENTIALS, "live").at == 0.0
    first.begin(Kind.CREDENTIALS, "live", "olga", lambda scope: {"scope": scope})
    ended(first)
    found = looks(tmp_path).last(Kind.CREDENTIALS, "live")
    assert (found.at, found.by, found.found, found.why) == (NOON, "olga", {"scope": "live"}, "")
    assert looks(tmp_path).last(Kind.ITSELF, "live").at == 0.0


def test_one_at_a_time_of_each_and_not_too_many_in_all(tmp_path: Path) -> None:
    clock = iter(range(int(NOON), int(NOON) + 1000))
    one, go = Examinations(tmp_path, lambda: float(next(clock))), threading.Event()

    def waits(_scope: str) -> Mapping[str, Any]:
        go.wait(5)
        return {}

    try:
        for number in range(AT_ONCE):
            one.begin(Kind.CREDENTIALS, f"s{number}", "olga", waits)
        with pytest.raises(Conflict, match="is looked at already"):
            one.begin(Kind.CREDENTIALS, "s0", "anne", waits)
        with pytest.raises(Conflict, match="scopes are looked at already"):
            one.begin(Kind.CREDENTIALS, "another", "anne", waits)
        assert one.last(Kind.CREDENTIALS, "s0").begun == NOON
        assert one.last(Kind.ITSELF, "s0").begun is None
    finally:
        go.set()
    ended(one, "s0")
    one.begin(Kind.CREDENTIALS, "s0", "anne", waits)
    ended(one, "s0")
    assert one.last(Kind.CREDENTIALS, "s0").by == "anne"


@pytest.mark.parametrize(
    ("fault", "said"),
    [(RequestError("The estate has no scope."), "The estate has no scope."), (KeyError("x"), "(KeyError)")],
)
def test_a_look_that_fails_says_why_and_takes_nothing_away(tmp_path: Path, fault: Exception, said: str) -> None:
    one = looks(tmp_path)
    one.keep(Kind.CREDENTIALS, "live", "olga", {"ok": True})

    def fails(_scope: str) -> Mapping[str, Any]:
        raise fault

    one.begin(Kind.CREDENTIALS, "live", "anne", fails)
    ended(one)
    found = one.last(Kind.CREDENTIALS, "live")
    assert (said in found.why, found.by, found.found) == (True, "olga", {"ok": True})
    one.begin(Kind.CREDENTIALS, "live", "anne", lambda _: {"ok": False})
    ended(one)
    assert one.last(Kind.CREDENTIALS, "live").why == ""


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    one = looks(tmp_path)
    one.keep(Kind.CREDENTIALS, "live", "olga", {"ok": True})
    folder = tmp_path / "live" / "credentials"
    (folder / "2099-01-01T000000.000000Z.json").write_text('{"at": "soon"}')
    assert one.last(Kind.CREDENTIALS, "live").by == "olga"
