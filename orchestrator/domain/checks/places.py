"""Where steps act: the scopes have the providers, zones, stores and channels that are named, the estate the files."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.checks.draft import Action, Draft, actions, fill
from orchestrator.domain.estate import written_block
from orchestrator.domain.problem import Complaint, Path, Problem
from orchestrator.domain.references import find_references, is_open, value_at
from orchestrator.domain.runbook import Runbook
from orchestrator.domain.wording import did_you_mean, listed
from providers.wants import PAPER, SOCIAL

_SECTIONS: Mapping[str, tuple[tuple[str, ...], tuple[Path, ...]]] = {
    "compute.server": (("compute",), (("provider",),)),
    "compute.volume": (("compute",), (("provider",),)),
    "compute.snapshot": (("compute",), (("provider",),)),
    "dns.records": (("dns", "zones"), (("zone",), ("zones",))),
    "dns.ttl": (("dns", "zones"), (("zone",), ("zones",))),
    "storage.copy": (("storage",), (("from", "store"), ("to", "store"))),
    "storage.verify": (("storage",), (("from", "store"), ("to", "store"))),
    "notify.send": (("notify",), (("channel",),)),
    "social.post": (("social",), (("account",),)),
    "social.profile": (("social",), (("account",),)),
    "calendar.reissue": (("notify",), (("notify",),)),
}
"""Kind -> the block of a scope that it acts in, and where its inputs name an entry of it."""

FILES: Mapping[str, tuple[Path, ...]] = {
    "ansible.play": (("play",),),
    "human.task": (("instructions",),),
    "human.approval": (("instructions",),),
    "compute.server": (("user_data",),),
    "probe.apt": (("key",),),
    "social.post": (("picture",),),
    "people.inform": (("instructions", "fr"), ("instructions", "en")),
}
"""Kind -> where its inputs name a file of the estate."""

_PLANNED: Mapping[str, tuple[Path, ...]] = {
    "compute.server": (("name",),),
    "compute.volume": (("name",),),
    "compute.snapshot": (("name",),),
    "storage.copy": (("from", "bucket"), ("to", "bucket")),
    "storage.verify": (("from", "bucket"), ("to", "bucket")),
}
"""Further inputs that the plan must know: what a run holds for itself alone."""


@dataclass(frozen=True, slots=True)
class _Block:
    """One block of one scope, such as `compute`, with the names in it."""

    scope: str
    mode: str
    names: tuple[str, ...]
    zones: Mapping[str, Any]


def check_places(draft: Draft) -> Iterator[Problem]:
    for sheet in draft.sheets.values():
        for action in actions(sheet.runbook):
            found = [*_too_late(action)]
            found = found or [
                *entries_missing(draft, sheet.runbook, action),
                *file_missing(draft, sheet.runbook, action),
            ]
            yield from map(sheet.document.problem, found)
    yield from _authorities(draft)


def _too_late(action: Action) -> Iterator[Complaint]:
    paths = (
        *_SECTIONS.get(action.uses, ((), ()))[1],
        *_PLANNED.get(action.uses, ()),
        *FILES.get(action.uses, ()),
    )
    for path in paths:
        for _, reference in find_references(value_at(action.with_, path)):
            if reference[0] in ("steps", "run"):
                message = f"`{'.'.join(reference)}` is not known when the plan is made, and `{path[-1]}` must be."
                yield action.complaint(message, "Use a parameter, or write the value out.", "with", *path)


def entries_missing(draft: Draft, runbook: Runbook, action: Action) -> Iterator[Complaint]:
    """Entries of the scopes that an action names, and that are not there."""
    section, paths = _SECTIONS.get(action.uses, ((), ()))
    if action.uses == "people.inform":
        yield from _channels_missing(draft, action)
    if not section or not any(value_at(action.with_, path) for path in paths):
        return
    blocks = [*_blocks(draft, section)]
    if not blocks and draft.estate.estate.scopes:
        named = ".".join(section)
        yield action.complaint(
            f"No scope has a block `{named}`.", f"Add `{named}` to the scopes in bascule.yaml.", "uses"
        )
        return
    for path in paths:
        missing: dict[Path, dict[str, str]] = {}
        for block in blocks:
            for at, name in _entries(draft, runbook, action, path, block):
                if name not in block.names:
                    missing.setdefault(at, {})[block.scope] = name
        yield from (_no_entry(action, section, blocks, at, gone) for at, gone in missing.items())


def _channels_missing(draft: Draft, action: Action) -> Iterator[Complaint]:
    """Channels of a notice: each is paper, or an entry of one of two blocks."""
    channels = value_at(action.with_, ("channels",))
    for index, channel in enumerate(channels if isinstance(channels, list) else ()):
        if not isinstance(channel, str) or channel == PAPER or is_open(channel):
            continue
        section = ("social",) if channel.startswith(SOCIAL) else ("notify",)
        name = channel.removeprefix(SOCIAL)
        blocks = [*_blocks(draft, section)]
        without = {block.scope: name for block in blocks if name not in block.names}
        if not blocks:
            without = dict.fromkeys(draft.estate.estate.scopes, name)
        if without:
            yield _no_entry(action, section, blocks, ("channels", index), without)


def _no_entry(
    action: Action, section: tuple[str, ...], blocks: list[_Block], at: Path, missing: Mapping[str, str]
) -> Complaint:
    name = next(iter(missing.values()))
    where = f"scopes {listed(missing)}" if len(missing) > 1 else f"scope {listed(missing)}"
    known = {entry for block in blocks for entry in block.names}
    add = f"Add `{name}` to scopes.{next(iter(missing))}.{'.'.join(section)} in bascule.yaml."
    message = f"There is no `{name}` in `{'.'.join(section)}` of the {where}."
    return action.complaint(message, did_you_mean(name, known, add), "with", *at)


def _entries(draft: Draft, runbook: Runbook, action: Action, path: Path, block: _Block) -> Iterator[tuple[Path, str]]:
    """The entries' names in this scope, each with its place; those that only a run's parameters tell are left out."""
    named = value_at(fill(draft, runbook, action.with_, mode=block.mode), path)
    written = isinstance(value_at(action.with_, path), list)
    for index, name in enumerate(named if isinstance(named, list) else [named]):
        if isinstance(name, str) and not is_open(name):
            placed = block.zones.get(name, name) if path[0] in ("zone", "zones") else name
            yield (*path, index) if written else path, str(placed)


def _blocks(draft: Draft, section: tuple[str, ...]) -> Iterator[_Block]:
    """The scopes that have this block, as they are written: a mistake inside an entry does not hide its name."""
    data = draft.estate.document.data
    for scope in draft.estate.estate.scopes:
        names = tuple(written_block(data, "scopes", scope, *section))
        if names:
            mode = str(written_block(data, "scopes", scope).get("mode"))
            yield _Block(scope, mode, names, written_block(data, "scopes", scope, "zones"))


def file_missing(draft: Draft, runbook: Runbook, action: Action) -> Iterator[Complaint]:
    """The files of the estate that an action names and that are not there."""
    filled = fill(draft, runbook, action.with_)
    for path in FILES.get(action.uses, ()):
        value = value_at(filled, path)
        if not isinstance(value, str) or not value or is_open(value) or value in draft.files:
            continue
        folder = [file for file in draft.files if file.partition("/")[0] == value.partition("/")[0]]
        remedy = did_you_mean(value, folder, f"Write the file {value}, or correct the path.")
        yield action.complaint(f"The estate has no file {value}.", remedy, "with", *path)


def _authorities(draft: Draft) -> Iterator[Problem]:
    """A `ca` that is not absolute is a file of the estate, and a `certificate` always."""
    todo: list[tuple[Path, Any]] = [(("scopes",), written_block(draft.estate.document.data, "scopes"))]
    while todo:
        path, value = todo.pop()
        if isinstance(value, Mapping):
            todo.extend(((*path, key), inner) for key, inner in value.items())
        elif path[-1] == "ca" and isinstance(value, str) and _is_lacking(value, draft):
            message = f"The estate has no file {value}."
            remedy = "Add the PEM file to the estate, write an absolute path, or `ca: null` for the machine's own."
            yield draft.in_estate(Complaint(path, message, remedy))
        elif path[-1] == "certificate" and isinstance(value, str) and value not in draft.files:
            message = f"The estate has no file {value}."
            yield draft.in_estate(Complaint(path, message, "Add the PEM file to the estate, or correct the path."))


def _is_lacking(ca: str, draft: Draft) -> bool:
    return not ca.startswith(("/", "secret://")) and ca not in draft.files
