"""What a planned step would change: facts, which each reader puts into words of their own. Pure.

A fact is a code with its values, or a table of things that turn from one state into another. Terminal and page show
the same facts, in the words that the catalogues have for every code.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.kinds import KINDS
from orchestrator.domain.plan import Plan, PlannedStep, Seen
from orchestrator.domain.zones import by_zone, longest_wait, new_ttl, zones_of
from orchestrator.operations.record_edits import edit_words, is_edit, result

Value = str | int | float | tuple[str, ...] | Mapping[str, str]
"""A mapping holds the same words in each language, a tuple several names. Text may hold references: `read_out`."""

_REFERENCE = re.compile(r"\$\{\{\s*steps\.([^.\s]+)\.outputs\.([^.\s}]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Told:
    """One thing to know of a step. `alarm`: what a person should look at before they say yes."""

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What something holds; without values there is nothing. `ttl`: seconds, of record sets."""

    values: tuple[str, ...] = ()
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """What is done to something whose state is not known before another step has ended."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing before and after. `before` None: it can't be known yet; `after` None: it stays."""

    name: str | Mapping[str, str]
    kind: str
    before: Held | None
    after: Held | Edit | None

    @property
    def stays(self) -> bool:
        return self.after is None or (self.before is not None and self.before == self.after)


@dataclass(frozen=True, slots=True)
class Turns:
    """What turns together. `zones`: of record sets, those in which the same was found."""

    turns: tuple[Turn, ...]
    zones: tuple[str, ...] = ()


Change = Told | Turns
Before = Mapping[tuple[str, str], Mapping[str, Any]] | None
"""What was found of each record set; None when nothing was looked at."""


def changes_of(step: PlannedStep) -> list[Change]:
    """What the step does, what would change now, and how old that knowledge is. At least one."""
    describe = _DESCRIPTIONS.get(step.uses, _plain)
    return [*describe(step), *_age(step.seen)]


def changes_in(plan: Plan) -> dict[str, list[Change]]:
    """Of every step, by its id. It takes a while for a large plan: once is enough for all that is told of one."""
    return {step.id: changes_of(step) for step in plan.steps}


def alarms_among(changes: Iterable[Change]) -> list[Told]:
    """What a person should look at before they say yes to the step."""
    return [one for one in changes if isinstance(one, Told) and one.alarm]


def read_out(text: str, words: Callable[[str, str], str]) -> str:
    """A value with its references replaced by words for them, made of the step and of the name of its output."""
    return _REFERENCE.sub(lambda found: words(found[1], found[2]), text)


def is_later(text: str) -> bool:
    """Whether a part of the value is known only when an earlier step has ended."""
    return _REFERENCE.search(text) is not None


def moved_turns(was: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[Turns]:
    """What moved in the part of a plan's step that its digest covers: record sets by zone, or a profile's fields."""
    old, new = was or {}, now or {}
    if "fields" in old or "fields" in new:
        fields = _differing(old.get("fields") or {}, new.get("fields") or {}, _one)
        return [Turns(tuple(Turn(name, "", before, after) for name, before, after in fields))]
    found = []
    for zone in _zones_told(old) | _zones_told(new):
        before, after = _record_sets(_told_of(old, zone)) or {}, _record_sets(_told_of(new, zone)) or {}
        sets = _differing(before, after, lambda record: _held(record or {}))
        turns = tuple(Turn(name, kind, one, other) for (name, kind), one, other in sets)
        found += [Turns(turns, (zone,) if zone else ())] if turns else []
    return found


def _differing(
    old: Mapping[Any, Any], new: Mapping[Any, Any], held: Callable[[Any], Held]
) -> Iterator[tuple[Any, Held, Held]]:
    for key in dict.fromkeys([*old, *new]):
        before, after = held(old.get(key)), held(new.get(key))
        if before != after:
            yield key, before, after


def _zones_told(values: Mapping[str, Any]) -> dict[str, None]:
    zones = values.get("zones")
    return dict.fromkeys(zones) if isinstance(zones, Mapping) else {"": None} if values else {}


def _told_of(values: Mapping[str, Any], zone: str) -> Mapping[str, Any]:
    found = values.get("zones", {}).get(zone, {}) if zone else values
    return found if isinstance(found, Mapping) else {}


def _server(step: PlannedStep) -> Iterator[Change]:
    with_ = step.with_
    where: dict[str, Value] = {"name": str(with_.get("name")), "providers": _providers(with_.get("provider"))}
    need = with_.get("resources")
    if with_.get("state", "present") == "existing":
        yield Told("server.find", where)
    elif with_.get("state") == "absent":
        yield Told("server.release", where)
    elif step.seen is not None and step.seen.presence in ("already", "ours"):
        yield Told("server.there", where)
    elif isinstance(need, Mapping):
        size: dict[str, Value] = {"cpu": str(need.get("cpu")), "memory": str(need.get("memory"))}
        yield Told("server.make.like", {**where, **size, "image": str(with_.get("image"))})
    else:
        yield Told("server.make", {**where, "size": str(with_.get("size")), "image": str(with_.get("image"))})
    yield from _conflict(step)
    yield from _room(step)


def _room(step: PlannedStep) -> Iterator[Change]:
    """Where the server would be made now, when that is not what is written; and that there is no room."""
    place = step.placement
    if place is None:
        return
    if place.provider is None:
        yield Told("room.none", {"message": place.message}, alarm=True)
    elif place.message:
        yield Told("message", {"message": place.message}, alarm=True)
    if place.provider is not None and (step.with_.get("resources") or place.message):
        yield Told("room.now", {"size": str(place.size), "provider": place.provider})


def _providers(named: object) -> tuple[str, ...]:
    """One provider, or several in the order in which they are tried."""
    return tuple(map(str, named)) if isinstance(named, list) else (str(named),)


def _volume(step: PlannedStep) -> Iterator[Change]:
    """A volume or a snapshot; without its inputs, no more than its kind."""
    if not step.with_.get("name"):
        yield from _plain(step)
        return
    known = {name: str(step.with_.get(name)) for name in ("name", "provider")}
    if step.uses == "compute.snapshot":
        yield Told("snapshot", {**known, "volume": str(step.with_.get("volume"))})
    else:
        yield Told("volume", {**known, "size": f"{step.with_.get('size', 0):g}"})
    yield from _conflict(step)


def _records(step: PlannedStep) -> Iterator[Change]:
    records = step.with_.get("records", [])
    for zones, before in _places(step):
        turns = []
        for record in records:
            name, kind = str(record.get("name")), str(record.get("type"))
            was = None if step.after and is_edit(record) else _was(before, name, kind)
            turns.append(Turn(name, kind, was, _wanted(step, record, before)))
        yield Turns(tuple(turns), zones)
    if any(map(is_edit, records)):
        yield from _conflict(step)


def _wanted(step: PlannedStep, record: Mapping[str, Any], before: Before) -> Held | Edit:
    """What will be there; of an edit whose result is not known yet, what it does."""
    if record.get("state") == "absent":
        return Held()
    if not is_edit(record):
        return _held(record)
    found = None if before is None or step.after else before.get((str(record["name"]).lower(), str(record["type"])))
    made = None if found is None else result(record, found, zones_of(step.with_)[0])
    return Edit(tuple(edit_words(record))) if made is None else _held(made.as_json())


def _ttls(step: PlannedStep) -> Iterator[Change]:
    lowers = step.with_.get("change", "lower") == "lower"
    yield Told("ttl.lower" if lowers else "ttl.set", {"ttl": str(step.with_.get("ttl"))})
    for zones, before in _places(step):
        yield Turns(tuple(_slower(step, before, one) for one in step.with_.get("records", [])), zones)
    wait = longest_wait(step.with_, step.seen.values) if step.seen is not None else 0.0
    if wait:
        yield Told("ttl.wait", {"time": wait})
    yield from _conflict(step)


def _slower(step: PlannedStep, before: Before, record: Mapping[str, Any]) -> Turn:
    """The same values, with the TTL that they will have; nothing stays nothing."""
    name, kind = str(record.get("name")), str(record.get("type"))
    was = _was(before, name, kind)
    if was is None or not was.values or not isinstance(step.with_.get("ttl"), int):
        return Turn(name, kind, was, None)
    return Turn(name, kind, was, Held(was.values, new_ttl(step.with_, was.ttl)))


def _places(step: PlannedStep) -> list[tuple[tuple[str, ...], Before]]:
    """The step's zones and what was found there; zones in which the same was found stand together."""
    found = by_zone(step.with_, step.seen.values) if step.seen is not None else {}
    alike: list[tuple[list[str], Before]] = []
    for zone in zones_of(step.with_) or ["?"]:
        before = _record_sets(found.get(zone))
        zones = next((zones for zones, held in alike if held == before), None)
        if zones is None:
            alike.append(([zone], before))
        else:
            zones.append(zone)
    return [(tuple(zones), before) for zones, before in alike]


def _was(before: Before, name: str, kind: str) -> Held | None:
    return None if before is None else _held(before.get((name.lower(), kind), {}))


def _held(record: Mapping[str, Any]) -> Held:
    values = record.get("values") or []
    if not isinstance(values, Sequence) or isinstance(values, str):
        return Held((str(values),), record.get("ttl"))
    return Held(tuple(map(str, values)), record.get("ttl")) if values else Held()


def _record_sets(found: Mapping[str, Any] | None) -> Before:
    if found is None or "records" not in found:
        return None
    return {(str(one["name"]).lower(), str(one["type"])): one for one in found["records"]}


def _copy(step: PlannedStep) -> Iterator[Change]:
    where: dict[str, Value] = {"source": _place(step.with_.get("from")), "target": _place(step.with_.get("to"))}
    values = step.seen.values if step.seen else {}
    if "to_copy" not in values:
        yield Told("copy", where)
    elif not values["to_copy"]:
        yield Told("copy.there", {**where, "count": values.get("same", 0)})
    else:
        yield Told("copy.do", {**where, "count": values["to_copy"], "bytes": values.get("bytes", 0)})
        if values.get("bucket") == "missing":
            yield Told("copy.bucket", {"target": where["target"]})
    if step.with_.get("prefix"):
        yield Told("copy.under", {"prefix": str(step.with_["prefix"])})


def _compare(step: PlannedStep) -> Iterator[Change]:
    yield Told("compare", {"source": _place(step.with_.get("from")), "target": _place(step.with_.get("to"))})


def _place(place: Any) -> str:
    return f"{place.get('store')}/{place.get('bucket')}" if isinstance(place, Mapping) else "?"


def _play(step: PlannedStep) -> Iterator[Change]:
    yield Told("play", {"play": str(step.with_.get("play")), "hosts": tuple(map(str, step.with_.get("hosts", {})))})


def _approval(step: PlannedStep) -> Iterator[Change]:
    role = "operator" if step.with_.get("role") == "operator" else "approver"
    yield Told(f"approval.{role}", {"count": int(step.with_.get("count", 1))})
    if step.with_.get("instructions"):
        yield Told("sheet", {"sheet": str(step.with_["instructions"])})


def _task(step: PlannedStep) -> Iterator[Change]:
    role = "approver" if step.with_.get("role") == "approver" else "operator"
    yield Told(f"task.{role}", {"sheet": str(step.with_.get("instructions"))})


def _wait(step: PlannedStep) -> Iterator[Change]:
    wanted = step.with_.get("duration")
    if isinstance(wanted, int | float):
        yield Told("wait", {"time": wanted})
    else:
        yield Told("wait.later", {"time": str(wanted)})


def _message(step: PlannedStep) -> Iterator[Change]:
    yield Told("message.send", {"channel": str(step.with_.get("channel")), "text": _words(step.with_.get("title"))})


def _announcement(step: PlannedStep) -> Iterator[Change]:
    yield Told("announce", {"account": str(step.with_.get("account")), "text": _words(step.with_.get("text"))})


def _notice(step: PlannedStep) -> Iterator[Change]:
    channels = tuple(map(str, step.with_.get("channels", [])))
    yield Told("inform", {"channels": channels, "text": _words(step.with_.get("subject"))})
    facts = [fact for fact in step.with_.get("facts", []) if isinstance(fact, Mapping)]
    turns = [Turn(_words(one.get("what")), "", _one(one.get("old")), _one(one.get("new"))) for one in facts]
    if turns:
        yield Turns(tuple(turns))
    if step.seen is not None and step.seen.message:
        yield Told("message", {"message": step.seen.message})


def _meetings(step: PlannedStep) -> Iterator[Change]:
    vendors = tuple(map(str, step.with_.get("from_vendors", [])))
    values = {"calendar": str(step.with_.get("calendar")), "link": str(step.with_.get("link"))}
    yield Told("meetings", {**values, "vendors": vendors})
    if step.seen is not None and step.seen.message:
        yield Told("message", {"message": step.seen.message})


def _profile(step: PlannedStep) -> Iterator[Change]:
    yield Told("profile", {"account": str(step.with_.get("account"))})
    found = (step.before or {}).get("fields")
    turns = []
    for one in step.with_.get("fields", []):
        was = _one(found.get(one.get("name"))) if isinstance(found, Mapping) else None
        turns.append(Turn(str(one.get("name")), "", was, _one(one.get("value"))))
    if turns:
        yield Turns(tuple(turns))


def _one(value: object) -> Held:
    return Held((str(value),)) if value else Held()


def _words(said: object) -> Mapping[str, str]:
    return {str(key): str(text) for key, text in said.items()} if isinstance(said, Mapping) else {}


def _probe(step: PlannedStep) -> Iterator[Change]:
    names = ("url", "issuer", "page", "host", "domain", "zone")
    what = str(next((step.with_[name] for name in names if step.with_.get(name)), ""))
    port = f":{step.with_['port']}" if step.with_.get("port") else ""
    yield Told("check", {"kind": step.uses.removeprefix("probe."), "what": f"{what}{port}"})


def _plain(step: PlannedStep) -> Iterator[Change]:
    kind = KINDS.get(step.uses)
    yield Told("kind", {"text": kind.words.model_dump() if kind else {"fr": step.uses, "en": step.uses}})


def _conflict(step: PlannedStep) -> Iterator[Change]:
    if step.seen is not None and step.seen.presence == "conflict":
        yield Told("message", {"message": step.seen.message}, alarm=True)


def _age(seen: Seen | None) -> Iterator[Change]:
    if seen is None:
        return
    if seen.stale and seen.at is not None:
        yield Told("stale", {"at": seen.at, "message": seen.message}, alarm=True)
    elif seen.at is None:
        yield Told("unreadable", {"message": seen.message}, alarm=True)


_DESCRIPTIONS = {
    "compute.server": _server,
    "compute.volume": _volume,
    "compute.snapshot": _volume,
    "ansible.play": _play,
    "dns.records": _records,
    "dns.ttl": _ttls,
    "storage.copy": _copy,
    "storage.verify": _compare,
    "human.approval": _approval,
    "human.task": _task,
    "wait.for": _wait,
    "notify.send": _message,
    "social.post": _announcement,
    "social.profile": _profile,
    "people.inform": _notice,
    "calendar.reissue": _meetings,
} | {name: _probe for name in KINDS if name.startswith("probe.")}
