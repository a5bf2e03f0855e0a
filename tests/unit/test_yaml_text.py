"""Reading YAML: places of keys and values, plain data only, bounds."""

import string
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain import yaml_text
from orchestrator.domain.yaml_text import MAX_ALIASES, MAX_BYTES, MAX_NODES, Document, read_yaml


def read(text: str | bytes) -> Document:
    document, problems = read_yaml(text, "x.yaml")
    assert problems == []
    assert document is not None
    return document


def refusal(text: str | bytes) -> str:
    document, problems = read_yaml(text, "x.yaml")
    assert document is None
    assert len(problems) == 1
    assert problems[0].remedy
    return f"{problems[0].line}:{problems[0].column} {problems[0].message}"


def test_every_key_and_value_has_its_place() -> None:
    document = read("a:\n  - one\n  - {b: two}\n")
    assert document.data == {"a": ["one", {"b": "two"}]}
    assert document.at(("a",), on_key=True) == (1, 1)
    assert document.at(("a",)) == (2, 3)
    assert document.at(("a", 1, "b")) == (3, 9)
    assert document.at(("a", 1, "b"), on_key=True) == (3, 6)


def test_what_is_not_written_has_the_place_of_what_is_around_it() -> None:
    document = read("a:\n  b: {c: 1}\n")
    assert document.at(("a", "b", "missing")) == (2, 3)
    assert document.at(("nothing",)) == (1, 1)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("12", 12),
        ("0x1f", 31),
        ("-1.5", -1.5),
        ("-999999999999999999", -999999999999999999),
        ("true", True),
        ("~", None),
        ("", None),
        ('"12"', "12"),
        ("no", "no"),
        ("on", "on"),
        ("007", "007"),
        ("1:30", "1:30"),
        ("2026-11-23", "2026-11-23"),
        ("127.0.0.1:53", "127.0.0.1:53"),
        ("10 mx.example.net.", "10 mx.example.net."),
        ("=", "="),
        ("0b_", "0b_"),
    ],
)
def test_only_what_means_a_number_a_truth_or_nothing_is_more_than_text(written: str, value: object) -> None:
    found = read(f"key: {written}\n").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text() -> None:
    assert read("{1: a, true: b, no: c, 1.0: d}").data == {"1": "a", "true": "b", "no": "c", "1.0": "d"}


def test_an_alias_repeats_its_anchor_with_the_anchors_places() -> None:
    document = read("a: &x {b: 1}\nc: *x\n")
    assert document.data == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.at(("c", "b")) == (1, 11)
    assert document.at(("c",), on_key=True) == (2, 1)


def test_a_duplicate_key_is_told_and_the_first_one_counts() -> None:
    document, problems = read_yaml("a: 1\nb: 2\na: 3\n", "x.yaml")
    assert document is not None
    assert document.data == {"a": 1, "b": 2}
    assert [(problem.line, problem.message) for problem in problems] == [(3, "The key `a` stands on line 1 already.")]


def test_a_hundred_megabytes_are_refused_at_once() -> None:
    text = b"a" * 100_000_000
    begin = time.perf_counter()
    assert refusal(text) == "1:1 The file has 95.4 MiB; at most 1 MiB is read."
    assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_refused_before_it_is_read(opening: str) -> None:
    begin = time.perf_counter()
    assert "nested" in refusal(opening * (MAX_BYTES // len(opening))) or opening == "? "
    assert time.perf_counter() - begin < 5


def test_more_nodes_than_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a lower bound: it takes seconds to write out the real one, which aliases reach below."""
    monkeypatch.setattr(yaml_text, "MAX_NODES", 1000)
    assert "more than 1000" in refusal("[" + "a," * 1000 + "]")
    read("[" + "a," * 999 + "]")


def test_aliases_cost_what_they_stand_for() -> None:
    big = "x: &x [" + "a," * 1000 + "]\n"
    read(big + "y: [" + "*x," * 40 + "]\n")
    assert f"more than {MAX_NODES}" in refusal(big + "y: [" + "*x," * 50 + "]\n")
    assert f"more than {MAX_ALIASES} aliases" in refusal("x: &x a\ny: [" + "*x," * (MAX_ALIASES + 1) + "]\n")
    long = "x: &x " + "a" * 20_000 + "\n"
    assert "repeats more than 1 MiB" in refusal(long + "y: [" + "*x," * 60 + "]\n")


def test_an_alias_cannot_pass_the_depth() -> None:
    steps = "".join(f"a{n}: &a{n} [[*a{n - 1}]]\n" for n in range(1, 30))
    assert "nests more than" in refusal("a0: &a0 [x]\n" + steps)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: "e" not in repr(number))
    | st.text(string.printable + "éà–🙂", max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(string.ascii_letters, min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_data_comes_back_as_it_was_written(data: object) -> None:
    assert read(yaml.safe_dump(data, allow_unicode=True)).data == data


@given(st.text(max_size=60) | st.binary(max_size=60) | st.text("[]{}&*!?:-,|>'\"%@`#\\ \n\tau0<~", max_size=60))
def test_no_text_makes_it_fail(text: str | bytes) -> None:
    document, problems = read_yaml(text, "x.yaml")
    assert document is not None or problems
    for problem in problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
        assert problem.remedy


ROOT = Path(__file__).parents[2]
WRITTEN = [path.read_text() for path in sorted((ROOT / "playbooks").rglob("*.yaml"))]


def as_the_slow_one_reads(text: str, patch: pytest.MonkeyPatch) -> tuple[Document | None, object]:
    with patch.context() as without:
        without.setattr(yaml, "__with_libyaml__", False)
        return read_yaml(text, "x.yaml")


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A piece of a real file, with some signs that mean something to YAML put into it."""
    text = draw(st.sampled_from(WRITTEN))
    begin = draw(st.integers(0, max(0, len(text) - 200)))
    signs = list(text[begin : begin + draw(st.integers(1, 200))])
    for _ in range(draw(st.integers(0, 4))):
        signs.insert(
            draw(st.integers(0, len(signs))), draw(st.text("[]{}&*!?:-,|>'\"%@`#\\ \n\t\r\u2028a0é🙂", max_size=3))
        )
    return "".join(signs)


@given(damaged())
def test_libyaml_and_pyyaml_read_the_same_at_the_same_places(text: str) -> None:
    assert read_yaml(text, "x.yaml") == as_the_slow_one_reads(text, pytest.MonkeyPatch())


@pytest.mark.parametrize("text", WRITTEN)
def test_the_starter_estate_is_read_by_libyaml_as_by_pyyaml(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = as_the_slow_one_reads(text, monkeypatch)
    assert read_yaml(text, "x.yaml") == slow


@pytest.mark.parametrize(
    "text",
    [
        "a:\tb",
        "{a?: b}",
        "{en: A, fr: }",
        "{en: A, fr:}",
        ">#c",
        "a: b\rc: d",
        "a: b\u2028c: d",
        "\ufeffa: b",
        "a\ufeffb: c",
        "[b::\n]",
    ],
)
def test_where_the_two_differ_pyyaml_decides(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = as_the_slow_one_reads(text, monkeypatch)
    assert read_yaml(text, "x.yaml") == slow


def test_what_is_plain_is_read_by_libyaml(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_text: str) -> object:
        raise AssertionError("PyYAML's own parser was asked")

    monkeypatch.setattr(yaml, "SafeLoader", never)
    assert read("a: {b: [1, x]}\n").data == {"a": {"b": [1, "x"]}}
