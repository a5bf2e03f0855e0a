"""Limits of a run: the scopes and the clouds that they name exist."""

from collections.abc import Iterator

from orchestrator.domain.checks.draft import Draft
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.wording import did_you_mean


def check_limits(draft: Draft) -> Iterator[Problem]:
    estate = draft.estate.estate
    limits = estate.policy.limits
    for name in limits.scopes:
        if name not in estate.scopes:
            remedy = did_you_mean(name, estate.scopes, "Name a scope of this file.")
            path = ("policy", "limits", "scopes", name)
            yield draft.in_estate(Complaint(path, f"There is no scope `{name}`.", remedy, on_key=True))
    clouds = {name for scope in estate.scopes.values() for name in scope.compute}
    for name in limits.prices:
        if name not in clouds:
            remedy = did_you_mean(name, clouds, "Name an entry of a scope's `compute` block.")
            path = ("policy", "limits", "prices", name)
            yield draft.in_estate(Complaint(path, f"No scope has a cloud `{name}`.", remedy, on_key=True))
