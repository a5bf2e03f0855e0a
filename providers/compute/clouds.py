"""How a step comes to the driver of a cloud, and how many steps may be there at once."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from providers.base import Context, ProviderError, Reveal
from providers.compute.driver import CloudDriver
from providers.compute.table import CLOUDS
from providers.pace import Pace
from providers.vendor_http import Deadline, provider_errors

Connect = Callable[[Mapping[str, Any], Reveal, Deadline], CloudDriver]

AT_ONCE = 8
"""How many steps may be at one cloud at the same time, where its block does not say."""

_gates: dict[tuple[str, str, int], threading.BoundedSemaphore] = {}
_gates_lock = threading.Lock()
_paces: dict[tuple[str, str], Pace] = {}


@contextmanager
def cloud(context: Context, name: str, deadline: Deadline) -> Iterator[CloudDriver]:
    """The driver of one `compute` entry, for one call: libcloud's are not thread-safe.

    What the vendor or the network does wrong within becomes a ProviderError. So
    does waiting in vain for a turn, when too many steps are at this cloud.
    """
    block = block_of(context, name)
    module, function = CLOUDS[block["driver"]].split(":")
    connect: Connect = getattr(import_module(module), function)
    paced = deadline.at_pace(_pace(name, block)).reaching(context.scope)
    with _turn(name, block, deadline):
        driver = connect(block, context.reveal, paced)
        with provider_errors(driver.connection, f"{driver.where} ({name})"):
            yield driver


def block_of(context: Context, name: str) -> Mapping[str, Any]:
    """Raises ProviderError(permanent) when the scope has no such entry, or one of an unknown driver."""
    block: Mapping[str, Any] | None = context.scope.get("compute", {}).get(name)
    if block is None:
        raise ProviderError(f"The scope has no `compute.{name}`; add it to bascule.yaml.", permanent=True)
    if block.get("driver") not in CLOUDS:
        known = ", ".join(sorted(CLOUDS))
        raise ProviderError(
            f"`compute.{name}` has no driver {block.get('driver')!r}; set one of: {known}.", permanent=True
        )
    return block


def require(block: Mapping[str, Any], vendor: str, *names: str) -> None:
    """Raises ProviderError(permanent) that names what the block lacks."""
    missing = [name for name in names if not block.get(name)]
    if missing:
        raise ProviderError(
            f"A `compute` entry for {vendor} has no {', '.join(missing)}; add it to bascule.yaml.", permanent=True
        )


def _pace(name: str, block: Mapping[str, Any]) -> Pace:
    """The pace that this whole process keeps to at this cloud."""
    with _gates_lock:
        pace = _paces.setdefault(_place(name, block), Pace())
    pace.rate = block.get("requests_per_second")
    return pace


def _place(name: str, block: Mapping[str, Any]) -> tuple[str, str]:
    return f"{block.get('url')} {name}", str(block.get("zone") or block.get("region") or "")


@contextmanager
def _turn(name: str, block: Mapping[str, Any], deadline: Deadline) -> Iterator[None]:
    """One of the places that this cloud has for steps of this process."""
    most = int(block.get("concurrency") or AT_ONCE)
    with _gates_lock:
        gate = _gates.setdefault((*_place(name, block), most), threading.BoundedSemaphore(most))
    if not gate.acquire(timeout=deadline.left()):
        raise ProviderError(
            f"{most} other steps have been at {name} all the time; try again, or raise its `concurrency`.",
            permanent=False,
        )
    try:
        yield
    finally:
        gate.release()
