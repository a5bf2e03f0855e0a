"""Pydantic's errors in words for people: what is wrong, and what to write instead.

The words come from the model's JSON Schema, so a new field needs no new words;
only patterns are named here, since a regular expression explains nothing.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from orchestrator.domain.problem import Complaint, Path
from orchestrator.domain.references import value_at
from providers import wants

Schema = Mapping[str, Any]

MOST_COMPARED = 300
"""Names that a wrong one is compared with: more would take too long."""

_KEY_MARK = "[key]"
"""What pydantic puts at the end of the place of a mapping's key."""


def complaints_of(error: ValidationError, model: type[BaseModel], data: object) -> list[Complaint]:
    """One complaint for each of pydantic's errors, located in `data`."""
    root = _schema_of(model)
    found: list[Complaint] = []
    for detail in error.errors(include_url=False):
        complaint = _complaint(detail, root, data)
        if complaint not in found:
            found.append(complaint)
    return found


def one_sentence(complaints: Sequence[Complaint]) -> str:
    """The first few complaints in one line, each with the dotted path of its value."""
    told = [f"{'.'.join(map(str, one.path)) or 'all'}: {one.message.rstrip('.')}" for one in complaints[:3]]
    more = len(complaints) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")


def did_you_mean(word: str, known: Collection[str], otherwise: str) -> str:
    """A remedy for a wrong name: the nearest known one, or `otherwise`."""
    near = difflib.get_close_matches(word[:100], list(known), n=1, cutoff=0.6) if len(known) <= MOST_COMPARED else []
    if near:
        return f"Did you mean `{near[0]}`?"
    if not known:
        return otherwise
    return f"{otherwise} Known: {listed(sorted(known))}."


def listed(names: Iterable[str], most: int = 12) -> str:
    """`a`, `b` and `c`, cut after `most` names."""
    told = [f"`{name}`" for name in names]
    if len(told) > most:
        return f"{', '.join(told[:most])} and {len(told) - most} more"
    return " and ".join([", ".join(told[:-1]), told[-1]]) if len(told) > 1 else "".join(told)


def shown(value: object) -> str:
    """A value from a file as a message shows it: short, recognisable, and without the password of a URL."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = re.sub(r"//[^/@\s]*@", "//…@", value if isinstance(value, str) else str(value))
    text = text if len(text) <= 60 else f"{text[:59]}…"
    return f"“{text}”" if isinstance(value, str) else text


@cache
def _schema_of(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(by_alias=True, mode="validation")


def _complaint(detail: Any, root: Schema, data: object) -> Complaint:
    loc = list(detail["loc"])
    on_key = bool(loc) and loc[-1] == _KEY_MARK
    path, parent, node = _place(loc[:-1] if on_key else loc, root)
    path = _written(path, data)
    context = detail.get("ctx") or {}
    if "remedy" in context:
        return Complaint(path, detail["msg"], context["remedy"])
    if detail["type"] == "missing":
        what = expected(node, root) if node else "a value"
        return Complaint(path, f"`{path[-1]}` is missing.", f"Add `{path[-1]}`, {what}.")
    if detail["type"] == "extra_forbidden":
        known = list(parent.get("properties", {})) if parent else []
        remedy = did_you_mean(str(path[-1]), known, "Remove it.")
        return Complaint(path, f"The key `{_short(path[-1])}` is unknown here.", remedy, on_key=True)
    if on_key:
        choices = str(context.get("expected", "")).replace("'", "")
        what = f"one of {choices}" if choices else _PATTERNS.get(context.get("pattern", ""), "a short name")
        return Complaint(path, f"The key {shown(path[-1])} must be {what}.", f"Rename it to {what}.", on_key=True)
    if detail["type"].startswith("union_tag"):
        return _driver(path, node or {}, detail["input"])
    return _wrong_value(path, node, root, detail)


def _wrong_value(path: Path, node: Schema | None, root: Schema, detail: Any) -> Complaint:
    value = detail["input"]
    what = expected(node, root) if node else ""
    if what == _SECRET:
        return Complaint(
            path,
            "Only a reference to a secret may stand here, never the secret.",
            "Store the secret and write secret://its-name; if a real one was committed, replace it: Git keeps it.",
        )
    if not what:
        said = str(detail["msg"]).removeprefix("Value error, ").rstrip(".")
        return Complaint(path, f"{said[:1].upper()}{said[1:]}.", "Correct this value.")
    what, _, examples = what.replace(", such as", " such as").partition(" such as ")
    if "gt" in (detail.get("ctx") or {}):
        what = f"{what} longer than zero"
    remedy = _remedy(value, what, examples, _options(node, root))
    return Complaint(path, f"{_subject(path)} is {shown(value)}; it must be {what}.", remedy)


def _subject(path: Path) -> str:
    if not path:
        return "This"
    return f"`{path[-1]}`" if isinstance(path[-1], str) else "This entry"


def _remedy(value: object, what: str, examples: str, options: Sequence[str]) -> str:
    if isinstance(value, str) and options:
        near = difflib.get_close_matches(value[:100], options, n=1, cutoff=0.6)
        return f"Did you mean `{near[0]}`?" if near else f"Write {what}."
    if isinstance(value, int | float) and what.startswith(("a text", "a host", "a name")):
        return f'Put it in quotes: "{shown(value)}".'
    return f"Write it such as {examples}." if examples else f"Write {what}."


def _driver(path: Path, node: Schema, value: object) -> Complaint:
    drivers = list(node.get("discriminator", {}).get("mapping", {}))
    given = value.get("driver") if isinstance(value, Mapping) else None
    if given is None:
        return Complaint((*path, "driver"), "`driver` is missing.", f"Add `driver`: one of {listed(drivers)}.")
    return Complaint(
        (*path, "driver"),
        f"The driver {shown(given)} is unknown.",
        did_you_mean(str(given), drivers, "Name a driver that exists."),
    )


def _place(loc: Sequence[str | int], root: Schema) -> tuple[Path, Schema | None, Schema | None]:
    """The path in the data (without pydantic's marks), the schema around it, and the schema at it."""
    path: list[str | int] = []
    parent: Schema | None = None
    node: Schema | None = _plain(root, root)
    for part in loc:
        tags = (node or {}).get("discriminator", {}).get("mapping", {})
        if part in tags:
            node = _plain({"$ref": tags[part]}, root)
            continue
        path.append(part)
        parent, node = node, _below(node, part, root)
    return tuple(path), parent, node


def _written(path: Path, data: object) -> Path:
    """The path as far as the file goes: where one name stands for a list of one, the entry is the name itself."""
    for length in range(1, len(path)):
        if isinstance(value_at(data, path[:length]), str):
            return path[:length]
    return path


def _below(node: Schema | None, part: str | int, root: Schema) -> Schema | None:
    if node is None:
        return None
    if isinstance(part, int):
        lists = [choice for choice in node.get("anyOf", ()) if "items" in choice]
        inner = node.get("items") or next((choice["items"] for choice in lists), None)
    else:
        inner = node.get("properties", {}).get(part) or node.get("additionalProperties")
        inner = inner or next(iter(node.get("patternProperties", {}).values()), None)
    return _plain(inner, root) if isinstance(inner, Mapping) else None


def _plain(node: Schema, root: Schema) -> Schema:
    """The node without `$ref` and without the choice of leaving it empty; its own bounds stay."""
    if "$ref" in node:
        found: Any = root
        for part in str(node["$ref"]).removeprefix("#/").split("/"):
            found = found[part]
        return _plain({**found, **{key: value for key, value in node.items() if key != "$ref"}}, root)
    choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        return _plain({**node, "anyOf": (), **choices[0]}, root)
    return node


def expected(node: Schema, root: Schema) -> str:
    """What a value at this place of the schema is, as a noun phrase; empty when anything is."""
    node = _plain(node, root)
    options = _options(node, root)
    if options:
        return options[0] if len(options) == 1 else f"one of {', '.join(options)}"
    if node.get("pattern") in _PATTERNS:
        return _PATTERNS[node["pattern"]]
    if "pattern" in node and node.get("description"):
        return str(node["description"])
    words = _TYPES.get(str(node.get("type")))
    if words is None:
        choices = [expected(choice, root) for choice in node.get("anyOf", ())]
        return " or ".join(choice for choice in choices if choice)
    return words + _bounds(node) + _content(node, root)


def _options(node: Schema | None, root: Schema) -> list[str]:
    if node is None:
        return []
    node = _plain(node, root)
    values = node.get("enum") or ([node["const"]] if "const" in node else [])
    return [str(value) for value in values]


def _bounds(node: Schema) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    if low is not None or "exclusiveMinimum" in node:
        return f" of at least {low:g}" if low is not None else f" above {node['exclusiveMinimum']:g}"
    if node.get("maxLength"):
        return f" of {node.get('minLength', 0)} to {node['maxLength']} characters"
    if node.get("minLength"):
        return " that is not empty"
    if node.get("maxItems"):
        return f" of {node.get('minItems', 0)} to {node['maxItems']} entries"
    return " that is not empty" if node.get("minItems") or node.get("minProperties") else ""


def _content(node: Schema, root: Schema) -> str:
    if node.get("type") == "array" and isinstance(node.get("items"), Mapping):
        each = expected(node["items"], root)
        return f", each {each}" if each else ""
    if node.get("type") == "object" and node.get("properties"):
        return f" with {listed(node.get('required') or list(node['properties']))}"
    return ""


def _short(part: str | int) -> str:
    text = str(part)
    return text if len(text) <= 60 else f"{text[:59]}…"


_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "empty",
}


def _json(kind: Any) -> Schema:
    return TypeAdapter(kind).json_schema()


def _pattern(model: type[BaseModel], name: str) -> str:
    root = _schema_of(model)
    return str(_plain(root["properties"][name], root)["pattern"])


_SECRET = "a reference to a secret such as secret://dns-key"  # noqa: S105
_VARIABLE = str(next(iter(_schema_of(wants.Play)["properties"]["vars"]["patternProperties"])))

CONTROL_NAME = r"^control-[a-z0-9](?:[a-z0-9\-]{0,53}[a-z0-9])?$"
"""How controls of the block `signals` are named: a regular expression."""

_PATTERNS: Mapping[str, str] = {
    _json(wants.HostName)["pattern"]: "a host name or an IP address, such as mx.example.net",
    _json(wants.Zone)["pattern"]: "a domain in lower case without a final dot, such as example.net",
    _json(wants.EstatePath)["pattern"]: "a path inside the estate, such as docs/sheet.md",
    _json(wants.Name)["pattern"]: "a name in lower case, digits and hyphens, such as old-mail",
    _json(wants.SecretRef)["pattern"]: _SECRET,
    _json(wants.Seconds)["pattern"]: "a duration such as 30s, 10m or 1h30m",
    _pattern(wants.Record, "name"): "a name inside the zone, or @ for the zone itself",
    _pattern(wants.Place, "bucket"): "a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens",
    _pattern(wants.HttpProbe, "url"): "a URL that begins with http:// or https://",
    _json(wants.WebAddress)["pattern"]: "a URL that begins with http:// or https://, without user, password and query",
    _json(wants.UserName)["pattern"]: "a user name without a colon",
    _pattern(wants.WebdavProbe, "folder"): "a folder below the URL, such as drills/2026",
    _json(wants.PageUrl)["pattern"]: "a page's URL that begins with http:// or https://, without user and password",
    _json(wants.FieldText)["pattern"]: "one line of text",
    _pattern(wants.CompletionProbe, "model"): "a model's name as the API lists it, such as mistral-small-latest",
    _pattern(wants.AwsProbe, "region"): "a region such as eu-west-3",
    _pattern(wants.AptProbe, "suite"): "a suite such as bookworm or bookworm-security",
    _pattern(wants.AptProbe, "component"): "a component such as main",
    _pattern(wants.AptProbe, "architecture"): "an architecture such as amd64",
    _pattern(wants.SmtpProbe, "deliver_to"): "a mail address such as canary@example.net",
    _pattern(wants.ImapProbe, "message_id"): "a Message-ID such as <canary.1@example.net>",
    _json(wants.InformChannel)["pattern"]: "paper, a channel of the `notify` block such as crisis, or social:NAME",
    _json(wants.Reference)["pattern"]: "a reference of 4 to 20 capital letters, digits and hyphens, such as VALB-2026",
    _json(wants.RoomLink)["pattern"]: "a link with {room} in its path, such as https://visio.example.net/{room}",
    CONTROL_NAME: "a name that begins with control-, such as control-town-site",
    _VARIABLE: "a variable name in lower case, digits and underscores, such as web_root",
}
