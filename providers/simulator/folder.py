"""Directories that root makes on behalf of the person who called it."""

import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Makes what is missing, each with the owner of the directory it is in, so that a home stays its user's."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
