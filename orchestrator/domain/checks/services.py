"""Services: what they need, and the runbooks that move them."""

from collections.abc import Iterator

from orchestrator.domain.checks.circles import circles, told
from orchestrator.domain.checks.draft import Draft, actions
from orchestrator.domain.checks.nesting import reachable
from orchestrator.domain.checks.references import unknown_elsewhere
from orchestrator.domain.estate import Service
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.model import Direction
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.references import find_references
from orchestrator.domain.wording import did_you_mean, listed


def check_services(draft: Draft) -> Iterator[Problem]:
    services = draft.estate.estate.services
    for name, service in services.items():
        for index, need in enumerate(service.needs):
            if need not in services:
                remedy = did_you_mean(need, services.keys() - {name}, "Name a service of this estate, or remove it.")
                yield draft.in_estate(
                    Complaint(("services", name, "needs", index), f"There is no service `{need}`.", remedy)
                )
        for direction in Direction:
            yield from map(draft.in_estate, _runbook_of(draft, name, service, direction))
        yield from map(draft.in_estate, _origin(draft, name, service))
    yield from map(draft.in_estate, _circles(draft))
    yield from _services_of_runbooks(draft)


def _runbook_of(draft: Draft, name: str, service: Service, direction: Direction) -> Iterator[Complaint]:
    wanted = service.failover if direction is Direction.FAILOVER else service.failback
    path = ("services", name, direction.value)
    if wanted is None or wanted in draft.unreadable:
        return
    if wanted not in draft.sheets:
        remedy = did_you_mean(wanted, draft.sheets.keys(), f"Write runbooks/{wanted}.yaml.")
        yield Complaint(path, f"There is no runbook `{wanted}`.", remedy)
        return
    runbook = draft.sheets[wanted].runbook
    if runbook.service != name and runbook.service in draft.estate.estate.services:
        message = f"The runbook `{wanted}` is for the service `{runbook.service}`, not for `{name}`."
        yield Complaint(path, message, f"Name a runbook of `{name}`, or correct `service` in {runbook.file}.")
    if runbook.direction is not direction:
        message = f"The runbook `{wanted}` is a {runbook.direction.value}, and named here as a {direction.value}."
        yield Complaint(path, message, f"Name another, or write `direction: {direction.value}` in {runbook.file}.")


def _circles(draft: Draft) -> Iterator[Complaint]:
    services = draft.estate.estate.services
    for circle in circles({name: service.needs for name, service in services.items()}):
        where = ("services", circle[0], "needs", services[circle[0]].needs.index(circle[1 % len(circle)]))
        lines = {name: draft.estate.document.at(("services", name), on_key=True).line for name in circle}
        way = told(circle, " needs ", lines)
        message = f"These services wait for each other in a circle: {way}."
        if len(circle) == 1:
            message = f"The service `{circle[0]}` needs itself."
        yield Complaint(where, message, "Remove one of these needs.")


def _services_of_runbooks(draft: Draft) -> Iterator[Problem]:
    services = draft.estate.estate.services
    for stem, sheet in draft.sheets.items():
        runbook = sheet.runbook
        if runbook.name != stem:
            message = f"The runbook is named `{runbook.name}` in a file named `{stem}.yaml`."
            remedy = f"Write `runbook: {stem}`, or rename the file to {runbook.name}.yaml."
            yield sheet.document.problem(Complaint(("runbook",), message, remedy))
        if runbook.service == sheet.document.data.get("service") and runbook.service not in services:
            remedy = did_you_mean(runbook.service, services.keys(), "Name a service of bascule.yaml.")
            yield sheet.document.problem(Complaint(("service",), f"There is no service `{runbook.service}`.", remedy))


def _origin(draft: Draft, name: str, service: Service) -> Iterator[Complaint]:
    """An origin is asked with the parameters of the runbook whose endpoint change is undone."""
    if service.origin is None:
        return
    starts = [runbook for runbook in (service.failover, service.failback) if runbook]
    changing = [stem for stem in reachable(draft, starts) if _points(draft, stem)]
    for path, reference in find_references(service.origin.with_):
        where = ("services", name, "origin", "with", *path)
        if reference[0] != "parameters":
            problem = unknown_elsewhere(draft, reference)
            if problem:
                yield Complaint(where, *problem)
            continue
        lacking = [stem for stem in changing if reference[1] not in draft.sheets[stem].runbook.parameters]
        if lacking or len(reference) != 2:
            message = f"There is no parameter `{'.'.join(reference[1:])}` in {listed(sorted(lacking))}."
            yield Complaint(where, message, f"Add `{reference[1]}` to `parameters` there, or write the value out.")


def _points(draft: Draft, stem: str) -> bool:
    return any(KINDS[action.uses].points_endpoint for action in actions(draft.sheets[stem].runbook))
