"""A whole estate: what only its files together show. Single mistakes in one file are in `tests/cases`."""

import contextlib
import copy
import functools
import itertools
import operator
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalogue_files import shipped
from orchestrator.domain.bundle import Bundle, read_bundle
from orchestrator.domain.compiler import compile_plan
from orchestrator.domain.model import Direction
from orchestrator.domain.plan import PlanError
from orchestrator.domain.problem import Problem

ROOT = Path(__file__).parent.parent.parent
Files = dict[str, bytes]


def files_in(root: Path) -> Files:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


TRIAL = files_in(ROOT / "tests" / "cases" / "estate")
STARTER = files_in(ROOT / "playbooks")
READ = sorted(path for path in TRIAL if path.endswith(".yaml"))


def changed(path: str, old: str, new: str, files: Files = TRIAL) -> Files:
    text = files[path].decode()
    assert old in text
    return {**files, path: text.replace(old, new).encode()}


def problems_of(files: Files) -> list[Problem]:
    bundle, problems = read_bundle(files, shipped())
    assert (bundle is None) == bool(problems)
    assert problems == sorted(set(problems))
    assert all(problem.remedy and problem.line >= 1 and problem.column >= 1 for problem in problems)
    return problems


def messages(files: Files) -> list[str]:
    return [f"{problem.file}:{problem.line} {problem.message}" for problem in problems_of(files)]


def starter() -> Bundle:
    bundle, problems = read_bundle(STARTER, shipped())
    assert problems == []
    assert bundle is not None
    return bundle


def test_the_starter_estate_has_no_problem() -> None:
    bundle = starter()
    for service in bundle.estate.services.values():
        assert service.failover in bundle.runbooks
        assert service.failback in bundle.runbooks
    assert {"bascule.yaml", "runbooks/portal-failover.yaml"} <= bundle.files


def test_an_estate_without_its_sheet_is_told_so_beside_its_other_problems() -> None:
    files = {path: text for path, text in TRIAL.items() if path != "bascule.yaml"}
    files["runbooks/tell.yaml"] = b"- 1\n"
    assert messages(files) == [
        "bascule.yaml:1 The estate has no bascule.yaml.",
        "runbooks/tell.yaml:1 The file holds a list, no mapping.",
    ]


def test_a_runbook_that_cannot_be_read_is_not_also_missing() -> None:
    assert messages({**TRIAL, "runbooks/web-failover.yaml": b"runbook: [\n"}) == [
        "runbooks/web-failover.yaml:2 The file ends in the middle of something."
    ]


def test_a_runbook_elsewhere_is_told_and_not_read() -> None:
    assert messages({**TRIAL, "runbooks/x.yml": b"[", "runbooks/mail/y.yaml": b"[", "runbooks/README.md": b"#"}) == [
        "runbooks/mail/y.yaml:1 This file is not read as a runbook.",
        "runbooks/x.yml:1 This file is not read as a runbook.",
    ]


def test_a_record_set_taken_away_is_brought_back_by_the_other_direction() -> None:
    gone = changed("runbooks/web-failback.yaml", "        - {name: old, type: A, values: [192.0.2.81]}\n", "")
    told = "The record set old A of trial.example is taken away here, and nothing brings it back."
    assert messages(gone) == [f"runbooks/web-failover.yaml:17 {told}"]


def test_a_record_set_that_a_swap_makes_may_be_taken_away_on_the_way_back_and_no_other() -> None:
    made = "{name: _imaps._tcp, type: SRV, state: absent}"
    assert made in STARTER["runbooks/mail-failback.yaml"].decode()
    other = changed("runbooks/mail-failback.yaml", made, made.replace("_imaps", "_pop3s"), STARTER)
    told = "The record set _pop3s._tcp SRV of valbourg.example is taken away here, and nothing brings it back."
    assert [one.partition(" ")[2] for one in messages(other)] == [told]


def test_a_record_set_that_only_a_given_parameter_names_is_not_judged() -> None:
    unknown = changed("runbooks/web-failback.yaml", "zone: trial.example", 'zone: "${{ parameters.zone }}"')
    unknown = changed("runbooks/web-failback.yaml", "steps:", "parameters: {zone: {type: domain}}\nsteps:", unknown)
    unknown = changed("runbooks/web-failback.yaml", "name: old", "name: older", unknown)
    assert messages(unknown) == []


def test_a_zone_is_looked_for_under_the_name_that_the_scope_gives_it() -> None:
    assert messages(changed("bascule.yaml", "    zones: {trial.example: drill.trial.example}\n", "")) == [
        "runbooks/web-failback.yaml:9 There is no `trial.example` in `dns.zones` of the scope `drill`.",
        "runbooks/web-failover.yaml:14 There is no `trial.example` in `dns.zones` of the scope `drill`.",
    ]


def test_a_channel_can_be_named_by_the_mode() -> None:
    named = changed("runbooks/tell.yaml", "channel: crisis", 'channel: "${{ scope.mode }}"')
    assert messages(named) == [
        "runbooks/tell.yaml:11 There is no `rehearsal` in `notify` of the scopes `rehearsal` and `drill`."
    ]
    named = changed("bascule.yaml", "crisis: {driver: smtp", "rehearsal: {driver: smtp", named)
    named = changed("bascule.yaml", "crisis: {driver: apprise", "drill: {driver: apprise", named)
    assert messages(named) == []


def test_runbooks_that_run_each_other_many_times_over_are_refused() -> None:
    files = dict(TRIAL)
    for level in range(6):
        target = f"l{level + 1}" if level < 5 else "tell"
        given = "{what: x}" if target == "tell" else "{}"
        step = f"{{uses: runbook.run, with: {{runbook: {target}, parameters: {given}}}}}"
        steps = "".join(f"  s{n}: {step}\n" for n in range(10))
        head = f"runbook: l{level}\nservice: web\ntitle: {{fr: a, en: a}}\nsteps:\n"
        files[f"runbooks/l{level}.yaml"] = (head + steps).encode()
    assert messages(files) == ["runbooks/l1.yaml:4 With all that it runs, this runbook has more than 20000 steps."]


def test_an_origin_takes_the_parameters_of_the_runbook_that_is_undone() -> None:
    probe = '    origin: {uses: probe.tcp, with: {host: "${{ parameters.home }}", port: 80}}\n'
    with_origin = changed("bascule.yaml", "    failover: web-failover\n", f"{probe}    failover: web-failover\n")
    parameter = "parameters:\n  home: {type: hostname, default: 192.0.2.80}\n"
    with_origin = changed("runbooks/web-failback.yaml", "steps:\n", f"{parameter}steps:\n", with_origin)
    assert messages(with_origin) == ["bascule.yaml:11 There is no parameter `home` in `web-failover`."]
    with_origin = changed("runbooks/web-failover.yaml", "parameters:\n", parameter, with_origin)
    assert messages(with_origin) == []


def test_more_runbooks_than_the_bound_are_refused() -> None:
    files = {**TRIAL, **{f"runbooks/r{n}.yaml": b"" for n in range(500)}}
    assert messages(files) == ["bascule.yaml:1 The estate has more than 500 runbooks, or more than 8 MiB of them."]


@given(st.text(max_size=80), st.binary(max_size=80))
def test_no_content_makes_it_fail(runbook: str, estate: bytes) -> None:
    assert problems_of({**TRIAL, "runbooks/x.yaml": runbook.encode("utf-8", "surrogatepass")})
    problems_of({**TRIAL, "bascule.yaml": estate})


WORDS = ["- ", ": ", "{}", "[]", "null", "~", "true", "3", "${{ a.b }}", "${{", "*a", "&a ", "!x ", "\t", "  ", "\n"]
WORDS += [
    "uses",
    "with",
    "needs",
    "steps",
    "undo",
    "verify",
    "state: absent",
    "runbook.run",
    "0s",
    '"',
    "'",
    "parameters",
]


@given(st.sampled_from(READ), st.integers())
def test_no_damage_to_a_valid_estate_makes_it_fail(path: str, seed: int) -> None:
    chance = random.Random(seed)
    text = TRIAL[path].decode()
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text) + 1)
        until = min(len(text), at + chance.choice([0, 0, 1, 3, 20]))
        text = text[:at] + chance.choice(["", *WORDS]) + text[until:]
    problems_of({**TRIAL, path: text.encode()})


STRANGE: list[Any] = [None, True, -1, 1.5, "", "x", [], {}, ["a"], {"a": 1}, [[]], 10**17, "a" * 300, "1s", "absent"]
STRANGE += ["${{ steps.server.outputs.address }}", "${{ parameters.domain }}", "${{ run.id }}", "${{", "automatic"]
STRANGE += [{"uses": "probe.tcp"}, {"uses": "runbook.run", "with": {"runbook": "tell"}}, {"fr": 1}, "server", ["names"]]
STRANGE += [
    "compute.server",
    "runbook.run",
    "human.task",
    "wait.for",
    "secret://x",
    "${{ scope.mode }}",
    {"uses": None},
]


def paths_in(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from paths_in(value, (*path, key))


def wounded(data: Any, chance: random.Random) -> Any:
    """The data with one value gone, another one's in its place, or a strange one."""
    data = copy.deepcopy(data)
    paths = [*paths_in(data)]
    *way, last = chance.choice(paths)
    holder = functools.reduce(operator.getitem, way, data)
    what = chance.random()
    if what < 0.2:
        del holder[last]
    elif what < 0.4:
        holder[last] = copy.deepcopy(functools.reduce(operator.getitem, chance.choice(paths), data))
    else:
        holder[last] = copy.deepcopy(chance.choice(STRANGE))
    return data


@given(st.sampled_from(READ), st.integers())
def test_what_is_left_valid_by_damage_can_be_planned(path: str, seed: int) -> None:
    text = yaml.safe_dump(wounded(yaml.safe_load(TRIAL[path]), random.Random(seed)), sort_keys=False)
    files = {**TRIAL, path: text.encode()}
    if problems_of(files):
        return
    bundle, _ = read_bundle(files, shipped())
    assert bundle is not None
    for scope, direction in itertools.product(bundle.estate.scopes, Direction):
        with contextlib.suppress(PlanError):
            plan = compile_plan(bundle, commit="c", services=["web"], scope=scope, direction=direction)
            assert plan.digest
