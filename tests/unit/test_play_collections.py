"""A collection in the estate is what its publisher listed, or the play does not start."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from providers.ansible.collections import fault_of_collections


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """As ansible-galaxy leaves one."""
    path = tmp_path / "collections/ansible_collections/community/example"
    (path / "plugins/modules").mkdir(parents=True)
    (path.parent.parent / "community.example-1.0.0.info").mkdir()
    (path.parent.parent / "community.example-1.0.0.info/GALAXY.yml").write_text("x: y\n")
    (path / "README.md").write_text("Read me\n")
    (path / "plugins/modules/thing.py").write_text("print()\n")
    write_lists(path)
    return path


def write_lists(path: Path) -> None:
    names = ["README.md", "plugins/modules/thing.py"]
    files = [{"name": ".", "ftype": "dir", "chksum_sha256": None}, *(listed(path, name) for name in names)]
    listing = json.dumps({"files": files, "format": 1})
    (path / "FILES.json").write_text(listing)
    manifest = {"name": "FILES.json", "chksum_sha256": hashlib.sha256(listing.encode()).hexdigest()}
    (path / "MANIFEST.json").write_text(json.dumps({"collection_info": {}, "file_manifest_file": manifest}))


def listed(path: Path, name: str) -> dict[str, str]:
    digest = hashlib.sha256((path / name).read_bytes()).hexdigest()
    return {"name": name, "ftype": "file", "chksum_type": "sha256", "chksum_sha256": digest}


def test_a_collection_as_it_was_published(collection: Path, tmp_path: Path) -> None:
    assert fault_of_collections(tmp_path) == ""


def test_without_collections_there_is_no_fault(tmp_path: Path) -> None:
    assert fault_of_collections(tmp_path) == ""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda path: (path / "README.md").write_text("Other\n"), "README.md is not what was listed"),
        (lambda path: (path / "README.md").unlink(), "README.md is missing"),
        (lambda path: (path / "plugins/more.py").write_text(""), "plugins/more.py is not listed"),
        (lambda path: (path / "FILES.json").write_text('{"files": []}'), "FILES.json is not the one"),
        (lambda path: (path / "FILES.json").write_text("[]"), "lists of files cannot be read (TypeError)"),
        (lambda path: (path / "FILES.json").write_text("{"), "lists of files cannot be read (JSONDecodeError)"),
        (lambda path: (path / "MANIFEST.json").unlink(), "lists of files cannot be read (FileNotFoundError)"),
        (lambda path: (path / "MANIFEST.json").write_text("[]"), "FILES.json is not the one"),
    ],
)
def test_every_difference_is_found(
    collection: Path, tmp_path: Path, change: Callable[[Path], object], fault: str
) -> None:
    change(collection)
    said = fault_of_collections(tmp_path)
    assert said.startswith("community.example: ")
    assert fault in said


def test_a_file_that_is_a_link(collection: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (collection / "README.md").rename(copy)
    (collection / "README.md").symlink_to(copy)
    assert "README.md is not what was listed" in fault_of_collections(tmp_path)
