"""What Ansible's terminal may pass on: every mark of an event, and no more text than is allowed."""

import base64
import json

import pytest
from ansible_runner.utils import OutputEventFilter
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.ansible.console import MARK_LIMIT, Bounded, Console


def mark(data: dict[str, str]) -> str:
    """As ansible-runner's callback writes it."""
    text = base64.b64encode(json.dumps(data).encode()).decode()
    chunks = (text[at : at + 78] for at in range(0, len(text), 78))
    return "\x1b[K" + "".join(f"{chunk}\x1b[{len(chunk)}D" for chunk in chunks) + "\x1b[K"


BEGIN, END = mark({"uuid": "22cb0e47-1e5c-d5c4-0000-000000000006"}), mark({})


@given(st.lists(st.text(alphabet="ab\n\x1b[K=D7", max_size=30), max_size=8), st.integers(min_value=1, max_value=9))
def test_within_the_bounds_nothing_changes_however_it_is_cut(texts: list[str], size: int) -> None:
    whole = "".join(f"{text}{BEGIN}{text}{END}" for text in texts) + "end"
    console = Console()
    assert "".join(console(whole[at : at + size]) for at in range(0, len(whole), size)) == whole


@settings(max_examples=30)
@given(st.integers(min_value=1, max_value=5000))
def test_every_mark_passes_whatever_stands_between(size: int) -> None:
    console = Console(event_text=10, play_text=25)
    whole = ("x" * 1000 + BEGIN) * 5
    passed = "".join(console(whole[at : at + size]) for at in range(0, len(whole), size))
    assert passed == ("x" * 10 + BEGIN) * 2 + "x" * 5 + BEGIN + BEGIN * 2


@pytest.mark.parametrize("flood", ["x" * 65536, "\x1b[K" * 20000, "\x1b" * 65536, "line\n" * 13000])
def test_a_flood_stays_small(flood: str) -> None:
    """However much comes, no more than the bounds is passed on or held."""
    console, total = Console(), 0
    for _ in range(10 * 1024 * 1024 // len(flood)):
        total += len(console(flood))
        assert len(console._held) <= MARK_LIMIT
    assert total <= 256 * 1024


def test_ansible_runner_finds_the_events_after_a_flood() -> None:
    events: list[dict[str, object]] = []
    told = OutputEventFilter(None, events.append, suppress_ansible_output=True)
    bounded = Bounded(told)
    for piece in [BEGIN, *["y" * 65536] * 50, END, BEGIN, "short", END]:
        bounded.write(piece)
    texts = [len(str(event["stdout"])) for event in events if "uuid" in event]
    assert texts == [256 * 1024, 5]
