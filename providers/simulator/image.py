"""The servers' image: a Debian or Ubuntu tree that mmdebstrap makes once from the host's own package sources."""

import fcntl
import hashlib
import os
import platform
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from providers.simulator.folder import make_folder

PACKAGES = (
    "python3",
    "python3-apt",
    "openssh-server",
    "nginx-light",
    "slapd",
    "ldap-utils",
    "curl",
    "iproute2",
    "ca-certificates",
)
RECIPE = 1
"""Raised when the way of building changes: part of the cache's key."""
SSHD = """\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
UseDNS no
MaxStartups 100
"""

Tell = Callable[[str], None]


class ImageError(Exception):
    """The image could not be made; the message holds the remedy."""


def cache_folder() -> Path:
    """Images of the person who runs this, also through sudo."""
    if "SUDO_USER" in os.environ and os.geteuid() == 0:
        home = Path(pwd.getpwnam(os.environ["SUDO_USER"]).pw_dir)
        return home / ".cache" / "bascule" / "images"
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "bascule" / "images"


def ready_image(tell: Tell) -> Path:
    """The image's tree, made first when it is not there. Raises ImageError."""
    suite = _suite()
    recipe = f"{RECIPE} {' '.join(PACKAGES)} {SSHD}"
    key = f"{suite}-{platform.machine()}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    folder = cache_folder()
    image = folder / key
    if image.is_dir():
        return image
    make_folder(folder)
    with _locked(folder / f"{key}.lock"):
        if not image.is_dir():
            _build(suite, image, tell)
    return image


def _build(suite: str, image: Path, tell: Tell) -> None:
    partial = image.with_name(f"{image.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    tell(f"Building the servers' image ({suite}) once, from this machine's package sources; about half a minute.")
    tell(f"  mmdebstrap: {', '.join(PACKAGES)}")
    command = [
        *("mmdebstrap", "--variant=apt", f"--include={','.join(PACKAGES)}"),
        '--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*',
        f"--customize-hook=printf '%s' '{SSHD}' > \"$1\"/etc/ssh/sshd_config.d/bascule.conf",
        *(suite, str(partial), "-"),
    ]
    done = subprocess.run(command, input=_sources(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        shutil.rmtree(partial, ignore_errors=True)
        told = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))][-3:]
        raise ImageError(
            f"mmdebstrap could not make the servers' image: {' '.join(told) or 'no reason given'} "
            "Check that `apt-get update` works on this machine, then start again."
        )
    partial.rename(image)
    tell(f"  kept in {image}")


def _suite() -> str:
    """The host's release. Raises ImageError on a system that is neither Debian nor Ubuntu."""
    facts = platform.freedesktop_os_release()
    family = {facts.get("ID", ""), *facts.get("ID_LIKE", "").split()}
    suite = facts.get("UBUNTU_CODENAME") or facts.get("VERSION_CODENAME", "")
    if not family & {"debian", "ubuntu"} or not suite:
        raise ImageError(
            "The servers' image is made from Debian or Ubuntu package sources, and this machine has neither: "
            "run the simulator on Debian or Ubuntu."
        )
    return suite


def _sources() -> str:
    """The host's package sources in one format: mmdebstrap reads either, not both at once. Raises ImageError."""
    apt = Path("/etc/apt")
    stanzas = [
        stanza
        for file in sorted((apt / "sources.list.d").glob("*.sources"))
        for stanza in file.read_text().split("\n\n")
        if "Components:" in stanza and " main" in stanza
    ]
    if stanzas:
        return "\n\n".join(stanzas) + "\n"
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    lines = [line for file in lists if file.is_file() for line in file.read_text().splitlines()]
    lines = [line for line in lines if line.startswith("deb ") and " main" in line]
    if not lines:
        raise ImageError("No package source was found in /etc/apt: add the Debian sources there, then start again.")
    return "\n".join(lines) + "\n"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
