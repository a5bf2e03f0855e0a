"""Rules that propose: whom they watch, what they plan, and whom they tell all exist; what may go by itself is loud."""

from collections.abc import Iterator, Sequence

from orchestrator.domain.authority import RELEASES_NEEDED
from orchestrator.domain.checks.draft import Draft
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.proposals.rule import ProposalRule
from orchestrator.domain.proposals.subject import services_of
from orchestrator.domain.wording import did_you_mean


def check_proposals(draft: Draft) -> Iterator[Problem]:
    for name, rule in draft.estate.estate.policy.proposals.items():
        for complaint in (
            *_subject(draft, rule),
            *_services(draft, rule),
            *_scope(draft, rule),
            *_release(draft, rule),
        ):
            yield draft.in_estate(complaint.under("policy", "proposals", name))
    warned = draft.estate.estate.policy.warnings
    if warned is not None:
        for complaint in _channels(draft, warned.scope, warned.notify):
            yield draft.in_estate(complaint.under("policy", "warnings"))


def _subject(draft: Draft, rule: ProposalRule) -> Iterator[Complaint]:
    known = {*draft.catalogue.vendors, *(one.vendor for one in draft.estate.estate.services.values())}
    vendor = rule.when.vendor
    if vendor is not None and vendor not in known:
        remedy = did_you_mean(vendor, known, "Name a vendor of the catalogue or of a service.")
        yield Complaint(("when", "vendor"), f"There is no vendor `{vendor}`.", remedy)
    countries = {one.control.country for one in draft.catalogue.vendors.values()}
    law = rule.when.jurisdiction
    if law is not None and law not in countries:
        remedy = did_you_mean(law, countries, "Name the country of a vendor's owner, such as US.")
        yield Complaint(("when", "jurisdiction"), f"No vendor of the catalogue answers to the law of {law}.", remedy)


def _services(draft: Draft, rule: ProposalRule) -> Iterator[Complaint]:
    services = draft.estate.estate.services
    for index, name in enumerate(rule.propose or ()):
        if name not in services:
            remedy = did_you_mean(name, services, "Name a service of this file.")
            yield Complaint(("propose", index), f"There is no service `{name}`.", remedy)
        elif services[name].failover is None:
            message = f"The service `{name}` has no `failover` that could be proposed."
            yield Complaint(("propose", index), message, "Name its failover runbook, or leave the service out.")
    if rule.propose is None and not services_of(rule.when.subject, services, draft.catalogue):
        message = f"No service with a failover depends on {rule.when.subject}."
        yield Complaint(("when",), message, "Write `propose` with the services to plan for.", on_key=True)


def _scope(draft: Draft, rule: ProposalRule) -> Iterator[Complaint]:
    yield from _channels(draft, rule.scope, rule.notify)
    scope = draft.estate.estate.scopes.get(rule.scope)
    if scope is None:
        return
    least = RELEASES_NEEDED[scope.mode]
    if rule.approvals < least:
        message = f"A {scope.mode.value} run needs {least} people's approval; a rule can ask for more, never for fewer."
        yield Complaint(("approvals",), message, f"Write {least} or more, or leave it out.")


def _channels(draft: Draft, name: str, channels: Sequence[str]) -> Iterator[Complaint]:
    scopes = draft.estate.estate.scopes
    scope = scopes.get(name)
    if scope is None:
        yield Complaint(("scope",), f"There is no scope `{name}`.", did_you_mean(name, scopes, "Name a scope."))
        return
    for index, channel in enumerate(channels):
        if channel not in scope.notify:
            remedy = did_you_mean(channel, scope.notify, f"Add it to `notify` of the scope `{name}`.")
            yield Complaint(("notify", index), f"The scope `{name}` has no channel `{channel}`.", remedy)


def _release(draft: Draft, rule: ProposalRule) -> Iterator[Complaint]:
    if rule.release == "standing-approval" and draft.estate.estate.policy.warnings is None:
        message = "What goes by a standing approval is told to everybody, and `policy.warnings` names nobody."
        yield Complaint(("release",), message, "Write `warnings: {scope: live, notify: [crisis]}` in `policy`.")
