"""Collections that the estate carries beside its plays, and whether they are what their publishers listed.

Nothing is ever fetched at run time: what a play uses lies in `collections/ansible_collections`
beside it, as `ansible-galaxy collection install -p` leaves it, with its `MANIFEST.json` and
`FILES.json`. These list a SHA-256 of every file; the estate's commit vouches for the lists.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DIRECTORY = Path("collections", "ansible_collections")
_LISTS = ("MANIFEST.json", "FILES.json")


def fault_of_collections(beside: Path) -> str:
    """The first thing that is wrong with a collection beside a play; empty when nothing is."""
    for path in sorted(beside.joinpath(DIRECTORY).glob("*/*/")):
        if path.is_dir() and not path.parent.name.endswith(".info"):
            for fault in _faults(path):
                return f"{path.parent.name}.{path.name}: {fault}"
    return ""


def _faults(collection: Path) -> Iterator[str]:
    try:
        manifest = json.loads((collection / "MANIFEST.json").read_bytes())
        listing = (collection / "FILES.json").read_bytes()
        files = {one["name"]: one["chksum_sha256"] for one in json.loads(listing)["files"] if one["ftype"] == "file"}
    except (OSError, ValueError, TypeError, KeyError) as error:
        yield f"its lists of files cannot be read ({type(error).__name__})"
        return
    if _listed(manifest) != hashlib.sha256(listing).hexdigest():
        yield "FILES.json is not the one that MANIFEST.json names"
    there = {path.relative_to(collection).as_posix(): path for path in collection.rglob("*") if not path.is_dir()}
    for name in sorted(there.keys() - files.keys() - {*_LISTS}):
        yield f"{name} is not listed"
    for name, digest in sorted(files.items()):
        if name not in there:
            yield f"{name} is missing"
        elif there[name].is_symlink() or hashlib.sha256(there[name].read_bytes()).hexdigest() != digest:
            yield f"{name} is not what was listed"


def _listed(manifest: Any) -> object:
    """The checksum of the list of files, where the manifest has one."""
    block = manifest.get("file_manifest_file") if isinstance(manifest, dict) else None
    return block.get("chksum_sha256") if isinstance(block, dict) else None
