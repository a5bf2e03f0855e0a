"""References: what they name exists, and is known by the time it is used."""

from collections.abc import Iterator

from orchestrator.domain.checks.circles import all_needed
from orchestrator.domain.checks.draft import Action, Draft, actions, estate_value, fill
from orchestrator.domain.kinds import KINDS, check_inputs
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.references import UNKNOWN_YET, Reference, find_references, value_at, whole_reference
from orchestrator.domain.runbook import Runbook
from orchestrator.domain.wording import did_you_mean, listed

Wrong = tuple[str, str]
"""What is wrong, and the remedy."""

_ROOTS = ("parameters", "steps", "estate", "scope", "run")
_LISTS = frozenset(
    {
        ("storage.copy", "keys"),
        ("probe.dns", "values"),
        ("probe.dns", "servers"),
        ("probe.smtp", "mx"),
        ("probe.apt", "signed_by"),
        ("social.profile", "fields"),
    }
)
"""Outputs that are lists or mappings, and so can't be put into a text."""


def check_references(draft: Draft) -> Iterator[Problem]:
    for sheet in draft.sheets.values():
        for action in actions(sheet.runbook):
            found = [*_unknown(draft, sheet.runbook, action)]
            yield from map(sheet.document.problem, found)
            if not found:
                yield from map(sheet.document.problem, _unfit(draft, sheet.runbook, action))


def _unknown(draft: Draft, runbook: Runbook, action: Action) -> Iterator[Complaint]:
    for path, reference in find_references(action.with_):
        wrong = _wrong(draft, runbook, action, reference)
        wrong = wrong or _list_in_text(runbook, action, path, reference)
        if wrong:
            yield action.complaint(*wrong, "with", *path)


def _wrong(draft: Draft, runbook: Runbook, action: Action, reference: Reference) -> Wrong | None:
    if reference[0] == "parameters":
        if len(reference) == 2 and reference[1] in runbook.parameters:
            return None
        name = ".".join(reference[1:])
        remedy = did_you_mean(name, runbook.parameters.keys(), f"Add `{reference[1]}` to `parameters`.")
        return f"There is no parameter `{name}`.", remedy
    if reference[0] == "steps":
        return _wrong_step(runbook, action, reference)
    return unknown_elsewhere(draft, reference)


def unknown_elsewhere(draft: Draft, reference: Reference) -> Wrong | None:
    """What is wrong with a reference that is not to a parameter or a step; None when it names something."""
    text = ".".join(reference)
    if reference[0] == "estate":
        if estate_value(draft, reference) is not UNKNOWN_YET:
            return None
        services = draft.estate.estate.services
        if len(reference) == 4 and reference[1] == "services" and reference[2] not in services:
            return f"There is no service `{reference[2]}`.", did_you_mean(reference[2], services.keys(), "Add it.")
        if len(reference) == 4 and reference[1] == "services":
            fields = {*type(services[reference[2]]).model_fields} - {"title", "origin"}
            return f"A service has no `{reference[3]}`.", did_you_mean(reference[3], fields, "Name a field.")
        return f"The estate has no `{text}`.", "Write estate.services.NAME.FIELD, such as estate.services.mail.vendor."
    if reference[0] in ("scope", "run"):
        known = {"scope": "scope.mode", "run": "run.id"}[reference[0]]
        return None if text == known else (f"There is no `{text}`.", f"Write `{known}`.")
    return f"There is no `{reference[0]}` to refer to.", did_you_mean(reference[0], _ROOTS, "Begin with another word.")


def _wrong_step(runbook: Runbook, action: Action, reference: Reference) -> Wrong | None:
    own = action.step.id
    if len(reference) != 4 or reference[2] != "outputs":
        return f"`{'.'.join(reference)}` names no output.", "Write steps.NAME.outputs.OUTPUT."
    name, output = reference[1], reference[3]
    if name not in runbook.steps:
        return f"There is no step `{name}`.", did_you_mean(name, runbook.steps.keys() - {own}, "Name a step.")
    uses = runbook.steps[name].uses
    outputs = KINDS[uses].outputs if uses in KINDS else None
    if outputs is not None and output not in outputs:
        if not outputs:
            return f"The step `{name}` ({uses}) hands nothing out.", "Refer to another step, or write the value out."
        return f"The step `{name}` ({uses}) hands out no `{output}`.", did_you_mean(output, outputs, "Name an output.")
    if name == own and action.role:
        return None
    if name == own:
        return f"The step `{own}` refers to its own outputs before it has any.", "Refer to a step that it needs."
    if name not in all_needed({step.id: step.needs for step in runbook.steps.values()}, own):
        return (
            f"The step `{own}` uses what `{name}` hands out, and does not need it.",
            f"Add `{name}` to the `needs` of `{own}`.",
        )
    return None


def _list_in_text(runbook: Runbook, action: Action, path: tuple[str | int, ...], reference: Reference) -> Wrong | None:
    if whole_reference(value_at(action.with_, path)) is not None:
        return None
    is_list = reference[0] == "parameters" and runbook.parameters[reference[1]].type == "list"
    if reference[0] == "estate":
        is_list = reference[-1] in ("clouds", "needs")
    if reference[0] == "steps":
        is_list = (runbook.steps[reference[1]].uses, reference[3]) in _LISTS
    if not is_list:
        return None
    return f"`{'.'.join(reference)}` is a list, and can't be put into a text.", "Make it the whole value."


def _unfit(draft: Draft, runbook: Runbook, action: Action) -> Iterator[Complaint]:
    """What is wrong once the defaults of parameters are filled in, and was hidden by references before."""
    if not find_references(action.with_):
        return
    before = check_inputs(action.uses, action.with_, resolved=False)
    for complaint in check_inputs(action.uses, fill(draft, runbook, action.with_), resolved=False):
        if complaint not in before:
            names = {".".join(reference) for _, reference in find_references(value_at(action.with_, complaint.path))}
            if names:
                message = f"With {listed(sorted(names))} filled in: {complaint.message}"
                remedy = "Change what the reference names (a parameter's default), or refer to something that fits."
                complaint = Complaint(complaint.path, message, remedy)
            yield complaint.under(*action.path, "with")
