"""Inventories as values: what an earlier one lends to a later one, what is kept, how it is written out and shown."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.zone
import pytest
from rich.console import Console

from orchestrator.cli.inventory_page import show_inventory
from orchestrator.cli.session import Session
from orchestrator.operations.inventories import last_inventories
from orchestrator.operations.inventory_export import export_inventory
from orchestrator.operations.request import NotFound, RequestError
from orchestrator.store import inventory_files
from orchestrator.store.inventory_files import load_inventories, save_inventory
from providers.dns.route53 import decimal_escapes
from providers.dns.zone_file import write_zone
from providers.inventory import (
    PARTS,
    Bucket,
    Inventory,
    RecordSet,
    SecurityGroup,
    Server,
    Trouble,
    Volume,
    Zone,
    completed,
    inventory_from_json,
)

THEN, NOW = 1_790_000_000.0, 1_790_090_000.0

RECORDS = (
    RecordSet("example.org.", "SOA", 900, ("ns.example.org. host.example.org. 1 7200 900 1209600 86400",)),
    RecordSet("example.org.", "NS", 900, ("ns.example.net",)),
    RecordSet("www.example.org.", "A", 60, ("192.0.2.1",)),
    RecordSet("cdn.example.org.", "A", None, (), "alias to d1.cloudfront.net. (zone Z2)"),
)


def whole(at: float = THEN, **more: Any) -> Inventory:
    """Something of everything, all of it read at one time."""
    parts: dict[str, Any] = {
        "servers": (Server("i-1", "web", "t3.small", "running", "ami-1", volumes=("vol-1",)),),
        "volumes": (Volume("vol-1", "root", 8 * 1024**3, "gp3", "in-use", True, attached_to=("i-1",)),),
        "security_groups": (SecurityGroup("sg-1", "default"),),
        "buckets": (Bucket("documents", at, "eu-west-3", "", 3, 300, True, "on", "KMS"),),
        "zones": (Zone("Z1", "example.org", False, at, 4, "", RECORDS),),
        "read_at": dict.fromkeys(PARTS, at),
    }
    return Inventory("live", "aws", "aws", "eu-west-3", **{**parts, **more})


def without(inventory: Inventory, *parts: str, **more: Any) -> Inventory:
    read = {part: at for part, at in inventory.read_at.items() if part not in parts}
    changed: dict[str, Any] = {**dict.fromkeys(parts), **more}
    return replace(inventory, read_at=read, **changed)


def test_a_part_that_is_refused_is_taken_from_before_with_its_date() -> None:
    refused = Trouble("zones", "", "Route 53 refused")
    known = completed(without(whole(NOW), "zones", troubles=(refused,)), whole(THEN))
    assert known.zones == whole(THEN).zones
    assert (known.read_at["zones"], known.read_at["servers"]) == (THEN, NOW)
    assert known.troubles == (refused,)


def test_one_zone_and_one_bucket_that_are_refused_are_taken_from_before() -> None:
    new = whole(
        NOW,
        zones=(Zone("Z1", "example.org", False, NOW, 4), Zone("Z2", "new.example", False, NOW, 2)),
        buckets=(Bucket("documents", NOW), Bucket("new", NOW)),
    )
    known = completed(new, whole(THEN))
    assert known.zones == (*(whole(THEN).zones or ()), Zone("Z2", "new.example", False, NOW, 2))
    assert known.buckets == (*(whole(THEN).buckets or ()), Bucket("new", NOW))


def test_what_was_read_later_stands_even_when_it_is_less() -> None:
    new = whole(NOW, servers=(), zones=())
    assert completed(new, whole(THEN)) == new


def test_an_inventory_is_the_same_after_json() -> None:
    found = whole(troubles=(Trouble("zones", "example.org", "no"),))
    assert inventory_from_json(json.loads(json.dumps(found.as_json()))) == found


def keep(root: Path, inventory: Inventory, at: float) -> Path:
    return save_inventory(root, inventory.scope, inventory.source, at, inventory.as_json())


def test_the_last_known_state_is_put_together_from_all_that_is_kept(tmp_path: Path) -> None:
    keep(tmp_path, whole(THEN), THEN)
    keep(tmp_path, without(whole(THEN + 60), "servers"), THEN + 60)
    keep(tmp_path, without(whole(NOW), "servers", "zones"), NOW)
    (known,) = last_inventories(tmp_path, "live")
    assert known.servers == whole(THEN).servers
    assert dict(known.read_at) == {**dict.fromkeys(PARTS, NOW), "servers": THEN, "zones": THEN + 60}


def test_nothing_was_ever_read(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No source of scope live was ever read"):
        last_inventories(tmp_path, "live")
    keep(tmp_path, whole(), THEN)
    with pytest.raises(NotFound, match="source azure of scope live was never read"):
        last_inventories(tmp_path, "live", "azure")


def test_a_reading_never_replaces_another_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    files = {keep(tmp_path, whole(THEN), THEN) for _ in range(3)}
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert (tmp_path / "live/aws").stat().st_mode & 0o777 == 0o700
    assert len([*load_inventories(tmp_path, "live", "aws")]) == 3


def test_the_newest_readings_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory_files, "KEPT", 4)
    for n in range(7):
        keep(tmp_path, whole(THEN + n), THEN + n)
    kept = [values["read_at"]["servers"] for values in load_inventories(tmp_path, "live", "aws")]
    assert kept == [THEN + 6, THEN + 5, THEN + 4, THEN + 3]


def test_a_damaged_reading_is_passed_over(tmp_path: Path) -> None:
    keep(tmp_path, whole(THEN), THEN)
    keep(tmp_path, whole(NOW), NOW).write_text('{"scope": "live"', encoding="utf-8")
    keep(tmp_path, whole(NOW), NOW + 1).write_text('{"scope": "live"}', encoding="utf-8")
    (known,) = last_inventories(tmp_path, "live")
    assert known.read_at["servers"] == THEN


def test_an_export_is_never_written_over_another(tmp_path: Path) -> None:
    first = export_inventory(whole(), tmp_path)
    first_files = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    second = export_inventory(whole(buckets=()), tmp_path)
    assert (first.name, second.name) == ("2026-09-21T141320Z-live-aws", "2026-09-21T141320Z-live-aws-2")
    assert {path: path.read_bytes() for path in first.rglob("*") if path.is_file()} == first_files
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]
    assert json.loads((second / "inventory.json").read_text())["buckets"] == []


def test_an_export_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RequestError, match="No space left on device"):
        export_inventory(whole(), tmp_path)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("name", ["../../escape", "..", "/etc/passwd", "a/b.example", "x" * 250])
def test_a_zone_name_is_no_path(tmp_path: Path, name: str) -> None:
    folder = export_inventory(whole(zones=(Zone("../Z", name, False, THEN, 0, "", ()),)), tmp_path / "out")
    (file,) = (folder / "zones").iterdir()
    assert file.resolve().parent == folder / "zones"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_text_of_the_vendor_never_leaves_its_comment() -> None:
    hostile = RecordSet(
        "a.example.org.", "A", 60, ("x\nevil.example.org. 60 IN A 192.0.2.66",), "alias\n$INCLUDE /etc/x"
    )
    zone = Zone("Z1\n$INCLUDE /etc/passwd", "example.org", False, THEN, 5, "", (*RECORDS, hostile))
    text = write_zone(zone, "a source").text
    assert not [line for line in text.splitlines() if line.startswith(("evil", "$INCLUDE"))]
    assert len([*dns.zone.from_text(text, relativize=False).iterate_rdatas()]) == 3


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (RecordSet("a.example.org.", "A", 60, ("no address",)), "cannot be read as A"),
        (RecordSet("a.example.net.", "A", 60, ("192.0.2.1",)), "not in the zone"),
        (RecordSet("www.example.org.", "A", 60, ("192.0.2.9",)), "there already"),
        (RecordSet("a.example.org.", "NEW", 60, ("x",)), "cannot be read as NEW"),
        (RecordSet("a.example.org.", "A", 60), "no values"),
        (RecordSet("www.example.org.", "CNAME", 60, ("x.example.net",)), "other records have one name"),
    ],
)
def test_what_cannot_stand_in_a_zone_file_is_said(one: RecordSet, why: str) -> None:
    written = write_zone(Zone("Z1", "example.org", False, THEN, 5, "", (*RECORDS, one)), "a source")
    assert [left.remark for left in written.left if why in left.remark]
    assert f"; NOT EXPORTED: {one.name} {one.type}, " in written.text
    assert ("www.example.org.", "A") in {(kept.name, kept.type) for kept in written.records}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (r"\052.example.org.", "*.example.org."),
        (r"a\057b.example.org.", "a/b.example.org."),
        (r'"caf\303\251"', r'"caf\195\169"'),
        (r'"a \"b\" \\040"', r'"a \"b\" \\040"'),
        (r"\100.example.org.", r"\064.example.org."),
        ("plain.example.org.", "plain.example.org."),
    ],
)
def test_octal_escapes_become_decimal_ones(given: str, meant: str) -> None:
    assert decimal_escapes(given) == meant


def shown(inventory: Inventory, width: int = 80) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, markup=False, highlight=False, emoji=False)
    show_inventory(Session(out=console), inventory)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_an_inventory_fits_into_80_columns() -> None:
    long = Server(
        "i-2", "a-server-with-a-very-long-name-of-its-own.internal.example.org", "c5d.12xlarge", "stopped", "ami-2",
        "debian-12-amd64-20260901-2200", public_addresses=("203.0.113.201", "2001:db8:1234:5678:9abc:def0:1234:5678"),
        volumes=("vol-1",),
    )  # fmt: skip
    text = shown(whole(servers=(long, *(whole().servers or ()))))
    assert max(map(len, text[2:])) <= 80
    assert "Servers: 2, 1 of them running" in text
    row = next(line for line in text if "c5d.12xlarge" in line)
    assert row.split()[1:] == ["c5d.12xlarge", "stopped", "debian-12-amd…", "203.0.113.201", "8.6", "GB"]
    assert any("cdn.example.org. A: alias to" in line for line in text)


def test_old_parts_and_troubles_are_said() -> None:
    troubles = (
        Trouble("volumes", "", "EC2 refused the credential."),
        Trouble("servers", "", "EC2 refused the credential."),
        Trouble("zones", "example.org", "Route 53 refused."),
    )
    now = without(whole(NOW), "servers", "volumes", troubles=troubles)
    text = shown(completed(now, without(whole(THEN), "volumes")))
    assert any(line.startswith("Servers: 1, 1 of them running (as of 2026-09-2") for line in text)
    assert not [line for line in text if line.startswith("Volumes")]
    assert "! Not read: servers, volumes. EC2 refused the credential." in text
    assert "! Not read: DNS zones (example.org). Route 53 refused." in text


def test_what_a_vendor_says_cannot_steer_the_terminal() -> None:
    hostile = Server("i-1", "\x1b[2Jweb\nnext", "t3", "run\rning", "ami-1")
    text = "\n".join(shown(whole(servers=(hostile,), troubles=(Trouble("zones", "\x1b[31m", "a\x1b[2J"),))))
    assert "\x1b" not in text
    assert "\r" not in text
    assert "web next" in text
