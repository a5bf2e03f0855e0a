"""What a planned step would change, in lines for a person. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.cli.edits import edit_words, is_edit, result
from orchestrator.cli.wording import clean, counted, duration, one_line, short_step, size
from orchestrator.domain.kinds import KINDS
from orchestrator.domain.plan import PlannedStep, Seen
from orchestrator.domain.zones import by_zone, longest_wait, zones_of

_REFERENCE = re.compile(r"\$\{\{\s*steps\.([^.\s]+)\.outputs\.([^.\s}]+)\s*\}\}")

NOT_YET = "what is there then"
"""Of a record set that can't be looked at before another step has ended."""
ONE_LINE = 46
"""Characters that fit beside a step's name on a terminal of 80."""


Before = Mapping[tuple[str, str], Mapping[str, Any]] | None
"""What was found of each record set; None when nothing was looked at."""


def change_lines(step: PlannedStep, now: float) -> list[str]:
    """One line or more: what this step does, what would change now, and how old that knowledge is."""
    describe = _DESCRIPTIONS.get(step.uses, _plain)
    lines = [clean(line) for line in describe(step)]
    return lines + [clean(line) for line in _age(step.seen, now)]


def _server(step: PlannedStep) -> Iterator[str]:
    with_ = step.with_
    name, provider = with_.get("name"), _providers(with_.get("provider"))
    already = step.seen is not None and step.seen.presence in ("already", "ours")
    if with_.get("state", "present") == "existing":
        yield f"find the server {name} at {provider}"
    elif with_.get("state") == "absent":
        yield f"release the server {name} at {provider}"
    elif already:
        yield f"server {name} is at {provider} already"
    else:
        yield f"create the server {name} at {provider} ({_size(with_)}, {with_.get('image')})"
    if step.seen is not None and step.seen.presence == "conflict":
        yield f"! {one_line(step.seen.message)}"
    yield from _room(step)


def _room(step: PlannedStep) -> Iterator[str]:
    """Where the server would be made now, when that is not what is written; and that there is no room."""
    place = step.placement
    if place is None:
        return
    if place.provider is None:
        yield f"! no room: {one_line(place.message)}"
    elif place.message:
        yield f"! {one_line(place.message)}"
    if place.provider is not None and (step.with_.get("resources") or place.message):
        yield f"now: {place.size} at {place.provider}"


def _providers(named: object) -> str:
    """One provider, or several in the order in which they are tried."""
    return ", else ".join(map(str, named)) if isinstance(named, list) else str(named)


def _size(with_: Mapping[str, Any]) -> str:
    need = with_.get("resources")
    if not isinstance(need, Mapping):
        return str(with_.get("size"))
    return f"{need.get('cpu')} CPU, {need.get('memory')} GB"


def _records(step: PlannedStep) -> Iterator[str]:
    for where, before in _places(step):
        yield where
        for record in step.with_.get("records", []):
            name, kind = str(record.get("name")), str(record.get("type"))
            was = NOT_YET if step.after and is_edit(record) else _was(before, name, kind)
            yield from _turned(f"  {name} {kind}:", was, _wanted(step, record, before))
    if step.seen is not None and step.seen.presence == "conflict" and any(map(is_edit, step.with_.get("records", []))):
        yield f"! {one_line(step.seen.message)}"


def _wanted(step: PlannedStep, record: Mapping[str, Any], before: Before) -> str:
    """What will be there; of an edit whose result is not known yet, what it does."""
    if record.get("state") == "absent":
        return "nothing"
    if not is_edit(record):
        return _values(record.get("values", []), record.get("ttl"))
    found = None if before is None or step.after else before.get((str(record["name"]).lower(), str(record["type"])))
    made = None if found is None else result(record, found, zones_of(step.with_)[0])
    if made is None:
        return ", ".join(known(one) for one in edit_words(record))
    return _held(made.as_json())


def _ttls(step: PlannedStep) -> Iterator[str]:
    least = ", where it is longer" if step.with_.get("change", "lower") == "lower" else ""
    for where, before in _places(step):
        yield f"{where}: TTL {step.with_.get('ttl')} s{least}"
        for record in step.with_.get("records", []):
            name, kind = str(record.get("name")), str(record.get("type"))
            yield f"  {name} {kind}: {_was(before, name, kind)}"
    wait = longest_wait(step.with_, step.seen.values) if step.seen is not None else 0.0
    if wait:
        yield f"then waits {duration(wait)}, until no cache can hold a longer one"
    if step.seen is not None and step.seen.presence == "conflict":
        yield f"! {one_line(step.seen.message)}"


def _places(step: PlannedStep) -> list[tuple[str, Before]]:
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
    return [(_where(zones), before) for zones, before in alike]


def _where(zones: Sequence[str]) -> str:
    return f"DNS {zones[0]}" if len(zones) == 1 else f"DNS, in each of {len(zones)} zones: {', '.join(zones)}"


def _was(before: Before, name: str, kind: str) -> str:
    return NOT_YET if before is None else _held(before.get((name.lower(), kind), {}))


def _held(record: Mapping[str, Any]) -> str:
    return _values(record["values"], record["ttl"]) if record.get("values") else "nothing"


def _turned(what: str, was: str, wanted: str) -> Iterator[str]:
    """On one line what fits there, otherwise the new state below the old."""
    if was == wanted:
        yield f"{what} {was}, as it is"
    elif len(what) + len(was) + len(wanted) < ONE_LINE:
        yield f"{what} {was} → {wanted}"
    else:
        yield f"{what} {was}"
        yield f"    → {wanted}"


def _record_sets(found: Mapping[str, Any] | None) -> Before:
    if found is None or "records" not in found:
        return None
    return {(str(one["name"]).lower(), str(one["type"])): one for one in found["records"]}


def _values(values: Sequence[Any], ttl: Any) -> str:
    said = ", ".join(known(str(value)) for value in values)
    return f"{said} ({ttl} s)" if ttl is not None else said


def known(value: str) -> str:
    """A value with its references read out: `after server` stands for what that step will hand out."""
    return _REFERENCE.sub(lambda found: f"<{found[2]} after {found[1]}>", value)


def _copy(step: PlannedStep) -> Iterator[str]:
    source, target = _place(step.with_.get("from")), _place(step.with_.get("to"))
    prefix = f" under {step.with_['prefix']}" if step.with_.get("prefix") else ""
    values = step.seen.values if step.seen else {}
    if "to_copy" not in values:
        yield f"copy {source} to {target}{prefix}"
    elif not values["to_copy"]:
        yield f"{counted(values.get('same', 0), 'object')} of {source} are at {target} already"
    else:
        what = f"{counted(values['to_copy'], 'object')} ({size(values.get('bytes', 0))})"
        bucket = ", making the bucket" if values.get("bucket") == "missing" else ""
        yield f"copy {what}{prefix} from {source} to {target}{bucket}"


def _compare(step: PlannedStep) -> Iterator[str]:
    yield f"compare {_place(step.with_.get('from'))} with {_place(step.with_.get('to'))}; changes nothing"


def _place(place: Any) -> str:
    return f"{place.get('store')}/{place.get('bucket')}" if isinstance(place, Mapping) else "?"


def _play(step: PlannedStep) -> Iterator[str]:
    hosts = ", ".join(step.with_.get("hosts", {}))
    yield f"play {step.with_.get('play')} on {hosts}"


def _approval(step: PlannedStep) -> Iterator[str]:
    count = int(step.with_.get("count", 1))
    sheet = f"; {step.with_['instructions']}" if step.with_.get("instructions") else ""
    verb = "says" if count == 1 else "say"
    yield f"{counted(count, str(step.with_.get('role', 'approver')))} {verb} yes{sheet}"


def _task(step: PlannedStep) -> Iterator[str]:
    yield f"an {step.with_.get('role', 'operator')} does {step.with_.get('instructions')}"


def _wait(step: PlannedStep) -> Iterator[str]:
    wanted = step.with_.get("duration")
    yield f"wait for {duration(wanted) if isinstance(wanted, int | float) else known(str(wanted))}"


def _message(step: PlannedStep) -> Iterator[str]:
    title = step.with_.get("title")
    said = title.get("en", "") if isinstance(title, Mapping) else ""
    yield f"tell {step.with_.get('channel')}: {known(str(said))}"


def _announcement(step: PlannedStep) -> Iterator[str]:
    text = step.with_.get("text")
    said = text.get("en", "") if isinstance(text, Mapping) else ""
    yield f"announce on {step.with_.get('account')}: {known(one_line(str(said)))}"


def _notice(step: PlannedStep) -> Iterator[str]:
    subject = step.with_.get("subject")
    said = subject.get("en", "") if isinstance(subject, Mapping) else ""
    yield f"tell people by {', '.join(map(str, step.with_.get('channels', [])))}: {known(one_line(str(said)))}"
    for fact in step.with_.get("facts", []):
        what = fact.get("what", {}).get("en", "") if isinstance(fact, Mapping) else ""
        yield f"  {one_line(str(what))}: {fact.get('old') or 'new'} → {known(str(fact.get('new')))}"
    if step.seen is not None and step.seen.message:
        yield f"  {one_line(step.seen.message)}"


def _meetings(step: PlannedStep) -> Iterator[str]:
    vendors = ", ".join(map(str, step.with_.get("from_vendors", [])))
    yield f"meetings of {known(str(step.with_.get('calendar')))} from {vendors} to {known(str(step.with_.get('link')))}"
    if step.seen is not None and step.seen.message:
        yield f"  {one_line(step.seen.message)}"


def _profile(step: PlannedStep) -> Iterator[str]:
    held = (step.before or {}).get("fields", {})
    for one in step.with_.get("fields", []):
        was = held.get(one.get("name")) or "nothing"
        yield f"profile of {step.with_.get('account')}: {one.get('name')} from {was} to {known(str(one.get('value')))}"


def _probe(step: PlannedStep) -> Iterator[str]:
    names = ("url", "issuer", "page", "host", "domain", "zone")
    what = next((step.with_[name] for name in names if step.with_.get(name)), "")
    port = f" port {step.with_['port']}" if step.with_.get("port") else ""
    yield f"check {step.uses.removeprefix('probe.')} {known(str(what))}{port}; changes nothing"


def _plain(step: PlannedStep) -> Iterator[str]:
    kind = KINDS.get(step.uses)
    yield kind.words.en if kind else step.uses


def _age(seen: Seen | None, now: float) -> Iterator[str]:
    if seen is None:
        return
    if seen.stale and seen.at is not None:
        yield f"! as it was {duration(now - seen.at)} ago; now it can't be read: {one_line(seen.message)}"
    elif seen.at is None:
        yield f"! can't be read now: {one_line(seen.message)}"


def after_line(step: PlannedStep) -> str:
    """What must be over before this step's change is known; empty when it is known now."""
    return f"after {short_step(step.after)}" if step.after else ""


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
