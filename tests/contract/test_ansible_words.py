"""What a play's words become before people see them: masked, on one line, within bounds."""

import json

from hypothesis import given
from hypothesis import strategies as st

from providers.ansible.events import Allowance, cut, flat, line_of
from providers.redaction import HIDDEN, Mask

secrets = st.text(min_size=1, max_size=40).filter(lambda text: text.strip() and HIDDEN[0] not in text)


@given(secrets, st.text(max_size=20), st.text(max_size=20))
def test_no_form_of_a_secret_passes(secret: str, head: str, tail: str) -> None:
    mask = Mask([secret])
    assert secret not in mask(head + secret + tail)
    assert json.dumps(secret)[1:-1] not in mask(json.dumps(head + secret + tail))
    assert mask.finds_in({"a": [head, {"b": head + secret + tail}]})


def test_a_line_of_a_key_is_a_secret_too() -> None:
    mask = Mask(["-----BEGIN KEY-----\nAAAAB3NzaC1lZDI1\nab\n-----END KEY-----\n"])
    assert mask("seen: AAAAB3NzaC1lZDI1, and ab") == f"seen: {HIDDEN}, and ab"
    assert Mask([])("anything") == "anything"
    assert not Mask([]).finds_in(["anything"])


def test_hostile_names_stay_on_their_line() -> None:
    event = {
        "event": "runner_on_failed",
        "event_data": {"host": "a\x1b[2J", "task": "x\r\nok b: y", "res": {"msg": "\u202edone\x07", "stderr": "why"}},
    }
    assert line_of(event, Mask([])) == "failed a [2J: x ok b: y: done : why"


@given(st.text(max_size=300), st.integers(min_value=60, max_value=200))
def test_a_line_keeps_its_size(text: str, size: int) -> None:
    line = cut(flat(text), size)
    assert len(line.encode()) <= size
    assert line == flat(text) or line.endswith(" bytes)")


def test_the_end_of_the_allowance_is_said_once() -> None:
    allowance = Allowance(10)
    assert [allowance(line) for line in ("four", "four", "four", "four")] == [
        "four",
        "more output than 10 bytes: the rest is not shown",
        "",
        "",
    ]
