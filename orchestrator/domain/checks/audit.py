"""Witnesses of the audit: their stores and channels exist."""

from collections.abc import Iterator

from orchestrator.domain.audit.policy import Witness
from orchestrator.domain.checks.draft import Draft
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.wording import did_you_mean


def check_audit(draft: Draft) -> Iterator[Problem]:
    for index, witness in enumerate(draft.estate.estate.policy.audit.witnesses):
        for complaint in _place(draft, witness):
            yield draft.in_estate(complaint.under("policy", "audit", "witnesses", index))


def _place(draft: Draft, witness: Witness) -> Iterator[Complaint]:
    scopes = draft.estate.estate.scopes
    scope = scopes.get(witness.scope)
    if scope is None:
        remedy = did_you_mean(witness.scope, scopes, "Name a scope.")
        yield Complaint(("scope",), f"There is no scope `{witness.scope}`.", remedy)
    elif witness.storage is not None and witness.storage not in scope.storage:
        remedy = did_you_mean(witness.storage, scope.storage, f"Add it to `storage` of the scope `{witness.scope}`.")
        yield Complaint(("storage",), f"The scope `{witness.scope}` has no store `{witness.storage}`.", remedy)
    elif witness.notify is not None and witness.notify not in scope.notify:
        remedy = did_you_mean(witness.notify, scope.notify, f"Add it to `notify` of the scope `{witness.scope}`.")
        yield Complaint(("notify",), f"The scope `{witness.scope}` has no channel `{witness.notify}`.", remedy)
