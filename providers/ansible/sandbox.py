"""What a play sees of this machine, as arguments of bubblewrap (bwrap(1)). Pure, but for what it asks of paths.

Everything is left out that is not named here: the data directory with its database,
secrets, token and other runs; home directories; the processes of others; every
network; `/proc` and `/sys`. The play has its own process, mount, network, IPC, UTS and
user namespace, no capability, and no way to make further namespaces. When bwrap's parent ends, it ends.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SCRATCH = 256 * 1024 * 1024
"""Bytes of each of the play's private file systems in memory: `/tmp`, its home, the sockets of ssh."""

_ETC = (
    "alternatives",
    "crypto-policies",
    "ld.so.cache",
    "localtime",
    "pki/ca-trust",
    "pki/tls/certs",
    "ssl/certs",
    "ssl/openssl.cnf",
)
"""Of /etc: how libraries are found, and whom TLS trusts. No users, no passwords, no host keys."""
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Links into /usr on a system of today, directories on an older one."""


@dataclass(frozen=True, slots=True)
class View:
    """What is shown besides the system's programs and Python, each at its own path unless said otherwise.

    `etc`: a directory whose files stand in for those of /etc. `files`: shown path -> file of this machine.
    `read`, `write`: files and directories. `scratch`: empty directories in memory, to write to.
    `keep`: a descriptor that is open for as long as anything of the sandbox lives; the play itself lacks it.
    """

    etc: Path
    files: dict[Path, Path] = field(default_factory=dict)
    read: Sequence[Path] = ()
    write: Sequence[Path] = ()
    scratch: Sequence[Path] = ()
    keep: int | None = None


def sandbox(bwrap: str, view: View) -> list[str]:
    """What to put before a command so that it runs with this view."""
    kept = () if view.keep is None else ("--sync-fd", str(view.keep))
    return [bwrap, *_ISOLATION, *kept, *_system(view.etc), *_shown(view), "--remount-ro", "/", "--"]


def python_roots() -> list[Path]:
    """Where this Python and its packages lie, as far as `/usr` does not hold them."""
    prefixes = dict.fromkeys((sys.base_prefix, sys.base_exec_prefix, sys.prefix, sys.exec_prefix))
    return [Path(one) for one in prefixes if not Path(one).is_relative_to("/usr")]


def exposes(path: Path) -> Path | None:
    """The shown root that would show this path of the service to every play; None when it stays hidden."""
    real = path.resolve()
    roots = [Path("/usr"), *python_roots()]
    return next((root for root in roots if real.is_relative_to(root.resolve())), None)


_ISOLATION = (
    "--unshare-all",
    "--unshare-user",
    "--disable-userns",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--hostname",
    "play",
)


def _system(etc: Path) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr")
    for path in (Path("/", name) for name in _TOP):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for path in (Path("/etc", name) for name in _ETC):
        yield from ("--ro-bind-try", str(path), str(path))
    for path in sorted(etc.iterdir()):
        yield from ("--ro-bind", str(path), f"/etc/{path.name}")
    # No /proc: to a service that is root, files of it such as kernel.core_pattern would be writable
    # without any capability, for their owner has the number 0 on either side.
    yield from ("--dir", "/proc", "--dev", "/dev")
    for name in ("/dev/shm", "/tmp"):  # noqa: S108  # nosec B108  # hidden from plays
        yield from ("--size", str(SCRATCH), "--tmpfs", name)
    for path in python_roots():
        yield from ("--ro-bind", str(path), str(path))


def _shown(view: View) -> Iterator[str]:
    for path in view.read:
        yield from ("--ro-bind", str(path), str(path))
    for shown, path in view.files.items():
        yield from ("--ro-bind", str(path), str(shown))
    for path in view.scratch:
        yield from ("--size", str(SCRATCH), "--tmpfs", str(path))
    for path in view.write:
        yield from ("--bind", str(path), str(path))
    yield from ("--remount-ro", "/dev")
