"""An inventory on a terminal: part by part, what there is, and what could not be read."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.cli.session import Session
from orchestrator.cli.wording import counted, moment, one_line, size
from providers.inventory import PARTS, Bucket, Inventory, Part, SecurityGroup, Server, Trouble, Volume, Zone

OLDER = 3600.0
"""Seconds by which a part may be older than the newest one before its date is shown."""
NAMED = 3
"""So many things that are not exported are named with a zone."""
IMAGE = 14
"""Characters of an image's name: which system it is mostly stands in front."""
WORLD = frozenset({"0.0.0.0/0", "::/0"})

TITLES: Mapping[Part, str] = {
    "servers": "Servers",
    "volumes": "Volumes",
    "security_groups": "Security groups",
    "buckets": "Buckets",
    "zones": "DNS zones",
}


def show_inventory(session: Session, inventory: Inventory) -> None:
    """The whole inventory of one source."""
    newest = max(inventory.read_at.values(), default=0.0)
    when = f"read {moment(newest)}" if inventory.read_at else "nothing was read"
    title = f"{inventory.source}: {inventory.driver} in {inventory.region}, scope {inventory.scope}, {when}"
    session.out.print(Text(title, style="bold"))
    for part in PARTS:
        if getattr(inventory, part) is not None:
            session.line()
            for shown in _part(inventory, part, newest):
                session.out.print(shown)
    if inventory.troubles:
        session.line()
    for line in trouble_lines(inventory):
        session.line(line)


def trouble_lines(inventory: Inventory) -> Iterator[str]:
    """Each thing that could not be read, and why; one reason for several parts is said once."""
    ordered = sorted(inventory.troubles, key=lambda one: one.message)
    for message, group in groupby(ordered, key=lambda one: one.message):
        found = sorted(group, key=lambda one: PARTS.index(one.part))
        yield f"! Not read: {', '.join(dict.fromkeys(map(_what, found)))}. {one_line(message)}"


def _what(trouble: Trouble) -> str:
    about = one_line(trouble.about)
    title = TITLES[trouble.part]
    within = title if title[:2].isupper() else title.lower()
    return f"{within} ({about})" if about else within


def _part(inventory: Inventory, part: Part, newest: float) -> Iterator[RenderableType]:
    read = inventory.read_at.get(part, newest)
    old = f" (as of {moment(read)})" if newest - read > OLDER else ""
    yield Text(f"{TITLES[part]}: {_summary(inventory, part)}{old}")
    if getattr(inventory, part) and (table := _table(inventory, part)):
        yield table


def _summary(inventory: Inventory, part: Part) -> str:
    if not getattr(inventory, part):
        return "none"
    match part:
        case "servers":
            return _servers_summary(inventory.servers or ())
        case "volumes":
            return _volumes_summary(inventory.volumes or ())
        case "security_groups":
            return _groups_summary(inventory.security_groups or ())
        case "buckets":
            return _buckets_summary(inventory.buckets or ())
        case "zones":
            return str(len(inventory.zones or ()))


def _table(inventory: Inventory, part: Part) -> Table | None:
    match part:
        case "servers":
            return _servers(inventory)
        case "buckets":
            return _buckets(inventory.buckets or ())
        case "zones":
            return _zones(inventory.zones or ())
        case _:
            return None


def _servers_summary(servers: Sequence[Server]) -> str:
    running = sum(server.state == "running" for server in servers)
    return f"{len(servers)}, {running} of them running"


def _volumes_summary(volumes: Sequence[Volume]) -> str:
    said = [f"{len(volumes)}, {size(sum(one.bytes for one in volumes))}"]
    if loose := sum(not one.attached_to for one in volumes):
        said.append(f"{loose} attached to nothing")
    if clear := sum(not one.encrypted for one in volumes):
        said.append(f"{clear} not encrypted")
    return ", ".join(said)


def _groups_summary(groups: Sequence[SecurityGroup]) -> str:
    wide = sum(any(rule.direction == "in" and WORLD & set(rule.peers) for rule in one.rules) for one in groups)
    return f"{len(groups)}, {wide} open to the whole world" if wide else str(len(groups))


def _buckets_summary(buckets: Sequence[Bucket]) -> str:
    least = "" if all(one.counted for one in buckets) else "at least "
    objects, total = sum(one.objects or 0 for one in buckets), sum(one.bytes or 0 for one in buckets)
    return f"{len(buckets)}, {least}{counted(objects, 'object')}, {size(total)}"


def _servers(inventory: Inventory) -> Table:
    disks = {one.id: one.bytes for one in inventory.volumes or ()}
    table = _empty("name", "type", "state", "image", "address", "disk>")
    for one in inventory.servers or ():
        image = _cut((one.image_name or one.image).rpartition("/")[2])
        address = next(iter([*one.public_addresses, *one.private_addresses]), "")
        known = [disks[volume] for volume in one.volumes if volume in disks]
        _row(table, one.name, one.type, one.state, image, address, size(sum(known)) if known else "")
    return table


def _buckets(buckets: Sequence[Bucket]) -> Table:
    table = _empty("name", "region", "objects>", "size>", "versions", "encryption")
    for one in buckets:
        least = "" if one.counted else "≥ "
        objects = "?" if one.objects is None else f"{least}{one.objects}"
        total = "?" if one.bytes is None else f"{least}{size(one.bytes)}"
        _row(table, one.name, one.location, objects, total, one.versioning or "?", one.encryption or "?")
    return table


def _zones(zones: Sequence[Zone]) -> Table:
    table = _empty("zone", "kind", "records>", "not plain DNS, so not exported")
    for one in zones:
        records = one.records or ()
        remarks = [f"{record.name} {record.type}: {record.remark}" for record in records if record.remark]
        more = [f"and {len(remarks) - NAMED} more"] if len(remarks) > NAMED else []
        number = "?" if one.records is None else str(len(records))
        told = Text("\n".join([*map(one_line, remarks[:NAMED]), *more]))
        _row(table, one.name, "private" if one.private else "public", number, told)
    return table


def _cut(text: str) -> str:
    return text if len(text) <= IMAGE else f"{text[: IMAGE - 1]}…"


def _empty(*headings: str) -> Table:
    """A table with these columns; `>` at the end of a heading sets it to the right. The first column may wrap."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for number, heading in enumerate(headings):
        right, last = heading.endswith(">"), number == len(headings) - 1
        table.add_column(
            heading.rstrip(">"),
            justify="right" if right else "left",
            min_width=12 if number == 0 else None,
            no_wrap=right or 0 < number < len(headings) - 1,
            overflow="fold" if number == 0 or last else "ellipsis",
        )
    return table


def _row(table: Table, *cells: str | Text) -> None:
    table.add_row(*[Text(one_line(cell)) if isinstance(cell, str) else cell for cell in cells])
