"""An inventory as files that can be taken away: one JSON file, and each zone as a zone file and for octoDNS.

Written beside its place and then moved there as a whole: a folder is complete
or not there, and an earlier one is never touched.
"""

import json
import os
import re
import shutil
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.operations.request import RequestError
from providers.dns.octodns_yaml import write_octodns
from providers.dns.zone_file import write_zone
from providers.inventory import Inventory, Zone

MOST = 120
"""Characters of a zone's name that its file's name keeps."""


def export_inventory(inventory: Inventory, directory: Path) -> Path:
    """Write a new folder below `directory`; answers it. Raises RequestError when that cannot be done."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".inventory-", dir=directory))
        try:
            _fill(part, inventory)
            return _moved(part, directory, _name(inventory))
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise RequestError(
            f"The export could not be written to {directory} ({error.strerror}): correct its rights, make room, "
            "or name another directory."
        ) from error


def _fill(folder: Path, inventory: Inventory) -> None:
    _write(folder / "inventory.json", json.dumps(inventory.as_json(), ensure_ascii=False, indent=1) + "\n")
    read = [zone for zone in inventory.zones or () if zone.records is not None]
    names = Counter(zone.name for zone in read)
    for zone in read:
        _write_zone(folder, inventory, zone, _file_name(zone, alone=names[zone.name] == 1))


def _write_zone(folder: Path, inventory: Inventory, zone: Zone, name: str) -> None:
    written = write_zone(zone, f"source {inventory.source} ({inventory.driver}), scope {inventory.scope}")
    yaml, left = write_octodns(zone.name, written.records)
    missing = {(one.name, one.type): "the zone file says why" for one in written.left}
    missing |= {(one.name, one.type): one.remark for one in left}
    told = [f"# NOT EXPORTED: {_plain(name)} {_plain(kind)}, {why}\n" for (name, kind), why in missing.items()]
    _write(folder / "zones" / f"{name}.zone", written.text)
    _write(folder / "octodns" / f"{name}.yaml", "".join(told) + yaml)


def _file_name(zone: Zone, *, alone: bool) -> str:
    """The zone's name, with its id where several have that name. Nothing that a vendor says becomes a path."""
    name = _plain(zone.name)[:MOST]
    return name if alone and name == zone.name else f"{name}.{_plain(zone.id)}"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._*-]", "_", text)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True, mode=0o700)
    with path.open("x", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _name(inventory: Inventory) -> str:
    """Day and time of the newest reading in it, scope and source."""
    read = datetime.fromtimestamp(max(inventory.read_at.values(), default=0.0), UTC)
    return f"{read.strftime('%Y-%m-%dT%H%M%SZ')}-{inventory.scope}-{inventory.source}"


def _moved(part: Path, directory: Path, name: str) -> Path:
    """A folder that is there already is left alone: the new one is numbered.

    The number is claimed by making the folder; a move onto an empty one replaces it in one go (POSIX rename).
    """
    number = 1
    while True:
        path = directory / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
            continue
        return part.rename(path)
