import os
import tempfile
from pathlib import Path

# ruleid: name-before-file
NAME = tempfile.mktemp()
# ok: name-before-file
HANDLE = tempfile.mkstemp()

# ruleid: others-may-write
Path("x").chmod(0o777)
# ruleid: others-may-write
os.chmod("x", 0o666)
# ruleid: others-may-write
Path("x").mkdir(parents=True, mode=0o777)
# ruleid: umask-open
os.umask(0)
# ok: umask-open
os.umask(0o022)
# ok: umask-open
os.umask(0o077)
# ok: others-may-write
Path("x").chmod(0o600)
# ok: others-may-write
Path("x").mkdir(mode=0o1777)
# ok: others-may-write
os.fchmod(3, 0o755)
