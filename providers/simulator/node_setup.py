"""Turns a fresh set of namespaces into a server: its own root, /proc, /dev, name and limits, then its init.

Run as a program by `machines.py` in new mount, pid, uts, ipc and network
namespaces, with the server's disk as working directory and its facts there in
`facts.json`. It imports nothing of this project: what follows replaces the
process by the server's own Python, so that no file of the host stays open in it.
"""

import ctypes
import json
import os
import socket
import stat
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC = 32, 4096, 16384
MNT_DETACH = 2
INIT = "/usr/lib/bascule-init.py"
USER_DATA = "/run/user-data.txt"
SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}
PR_CAPBSET_DROP = 24

KEPT_CAPABILITIES = {
    0: "CHOWN",
    1: "DAC_OVERRIDE",
    3: "FOWNER",
    4: "FSETID",
    5: "KILL",
    6: "SETGID",
    7: "SETUID",
    8: "SETPCAP",
    10: "NET_BIND_SERVICE",
    13: "NET_RAW",
    18: "SYS_CHROOT",
    29: "AUDIT_WRITE",
    31: "SETFCAP",
}
"""What root may still do in a server. Not among them: mounting, devices, modules, tracing, raw files by handle."""
LAST_CAPABILITY = 63

DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
READ_ONLY = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs")
HIDDEN = ("/proc/kcore", "/proc/keys", "/proc/kmsg", "/proc/timer_list", "/proc/kallsyms")

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    os.umask(0)  # nosemgrep: umask-open  # device files get the modes that they are given
    facts = json.loads(Path("facts.json").read_text())
    socket.sethostname(facts["hostname"])
    mount("overlay", "root", "overlay", MS_NODEV, "lowerdir=../image,upperdir=upper,workdir=work")
    os.chdir("root")
    mount_kernel_files()
    os.umask(0o022)
    write_identity(facts)
    enter()
    protect()
    drop_capabilities()
    os.execve(  # noqa: S606  # nosec B606  # this process becomes the server's first
        "/usr/bin/python3",
        ["/usr/bin/python3", "-I", "-S", INIT],
        {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"},
    )


def mount_kernel_files() -> None:
    """/proc, /sys, /dev and /run of its own, below the new root (the working directory)."""
    mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("sysfs", "sys", "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k")
    mount("tmpfs", "run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=16m")
    dev = Path("dev")
    for name, (major, minor) in DEVICES.items():
        os.mknod(dev / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))
    for folder in ("pts", "shm"):
        (dev / folder).mkdir()
    mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5")
    mount("tmpfs", "dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m")
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd"}
    links |= {name: f"/proc/self/fd/{number}" for number, name in enumerate(("stdin", "stdout", "stderr"))}
    for name, target in links.items():
        (dev / name).symlink_to(target)


def write_identity(facts: dict[str, str]) -> None:
    """Name, addresses, who may log in, and this machine's init."""
    name = facts["hostname"]
    Path("etc/hostname").write_text(f"{name}\n")
    Path("etc/hosts").write_text(f"127.0.0.1 localhost\n{facts['address']} {name}\n")
    Path("etc/resolv.conf").write_text(f"nameserver {facts['resolver']}\noptions timeout:1 attempts:2\n")
    folder = Path("root/.ssh")
    folder.mkdir(mode=0o700, exist_ok=True)
    keys = folder / "authorized_keys"
    if not keys.exists():
        keys.write_text(facts["authorized_key"] + "\n")
    Path(INIT.removeprefix("/")).write_text(facts["init"])
    Path(USER_DATA.removeprefix("/")).write_text(facts["user_data"])


def enter() -> None:
    """The working directory becomes the root and the old root goes away (pivot_root(2), "." on ".")."""
    check(_libc.syscall(SYS_PIVOT_ROOT[os.uname().machine], b".", b"."), "pivot_root")
    check(_libc.umount2(b".", MNT_DETACH), "umount old root")
    os.chdir("/")


def protect() -> None:
    """What the kernel shows of the host is read-only or hidden: root has the host's user id here."""
    for path in READ_ONLY:
        if Path(path).exists():
            mount(path, path, "", MS_BIND | MS_REC)
            mount(path, path, "", MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for path in HIDDEN:
        if Path(path).exists():
            mount("/dev/null", path, "", MS_BIND)


def drop_capabilities() -> None:
    for capability in range(LAST_CAPABILITY + 1):
        if capability not in KEPT_CAPABILITIES and _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    check(_libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()), f"mount {target}")


def check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


if __name__ == "__main__":
    main()
