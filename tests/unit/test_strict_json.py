"""Bodies that two readers of JSON may read differently, or that are made to cost."""

import json
import time

import pytest

from orchestrator.web.edge.strict_json import MOST_DEPTH, fault_in

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": 1, "a": 2}', "same name twice"),
        (b'{"a": {"b": 1, "b": 1}}', "same name twice"),
        (b'{"as": "anne", "\\u0061s": "bruno"}', "same name twice"),
        (b'{"a": NaN}', "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "-Infinity"),
        (b"[1e999]", "too large"),
        (b"[-1e999]", "too large"),
        (b"[" + b"1" * 5000 + b"]", "too many digits"),
        (b"[" * 33 + b"]" * 33, "levels"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "levels"),
        (b"[" * (MIB // 2) + b"]" * (MIB // 2), "levels"),
        (b"[" * MIB, "levels"),
        (b'{"a":' * (MIB // 5), "levels"),
    ],
)
def test_refused(body: bytes, said: str) -> None:
    assert said in fault_in(body)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"1",
        b'"text"',
        b"null",
        b"",
        b"not json",
        b"{",
        b"\xff\xfe",
        b'{"a": 1.5e3, "b": [1, 2]}',
        b"[" * 32 + b"]" * 32,
    ],
)
def test_left_alone(body: bytes) -> None:
    assert fault_in(body) == ""


def test_a_large_body_is_looked_through_soon() -> None:
    body = json.dumps([{"name": str(number), "more": [1, 2, {"x": None}]} for number in range(20_000)]).encode()
    assert MOST_DEPTH > 5
    began = time.process_time()
    assert fault_in(body[:-1] + b"]") == ""
    assert time.process_time() - began < 1.0
