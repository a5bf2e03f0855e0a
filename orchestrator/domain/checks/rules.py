"""What a step of each kind may say: checks, undo, retries."""

from collections.abc import Iterator

from orchestrator.domain.checks.draft import Action, Draft, actions
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.problem import Complaint, Problem
from orchestrator.domain.references import is_open
from orchestrator.domain.runbook import undoes_itself
from orchestrator.domain.wording import listed
from orchestrator.domain.zones import DNS_KINDS
from providers.wants import LONGEST_TTL, seconds

CHECKS = tuple(name for name in KINDS if name.startswith("probe.") or name == "storage.verify")
_NOT_FOR_NESTED = ("expect", "timeout", "retry", "on_failure", "verify", "undo")


def check_rules(draft: Draft) -> Iterator[Problem]:
    for sheet in draft.sheets.values():
        for action in actions(sheet.runbook):
            yield from map(sheet.document.problem, _RULES[action.role](action))


def _step(action: Action) -> Iterator[Complaint]:
    step, kind = action.step, KINDS[action.uses]
    said = step.model_fields_set
    if kind.expands:
        for name in _NOT_FOR_NESTED:
            if name in said and (name != "undo" or step.undo != "none"):
                message = f"`{name}` says nothing here: other steps take this step's place."
                yield Complaint((*action.path, name), message, "Write it in those steps.", on_key=True)
        return
    if not kind.has_provider and "retry" in said:
        who = "A person answers" if kind.by_person else "Time passes"
        yield Complaint(
            (*action.path, "retry"), f"{who} once: `{action.uses}` is not retried.", "Remove `retry`.", on_key=True
        )
    if not kind.has_provider and step.verify is not None:
        message = f"`{action.uses}` has no effect that `verify` could check."
        yield Complaint(
            (*action.path, "verify"), message, "Make the check a step of its own that needs this one.", on_key=True
        )
    if step.undo == "automatic" and not undoes_itself(action.uses, action.with_):
        yield from _no_automatic_undo(action)
    yield from _twice(action)
    if action.uses == "dns.ttl" and "timeout" in said:
        yield from _patience(action)


def _patience(action: Action) -> Iterator[Complaint]:
    """A step that changes TTLs ends when the oldest of them has run out in every cache."""
    try:
        longest = seconds(action.with_.get("longest", LONGEST_TTL))
    except ValueError:
        return  # a reference, or complained of already
    if action.step.timeout < longest:
        message = f"`timeout` is {action.step.timeout:g} s, and this step may wait {longest:g} s for caches."
        remedy = "Raise or remove `timeout`, or write as `longest` the longest TTL that the records have now."
        yield Complaint((*action.path, "timeout"), message, remedy)


def _no_automatic_undo(action: Action) -> Iterator[Complaint]:
    what = "that releases a server" if action.uses == "compute.server" else ""
    message = f"A step `{action.uses}` {what}".rstrip() + " can't take itself back."
    changes = KINDS[action.uses].has_provider and not KINDS[action.uses].reads_only
    remedy = "Write `undo: none`, or a step's `uses` and `with` that takes it back." if changes else "Remove `undo`."
    yield action.complaint(message, remedy, "undo")


def _verify(action: Action) -> Iterator[Complaint]:
    if action.uses not in CHECKS:
        message = f"`{action.uses}` is no check: `verify` may only look."
        yield action.complaint(message, f"Use one of {listed(CHECKS)}.", "uses")


def _undo(action: Action) -> Iterator[Complaint]:
    kind, own = KINDS[action.uses], KINDS.get(action.step.uses)
    if not kind.has_provider or kind.reads_only:
        able = [name for name, each in KINDS.items() if each.has_provider and not each.reads_only]
        message = f"`{action.uses}` changes nothing, so it takes nothing back."
        yield action.complaint(message, f"Use one of {listed(able)}.", "uses")
    if own is not None and not own.expands and (own.reads_only or not own.has_provider):
        message = f"A step `{own.name}` changes nothing, so there is nothing to undo."
        yield Complaint(action.path, message, "Remove `undo`.", on_key=True)


_RULES = {"": _step, "verify": _verify, "undo": _undo}


def _twice(action: Action) -> Iterator[Complaint]:
    """All values of one name and type are one record set: a second one would replace the first."""
    records = action.with_.get("records")
    if action.uses not in DNS_KINDS or not isinstance(records, list):
        return
    seen: dict[tuple[str, str], int] = {}
    for index, record in enumerate(records):
        if not isinstance(record, dict) or is_open(record.get("name")) or is_open(record.get("type")):
            continue
        key = (str(record.get("name")).lower(), str(record.get("type")))
        if key in seen:
            message = f"The record set {key[0]} {key[1]} stands in this step already (entry {seen[key] + 1})."
            remedy = "Put all its values into one entry." if action.uses == "dns.records" else "Remove this entry."
            yield action.complaint(message, remedy, "with", "records", index)
        seen.setdefault(key, index)
