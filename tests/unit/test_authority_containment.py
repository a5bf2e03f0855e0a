"""Where plays can't be contained, live runs are refused with the reason and the remedy; other runs go on."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.domain.authority import Refused, check_containment
from orchestrator.domain.model import Mode
from orchestrator.engine.workshop import EstateWorkshop
from orchestrator.operations.plans import Plans
from orchestrator.operations.request import Uncontained
from orchestrator.operations.runs import Runs
from orchestrator.web.problem import problem_of
from providers.ansible import confinement
from providers.ansible.containment import Containment
from providers.base import Context, Secret
from providers.examiners import examine
from providers.rights import Subject

MISSING = "plays are not contained: the program `bwrap` is missing; install the Debian package bubblewrap"
LACKING = Containment("", "the program `bwrap` is missing", "install the Debian package bubblewrap")
SUBJECT = Subject("plays", "sandbox")


def runs_of(mode: str, missing: str) -> Runs:
    plans = SimpleNamespace(get=lambda _: SimpleNamespace(mode=mode))
    progress: Any = SimpleNamespace(database=None)
    return Runs(progress, cast(Plans, plans), lambda: missing)


def test_live_runs_need_containment() -> None:
    with pytest.raises(Refused, match=r"`bwrap` is missing; install the Debian package bubblewrap"):
        check_containment(Mode.LIVE, MISSING)
    check_containment(Mode.LIVE, "")
    for mode in (Mode.DRILL, Mode.REHEARSAL):
        check_containment(mode, MISSING)


def test_a_live_run_is_refused_with_a_code_of_its_own() -> None:
    with pytest.raises(Uncontained, match="Live runs are refused on this machine") as caught:
        runs_of("live", MISSING).start("digest", "olga")
    told = problem_of(caught.value)
    assert (told.status, told.code) == (403, "containment_missing")
    with pytest.raises(Uncontained):
        runs_of("live", MISSING).start_released("digest", "olga", "", [], lambda *_: None)


@pytest.mark.parametrize(("mode", "contained"), [("live", True), ("drill", False), ("rehearsal", False)])
def test_providers_are_told_what_the_scope_needs(tmp_path: Any, mode: str, contained: bool) -> None:
    workshop = EstateWorkshop(lambda *_: {"mode": mode}, lambda _: tmp_path, lambda _: Secret, tmp_path / "work")
    context = workshop.context(SimpleNamespace(id="run-1", commit="c", scope="any"), "step", 1.0)
    assert context.contained is contained


def test_the_check_up_says_what_is_missing(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement, "containment", lambda: LACKING)
    found = examine(context, SUBJECT)
    assert found.ok
    assert "are ended as a whole, but not sandboxed: the program `bwrap` is missing; install" in found.message


def test_the_check_up_of_a_live_scope_is_not_ready_without(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    live = replace(context, contained=True)
    monkeypatch.setattr(confinement, "containment", lambda: LACKING)
    found = examine(live, SUBJECT)
    assert not found.ok
    assert found.rights[0].advice == "The program `bwrap` is missing: install the Debian package bubblewrap."
    monkeypatch.setattr(confinement, "containment", lambda: Containment("/usr/bin/bwrap"))
    assert examine(live, SUBJECT).ok


@pytest.fixture
def context(tmp_path: Any) -> Context:
    return Context(scope={}, reveal=Secret, workspace=tmp_path / "work/run-1/step", estate=tmp_path)
