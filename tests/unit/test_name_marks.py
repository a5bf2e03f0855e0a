"""Names that carry tags: they read back, they are legal host names, and nothing else reads as a mark."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.base import ProviderError
from providers.compute.name_marks import LONGEST, marked, read

NAMES = st.from_regex(r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?", fullmatch=True).filter(lambda name: "--" not in name)
STEPS = st.text(min_size=1, max_size=60)


def tags(run: str, step: str) -> frozenset[str]:
    return frozenset({"bascule", f"bascule-run={run}", f"bascule-step={step}"})


def test_a_mark_is_readable() -> None:
    text = marked("portal", tags("r-20261125-abcdef", "portal-failover/server"))
    assert text == "portal--bascule--r-20261125-abcdef--portal-failover--server"


@given(NAMES, st.text(min_size=1, max_size=20), STEPS)
def test_what_is_written_reads_back(name: str, run: str, step: str) -> None:
    text = marked(name, tags(run, step))
    told = read(text, tags(run, step))
    assert (told.name, told.tags) == (name, tags(run, step))
    assert len(text) <= LONGEST
    assert re.fullmatch(r"[A-Za-z0-9-]+", text)


@given(STEPS, STEPS)
def test_two_steps_never_share_a_name(one: str, other: str) -> None:
    assert (marked("a", tags("r", one)) == marked("a", tags("r", other))) is (one == other)


def test_hyphens_and_slashes_stay_apart() -> None:
    steps = [
        "a/b",
        "a--b",
        "a-/b",
        "a/-b",
        "a//b",
        "/a",
        "a/",
        "bascule/x",
        "--bascule--/x",
        "a.b",
        "aXb",
        "aX2eb",
        "é",
    ]
    texts = {marked("n", tags("r", step)): step for step in steps}
    assert len(texts) == len(steps)
    assert all(read(text).tags == tags("r", step) for text, step in texts.items())


def test_a_step_that_is_too_long_is_known_again_by_whoever_asks_for_it() -> None:
    long = tags("r-20261125-abcdef", "step/" * 60 + "end")
    text = marked("portal", long)
    assert len(text) <= LONGEST
    assert read(text, long).tags == long
    assert read(text).name == "portal"
    assert not long <= read(text).tags
    assert not long <= read(text, tags("r-20261125-abcdef", "step/" * 60 + "other")).tags


@pytest.mark.parametrize(
    "text",
    [
        "portal",
        "portal--bascule",
        "portal--bascule--",
        "portal--bascule--run",
        "portal--bascule--run--",
        "a--b--c",
        "portal--bascule--Run--step",
        "portal--bascule--run--st_ep",
        "portal--bascule--run--Hello",
        "--bascule",
    ],
)
def test_a_name_without_a_whole_mark_is_only_a_name(text: str) -> None:
    assert read(text).name == text
    assert read(text).tags == frozenset()


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("portal--bascule--x", tags("r", "s")),
        ("n" * 250, tags("r", "s")),
        ("portal", {"bascule"}),
        ("portal", {"bascule", "bascule-run=r"}),
        ("portal", tags("r", "s") | {"colour=blue"}),
        ("portal", tags("r", "")),
    ],
)
def test_what_cannot_be_carried_is_refused(name: str, given: frozenset[str]) -> None:
    with pytest.raises(ProviderError) as caught:
        marked(name, given)
    assert caught.value.permanent


def test_without_tags_the_name_stays() -> None:
    assert marked("portal", ()) == "portal"
