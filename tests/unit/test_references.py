"""References: found, refused and filled in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.references import (
    UNKNOWN_YET,
    find_in_keys,
    find_malformed,
    find_references,
    substitute,
    whole_reference,
)

KNOWN = {
    ("parameters", "port"): 389,
    ("parameters", "name"): "id",
    ("parameters", "deep"): True,
    ("parameters", "nothing"): None,
    ("steps", "copy", "outputs", "keys"): ["a", "b"],
}


def fill(value: object) -> object:
    return substitute(value, lambda path: KNOWN.get(path, UNKNOWN_YET))


def test_references_are_found_with_their_places() -> None:
    value = {"a": ["x", "${{ steps.one.outputs.y }} and ${{run.id}}"], "b": 3, "c": "${{ parameters.p-q }}"}
    assert find_references(value) == [
        (("a", 1), ("steps", "one", "outputs", "y")),
        (("a", 1), ("run", "id")),
        (("c",), ("parameters", "p-q")),
    ]


def test_a_whole_reference_keeps_the_type() -> None:
    assert fill("${{ parameters.port }}") == 389
    assert fill(" ${{ steps.copy.outputs.keys }} ") == ["a", "b"]
    assert fill("${{ parameters.deep }}") is True
    assert fill("${{ parameters.nothing }}") is None


def test_an_embedded_reference_becomes_text() -> None:
    assert fill("ldap://${{ parameters.name }}:${{ parameters.port }}/") == "ldap://id:389/"
    assert fill("${{ parameters.deep }}, ${{ steps.copy.outputs.keys }}") == 'true, ["a", "b"]'


def test_what_is_not_known_yet_stays_as_it_is_written() -> None:
    assert fill({"a": ["${{ steps.s.outputs.x }}"]}) == {"a": ["${{ steps.s.outputs.x }}"]}
    assert fill("${{ parameters.name }}.${{ steps.s.outputs.x }}") == "id.${{ steps.s.outputs.x }}"


def test_the_given_value_is_not_changed() -> None:
    value = {"a": ["${{ parameters.name }}"]}
    fill(value)
    assert value == {"a": ["${{ parameters.name }}"]}


@pytest.mark.parametrize(
    "text",
    [
        "${{ a + b }}",
        "${{ a }}",
        "${{ }}",
        "${{ a..b }}",
        "${{ a.b | upper }}",
        "${{ a.b",
        "x ${{ a.b }} ${{ c }}",
        "${{ ${{ a.b }} }}",
        "${{ a['b'] }}",
        "${{ a.b }",
        "${{ a.é }}",
        "${{ a\n.b }}",
    ],
)
def test_all_but_dotted_paths_are_malformed(text: str) -> None:
    assert [path for path, _ in find_malformed({"k": text})] == [("k",)]


@pytest.mark.parametrize("text", ["$ {{ a }}", "{{ a }}", "${ a }", "$${a}", "}}", "${{a.b}}", "${{ a-b.c_d.0 }}"])
def test_what_is_no_reference_or_a_right_one_is_not_malformed(text: str) -> None:
    assert find_malformed(text) == []


def test_keys_are_no_place_for_references() -> None:
    assert find_in_keys({"a": [{"${{ b.c }}": 1}]}) == [("a", 0, "${{ b.c }}")]


def test_only_a_lone_reference_is_whole() -> None:
    assert whole_reference("${{ a.b }}") == ("a", "b")
    assert whole_reference("x${{ a.b }}") is None
    assert whole_reference("${{ a.b }}${{ a.b }}") is None
    assert whole_reference(3) is None


@given(st.text(max_size=30) | st.text("${} ab.", max_size=30))
def test_filling_in_nothing_changes_nothing(text: str) -> None:
    assert substitute(text, lambda _: UNKNOWN_YET) == text


@given(st.text("${} ab.", max_size=40))
def test_a_text_with_an_opening_is_a_reference_or_malformed(text: str) -> None:
    assert ("${{" in text) == bool(find_references(text) or find_malformed(text))
