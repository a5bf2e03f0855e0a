"""The servers' network: a bridge in a namespace of its own, joined to the host by one interface.

The bridge stays out of the host's namespace so that the host's packet filter
(Docker's, say) never sees what servers say to each other, and so that the kernel
removes everything when this process dies, however it dies: named namespaces are
mounts in this process's private mount namespace.
"""

import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from providers.simulator.addresses import Addresses

NETNS = Path("/run/netns")
GONE_SECONDS = 5.0


class NetworkError(Exception):
    """A network command failed; the message says which and why."""


def ip(*arguments: str, batch: Iterable[str] = ()) -> None:
    """Runs `ip`; with `batch`, those lines in one process. Raises NetworkError."""
    lines = list(batch)
    command = ["ip", *arguments, *(["-batch", "-"] if lines else [])]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        told = done.stderr.strip().splitlines()
        raise NetworkError(f"`{' '.join([*command, *lines[:1]])}` failed: {told[0] if told else 'no reason given'}.")


class Network:
    """The bridge and its namespace, from `create` to `remove`."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._hub = addresses.namespace("hub")

    def create(self) -> None:
        """Makes the bridge; what a crashed instance left is removed first."""
        self.remove()
        link = self._addresses.bridge
        ip("netns", "add", self._hub)
        ip(
            batch=[
                f"link add {link} type veth peer name host netns {self._hub}",
                f"address add {self._addresses.gateway}/24 dev {link}",
                f"link set {link} up",
            ]
        )
        # Servers reach this machine, never the networks behind it.
        Path(f"/proc/sys/net/ipv4/conf/{link}/forwarding").write_text("0")
        ip(
            "-n",
            self._hub,
            batch=["link add bridge type bridge", "link set host master bridge up", "link set bridge up"],
        )

    def remove(self) -> None:
        """Removes the host's end, and with it what hangs on it; nothing there is fine."""
        deadline = time.monotonic() + GONE_SECONDS
        while Path(f"/sys/class/net/{self._addresses.bridge}").exists():
            try:
                ip("link", "delete", self._addresses.bridge)
            except NetworkError:
                # The kernel may be at it already, after a crash.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        if (NETNS / self._hub).exists():
            ip("netns", "delete", self._hub)

    def attach(self, host: int) -> Path:
        """A namespace for the server with this host number, connected; returns its file. Raises NetworkError."""
        namespace = self._addresses.namespace(host)
        ip("netns", "add", namespace)
        try:
            self._connect(host, namespace)
        except NetworkError:
            self.detach(host)
            raise
        return NETNS / namespace

    def detach(self, host: int) -> None:
        """Removes the server's interfaces and namespace; nothing there is fine."""
        namespace = self._addresses.namespace(host)
        if (NETNS / namespace).exists():
            ip("neighbour", "flush", *self._neighbour(host), "nud", "permanent")
            with suppress(NetworkError):  # there is none when connecting failed
                ip("-n", namespace, "link", "delete", "eth0")
            ip("netns", "delete", namespace)

    def _connect(self, host: int, namespace: str) -> None:
        # The same address has always the same link address, so that no neighbour's memory of an earlier server lies.
        link_address = f"02:c6:12:{self._addresses.index:02x}:00:{host:02x}"
        ip(
            "-n",
            self._hub,
            batch=[
                f"link add server{host} type veth peer name eth0 address {link_address} netns {namespace}",
                f"link set server{host} master bridge up",
            ],
        )
        ip(
            "-n",
            namespace,
            batch=[
                "link set lo up",
                f"address add {self._addresses.server(host)}/24 dev eth0",
                "link set eth0 up",
                f"route add default via {self._addresses.gateway}",
            ],
        )
        # Whoever asked for this address too early would otherwise wait a second for the next ARP question.
        ip("neighbour", "replace", *self._neighbour(host), "lladdr", link_address, "nud", "permanent")

    def _neighbour(self, host: int) -> tuple[str, str, str]:
        return self._addresses.server(host), "dev", self._addresses.bridge
