"""What the command line shows the service: somebody's own session or token, else the token of the installation."""

import getpass
import ipaddress
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.cli.exits import CommandError
from orchestrator.operations.request import Paths

URL = "BASCULE_URL"
TOKEN = "BASCULE_TOKEN"  # noqa: S105 - a variable's name


@dataclass(frozen=True, slots=True)
class Credential:
    """`personal`: it is somebody's own; `name` is known where they signed in here."""

    token: str = field(repr=False)
    personal: bool = False
    name: str = ""


def address_of(data: Path) -> str:
    """Where the service is: as BASCULE_URL says, or as it says itself. Raises OSError, ValueError, KeyError."""
    named = os.environ.get(URL, "").strip()
    if named:
        if not _is_private(named):
            raise CommandError(f"{URL} is {named}: name the service with https://, so that nobody listens in.")
        return named.rstrip("/")
    return str(json.loads(Paths(data).service.read_text(encoding="utf-8"))["url"]).rstrip("/")


def _is_private(url: str) -> bool:
    """Nobody on the way can listen in: TLS, or this machine's loopback by its own name or address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme != "http" or "@" in parts.netloc or "\\" in url:
        return parts.scheme == "https"
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_of_this_machine() -> bool:
    """Whether the service is that of the data directory, and not one that BASCULE_URL names."""
    return not os.environ.get(URL, "").strip()


def credential_for(url: str, data: Path) -> Credential:
    """BASCULE_TOKEN, else the session of whoever signed in, else the installation's token. Raises OSError."""
    given = os.environ.get(TOKEN, "").strip()
    if given:
        return Credential(given, personal=True)
    kept = _kept().get(_place(url, data))
    if kept is not None and kept["expires_at"] > time.time():
        return Credential(kept["token"], personal=True, name=kept["name"])
    if os.environ.get(URL, "").strip():
        raise CommandError(f"Nobody is signed in at {url}: `bascule login`, or set {TOKEN}.")
    return installation(data)


def installation(data: Path) -> Credential:
    """The token of the data directory. Raises OSError."""
    return Credential(Paths(data).token.read_text(encoding="utf-8").strip())


def keep(url: str, data: Path, session: dict[str, Any]) -> None:
    """Remember a session, as the service answered it, for the next commands of this account on this machine."""
    kept = {place: one for place, one in _kept().items() if one["expires_at"] > time.time()}
    said = {name: session[name] for name in ("token", "name", "expires_at")}
    _write({**kept, _place(url, data): said})


def forget(url: str, data: Path) -> None:
    _write({place: one for place, one in _kept().items() if place != _place(url, data)})


def this_person() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def _place(url: str, data: Path) -> str:
    """A service on this machine may come back at another port: its data directory says which one it is."""
    return url if os.environ.get(URL, "").strip() else str(data)


def _file() -> Path:
    """XDG Base Directory Specification: state that is not worth a backup."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "bascule" / "sessions.json"


def _kept() -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(kept: dict[str, dict[str, Any]]) -> None:
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as written:
        json.dump(kept, written)
    new.replace(file)
