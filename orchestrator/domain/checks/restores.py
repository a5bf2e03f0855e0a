"""What one runbook takes away, the runbook of the other direction brings back.

A drain without a restore is a one-way door that nobody notices before the day
that it matters.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.domain.checks.draft import Action, Draft, actions, fill
from orchestrator.domain.checks.nesting import reachable
from orchestrator.domain.problem import Complaint, Path, Problem
from orchestrator.domain.references import is_open
from orchestrator.domain.runbook import Runbook, Sheet
from orchestrator.domain.swap import steps_of, swap_of
from orchestrator.domain.wording import listed
from orchestrator.domain.zones import zones_of

Key = tuple[str, str, str]
"""Zone, name in lower case, type."""


def check_restores(draft: Draft) -> Iterator[Problem]:
    makes = {server for sheet in draft.sheets.values() for server in _servers(draft, sheet, "present")}
    for sheet in draft.sheets.values():
        for server, action in _servers(draft, sheet, "absent", "existing").items():
            if not (draft.unreadable or any(made[1] == server[1] and set(server[0]) & set(made[0]) for made in makes)):
                yield sheet.document.problem(_never_made(action, server))
    for service in draft.estate.estate.services.values():
        if service.failover and service.failback and {service.failover, service.failback} <= draft.sheets.keys():
            there, back = reachable(draft, [service.failover]), reachable(draft, [service.failback])
            yield from _unrestored(draft, there - back, back)
            yield from _unrestored(draft, back - there, there)


def _never_made(action: Action, server: "Server") -> Complaint:
    does = "releases" if action.with_.get("state") == "absent" else "looks for"
    message = f"This step {does} the server `{server[1]}` at {listed(server[0])}, and no runbook makes it."
    remedy = "Correct `name` and `provider`, or add a compute.server step that makes it (state present)."
    return action.complaint(message, remedy, "with", "name")


Server = tuple[tuple[str, ...], str]
"""Where it may be, and its name."""


def _servers(draft: Draft, sheet: Sheet, *states: str) -> dict[Server, Action]:
    found: dict[Server, Action] = {}
    for action in actions(sheet.runbook):
        with_ = fill(draft, sheet.runbook, action.with_)
        if action.uses == "compute.server" and with_.get("state", "present") in states:
            at = with_.get("provider")
            places, name = at if isinstance(at, list) else [at], str(with_.get("name"))
            if not any(map(is_open, [*places, name])):
                found.setdefault((tuple(map(str, places)), name), action)
    return found


def _unrestored(draft: Draft, takes: set[str], gives: set[str]) -> Iterator[Problem]:
    given = {key for stem in gives for key, _ in _records(draft, draft.sheets[stem], "present")}
    given |= {key for stem in gives for key in _swapped_in(draft, draft.sheets[stem].runbook)}
    unsure = any(is_open(part) for key in given for part in key)
    for stem in sorted(takes):
        sheet = draft.sheets[stem]
        own = {key for key, _ in _records(draft, sheet, "present")}
        for key, path in _records(draft, sheet, "absent"):
            if key in given or key in own or unsure or any(map(is_open, key)):
                continue
            zone, name, kind = key
            message = f"The record set {name} {kind} of {zone} is taken away here, and nothing brings it back."
            remedy = f"Add it with `state: present` to the runbook of the other direction ({', '.join(sorted(gives))})."
            yield sheet.document.problem(Complaint(path, message, remedy))


def _records(draft: Draft, sheet: Sheet, state: str) -> Iterator[tuple[Key, Path]]:
    for action in actions(sheet.runbook):
        if not action.role:
            for index, key in _in_state(action.uses, fill(draft, sheet.runbook, action.with_), state):
                yield key, (*action.path, "with", "records", index)


def _swapped_in(draft: Draft, runbook: Runbook) -> Iterator[Key]:
    """The record sets that the recipes of its swaps write.

    What they take away is not asked for: they also name what a domain may never have had.
    """
    service = draft.estate.estate.services.get(runbook.service)
    for action in actions(runbook):
        with_ = fill(draft, runbook, action.with_) if action.uses == "endpoint.swap" else {}
        if service is None or with_.get("to") not in draft.catalogue.targets:
            continue
        swap = swap_of(with_, service.vendor)
        inner = steps_of(draft.catalogue, swap, runbook)
        for each in actions(inner):
            if not each.role:
                filled = fill(draft, inner, each.with_, given=swap.settings)
                yield from (key for _, key in _in_state(each.uses, filled, "present"))


def _in_state(uses: str, with_: Mapping[str, Any], state: str) -> Iterator[tuple[int, Key]]:
    """The record sets that a `dns.records` step leaves in this state, with their places in its list."""
    records: Any = with_.get("records") if uses == "dns.records" else None
    for index, record in enumerate(records if isinstance(records, list) else []):
        if isinstance(record, dict) and record.get("state", "present") == state:
            for zone in zones_of(with_):
                yield index, (zone, str(record.get("name")).lower(), str(record.get("type")))
