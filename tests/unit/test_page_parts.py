"""A long page is sent in parts, so that its head is on screen before its last row is written."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.web.pages.page import A_PART, in_parts


@given(st.lists(st.integers(0, 3 * A_PART).map(lambda size: "é" * size), max_size=8))
def test_the_parts_are_the_text_and_each_is_worth_sending(written: list[str]) -> None:
    *parts, last = in_parts(written)
    assert "".join([*parts, last]) == "".join(written)
    assert all(len(part) >= A_PART for part in parts)
    assert len(last) < A_PART


def test_the_head_is_there_before_the_rest_is_written() -> None:
    def written() -> Iterator[str]:
        yield "head" * A_PART
        raise AssertionError("nobody asked for the rest yet")

    assert next(in_parts(written())).startswith("head")
