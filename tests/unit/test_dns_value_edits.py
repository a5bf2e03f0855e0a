"""A record set changed value by value: the way is known, and can be walked on from wherever it was left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.dns.record_sets import RecordSet
from providers.dns.value_edits import Edit, Value, edits, record_set, states, values_of

KEY = ("www", "A")
ends = st.one_of(
    st.just(RecordSet(*KEY)),
    st.builds(
        lambda ttl, numbers: RecordSet(*KEY, ttl, tuple(sorted(f"192.0.2.{n}" for n in numbers))),
        st.sampled_from([60, 300]),
        st.sets(st.integers(1, 9), min_size=1, max_size=5),
    ),
)
held_anyhow = st.lists(
    st.builds(Value, st.integers(1, 9).map(lambda n: f"192.0.2.{n}"), st.sampled_from([0, 60, 300])), max_size=6
)


def done(held: list[Value], changes: tuple[Edit, ...]) -> list[Value]:
    left = list(held)
    for edit in changes:
        if edit.old is not None:
            left.remove(edit.old)
        if edit.new is not None:
            left.append(edit.new)
    return sorted(left)


@given(held_anyhow, ends, st.booleans())
def test_edits_lead_from_anything_to_what_is_wanted(held: list[Value], wanted: RecordSet, in_place: bool) -> None:
    assert done(held, edits(held, wanted, in_place=in_place)) == values_of(wanted)


TWO, THREE = RecordSet(*KEY, 300, ("1.2.3.1", "1.2.3.2")), RecordSet(*KEY, 60, ("1.2.3.1", "1.2.3.2", "1.2.3.3"))
OTHERS = RecordSet(*KEY, 300, ("1.2.3.1", "1.2.3.2", "1.2.3.5"))


@pytest.mark.parametrize(("start", "end"), [(TWO, THREE), (THREE, TWO), (OTHERS, THREE), (OTHERS, TWO)])
@pytest.mark.parametrize("cut", range(1, 4))
def test_values_that_go_and_come_back_come_in_the_same_order_wherever_it_was_cut(
    start: RecordSet, end: RecordSet, cut: int
) -> None:
    whole = edits(values_of(start), end, in_place=True)
    assert edits(done(values_of(start), whole[:cut]), end, in_place=True) == whole[cut:]


@given(ends, ends, st.booleans(), st.data())
def test_going_on_from_any_point_is_the_rest_of_the_same_way(
    start: RecordSet, end: RecordSet, in_place: bool, data: st.DataObject
) -> None:
    whole = edits(values_of(start), end, in_place=in_place)
    cut = data.draw(st.integers(0, len(whole)))
    left = done(values_of(start), whole[:cut])
    assert edits(left, end, in_place=in_place) == whole[cut:]
    assert record_set(start, left) in states(start, end, in_place=in_place)


@given(ends, ends, st.booleans())
def test_no_state_between_two_sets_is_empty(start: RecordSet, end: RecordSet, in_place: bool) -> None:
    passed = states(start, end, in_place=in_place)
    assert (passed[0], passed[-1]) == (start, end)
    if start.values and end.values:
        assert all(state.values for state in passed)


@pytest.mark.parametrize(
    ("in_place", "passed"),
    [
        (True, [("a", "b"), ("b", "x"), ("x",)]),
        (False, [("a", "b"), ("a", "b", "x"), ("b", "x"), ("x",)]),
    ],
)
def test_a_set_that_lost_a_value_is_not_taken_for_ours(in_place: bool, passed: list[tuple[str, ...]]) -> None:
    start, end = RecordSet("www", "TXT", 60, ("a", "b")), RecordSet("www", "TXT", 60, ("x",))
    way = states(start, end, in_place=in_place)
    assert [state.values for state in way] == passed
    assert RecordSet("www", "TXT", 60, ("a",)) not in way


@given(ends, ends)
def test_no_state_on_the_way_looks_like_an_end(start: RecordSet, end: RecordSet) -> None:
    passed = states(start, end, in_place=True)
    assert all(state not in (start, end) for state in passed[1:-1])
