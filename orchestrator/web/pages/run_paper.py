"""A run as a procedure on paper: numbered steps in the plan's order, each with what a person needs to do it by hand.

What Bascule would do is written out as it was told it: addresses, record sets, instructions. No secret is among it: a
step names its secrets and never holds them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from orchestrator.domain.model import StepState
from orchestrator.web.pages.run_view import Pair, said_inputs, step_name
from orchestrator.web.reading import StepDetail
from orchestrator.web.words import Language, say


@dataclass(frozen=True, slots=True)
class PaperStep:
    """`after`: the numbers of the steps that must be done first. `sheet`: the text of its instructions.

    `by_hand`: it is a person's also while Bascule is there. `undo`: how it is taken back, where its runbook says so.
    `said`: what became of it, where that is not to be done again or was passed over, which is not done.
    """

    number: int
    id: str
    name: str
    uses: str
    service: str
    after: tuple[int, ...]
    expect: float
    inputs: tuple[Pair, ...]
    role: str
    count: int
    by_hand: bool
    instructions: str
    sheet: str
    undo: tuple[Pair, ...]
    is_done: bool
    said: str


_BY_PEOPLE = frozenset({"human.task", "human.approval"})
_SAID: Mapping[StepState, str] = MappingProxyType(
    {StepState.SUCCEEDED: "paper.done", StepState.SKIPPED: "paper.skipped", StepState.TOLERATED: "paper.tolerated"}
)
_SAID_APART = frozenset({"instructions", "role", "count"})


def procedure(
    language: Language, details: Sequence[StepDetail], titles: Mapping[str, str], sheet: Callable[[str], str]
) -> list[PaperStep]:
    numbers = {detail.step.id: detail.step.ordinal + 1 for detail in details}
    return [_step(language, detail, titles, numbers, sheet) for detail in details]


def _step(
    language: Language,
    detail: StepDetail,
    titles: Mapping[str, str],
    numbers: Mapping[str, int],
    sheet: Callable[[str], str],
) -> PaperStep:
    step, with_ = detail.step, detail.spec.get("with", {})
    by_hand, undo = step.uses in _BY_PEOPLE, detail.spec.get("undo")
    instructions = str(with_.get("instructions") or "")
    inputs = {key: value for key, value in with_.items() if not (by_hand and key in _SAID_APART)}
    return PaperStep(
        number=numbers[step.id],
        id=step.id,
        name=step_name(language, step),
        uses=step.uses,
        service=titles.get(step.service, step.service),
        after=tuple(sorted(numbers[need] for need in step.needs if need in numbers)),
        expect=step.expect,
        inputs=tuple(said_inputs(inputs)),
        role=str(with_.get("role") or ("approver" if step.uses == "human.approval" else "operator")),
        count=int(with_.get("count") or 1),
        by_hand=by_hand,
        instructions=instructions,
        sheet=sheet(instructions) if instructions else "",
        undo=tuple(said_inputs({"uses": undo.get("uses"), **undo.get("with", {})})) if isinstance(undo, dict) else (),
        is_done=step.state is StepState.SUCCEEDED,
        said=say(language, _SAID[step.state]) if step.state in _SAID else "",
    )
