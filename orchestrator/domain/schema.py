"""JSON Schema (2020-12) of an estate's files, for editors: completion, descriptions, red lines while typing.

The validator sees more than a schema can say. The schema is stricter in one
matter: it wants durations with their unit.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from orchestrator.domain.checks.rules import CHECKS
from orchestrator.domain.estate import EstateText, Origin, Service
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.runbook import Parameter, RunbookText, StepBody, UndoAction, Verify
from orchestrator.domain.scope import Scope

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Schema = {"type": "string", "pattern": r"\$\{\{[^{}]+\}\}", "description": "a reference: ${{ a.b.c }}"}
_REFER = {"$ref": "#/$defs/Reference"}


def runbook_schema() -> Schema:
    """The schema of runbooks/*.yaml: each step's `with` follows its `uses`."""
    defs: Schema = {"Reference": _REFERENCE}
    for kind in KINDS.values():
        _add(defs, kind.inputs, with_references=True)
    _add(defs, Parameter)
    for model in (StepBody, Verify, UndoAction):
        _add(defs, model)
    able = [kind.name for kind in KINDS.values() if kind.has_provider and not kind.reads_only]
    _follow_uses(defs["StepBody"], list(KINDS))
    _follow_uses(defs["Verify"], list(CHECKS))
    _follow_uses(defs["UndoAction"], able)
    root = _add(defs, RunbookText)
    _entries(root["properties"]["parameters"], {"$ref": "#/$defs/Parameter"})
    _entries(root["properties"]["steps"], {"$ref": "#/$defs/StepBody"})
    return {"$schema": DIALECT, **root, "title": "Bascule runbook", "$defs": defs}


def estate_schema() -> Schema:
    """The schema of bascule.yaml: services, and each driver's keys in the scopes."""
    defs: Schema = {"Reference": _REFERENCE}
    probes = [kind for kind in KINDS.values() if kind.name.startswith("probe.")]
    for kind in probes:
        _add(defs, kind.inputs, with_references=True)
    for model in (Origin, Service, Scope):
        _add(defs, model)
    _follow_uses(defs["Origin"], [kind.name for kind in probes])
    root = _add(defs, EstateText)
    for part in ("ControlSite", "OwnSensor", "AccountSensor"):
        _follow_uses(defs[part], [kind.name for kind in probes])
    _entries(root["properties"]["services"], {"$ref": "#/$defs/Service"})
    _entries(root["properties"]["scopes"], {"$ref": "#/$defs/Scope"})
    return {"$schema": DIALECT, **root, "title": "Bascule estate", "$defs": defs}


def _add(defs: Schema, model: type[BaseModel], *, with_references: bool = False) -> Schema:
    """Put a model and all that it is made of under `defs`.

    Models of the inputs of steps have their own names, for a `Verify` of objects
    is not the `Verify` of a step.
    """
    name = _name(model) if with_references else model.__name__
    made = model.model_json_schema(by_alias=True, mode="validation", ref_template="#/$defs/{model}")
    parts = made.pop("$defs", {})
    if with_references:
        made = _open(made)
        parts = {f"With{part}": _open(inner) for part, inner in parts.items()}
        made = _renamed(made, parts)
        parts = {part: _renamed(inner, parts) for part, inner in parts.items()}
    for part, inner in parts.items():
        defs.setdefault(part, inner)
    defs[name] = made
    return made


def _name(inputs: type[BaseModel]) -> str:
    return f"With{inputs.__name__}"


def _renamed(node: Any, parts: Mapping[str, Any]) -> Any:
    """The node with its `$ref`s led to the names that the parts have here."""
    if isinstance(node, dict):
        found = {key: _renamed(value, parts) for key, value in node.items()}
        target = str(found.get("$ref", "")).removeprefix("#/$defs/")
        if f"With{target}" in parts:
            found["$ref"] = f"#/$defs/With{target}"
        return found
    return [_renamed(value, parts) for value in node] if isinstance(node, list) else node


def _open(node: Schema) -> Schema:
    """The schema of an object whose values may all be references."""
    opened = dict(node)
    for key in ("properties", "patternProperties"):
        if key in node:
            opened[key] = {name: _or_reference(inner) for name, inner in node[key].items()}
    if isinstance(node.get("additionalProperties"), dict):
        opened["additionalProperties"] = _or_reference(node["additionalProperties"])
    return opened


def _or_reference(node: Schema) -> Schema:
    """The schema of a value, or of a reference to one. What is free text already needs no second choice."""
    outer: Schema = {key: node[key] for key in ("title", "description", "default", "examples") if key in node}
    inner = {key: value for key, value in node.items() if key not in outer}
    if not inner or inner == {"type": "string"}:
        return node
    if isinstance(inner.get("items"), dict):
        inner["items"] = _or_reference(inner["items"])
    if inner.get("type") == "object":
        inner = _open(inner)
    choices = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
    return {**outer, "anyOf": [*choices, _REFER]}


def _follow_uses(node: Schema, kinds: list[str]) -> None:
    """Let `with` follow `uses`."""
    node["properties"]["uses"] = {
        "description": "the kind of step",
        "oneOf": [{"const": name, "description": KINDS[name].words.en} for name in kinds],
    }
    node["allOf"] = [_when(name) for name in kinds]


def _when(name: str) -> Schema:
    inputs = KINDS[name].inputs
    then: Schema = {"properties": {"with": {"$ref": f"#/$defs/{_name(inputs)}"}}}
    if any(field.is_required() for field in inputs.model_fields.values()):
        then["required"] = ["with"]
    return {"if": {"properties": {"uses": {"const": name}}, "required": ["uses"]}, "then": then}


def _entries(node: Schema, entry: Schema) -> None:
    """Give the values of a mapping their schema; its bounds and the pattern of its keys stay."""
    patterns = node.pop("patternProperties", {})
    node["patternProperties"] = dict.fromkeys(patterns, entry)
    node["additionalProperties"] = False
