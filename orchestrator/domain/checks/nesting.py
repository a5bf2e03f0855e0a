"""Runbooks that run others: the others exist, are given what they need, and never come back to themselves."""

from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from orchestrator.domain.checks.circles import circles, told
from orchestrator.domain.checks.draft import Action, Draft, actions, fill
from orchestrator.domain.kinds import check_inputs
from orchestrator.domain.parameters import misfit
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.references import find_references, is_open
from orchestrator.domain.runbook import Runbook, Sheet
from orchestrator.domain.wording import did_you_mean, shown

MOST_STEPS = 20_000
"""Steps of one runbook with all that it nests."""


def check_nesting(draft: Draft) -> Iterator[Problem]:
    for sheet in draft.sheets.values():
        for action in _nested(sheet.runbook):
            yield from map(sheet.document.problem, _wrong(draft, sheet.runbook, action))
    yield from _circles(draft)
    yield from _excess(draft)


def reachable(draft: Draft, starts: Iterable[str]) -> set[str]:
    """The readable runbooks among `starts` and all that they run."""
    found: set[str] = set()
    todo = [*starts]
    while todo:
        stem = todo.pop()
        if stem in draft.sheets and stem not in found:
            found.add(stem)
            todo.extend(_targets(draft.sheets[stem].runbook))
    return found


def _nested(runbook: Runbook) -> Iterator[Action]:
    return (action for action in actions(runbook) if action.uses == "runbook.run" and not action.role)


def _targets(runbook: Runbook) -> list[str]:
    return [str(action.with_.get("runbook")) for action in _nested(runbook)]


def _wrong(draft: Draft, runbook: Runbook, action: Action) -> Iterator[Complaint]:
    target = action.with_.get("runbook")
    if is_open(target):
        message = "Which runbook runs must be written out: the plan is made of its steps."
        yield action.complaint(message, "Write the runbook's name.", "with", "runbook")
        return
    if not isinstance(target, str) or target in draft.unreadable:
        return
    if target not in draft.sheets:
        remedy = did_you_mean(target, draft.sheets.keys(), f"Write runbooks/{target}.yaml.")
        yield action.complaint(f"There is no runbook `{target}`.", remedy, "with", "runbook")
        return
    found = [*_parameters(draft, runbook, action, draft.sheets[target].runbook)]
    yield from found or _unfit(draft, runbook, action, draft.sheets[target].runbook)


def _unfit(draft: Draft, runbook: Runbook, action: Action, inner: Runbook) -> Iterator[Complaint]:
    """Steps of the other runbook that what it is given here does not fit."""
    written = action.with_.get("parameters", {})
    if not isinstance(written, Mapping):
        return  # told already
    given = fill(draft, runbook, written)
    for each in actions(inner):
        by_itself = check_inputs(each.uses, fill(draft, inner, each.with_), resolved=False)
        here = check_inputs(each.uses, fill(draft, inner, each.with_, given=given), resolved=False)
        worse = [one for one in here if one not in by_itself]
        if worse:
            place = f"the step `{each.step.id}` of `{inner.name}`"
            message = f"With these parameters, {place} goes wrong: {worse[0].message}"
            yield action.complaint(message, "Give parameters that fit there.", "with", "parameters")


def _parameters(draft: Draft, runbook: Runbook, action: Action, inner: Runbook) -> Iterator[Complaint]:
    written = action.with_.get("parameters", {})
    if not isinstance(written, Mapping):
        return  # told already
    given = fill(draft, runbook, written)
    for name, value in given.items():
        path = (*action.path, "with", "parameters", name)
        if name not in inner.parameters:
            remedy = did_you_mean(name, inner.parameters.keys(), "Remove it.")
            yield Complaint(path, f"The runbook `{inner.name}` has no parameter `{name}`.", remedy, on_key=True)
            continue
        late = [".".join(reference) for _, reference in find_references(value) if reference[0] == "steps"]
        if late:
            message = f"`{late[0]}` is not known when the plan is made, and a nested runbook's parameters must be."
            yield Complaint(path, message, "Do it in this runbook, with a step of its own.")
            continue
        kind = inner.parameters[name].type
        wanted = "" if is_open(value) else misfit(kind, value)
        if wanted:
            message = f"`{name}` is {shown(value)}; the runbook `{inner.name}` takes {wanted}."
            yield Complaint(path, message, f"Write {wanted}.")
    for name, parameter in inner.parameters.items():
        if name not in given and parameter.default is None:
            message = f"The runbook `{inner.name}` needs the parameter `{name}`."
            path = (*action.path, "with", "parameters") if written else (*action.path, "with")
            yield Complaint(path, message, f"Add `{name}` to `parameters`.", on_key=True)


def _circles(draft: Draft) -> Iterator[Problem]:
    graph = {stem: _targets(sheet.runbook) for stem, sheet in draft.sheets.items()}
    for circle in circles(graph):
        sheet = draft.sheets[circle[0]]
        follower = circle[1 % len(circle)]
        action = next(action for action in _nested(sheet.runbook) if action.with_.get("runbook") == follower)
        way = told(circle, " runs ", {stem: _line(draft.sheets[stem], circle) for stem in circle})
        message = f"These runbooks run each other without end: {way}."
        complaint = action.complaint(message, "Remove one of these steps.", "with", "runbook")
        yield sheet.document.problem(complaint)


def _line(sheet: Sheet, circle: tuple[str, ...]) -> int:
    """Where this runbook runs the next one of the circle."""
    action = next(action for action in _nested(sheet.runbook) if action.with_.get("runbook") in circle)
    return sheet.document.at((*action.path, "with", "runbook")).line


def _excess(draft: Draft) -> Iterator[Problem]:
    """A few runbooks that run each other many times over make a plan without bounds."""
    graph = {stem: [t for t in _targets(sheet.runbook) if t in draft.sheets] for stem, sheet in draft.sheets.items()}
    try:
        order = [*TopologicalSorter(graph).static_order()]
    except CycleError:
        return  # told already, and such a plan has no size
    sizes: dict[str, int] = {}
    for stem in order:
        steps = draft.sheets[stem].runbook.steps.values()
        own = sum(1 for step in steps if step.uses != "runbook.run")
        sizes[stem] = own + sum(sizes[target] for target in graph[stem])
        if sizes[stem] > MOST_STEPS and all(sizes[target] <= MOST_STEPS for target in graph[stem]):
            message = f"With all that it runs, this runbook has more than {MOST_STEPS} steps."
            complaint = Complaint(("steps",), message, "Run fewer runbooks from here.", on_key=True)
            yield draft.sheets[stem].document.problem(complaint)
