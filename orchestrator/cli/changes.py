"""What a planned step would change, in lines for a person. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from orchestrator.cli.edits import edit_words, is_edit, result
from orchestrator.cli.wording import clean, one_line, short_step, size
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.plan import PlannedStep, Seen
from orchestrator.domain.zones import by_zone, longest_wait, zones_of
from orchestrator.web.times import duration
from orchestrator.web.words import Language, say

_REFERENCE = re.compile(r"\$\{\{\s*steps\.([^.\s]+)\.outputs\.([^.\s}]+)\s*\}\}")

ONE_LINE = 46
"""Characters that fit beside a step's name on a terminal of 80."""


Before = Mapping[tuple[str, str], Mapping[str, Any]] | None
"""What was found of each record set; None when nothing was looked at."""


class Tell(Protocol):
    """Says a message of the catalogues in one language."""

    language: Language

    def __call__(self, key: str, **values: object) -> str: ...


class _Teller:
    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._say = partial(say, language)

    def __call__(self, key: str, **values: object) -> str:
        return self._say(key, **values)


def change_lines(step: PlannedStep, now: float, language: Language = "en") -> list[str]:
    """One line or more: what this step does, what would change now, and how old that knowledge is."""
    tell = _Teller(language)
    describe = _DESCRIPTIONS.get(step.uses, _plain)
    lines = [clean(line) for line in describe(step, tell)]
    return lines + [clean(line) for line in _age(step.seen, now, tell)]


def _server(step: PlannedStep, tell: Tell) -> Iterator[str]:
    with_ = step.with_
    said = {"name": with_.get("name"), "provider": _providers(with_.get("provider"), tell)}
    already = step.seen is not None and step.seen.presence in ("already", "ours")
    if with_.get("state", "present") == "existing":
        yield tell("cli.plan.server.find", **said)
    elif with_.get("state") == "absent":
        yield tell("cli.plan.server.release", **said)
    elif already:
        yield tell("cli.plan.server.there", **said)
    else:
        yield tell("cli.plan.server.create", **said, size=_size(with_, tell), image=with_.get("image"))
    if step.seen is not None and step.seen.presence == "conflict":
        yield f"! {one_line(step.seen.message)}"
    yield from _room(step, tell)


def _room(step: PlannedStep, tell: Tell) -> Iterator[str]:
    """Where the server would be made now, when that is not what is written; and that there is no room."""
    place = step.placement
    if place is None:
        return
    if place.provider is None:
        yield f"! {tell('cli.now.said', what=tell('cli.plan.no_room'), said=one_line(place.message))}"
    elif place.message:
        yield f"! {one_line(place.message)}"
    if place.provider is not None and (step.with_.get("resources") or place.message):
        yield tell("cli.plan.server.now", size=place.size, provider=place.provider)


def _providers(named: object, tell: Tell) -> str:
    """One provider, or several in the order in which they are tried."""
    return f", {tell('cli.plan.else')} ".join(map(str, named)) if isinstance(named, list) else str(named)


def _size(with_: Mapping[str, Any], tell: Tell) -> str:
    need = with_.get("resources")
    if not isinstance(need, Mapping):
        return str(with_.get("size"))
    return tell("cli.plan.server.size", cpu=need.get("cpu"), memory=need.get("memory"))


def _records(step: PlannedStep, tell: Tell) -> Iterator[str]:
    for where, before in _places(step, tell):
        yield where
        for record in step.with_.get("records", []):
            name, kind = str(record.get("name")), str(record.get("type"))
            was = tell("cli.plan.not_yet") if step.after and is_edit(record) else _was(before, name, kind, tell)
            yield from _turned(_named(name, kind, tell), was, _wanted(step, record, before, tell), tell)
    if step.seen is not None and step.seen.presence == "conflict" and any(map(is_edit, step.with_.get("records", []))):
        yield f"! {one_line(step.seen.message)}"


def _named(name: str, kind: str, tell: Tell) -> str:
    return f"  {tell('cli.plan.record', name=name, kind=kind)}"


def _wanted(step: PlannedStep, record: Mapping[str, Any], before: Before, tell: Tell) -> str:
    """What will be there; of an edit whose result is not known yet, what it does."""
    if record.get("state") == "absent":
        return tell("cli.plan.none")
    if not is_edit(record):
        return _values(record.get("values", []), record.get("ttl"), tell)
    found = None if before is None or step.after else before.get((str(record["name"]).lower(), str(record["type"])))
    made = None if found is None else result(record, found, zones_of(step.with_)[0])
    if made is None:
        return ", ".join(known(one, tell.language) for one in edit_words(record, tell.language))
    return _held(made.as_json(), tell)


def _ttls(step: PlannedStep, tell: Tell) -> Iterator[str]:
    key = "cli.plan.ttl.lower" if step.with_.get("change", "lower") == "lower" else "cli.plan.ttl"
    for where, before in _places(step, tell):
        yield tell(key, where=where, ttl=step.with_.get("ttl"))
        for record in step.with_.get("records", []):
            name, kind = str(record.get("name")), str(record.get("type"))
            yield f"{_named(name, kind, tell)} {_was(before, name, kind, tell)}"
    wait = longest_wait(step.with_, step.seen.values) if step.seen is not None else 0.0
    if wait:
        yield tell("cli.plan.ttl.wait", time=duration(wait, tell.language))
    if step.seen is not None and step.seen.presence == "conflict":
        yield f"! {one_line(step.seen.message)}"


def _places(step: PlannedStep, tell: Tell) -> list[tuple[str, Before]]:
    """The step's zones and what was found there; zones in which the same was found stand together."""
    found = by_zone(step.with_, step.seen.values) if step.seen is not None else {}
    alike: list[tuple[list[str], Before]] = []
    for zone in zones_of(step.with_) or ["None"]:
        before = _record_sets(found.get(zone))
        zones = next((zones for zones, held in alike if held == before), None)
        if zones is None:
            alike.append(([zone], before))
        else:
            zones.append(zone)
    return [(_where(zones, tell), before) for zones, before in alike]


def _where(zones: Sequence[str], tell: Tell) -> str:
    return f"DNS {zones[0]}" if len(zones) == 1 else tell("cli.plan.in_zones", count=len(zones), names=", ".join(zones))


def _was(before: Before, name: str, kind: str, tell: Tell) -> str:
    return tell("cli.plan.not_yet") if before is None else _held(before.get((name.lower(), kind), {}), tell)


def _held(record: Mapping[str, Any], tell: Tell) -> str:
    return _values(record["values"], record["ttl"], tell) if record.get("values") else tell("cli.plan.none")


def _turned(what: str, was: str, wanted: str, tell: Tell) -> Iterator[str]:
    """On one line what fits there, otherwise the new state below the old."""
    if was == wanted:
        yield f"{what} {was}, {tell('cli.plan.as_it_is')}"
    elif len(what) + len(was) + len(wanted) < ONE_LINE:
        yield f"{what} {was} → {wanted}"
    else:
        yield f"{what} {was}"
        yield f"    → {wanted}"


def _record_sets(found: Mapping[str, Any] | None) -> Before:
    if found is None or "records" not in found:
        return None
    return {(str(one["name"]).lower(), str(one["type"])): one for one in found["records"]}


def _values(values: Sequence[Any], ttl: Any, tell: Tell) -> str:
    said = ", ".join(known(str(value), tell.language) for value in values)
    return f"{said} ({ttl} s)" if ttl is not None else said


def known(value: str, language: Language = "en") -> str:
    """A value with its references read out: `after server` stands for what that step will hand out."""
    return _REFERENCE.sub(lambda found: say(language, "cli.plan.output", output=found[2], step=found[1]), value)


def _copy(step: PlannedStep, tell: Tell) -> Iterator[str]:
    values = step.seen.values if step.seen else {}
    said = {"source": _place(step.with_.get("from")), "target": _place(step.with_.get("to"))}
    if "to_copy" not in values:
        told = tell("cli.plan.copy", **said)
    elif not values["to_copy"]:
        yield tell("cli.plan.copied", **said, count=values.get("same", 0))
        return
    else:
        bulk = size(values.get("bytes", 0), tell.language)
        told = tell("cli.plan.copying", **said, count=values["to_copy"], size=bulk)
    parts = [told]
    if step.with_.get("prefix"):
        parts.append(tell("cli.plan.prefix", prefix=step.with_["prefix"]))
    if values.get("to_copy") and values.get("bucket") == "missing":
        parts.append(tell("cli.plan.bucket"))
    yield ", ".join(parts)


def _compare(step: PlannedStep, tell: Tell) -> Iterator[str]:
    source, target = _place(step.with_.get("from")), _place(step.with_.get("to"))
    yield tell("cli.plan.compare", source=source, target=target)


def _place(place: Any) -> str:
    return f"{place.get('store')}/{place.get('bucket')}" if isinstance(place, Mapping) else "?"


def _play(step: PlannedStep, tell: Tell) -> Iterator[str]:
    yield tell("cli.plan.play", play=step.with_.get("play"), hosts=", ".join(step.with_.get("hosts", {})))


def _approval(step: PlannedStep, tell: Tell) -> Iterator[str]:
    yes = tell(f"cli.plan.approval.{step.with_.get('role', 'approver')}", count=int(step.with_.get("count", 1)))
    sheet = step.with_.get("instructions")
    yield tell("cli.plan.with_sheet", what=yes, sheet=sheet) if sheet else yes


def _task(step: PlannedStep, tell: Tell) -> Iterator[str]:
    yield tell(f"cli.plan.task.{step.with_.get('role', 'operator')}", sheet=step.with_.get("instructions"))


def _wait(step: PlannedStep, tell: Tell) -> Iterator[str]:
    wanted = step.with_.get("duration")
    if not isinstance(wanted, int | float):
        told = known(str(wanted), tell.language)
    else:
        told = duration(wanted, tell.language) if wanted >= 1 else f"{wanted:g} s"
    yield tell("cli.plan.wait", time=told)


def _message(step: PlannedStep, tell: Tell) -> Iterator[str]:
    told = known(_in(tell, step.with_.get("title")), tell.language)
    yield tell("cli.plan.message", channel=step.with_.get("channel"), text=told)


def _announcement(step: PlannedStep, tell: Tell) -> Iterator[str]:
    told = known(one_line(_in(tell, step.with_.get("text"))), tell.language)
    yield tell("cli.plan.announce", account=step.with_.get("account"), text=told)


def _notice(step: PlannedStep, tell: Tell) -> Iterator[str]:
    told = known(one_line(_in(tell, step.with_.get("subject"))), tell.language)
    yield tell("cli.plan.inform", channels=", ".join(map(str, step.with_.get("channels", []))), text=told)
    for fact in step.with_.get("facts", []):
        what = one_line(_in(tell, fact.get("what"))) if isinstance(fact, Mapping) else ""
        turn = f"{fact.get('old') or tell('cli.plan.new')} → {known(str(fact.get('new')), tell.language)}"
        yield f"  {tell('cli.now.said', what=what, said=turn)}"
    if step.seen is not None and step.seen.message:
        yield f"  {one_line(step.seen.message)}"


def _meetings(step: PlannedStep, tell: Tell) -> Iterator[str]:
    said = {name: known(str(step.with_.get(name)), tell.language) for name in ("calendar", "link")}
    yield tell("cli.plan.meetings", **said, vendors=", ".join(map(str, step.with_.get("from_vendors", []))))
    if step.seen is not None and step.seen.message:
        yield f"  {one_line(step.seen.message)}"


def _profile(step: PlannedStep, tell: Tell) -> Iterator[str]:
    held = (step.before or {}).get("fields", {})
    for one in step.with_.get("fields", []):
        was, new = held.get(one.get("name")) or tell("cli.plan.none"), known(str(one.get("value")), tell.language)
        yield tell("cli.plan.profile", account=step.with_.get("account"), field=one.get("name"), was=was, new=new)


def _probe(step: PlannedStep, tell: Tell) -> Iterator[str]:
    names = ("url", "issuer", "page", "host", "domain", "zone")
    what = known(str(next((step.with_[name] for name in names if step.with_.get(name)), "")), tell.language)
    port = f" port {step.with_['port']}" if step.with_.get("port") else ""
    yield tell("cli.plan.check", kind=step.uses.removeprefix("probe."), what=f"{what}{port}")


def _plain(step: PlannedStep, tell: Tell) -> Iterator[str]:
    kind = KINDS.get(step.uses)
    yield str(getattr(kind.words, tell.language)) if kind else step.uses


def _in(tell: Tell, words: object) -> str:
    """A text that runbooks have in both languages; empty where there is none."""
    return str(words.get(tell.language, "")) if isinstance(words, Mapping) else ""


def _age(seen: Seen | None, now: float, tell: Tell) -> Iterator[str]:
    if seen is None:
        return
    why = one_line(seen.message)
    if seen.stale and seen.at is not None:
        yield f"! {tell('cli.plan.stale', time=duration(now - seen.at, tell.language), why=why)}"
    elif seen.at is None:
        yield f"! {tell('cli.plan.unseen', why=why)}"


def after_line(step: PlannedStep, language: Language = "en") -> str:
    """What must be over before this step's change is known; empty when it is known now."""
    return say(language, "note.after", needs=short_step(step.after)) if step.after else ""


_DESCRIPTIONS = {
    "compute.server": _server,
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
