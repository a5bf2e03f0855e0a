"""What an estate's runbooks use of a scope, as far as it is known without a run. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.checks.draft import actions
from orchestrator.domain.estate import Estate
from orchestrator.domain.references import UNKNOWN_YET, Reference, is_open, substitute
from orchestrator.domain.runbook import Runbook
from orchestrator.domain.signals.lookout import lookout_of

SECRET = "secret://"  # noqa: S105  # how references begin


@dataclass(frozen=True, slots=True)
class Usage:
    """`read` and `written`: buckets by store; `images`: by cloud; `secrets`: references, the scope's own among them."""

    read: Mapping[str, set[str]] = field(default_factory=dict)
    written: Mapping[str, set[str]] = field(default_factory=dict)
    images: Mapping[str, set[str]] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()


def usage_of(bundle: Bundle, scope: str) -> Usage:
    """What all runbooks use of this scope, with the defaults of their parameters."""
    block = bundle.estate.scopes[scope].model_dump(mode="json", by_alias=True)
    read: dict[str, set[str]] = {}
    written: dict[str, set[str]] = {}
    images: dict[str, set[str]] = {}
    secrets = set(_secrets(block))
    probes = bundle.estate.signals.probes
    if probes is not None and probes.scope == scope:
        vendors = {one.vendor for one in bundle.estate.services.values()}
        for look in lookout_of(probes, vendors, bundle.catalogue).looks:
            secrets |= set(_secrets(look.with_))
    for runbook in bundle.runbooks.values():
        for action in actions(runbook):
            inputs = _filled(bundle.estate, runbook, action.with_, str(block["mode"]))
            secrets |= set(_secrets(inputs))
            if action.uses in {"storage.copy", "storage.verify"}:
                _note_bucket(read, inputs.get("from"))
                _note_bucket(read if action.uses == "storage.verify" else written, inputs.get("to"))
            elif action.uses == "compute.server":
                _note_image(images, inputs)
    return Usage(read, written, images, frozenset(secrets))


def _note_bucket(buckets: dict[str, set[str]], place: Any) -> None:
    if isinstance(place, Mapping):
        store, bucket = place.get("store"), place.get("bucket")
        if _known(store) and _known(bucket):
            buckets.setdefault(str(store), set()).add(str(bucket))


def _note_image(images: dict[str, set[str]], inputs: Mapping[str, Any]) -> None:
    """A server may be made at each of its providers."""
    named = inputs.get("provider")
    for provider in named if isinstance(named, list) else [named]:
        if _known(provider) and _known(inputs.get("image")):
            images.setdefault(str(provider), set()).add(str(inputs["image"]))


def _known(value: object) -> bool:
    return isinstance(value, str) and not is_open(value)


def _filled(estate: Estate, runbook: Runbook, value: Any, mode: str) -> dict[str, Any]:
    def look_up(reference: Reference) -> object:
        if reference == ("scope", "mode"):
            return mode
        if reference[:2] == ("estate", "services") and len(reference) == 4 and reference[2] in estate.services:
            return estate.services[reference[2]].model_dump(mode="json").get(reference[3], UNKNOWN_YET)
        parameter = runbook.parameters.get(reference[1]) if reference[0] == "parameters" else None
        return UNKNOWN_YET if parameter is None or parameter.default is None else parameter.default

    filled: dict[str, Any] = substitute(dict(value), look_up)
    return filled


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _secrets(inner)
    elif isinstance(value, str) and value.startswith(SECRET) and not is_open(value):
        yield value
