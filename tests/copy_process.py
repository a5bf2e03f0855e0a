"""A process of its own that runs one provider call of `storage.copy`, to be killed at any moment.

    python -m tests.copy_process JOB.json

The job says what to copy between which stores; the answer is a file beside it.
"""

import json
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from providers.base import Context, Finding, ProviderError, Tag
from providers.storage import open_writes
from providers.storage.copy import StorageCopy
from providers.wants import Copy
from tests.loopback import within
from tests.vendor_stand_ins import reveal


@dataclass(frozen=True, slots=True)
class Answer:
    """How the call ended. `grown`: bytes by which the most memory ever held grew during it."""

    presence: str
    message: str
    outputs: dict[str, Any]
    effect: dict[str, Any]
    advanced: bool
    grown: int


def most_memory() -> int:
    """Bytes this program has held at most; unlike getrusage's, not counting the process it was forked from."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def lead_to_loopback(suffix: str) -> None:
    """Names under this one resolve to loopback, as they would to a vendor."""
    ask = socket.getaddrinfo

    def answer(host: Any, *more: Any, **options: Any) -> Any:
        return ask("127.0.0.1" if str(host).endswith(suffix) else host, *more, **options)

    socket.getaddrinfo = answer


def main(file: Path) -> None:
    job = json.loads(file.read_text())
    lead_to_loopback(job["suffix"])
    open_writes.IN_FLIGHT_SECONDS = job["in_flight"]
    context = Context(within(job["scope"]), reveal, file.parent, file.parent, deadline=job["deadline"])
    want, tag = Copy.model_validate(job["want"]), Tag(*job["tag"])
    provider = StorageCopy(context)
    before = most_memory()
    try:
        found = provider.apply(want, tag, job["before"], lambda _: None)
        advanced = False
    except ProviderError as error:
        found, advanced = (
            Finding(provider.observe(want, tag, job["before"]).presence, message=error.message),
            error.advanced,
        )
    told = Answer(
        found.presence.value, found.message, dict(found.outputs), dict(found.effect), advanced, most_memory() - before
    )
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(told)))
    partial.rename(file.with_suffix(".answer"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
