"""Following a run through an interruption, and what is said of it in French."""

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout

import pytest

from orchestrator.cli import main
from orchestrator.cli.answers import LogLine
from orchestrator.cli.client import Answered, Service
from orchestrator.cli.credential import Credential
from orchestrator.cli.exits import CommandError, Exit, NoService
from orchestrator.cli.follow import TAIL, Change, Followed, Follower, is_away
from orchestrator.store import runs
from orchestrator.store.runs import OutputLine
from orchestrator.web.words import say
from tests.integration.service_fixture import RunningService, running_service, serving, until

SHEET, GO = "desk-failover/sheet", "desk-failover/go"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("service")) as made:
        yield made


@pytest.fixture
def run_id(service: RunningService) -> Iterator[str]:
    """A run that waits for a person to do the task."""
    made = service.start(service.plan("desk")["digest"])
    service.wait(made, "waiting", SHEET)
    yield made
    if service.run(made)["run"]["ended_at"] is None:
        service.decide(made, "cancel", "olga", reason="test ends")
        service.wait(made, "cancelled")


def write(service: RunningService, run_id: str, *numbers: int) -> None:
    with service.bascule.database.write() as conn:
        runs.add_output(conn, [OutputLine(run_id, SHEET, 1, float(n), f"line {n}") for n in numbers])


class Watching:
    """A follower in a thread of its own, at a web server that comes and goes."""

    def __init__(self, service: RunningService, run_id: str, *, from_now: bool) -> None:
        self._service = service
        self.url = ""
        self.lines: list[str] = []
        self.states: list[tuple[str, str]] = []
        self.lost = 0
        self.followed: Followed | None = None
        self.follower = Follower(self._connect, run_id, from_now=from_now)
        self.thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    def _connect(self) -> Service:
        return Service(self.url, Credential(self._service.bascule.token), self._service.bascule.settings.data)

    def _follow(self) -> None:
        for followed, change in self.follower.changes():
            self.followed = followed
            self.lost += followed.lost_since is not None
            self._note(change)

    def _note(self, change: Change) -> None:
        if isinstance(change, LogLine):
            self.lines += [change.text] if change.step == SHEET else []
        elif change is not None:
            self.states.append((change.id, change.state.value))

    def until(self, holds: Callable[[], object], what: str) -> None:
        until(lambda: bool(holds()) or None, 20, lambda: f"{what}: {self.lines} {self.states}")


def test_a_picture_begins_with_the_last_lines_alone(service: RunningService, run_id: str) -> None:
    write(service, run_id, *range(TAIL + 30))
    watching = Watching(service, run_id, from_now=True)
    watching.url = service.url
    watching.thread.start()
    watching.until(lambda: watching.followed, "the run")
    assert watching.followed is not None
    assert [line.text for line in watching.followed.output] == [f"line {n}" for n in range(30, TAIL + 30)]
    assert watching.followed.said[SHEET] == f"line {TAIL + 29}"
    write(service, run_id, 99)
    watching.until(lambda: watching.lines, "the new line")
    assert watching.lines == ["line 99"], "what was written before is not told again"
    service.decide(run_id, "cancel", "olga", reason="test ends")
    watching.thread.join(20)
    assert not watching.thread.is_alive()


def test_what_is_busy_or_begins_is_away_and_what_refuses_is_not() -> None:
    def answered(status: int) -> Answered:
        found = Answered("", Exit.FAILED)
        found.status = status
        return found

    assert is_away(NoService(""))
    assert all(is_away(answered(status)) for status in (429, 500, 503))
    assert not any(is_away(answered(status)) for status in (401, 403, 404, 409))
    assert not is_away(CommandError(""))


@pytest.fixture
def said(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a command says to somebody in France, once it ended with this exit code."""
    for name in [name for name in os.environ if name.startswith(("BASCULE_", "LC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")

    def run(code: int, *arguments: str) -> str:
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
            main(["--data", str(service.bascule.settings.data), *arguments])
        assert end.value.code == code, f"{arguments}: {end.value.code}\n{out.getvalue()}\n{err.getvalue()}"
        return (out.getvalue() + err.getvalue()).replace("\u00a0", " ").replace("\u202f", " ")

    return run


Said = Callable[..., str]


def test_under_pressure_people_read_french(said: Said, run_id: str) -> None:
    status = said(0, "status")
    assert "··· RÉPÉTITION ···  Contre le simulateur. Rien de réel n’est touché." in status
    assert f"{run_id}  Attend des personnes" in status
    assert "Un opérateur doit faire la tâche · Voir docs/sheet.md" in status
    assert f"bascule approve {run_id} {SHEET} --as NAME" in status
    one = said(3, "status", run_id)
    assert "2 étapes faites sur 5, 1 point attend des personnes" in one
    assert "■ sheet" in one
    assert "en attente" in one
    assert f"{run_id} Attend" not in said(3, "watch", run_id), "each change is told by the journal"
    assert f"Mise en pause par zoé. {run_id} : En pause." in said(0, "pause", run_id, "--as", "zoé")
    assert "Reprise par zoé." in said(0, "resume", run_id, "--as", "zoé")
    assert "Cela contredit ce qui est là maintenant :" in said(1, "resume", run_id, "--as", "zoé")
    assert f"Accord de paul. {SHEET} : faite." in said(0, "approve", run_id, SHEET, "--as", "paul")
    assert "Donnez un motif" in said(2, "cancel", run_id, "--reason", "")


def test_looking_is_french_as_well(said: Said) -> None:
    plan = " ".join(said(0, "plan", "desk").split())
    assert "Plan : Bascule : desk, périmètre rehearsal" in plan
    assert say("fr", "plan.do.approval.approver", count=2) in plan
    assert say("fr", "plan.do.wait", time="300ms") in plan
    assert "Crée et touche : 1 service, 0 serveur, 0 zone." in plan
    assert "Chemin critique (*) :" in plan
    assert "Rien n’est arrêté." in said(0, "halt")
    assert "Rien n’est proposé pour le moment" in said(0, "proposals")
    assert "Il n’y en a pas : des personnes libèrent chaque proposition." in said(0, "standing", "list")
    assert "inconnu" in said(0, "signals", "verdicts")
    assert "Rien n’expire." in said(0, "clocks") or "Aucun service" in said(0, "clocks")
    assert "Tous les envois" in said(0, "signals", "unmapped") or said(0, "signals", "unmapped")
    assert "Périmètre rehearsal :" in said(0, "doctor", "--scope", "rehearsal")
    assert "Aucun service ne tourne" in said(1, "--data", "/nonexistent", "status")


def test_programs_are_told_the_same_in_every_language(said: Said, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    french = said(3, "status", run_id, "--json")
    monkeypatch.setenv("BASCULE_LANG", "en")
    english = said(3, "status", run_id, "--json")
    assert french == english
    (wait,) = json.loads(english)["waits"]
    assert sorted(wait) == ["commands", "step", "troubled", "who"]
    assert wait["who"] == "waits for an operator to do the task, docs/sheet.md"
    assert "Waits for people" in said(3, "status", run_id), "BASCULE_LANG goes before the locale"


@pytest.fixture
def known_again(service: RunningService) -> Iterator[None]:
    """Commands find the module's own service again after other web servers said where they are."""
    file = service.bascule.paths.service
    text = file.read_text()
    yield
    file.write_text(text)


@pytest.mark.usefixtures("known_again")
def test_after_an_interruption_nothing_is_missing_and_nothing_comes_twice(service: RunningService, run_id: str) -> None:
    watching = Watching(service, run_id, from_now=False)
    with ExitStack() as first:
        watching.url = first.enter_context(serving(service.bascule)).url
        write(service, run_id, *range(5))
        watching.thread.start()
        watching.until(lambda: len(watching.lines) == 5, "the first lines")
    watching.until(lambda: watching.lost, "the connection to be missed")
    write(service, run_id, *range(5, 10))
    assert service.decide(run_id, "approve", "paul", SHEET).status_code == 200
    service.wait(run_id, "waiting", GO)
    with serving(service.bascule) as again:
        watching.url = again.url
        watching.until(lambda: len(watching.lines) == 10, "what was written meanwhile")
        assert watching.followed is not None
        assert watching.followed.lost_since is None
        for person in ("anne", "bruno"):
            assert service.decide(run_id, "approve", person, GO).status_code == 200
        service.wait(run_id, "succeeded")
        write(service, run_id, 10)  # the last words of a step may come after the end of the run
        watching.thread.join(20)
    assert not watching.thread.is_alive(), "it ends with the run"
    assert watching.lines == [f"line {n}" for n in range(11)]
    assert (SHEET, "succeeded") in watching.states
    assert watching.states[-1] == (run_id, "succeeded")
