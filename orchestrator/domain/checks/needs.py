"""The order of steps: what they need exists, and leads to no circle."""

from collections.abc import Iterator

from orchestrator.domain.checks.circles import all_needed, circles, told
from orchestrator.domain.checks.draft import Draft
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.runbook import Sheet
from orchestrator.domain.wording import did_you_mean, listed


def check_needs(draft: Draft) -> Iterator[Problem]:
    for sheet in draft.sheets.values():
        yield from map(sheet.document.problem, _unknown(sheet))
        yield from map(sheet.document.problem, _circles(sheet))


def _unknown(sheet: Sheet) -> Iterator[Complaint]:
    steps = sheet.runbook.steps
    for step in steps.values():
        for index, need in enumerate(step.needs):
            if need not in steps:
                remedy = did_you_mean(need, steps.keys() - {step.id}, "Name a step of this runbook, or remove it.")
                yield Complaint(("steps", step.id, "needs", index), f"There is no step `{need}`.", remedy)


def _circles(sheet: Sheet) -> Iterator[Complaint]:
    steps = sheet.runbook.steps
    needs = {step.id: step.needs for step in steps.values()}
    in_circles: set[str] = set()
    for circle in circles(needs):
        in_circles.update(circle)
        yield _circle(sheet, circle)
    for step_id in steps:
        blocked = sorted(all_needed(needs, step_id) & in_circles) if in_circles and step_id not in in_circles else []
        if blocked:
            message = f"The step `{step_id}` can never start: it waits for {listed(blocked)}, in a circle."
            yield Complaint(("steps", step_id), message, "Break that circle, or remove the need.", on_key=True)


def _circle(sheet: Sheet, circle: tuple[str, ...]) -> Complaint:
    needs = sheet.runbook.steps[circle[0]].needs
    where = ("steps", circle[0], "needs", needs.index(circle[1 % len(circle)]))
    if len(circle) == 1:
        return Complaint(where, f"The step `{circle[0]}` needs itself.", f"Remove `{circle[0]}` from its `needs`.")
    way = told(circle, " needs ", {step: sheet.document.at(("steps", step), on_key=True).line for step in circle})
    return Complaint(where, f"These steps wait for each other in a circle: {way}.", "Remove one of these needs.")
