"""Files in memory: for their owner alone, gone afterwards, and those of a process that was killed too."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from providers.volatile import volatile_file


def test_a_file_is_there_for_the_block_and_for_the_owner_alone() -> None:
    with volatile_file("test-key", "the key\n") as path:
        assert path.read_text() == "the key\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert path.is_relative_to("/dev/shm")
    assert not path.parent.exists()
    with pytest.raises(KeyError), volatile_file("test-key", "x") as path:
        raise KeyError
    assert not path.parent.exists()


def test_what_a_killed_process_left_is_removed_by_the_next() -> None:
    script = "import os\nfrom providers.volatile import volatile_file\n"
    script += "with volatile_file('test-left', 'x') as at:\n    print(at, flush=True)\n    os.kill(os.getpid(), 9)\n"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", script]
    left = Path(subprocess.run(command, capture_output=True, text=True, env=environment, check=False).stdout.strip())
    assert left.exists()
    with volatile_file("test-left", "y") as path:
        assert path.read_text() == "y"
        assert not left.parent.exists()
