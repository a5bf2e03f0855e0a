"""The pure half of the audit: one form of bytes, and every change of a chain is found."""

import json
import random
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.audit.chain import NotCanonical, canonical, entry_text, genesis, link, recanonical
from orchestrator.domain.audit.examination import Fault, Mark, Stored, examine

CHAIN = "run/x"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
DATA = st.dictionaries(TEXTS, PLAIN, max_size=4)


def chained(data: list[dict[str, Any]], chain: str = CHAIN) -> list[Stored]:
    entries, head = [], genesis(chain)
    for seq, said in enumerate(data, 1):
        text = canonical(said)
        head = link(head, entry_text(seq, float(seq), "k", "olga", None, 0, text))
        entries.append(Stored(seq, float(seq), "k", "olga", None, 0, text, head))
    return entries


def rechained(entries: list[Stored], chain: str = CHAIN) -> list[Stored]:
    """As somebody would who rewrites every hash."""
    made, head = [], genesis(chain)
    for seq, one in enumerate(entries, 1):
        head = link(head, entry_text(seq, one.at, one.kind, one.actor, one.step, one.attempt, one.data))
        made.append(one._replace(seq=seq, hash=head))
    return made


def test_the_bytes_are_those_that_the_documentation_shows() -> None:
    data = {"b": [1, 1.0, 1e16, 2.5e-07, True, None], "a": 'é"\\\n\x01\x7f', "é": {}, "z": {"y": -0.0}}
    text = entry_text(7, 1700000000.0, "step.intent", "olga", "portal/go", 1, canonical(data))
    assert text == (
        '{"actor":"olga","at":1700000000.0,"attempt":1,"data":{"a":"é\\"\\\\\\n\\u0001\x7f",'
        '"b":[1,1.0,1e+16,2.5e-07,true,null],"z":{"y":-0.0},"é":{}},"kind":"step.intent","seq":7,"step":"portal/go"}'
    )
    before = sha256(b"bascule-audit-1\nrun/x").hexdigest()
    assert genesis("run/x") == before
    assert link(before, text) == sha256(before.encode() + b"\n" + text.encode()).hexdigest()


@given(DATA)
def test_whatever_is_stored_has_one_form_before_and_after(data: dict[str, Any]) -> None:
    assert recanonical(json.dumps(data)) == canonical(data)
    assert recanonical(json.dumps(data, indent=2, ensure_ascii=False)) == canonical(data)


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', "[]", "nope", '{"a":' + "[" * 100_000])
def test_what_has_no_one_form_is_refused(text: str) -> None:
    with pytest.raises(NotCanonical):
        recanonical(text)


@pytest.mark.faults
@given(st.lists(DATA, min_size=1, max_size=8), st.sampled_from(["edit", "delete", "reorder", "cut", "fork"]), st.data())
@settings(max_examples=100, deadline=None)
def test_every_change_is_found_and_an_untouched_chain_is_whole(
    data: list[dict[str, Any]], how: str, draw: st.DataObject
) -> None:
    entries = chained(data)
    head = entries[-1].hash
    marks = [Mark(len(entries), head, "checkpoint 1", 9.0)]
    assert examine(CHAIN, entries, len(entries), head, marks).whole
    at = draw.draw(st.integers(0, len(entries) - 1))
    length: int = len(entries)
    match how:
        case "edit":
            field = draw.draw(st.sampled_from(["at", "kind", "actor", "step", "attempt", "data", "hash"]))
            new = {"at": -1.0, "kind": "K", "actor": "m", "step": "s", "attempt": 9}
            new |= {"data": '{"new":1}', "hash": "0" * 64}
            entries[at] = entries[at]._replace(**{field: new[field]})
        case "delete":
            del entries[at]
        case "reorder":
            other = draw.draw(st.integers(0, len(entries) - 1))
            if other == at:
                return
            entries[at], entries[other] = entries[other]._replace(seq=at + 1), entries[at]._replace(seq=other + 1)
        case "cut":
            entries = entries[:at]
            length, head = at, entries[-1].hash if entries else ""
        case _:
            forged = entries[at]._replace(actor="mallory")
            entries = rechained([*entries[:at], forged, *entries[at + 1 :]])
            head = entries[-1].hash
    found = examine(CHAIN, entries, length, head, marks)
    assert not found.whole
    faults = {one.fault for one in found.findings}
    if how == "fork":
        assert faults == {Fault.FORKED}
    if how == "cut":
        assert faults <= {Fault.CUT, Fault.LOST}


def test_a_moved_entry_is_named_with_its_own_place() -> None:
    entries = chained([{"n": n} for n in range(6)])
    moved = [*entries[:2], entries[4]._replace(seq=3), entries[3], entries[2]._replace(seq=5), entries[5]]
    found = examine(CHAIN, moved, 6, entries[-1].hash)
    named = {(one.fault, one.seq): one.message for one in found.findings}
    assert named[Fault.REORDERED, 3] == "This is entry 5, moved here."
    assert named[Fault.REORDERED, 5] == "This is entry 3, moved here."


def test_a_fork_is_placed_between_the_marks_that_agree_and_disagree() -> None:
    entries = chained([{"n": n} for n in range(9)])
    marks = [Mark(n, entries[n - 1].hash, f"checkpoint {n}", float(n)) for n in (3, 6, 9)]
    forged = rechained([*entries[:4], entries[4]._replace(data='{"n":0}'), *entries[5:]])
    (one,) = examine(CHAIN, forged, 9, forged[-1].hash, marks).findings
    assert (one.fault, one.seq, one.at) == (Fault.FORKED, 6, 6.0)
    assert "after entry 3 (checkpoint 3)" in one.message


def test_entries_of_another_chain_do_not_fit() -> None:
    entries = chained([{}, {}], "run/y")
    assert not examine(CHAIN, entries, 2, entries[-1].hash).whole


def test_a_long_chain_of_faults_is_counted_and_not_kept() -> None:
    rng = random.Random(1)
    entries = [one._replace(actor=str(rng.random())) for one in chained([{}] * 1000)]
    found = examine(CHAIN, iter(entries), 1000, entries[-1].hash)
    assert found.found == 1000
    assert len(found.findings) == 100
