"""Messages to Bascule that wait to be posted: one file each, in the order of their coming."""

import fcntl
import hashlib
import os
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from orchestrator.cli.exits import CommandError
from orchestrator.domain.signals.proof import sign, sign_standard

KEPT_FOR = 86_400.0
"""Seconds after which a message that nobody took is dropped: by then it is no news."""
MOST = 10_000
"""Messages that wait; of more, the oldest go."""
POST_WITHIN = 15.0
_WHY = {
    401: ": it knows no such source, or another secret of it; its log says which, and whether the clocks differ",
    404: ": there is no Bascule at this address",
}
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
"""Seconds between two tries; doubled each time, in between."""
_MOST_BYTES = 2000
"""Of one macro: the output of a check may be long, and only its beginning says anything."""

_PREFIXES = ("NAGIOS_", "ICINGA_", "NOTIFY_")
_PLAIN = (
    "HOSTNAME", "HOSTALIAS", "HOSTADDRESS", "HOSTSTATE", "HOSTOUTPUT", "HOSTGROUPNAMES", "HOSTPROBLEMID",
    "LASTHOSTSTATECHANGE", "SERVICEDESC", "SERVICESTATE", "SERVICEOUTPUT", "SERVICEGROUPNAMES", "SERVICEPROBLEMID",
    "LASTSERVICESTATECHANGE", "NOTIFICATIONTYPE", "WHAT", "OMD_SITE",
)  # fmt: skip
_BEGINNINGS = ("HOSTLABEL_", "SERVICELABEL_", "HOSTTAG_", "_HOST", "_SERVICE")
"""Labels and custom variables. Contacts, their addresses and passwords of plugins are left where they are."""


def macros_of(environment: Mapping[str, str], given: Iterable[str]) -> dict[str, str]:
    """The macros that say something of a host or service. `given`, as NAME=VALUE, go before the environment's.

    Names without a core's prefix count only beside a state: most shells know a HOSTNAME of their own. What the core
    did not fill in, such as $SERVICEDESC$ for a host, says nothing. Raises CommandError for what is no NAME=VALUE.
    """
    found: dict[str, str] = {}
    if "SERVICESTATE" in environment or "HOSTSTATE" in environment:
        found |= {name: value for name, value in environment.items() if _wanted(name)}
    for prefix in _PREFIXES:
        told = {name.removeprefix(prefix): value for name, value in environment.items() if name.startswith(prefix)}
        found |= {name: value for name, value in told.items() if _wanted(name)}
    for one in given:
        name, separator, value = one.partition("=")
        if not separator or not name.replace("_", "").isalnum():
            raise CommandError(f"{one[:60]!r} is no macro: write NAME=VALUE, such as HOSTNAME=portal.")
        found[name] = value
    return {name: _cut(value) for name, value in found.items() if value and value != f"${name}$"}


def _cut(value: str) -> str:
    return value[:_MOST_BYTES].encode("utf-8", "replace").decode()


def _wanted(name: str) -> bool:
    return name in _PLAIN or name.startswith(_BEGINNINGS)


@dataclass(frozen=True, slots=True)
class Way:
    """Where messages go, and what shows that they are the source's."""

    url: str
    secret_file: Path
    ca: Path | None
    bearer: bool = False
    standard: bool = False
    """Signed as Standard Webhooks are; the id is the message's own, so that a repetition is known as one."""

    def secret(self) -> str:
        """Read anew for each message: a secret may be renewed while one waits. Raises CommandError."""
        try:
            found = self.secret_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise CommandError(f"The secret can't be read from {self.secret_file}: {error}.") from error
        if not found:
            raise CommandError(f"{self.secret_file} is empty: store the source's secret in it.")
        return found

    def headers(self, body: bytes) -> dict[str, str]:
        kind = {"Content-Type": "application/json"}
        if self.bearer:
            return {**kind, "Authorization": f"Bearer {self.secret()}"}
        now = str(int(time.time()))
        if self.standard:
            return {**kind, **self._standard(body, now)}
        return {**kind, "X-Bascule-Timestamp": now, "X-Bascule-Signature": sign(self.secret(), now, body)}

    def _standard(self, body: bytes, now: str) -> dict[str, str]:
        sent = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
        try:
            signature = sign_standard(self.secret(), sent, now, body)
        except ValueError as error:
            raise CommandError(
                f"What {self.secret_file} holds is no secret of Standard Webhooks: write whsec_ and 24 to 64 bytes in "
                "base64, the same as in secrets/signals of Bascule."
            ) from error
        return {"webhook-id": sent, "webhook-timestamp": now, "webhook-signature": signature}


class Outbox:
    """A folder. One process at a time posts from it, the oldest message first; others leave theirs there."""

    def __init__(self, spool: Path, way: Way, kept_for: float = KEPT_FOR) -> None:
        """Each address has a folder of its own in the spool: messages for one never go to another."""
        self._kept_for = kept_for
        self._folder = spool / hashlib.sha256(way.url.encode()).hexdigest()[:16]
        self._way = way

    def keep(self, body: bytes) -> None:
        """Store a message so that a crash does not lose it. Raises CommandError."""
        name = f"{time.time_ns():020d}-{os.getpid()}"
        part = self._folder / f".{name}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with part.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            part.rename(self._folder / f"{name}.json")
        except OSError as error:
            raise CommandError(f"The message can't be kept in {self._folder}: {error.strerror}.") from error
        for old in self._waiting()[:-MOST]:
            old.unlink(missing_ok=True)

    def post_all(self, until: float) -> str:
        """Post what waits, again and again up to `until` (monotonic seconds); why something is left, or nothing.

        Whoever else posts already takes these too, so this one ends. What came while that one ended is looked for
        after its lock is free, so nothing stays for long.
        """
        pause, fault = _FIRST_WAIT, ""
        while self._waiting():
            with self._alone() as alone:
                if not alone:
                    return ""
                fault = self._post_waiting()
            self._say(fault)
            if fault:
                if time.monotonic() + pause > until:
                    return fault
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_WAIT)
        return ""

    def _say(self, fault: str) -> None:
        """Nobody reads what a process in the background prints: why it fails stands in a file beside the messages."""
        path = self._folder / "why-not-posted.txt"
        if fault:
            path.write_text(f"{fault}\n", encoding="utf-8")
        else:
            path.unlink(missing_ok=True)

    def _post_waiting(self) -> str:
        """Everything that is there, and what comes meanwhile; why the first that was not taken was not."""
        try:
            with httpx.Client(timeout=POST_WITHIN, trust_env=False, verify=self._authorities()) as http:
                while waiting := self._waiting():
                    for path in waiting:
                        self._post(http, path)
        except (httpx.HTTPError, OSError, CommandError) as error:
            return str(error) or type(error).__name__
        return ""

    def _post(self, http: httpx.Client, path: Path) -> None:
        """A message that is taken, or too old, is there no more. Raises for one that was not taken."""
        body = path.read_bytes()
        if time.time() - path.stat().st_mtime < self._kept_for:
            response = http.post(self._way.url, content=body, headers=self._way.headers(body))
            if not response.is_success:
                why = _WHY.get(response.status_code, "")
                raise CommandError(f"{self._way.url} answered {response.status_code}{why}.")
        path.unlink(missing_ok=True)

    def _authorities(self) -> "ssl.SSLContext | bool":
        if not self._way.url.startswith("https://"):
            return False
        return ssl.create_default_context(cafile=str(self._way.ca) if self._way.ca else None)

    def _waiting(self) -> list[Path]:
        return sorted(self._folder.glob("[0-9]*.json"))

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        handle = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)
