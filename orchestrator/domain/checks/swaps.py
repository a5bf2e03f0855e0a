"""Swaps: the catalogue has the target and the vendor, the recipe is given what it needs, and what comes of it fits."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.domain.checks.draft import Action, Draft, actions, fill
from orchestrator.domain.checks.places import entries_missing, file_missing
from orchestrator.domain.kinds import check_inputs
from orchestrator.domain.parameters import misfit
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.references import is_open
from orchestrator.domain.runbook import Parameter, Runbook
from orchestrator.domain.swap import Swap, parameters_of, refers_to_steps, steps_of, swap_of
from orchestrator.domain.wording import did_you_mean, shown


def check_swaps(draft: Draft) -> Iterator[Problem]:
    for sheet in draft.sheets.values():
        for action in actions(sheet.runbook):
            if action.uses == "endpoint.swap" and not action.role:
                yield from map(sheet.document.problem, _wrong(draft, sheet.runbook, action))
    yield from map(draft.in_estate, _products(draft))


def _products(draft: Draft) -> Iterator[Complaint]:
    """A service's vendor and target are known, so that what it depends on can be told."""
    shelves = {"vendor": draft.catalogue.vendors, "target": draft.catalogue.targets}
    for name, service in draft.estate.estate.services.items():
        for role, shelf in shelves.items():
            wanted = getattr(service, role)
            if wanted != "unknown" and wanted not in shelf:
                remedy = did_you_mean(wanted, shelf.keys(), f"Write catalogue/{role}s/{wanted}.yaml.")
                yield Complaint(("services", name, role), f"The catalogue has no {role} `{wanted}`.", remedy)


def _wrong(draft: Draft, runbook: Runbook, action: Action) -> Iterator[Complaint]:
    filled = fill(draft, runbook, action.with_)
    unknown = [*_unknown(draft, action, filled)]
    if unknown or not isinstance(filled.get("to"), str) or runbook.service not in draft.estate.estate.services:
        yield from unknown
        return
    swap = swap_of(filled, draft.estate.estate.services[runbook.service].vendor)
    parameters = parameters_of(draft.catalogue, swap.target)
    found = [*_settings(action, swap, parameters)]
    yield from found or _unfit(draft, runbook, action, swap)


def _unknown(draft: Draft, action: Action, filled: Mapping[str, Any]) -> Iterator[Complaint]:
    for key, shelf in (("to", draft.catalogue.targets), ("from", draft.catalogue.vendors)):
        name = filled.get(key)
        if is_open(name):
            message = "Where a service goes must be known when runbooks are checked: the plan is made of its recipe."
            yield action.complaint(message, "Write the name out, or refer to estate.services.", "with", key)
        elif isinstance(name, str) and name not in shelf:
            remedy = did_you_mean(name, shelf.keys(), "Write its file in catalogue/ of the estate.")
            yield action.complaint(f"The catalogue has no `{name}`.", remedy, "with", key)


def _settings(action: Action, swap: Swap, parameters: Mapping[str, Parameter]) -> Iterator[Complaint]:
    path = (*action.path, "with", "settings")
    for name, value in swap.settings.items():
        at = (*action.path, "with", "domain") if name == "domain" and "domain" in action.with_ else (*path, name)
        if name not in parameters:
            remedy = did_you_mean(name, parameters.keys(), "Remove it.")
            yield Complaint(at, f"A move to `{swap.target}` has no setting `{name}`.", remedy, on_key=True)
        elif not refers_to_steps(value) and not is_open(value) and (wanted := misfit(parameters[name].type, value)):
            message = f"`{name}` is {shown(value)}; a move to `{swap.target}` takes {wanted}."
            yield Complaint(at, message, f"Write {wanted}.")
    for name, parameter in parameters.items():
        if name not in swap.settings and parameter.default is None:
            message = f"A move to `{swap.target}` needs the setting `{name}`."
            at = path if "settings" in action.with_ else (*action.path, "with")
            said = f" ({parameter.description.en})" if parameter.description else ""
            yield Complaint(at, message, f"Add `{name}` to `settings`{said}.", on_key=True)


def _unfit(draft: Draft, runbook: Runbook, action: Action, swap: Swap) -> Iterator[Complaint]:
    """The first step of the recipe that these settings do not fit, or that has no place in a scope."""
    inner = steps_of(draft.catalogue, swap, runbook)
    for each in actions(inner):
        values = fill(draft, inner, each.with_, given=swap.settings)
        found = check_inputs(each.uses, values, resolved=False)
        step = replace(each, with_=values)
        found += [*entries_missing(draft, inner, step), *file_missing(draft, inner, step)]
        if found:
            message = f"With these settings, its step `{each.step.id}` goes wrong: {found[0].message}"
            yield action.complaint(message, found[0].remedy, "with")
            return
