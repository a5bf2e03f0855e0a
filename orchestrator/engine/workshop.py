"""Where an attempt gets its provider: the scope's addresses, secrets by reference, the estate's files, a workspace."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from orchestrator.domain.authority import must_contain
from orchestrator.domain.kinds import parse_inputs
from orchestrator.domain.model import Mode
from orchestrator.domain.references import UNKNOWN_YET, substitute
from orchestrator.engine.spec import ActionSpec
from providers.base import Context, Halted, Provider, ProviderError, Reveal, never
from providers.compute.marked import Made
from providers.examiners import examine
from providers.kept import Kept
from providers.probes import standing
from providers.registry import keep_object, made_at, placements, provider_for, release_made
from providers.rights import Examination, Subject

LOOK_FOR = 20.0
"""Seconds that one look for a plan may take."""


@dataclass(frozen=True, slots=True)
class Action:
    """A provider and the wish it is asked to fulfil."""

    provider: Provider[Any]
    want: Any


class Workshop(Protocol):
    def action(
        self,
        run: Any,
        step_id: str,
        spec: ActionSpec,
        outputs: Mapping[str, Any],
        deadline: float,
        halted: Halted = never,
    ) -> Action:
        """`halted`: asked before each further effect of an attempt.

        Raises ProviderError(permanent) when the inputs don't fit or something needed is missing.
        """
        ...

    def wish(self, run: Any, spec: ActionSpec) -> Any:
        """The inputs alone, for kinds without a provider. Raises ProviderError(permanent)."""
        ...


class Surveyor(Workshop, Protocol):
    """A workshop that also tells what there is room for, while a plan is made."""

    def placements(self, run: Any, servers: Mapping[str, ActionSpec]) -> Mapping[str, Any]:
        """Where the servers of these steps would be made now, all of them together."""
        ...


class EstateWorkshop:
    """Makes providers from the run's scope, at the run's commit."""

    def __init__(
        self,
        scope_at: Callable[[str, str], Mapping[str, Any]],
        checkout: Callable[[str], Path],
        secrets: Callable[[str], Reveal],
        workspaces: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._scope_at = scope_at
        self._checkout = checkout
        self._secrets = secrets
        self._workspaces = workspaces
        self._clock = clock

    def action(
        self,
        run: Any,
        step_id: str,
        spec: ActionSpec,
        outputs: Mapping[str, Any],
        deadline: float,
        halted: Halted = never,
    ) -> Action:
        want = resolve(spec, outputs, run.id)
        return Action(provider_for(spec.uses, want, self.context(run, step_id, deadline, halted)), want)

    def context(self, run: Any, step_id: str, deadline: float, halted: Halted = never) -> Context:
        estate = self._checkout(run.commit)
        scope = self._scope_at(run.commit, run.scope)
        return Context(
            scope=_with_authorities(scope, estate),
            reveal=self._secrets(run.scope),
            workspace=self._workspace(run.id, step_id),
            estate=estate,
            deadline=deadline,
            clock=self._clock,
            contained="mode" in scope and must_contain(Mode(scope["mode"])),
            halted=halted,
        )

    def wish(self, run: Any, spec: ActionSpec) -> Any:
        return resolve(spec, {}, run.id)

    def placements(self, run: Any, servers: Mapping[str, ActionSpec]) -> Mapping[str, Any]:
        wishes = {step_id: self.wish(run, spec) for step_id, spec in servers.items()}
        return placements(wishes, self.context(run, "capacity", LOOK_FOR))

    def made_at(self, commit: str, scope: str, provider: str, deadline: float) -> Sequence[Made]:
        """Everything with Bascule's tags at one cloud of a scope. Raises ProviderError."""
        return made_at(self._look_around(commit, scope, deadline), provider)

    def release_made(self, commit: str, scope: str, thing: Made, deadline: float) -> bool:
        """Release one such thing; False while that is under way. Raises ProviderError."""
        return release_made(self._look_around(commit, scope, deadline), thing)

    def examine(self, commit: str, scope: str, subject: Subject, deadline: float) -> Examination:
        """Ask harmlessly what one entry of a scope can do. Never raises ProviderError."""
        return examine(self._look_around(commit, scope, deadline), subject)

    def standing(self, commit: str, scope: str, hosts: Sequence[str], deadline: float) -> Sequence[standing.Record]:
        """What these hosts' domains stand on, as a scope sees it. Reads only, never raises ProviderError."""
        return standing.look(self._look_around(commit, scope, deadline), hosts)

    def looking(self, commit: str, scope: str, deadline: float) -> Context:
        """What looks from within a scope are given."""
        return self._look_around(commit, scope, deadline)

    def keep_object(self, commit: str, scope: str, want: Kept, deadline: float) -> str:
        """Keep one object at a store of a scope, never over another; says what was done. Raises ProviderError."""
        return keep_object(self.context(SimpleNamespace(id="audit", commit=commit, scope=scope), scope, deadline), want)

    def _look_around(self, commit: str, scope: str, deadline: float) -> Context:
        return self.context(SimpleNamespace(id="resources", commit=commit, scope=scope), scope, deadline)

    def discard(self, run_id: str) -> None:
        """Nobody goes on with it: its workspaces are not needed any more."""
        shutil.rmtree(self._workspaces / run_id, ignore_errors=True)

    def _workspace(self, run_id: str, step_id: str) -> Path:
        path = self._workspaces / run_id / step_id.replace("/", "~")
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path


def _with_authorities(block: Any, estate: Path) -> Any:
    """A scope's block in which every `ca` that is a file of the estate is a path on this machine."""
    if not isinstance(block, Mapping):
        return block
    return {
        key: _authority(value, estate) if key == "ca" and isinstance(value, str) else _with_authorities(value, estate)
        for key, value in block.items()
    }


def _authority(ca: str, estate: Path) -> str:
    return ca if ca.startswith("secret://") else str(estate / ca)


def resolve(spec: ActionSpec, outputs: Mapping[str, Any], run_id: str) -> Any:
    """The step's inputs with its references filled in. Raises ProviderError(permanent) naming what is missing."""

    def look_up(path: tuple[str, ...]) -> object:
        if path == ("run", "id"):
            return run_id
        if len(path) == 4 and path[0] == "steps" and path[2] == "outputs":
            return dict(outputs.get(path[1]) or {}).get(path[3], UNKNOWN_YET)
        return UNKNOWN_YET

    filled = substitute(spec.with_, look_up)
    try:
        return parse_inputs(spec.uses, filled)
    except ValueError as error:
        raise ProviderError(
            f"The inputs of {spec.uses} do not fit once filled in: {error}. "
            "See the outputs of the steps it refers to; skip or repair them, then retry.",
            permanent=True,
        ) from error
