"""One runbook: what it says, what it leaves to defaults, and everything wrong with it at once."""

import string
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.kinds import KINDS, check_inputs, parse_inputs
from orchestrator.domain.model import Direction
from orchestrator.domain.runbook import Runbook, Step, UndoAction, read_runbook
from providers import wants
from providers.registry import CLASSES

HEAD = "runbook: r\nservice: web\ntitle: {fr: Essai, en: Trial}\n"


def read(steps: str, head: str = HEAD) -> Runbook:
    runbook, problems = read_runbook(f"{head}steps:\n{steps}", "runbooks/r.yaml")
    assert problems == []
    assert runbook is not None
    return runbook


def step(text: str) -> Step:
    return read(f"  s: {text}\n").steps["s"]


def test_what_a_runbook_leaves_out_has_defaults() -> None:
    runbook = read("  s: {uses: probe.tcp, with: {host: a.example, port: 80}}\n")
    assert (runbook.name, runbook.service, runbook.direction) == ("r", "web", Direction.FAILOVER)
    assert runbook.title == wants.Words(fr="Essai", en="Trial")
    found = runbook.steps["s"]
    assert (found.id, found.needs, found.expect, found.timeout) == ("s", (), None, 600.0)
    assert (found.on_failure, found.verify, found.title) == ("pause", None, None)
    assert (found.retry.attempts, found.retry.wait, found.retry.initial, found.retry.max_wait) == (
        1,
        "exponential",
        1.0,
        60.0,
    )
    assert "timeout" not in found.model_fields_set


def test_durations_are_seconds() -> None:
    found = step(
        "{uses: compute.server, with: {provider: p, name: n, state: existing}, expect: 1h30m, timeout: 500ms, "
        "retry: {attempts: 3, wait: fixed, initial: 2s, max_wait: 1m}, "
        "verify: {uses: probe.ssh, with: {host: a.example}, within: 2m, every: 1s}}"
    )
    assert (found.expect, found.timeout) == (5400.0, 0.5)
    assert (found.retry.initial, found.retry.max_wait) == (2.0, 60.0)
    assert found.verify is not None
    assert (found.verify.within, found.verify.every) == (120.0, 1.0)
    assert "timeout" in found.model_fields_set


@pytest.mark.parametrize(
    ("text", "undo"),
    [
        ("{uses: compute.server, with: {provider: p, name: n, size: S, image: i}}", "automatic"),
        ("{uses: compute.server, with: {provider: p, name: n, state: absent}}", "none"),
        ("{uses: dns.records, with: {zone: a.example, records: [{name: a, type: A, state: absent}]}}", "automatic"),
        ("{uses: ansible.play, with: {play: p.yml, hosts: {a: 192.0.2.1}}}", "none"),
        ("{uses: human.approval}", "none"),
        (
            "{uses: dns.records, with: {zone: a.example, records: [{name: a, type: A, state: absent}]}, undo: none}",
            "none",
        ),
    ],
)
def test_undo_is_automatic_where_the_kind_can_and_nothing_else_is_said(text: str, undo: str) -> None:
    assert step(text).undo == undo


def test_an_undo_can_be_an_action_of_its_own() -> None:
    play = "{play: p.yml, hosts: {a: 192.0.2.1}}"
    found = step(f"{{uses: ansible.play, with: {play}, undo: {{uses: ansible.play, with: {play}}}}}")
    assert found.undo == UndoAction(uses="ansible.play", with_={"play": "p.yml", "hosts": {"a": "192.0.2.1"}})


def test_a_mistake_does_not_hide_the_next() -> None:
    text = f"{HEAD}steps:\n  a: {{uses: nothing.here, tmeout: 1s, needs: b}}\n  b: [1]\n  c: {{uses: wait.for}}\nx: 1\n"
    runbook, problems = read_runbook(text, "runbooks/r.yaml")
    assert runbook is None
    assert [problem.line for problem in problems] == [5, 5, 5, 6, 7, 8]
    assert problems == sorted(problems)


def test_a_secret_in_clear_is_never_repeated() -> None:
    with_ = "{play: p.yml, hosts: {a: b}, secrets: {key: hunter2}}"
    _, problems = read_runbook(f"{HEAD}steps:\n  s: {{uses: ansible.play, with: {with_}}}\n", "runbooks/r.yaml")
    assert len(problems) == 1
    assert "hunter2" not in str(problems[0])


def test_references_are_checked_when_they_are_known() -> None:
    with_ = {"host": "${{ steps.s.outputs.address }}", "port": "${{ parameters.port }}"}
    assert check_inputs("probe.tcp", with_, resolved=False) == []
    assert [one.path for one in check_inputs("probe.tcp", with_, resolved=True)] == [("host",), ("port",)]
    assert parse_inputs("probe.tcp", {"host": "a.example", "port": 80}) == wants.TcpProbe(host="a.example", port=80)
    with pytest.raises(ValueError, match=r"^port: `port` is 70000; it must be a whole number from 1 to 65535$"):
        parse_inputs("probe.tcp", {"host": "a.example", "port": 70000})


def test_inputs_are_read_by_the_names_that_runbooks_write() -> None:
    place = {"store": "source", "bucket": "backup"}
    assert check_inputs("storage.copy", {"from": place, "to": place}, resolved=True) == []
    assert len(check_inputs("storage.copy", {"source": place, "target": place}, resolved=True)) == 4


def test_every_kind_is_done_by_a_provider_or_by_the_engine() -> None:
    assert {name for name, kind in KINDS.items() if kind.has_provider} == {name for name, _ in CLASSES}
    engine = {"human.approval", "human.task", "wait.for", "runbook.run", "endpoint.swap"}
    assert {name for name, kind in KINDS.items() if not kind.has_provider} == engine
    assert {name for name, kind in KINDS.items() if kind.automatic_undo} == {
        "calendar.reissue",
        "compute.server",
        "compute.snapshot",
        "compute.volume",
        "dns.records",
        "dns.ttl",
        "people.inform",
        "social.post",
        "social.profile",
        "storage.copy",
    }


# What a valid runbook can be made of.

SLUG = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8)
WORD = st.text(string.ascii_lowercase, min_size=1, max_size=8)
TEXT = st.text(string.ascii_letters + " éàç'-,.:", min_size=1, max_size=20)
WORDS = st.fixed_dictionaries({"fr": TEXT, "en": TEXT})
DURATION = st.builds(lambda n, unit: f"{n}{unit}", st.integers(1, 99), st.sampled_from(["ms", "s", "m", "h", "d"]))
HOST = st.just("${{ parameters.host }}") | st.just("192.0.2.1") | WORD.map(lambda word: f"{word}.example")
PLACE = st.fixed_dictionaries({"store": SLUG, "bucket": st.just("a-bucket")})
RECORD = st.fixed_dictionaries(
    {"name": WORD, "type": st.sampled_from(["A", "TXT"]), "values": st.lists(TEXT, min_size=1, max_size=2)},
    optional={"ttl": st.integers(1, 604800)},
)


def action(uses: str, **inputs: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"uses": st.just(uses), "with": st.fixed_dictionaries(inputs)})


PROBES = action("probe.tcp", host=HOST, port=st.integers(1, 65535)) | action("probe.ssh", host=HOST)
PLAYS = action(
    "ansible.play",
    play=st.just("ansible/p.yml"),
    hosts=st.dictionaries(SLUG, HOST, min_size=1, max_size=2),
    vars=st.dictionaries(
        WORD, st.integers(-(10**18) + 1, 10**18 - 1) | TEXT | st.booleans() | st.none() | st.lists(TEXT), max_size=2
    ),
)
CHANGES = (
    action("compute.server", provider=SLUG, name=SLUG, size=WORD, image=WORD)
    | action("dns.records", zone=st.just("a.example"), records=st.lists(RECORD, min_size=1, max_size=2))
    | action("storage.copy", **{"from": PLACE, "to": PLACE}, prefix=TEXT)
    | PLAYS
)
CHECKS = st.builds(
    lambda probe, times: {**probe, **times},
    PROBES,
    st.fixed_dictionaries({}, optional={"within": DURATION, "every": DURATION}),
)
RETRY = st.fixed_dictionaries(
    {},
    optional={
        "attempts": st.integers(1, 100),
        "wait": st.sampled_from(["fixed", "exponential"]),
        "initial": DURATION,
        "max_wait": DURATION,
    },
)
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "expect": DURATION,
        "timeout": DURATION,
        "retry": RETRY,
        "on_failure": st.sampled_from(["pause", "continue", "undo"]),
        "verify": CHECKS,
        "undo": st.just("none") | PLAYS,
        "title": WORDS,
    },
)


@st.composite
def runbooks(draw: st.DrawFn) -> dict[str, Any]:
    steps: dict[str, Any] = {}
    for name in draw(st.lists(SLUG, min_size=1, max_size=4, unique=True)):
        needs = draw(st.lists(st.sampled_from(sorted(steps)), unique=True)) if steps else []
        steps[name] = {**draw(CHANGES), **draw(EXTRAS), **({"needs": needs} if needs else {})}
    head = {"runbook": draw(SLUG), "service": draw(SLUG), "title": draw(WORDS)}
    parameters = {"host": {"type": "hostname", "default": draw(WORD)}, "list": {"type": "list"}}
    return {
        **head,
        "direction": draw(st.sampled_from(["failover", "failback"])),
        "parameters": parameters,
        "steps": steps,
    }


def written(runbook: Runbook) -> str:
    steps = {
        name: each.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"id"})
        for name, each in runbook.steps.items()
    }
    whole = runbook.model_dump(mode="json", exclude={"name", "file", "steps", "parameters"})
    parameters = {name: each.model_dump(exclude_unset=True) for name, each in runbook.parameters.items()}
    return yaml.safe_dump({"runbook": runbook.name, **whole, "parameters": parameters, "steps": steps}, sort_keys=False)


@given(runbooks())
def test_every_valid_runbook_comes_back_as_it_was_written(data: dict[str, Any]) -> None:
    first, problems = read_runbook(yaml.safe_dump(data, sort_keys=False), "runbooks/r.yaml")
    assert problems == []
    assert first is not None
    assert list(first.steps) == list(data["steps"])
    again, problems = read_runbook(written(first), "runbooks/r.yaml")
    assert problems == []
    assert again == first
