"""The policy: what it names exists, and no target that the catalogue alone shows to be below it is chosen.

Plans and releases ask again, with what is seen outside.
"""

from collections.abc import Iterator

from orchestrator.domain.checks.draft import Draft, actions, fill
from orchestrator.domain.model import Direction
from orchestrator.domain.problem import Complaint, Path, Problem
from orchestrator.domain.runbook import Sheet
from orchestrator.domain.sovereignty import PLACES, Place, judge
from orchestrator.domain.wording import did_you_mean, listed

_AT: Path = ("policy", "sovereignty")


def check_policy(draft: Draft) -> Iterator[Problem]:
    """What the policy names is there."""
    services = draft.estate.estate.services
    policy = draft.estate.estate.policy.sovereignty
    for name in policy.services:
        if name not in services:
            remedy = did_you_mean(name, services.keys(), "Name a service of this file.")
            complaint = Complaint((*_AT, "services", name), f"There is no service `{name}`.", remedy, on_key=True)
            yield draft.in_estate(complaint)
    for index, one in enumerate(policy.exceptions):
        at = (*_AT, "exceptions", index)
        if one.service not in services:
            remedy = did_you_mean(one.service, services.keys(), "Name a service of this file.")
            yield draft.in_estate(Complaint((*at, "service"), f"There is no service `{one.service}`.", remedy))
        if one.stands_on and one.rule not in PLACES:
            message = f"Of what a target stands on, `{one.rule}` is never asked."
            remedy = f"Remove `stands_on`, or name one of {listed(PLACES)} as the rule."
            yield draft.in_estate(Complaint((*at, "stands_on"), message, remedy))
        known = {*draft.catalogue.targets, *draft.catalogue.vendors}
        if one.target not in known and "." not in one.target and ":" not in one.target:
            remedy = did_you_mean(one.target, known, "Name a target of the catalogue, or a provider's host.")
            yield draft.in_estate(Complaint((*at, "target"), f"The catalogue has no `{one.target}`.", remedy))


def check_sovereignty(draft: Draft) -> Iterator[Problem]:
    """Every target that is chosen may be, as far as the catalogue knows."""
    for name, service in draft.estate.estate.services.items():
        found = _below(draft, name, service.target, ("services", name, "target"))
        yield from map(draft.in_estate, found)
    for sheet in draft.sheets.values():
        if sheet.runbook.direction is Direction.FAILOVER:
            yield from map(sheet.document.problem, _swaps(draft, sheet))


def _swaps(draft: Draft, sheet: Sheet) -> Iterator[Complaint]:
    for action in actions(sheet.runbook):
        target = fill(draft, sheet.runbook, action.with_).get("to") if action.uses == "endpoint.swap" else None
        if isinstance(target, str) and not action.role:
            yield from _below(draft, sheet.runbook.service, target, (*action.path, "with", "to"))


def _below(draft: Draft, service: str, target: str, at: Path) -> Iterator[Complaint]:
    if target not in draft.catalogue.targets:
        return  # told already
    policy = draft.estate.estate.policy.sovereignty
    for reason in judge(policy, Place(service, target), draft.catalogue, draft.today).reasons:
        about = f" with `stands_on: {reason.stands_on}`" if reason.stands_on else ""
        remedy = (
            f"Choose another target, or write an exception for the rule `{reason.rule}`{about} "
            "into policy.sovereignty.exceptions."
        )
        yield Complaint(at, f"The policy refuses `{target}` for `{service}`: it {reason}.", remedy)
