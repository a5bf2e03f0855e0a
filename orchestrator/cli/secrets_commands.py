"""Secrets on the command line. A value comes from standard input or from a prompt that does not show it."""

import getpass
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from orchestrator.cli.client import Service
from orchestrator.cli.exits import CommandError, Exit, NoService
from orchestrator.cli.session import As, Json, Session, session_of
from orchestrator.cli.wording import clean, counted
from orchestrator.web.times import duration

if TYPE_CHECKING:
    from orchestrator.operations.secrets import Secrets

MOST_INPUT = 128 * 1024
"""Characters that are read from standard input: the service takes fewer, and says so."""
SOURCES = {"sealed": "sealed", "openbao": "copy of OpenBao", "file": "plain file"}

Scope = Annotated[str, typer.Argument(metavar="SCOPE", help="The scope it is for, or `signals` for a webhook's.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What stands after secret:// in bascule.yaml.")]


def listed(context: typer.Context, as_json: Json = False) -> None:
    """Names, ages and sources of all secrets that are kept here. Values are never shown."""
    session = session_of(context)
    with _secrets(session) as ask:
        found = ask.listed()
    if as_json:
        session.json({"secrets": found})
        return
    for line in secret_lines(found, time.time()):
        session.line(line, copied=True)


def set_(context: typer.Context, scope: Scope, name: Name, actor: As) -> None:
    """Seal one secret. Its value is read from standard input, or asked for without showing it.

    A value that a scope of another mode has is refused: a credential is of one mode alone.
    """
    session = session_of(context)
    value = _value(scope, name)
    with _secrets(session) as ask:
        created = ask.set(scope, name, value, actor)
    session.line(f"{'Sealed' if created else 'Sealed anew'}: secret://{name} of scope {scope}.")


def remove(context: typer.Context, scope: Scope, name: Name, actor: As) -> None:
    """Remove one sealed secret."""
    session = session_of(context)
    with _secrets(session) as ask:
        ask.remove(scope, name, actor)
    session.line(f"Removed: secret://{name} of scope {scope}.")


def seal(
    context: typer.Context,
    actor: As,
    scope: Annotated[str, typer.Argument(metavar="[SCOPE]", help="Only this scope's.")] = "",
    as_json: Json = False,
) -> None:
    """Seal the plain files in the data directory's `secrets`, then destroy them.

    Exit code: 0 none is left, 1 some could not be sealed, and are told.
    """
    session = session_of(context)
    with _secrets(session) as ask:
        said = ask.seal(actor, scope)
    if as_json:
        session.json(said)
    else:
        session.line(f"Sealed {counted(len(said['sealed']), 'secret')}.")
        for one in said["left"]:
            session.line(f"✘ left as it is: secrets/{one['scope']}/{one['name']}: {clean(one['why'])}")
    raise typer.Exit(Exit.FAILED if said["left"] else Exit.DONE)


def rotate(
    context: typer.Context,
    actor: As,
    reseal: Annotated[
        bool, typer.Option("--reseal", help="Make no new key: seal all by the first that is there.")
    ] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Let go of keys by which nothing is sealed any more.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a new key, and seal all secrets by it while the service goes on.

    Keep the old keys for as long as you keep backups of the database: docs/secrets.md. Exit code: 1 some secrets could
    not be sealed anew.
    """
    session = session_of(context)
    with _secrets(session) as ask:
        said = ask.rotate(actor, new_key=not reseal, drop_old=drop_old)
    if as_json:
        session.json(said)
    else:
        for line in rotation_lines(said):
            session.line(line)
    raise typer.Exit(Exit.FAILED if said["left"] else Exit.DONE)


def secret_lines(found: Sequence[Mapping[str, Any]], now: float) -> Iterator[str]:
    """A line each, scope by scope."""
    if not found:
        yield "No secret is kept here. Store one: bascule secrets set SCOPE NAME"
    scope = ""
    for one in found:
        if one["scope"] != scope:
            scope = str(one["scope"])
            yield clean(scope)
        by = f" by {clean(str(one['set_by']))}" if one["set_by"] else ""
        age = duration(now - float(one["set_at"]), "en")
        yield f"  {clean(str(one['name'])):<32} {SOURCES[one['source']]}, set {age} ago{by}{_remark(one, now)}"


def _remark(one: Mapping[str, Any], now: float) -> str:
    if one["source"] == "file":
        return "  ! unsealed: bascule secrets seal"
    if not one["opens"]:
        return "  ✘ its key is not here: docs/secrets.md"
    checked = one.get("checked_at")
    seen = f", compared {duration(now - float(checked), 'en')} ago" if checked is not None else ""
    return seen if one["newest_key"] else f"{seen}  (old key: bascule secrets rotate --reseal)"


def rotation_lines(said: Mapping[str, Any]) -> Iterator[str]:
    yield f"A new key was made: {said['made']}." if said["made"] else f"The key that seals: {said['key']}."
    yield f"Sealed anew: {counted(int(said['resealed']), 'secret')}."
    if said["left"]:
        yield f"✘ Not sealed anew, their key is not here: {clean(', '.join(said['left']))}"
    if said["dropped"]:
        yield f"Let go of {counted(int(said['dropped']), 'old key')}. Backups sealed by them need their copies."
    yield from (clean(str(one)) for one in said["advice"])


def _value(scope: str, name: str) -> str:
    """Raises CommandError when there is none."""
    if sys.stdin.isatty():
        value = getpass.getpass(f"secret://{name} of scope {scope} (not shown): ")
    else:
        value = sys.stdin.read(MOST_INPUT + 1)
    if not value.strip():
        raise CommandError("The value is empty: nothing was stored.")
    if len(value) > MOST_INPUT:
        raise CommandError(f"A secret has at most {MOST_INPUT} characters: nothing was stored.")
    return value


class _Asked:
    """The same questions to the running service, over HTTP."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._service.get("secrets")["secrets"]
        return found

    def set(self, scope: str, name: str, value: str, actor: str) -> bool:
        return bool(self._service.put(_place(scope, name), {"as": actor, "value": value})["created"])

    def remove(self, scope: str, name: str, actor: str) -> None:
        self._service.delete(_place(scope, name), {"as": actor})

    def seal(self, actor: str, scope: str) -> dict[str, Any]:
        said: dict[str, Any] = self._service.post("secrets/seal", {"as": actor, **({"scope": scope} if scope else {})})
        return said

    def rotate(self, actor: str, *, new_key: bool, drop_old: bool) -> dict[str, Any]:
        body = {"as": actor, "new_key": new_key, "drop_old": drop_old}
        said: dict[str, Any] = self._service.post("secrets/rotate", body)
        return said


class _Inside:
    """The same questions within this process, when no service answers."""

    def __init__(self, secrets: "Secrets") -> None:
        self._secrets = secrets

    def listed(self) -> list[dict[str, Any]]:
        return [_plain(one) for one in self._secrets.listed()]

    def set(self, scope: str, name: str, value: str, actor: str) -> bool:
        return self._secrets.set(scope, name, value, actor).created

    def remove(self, scope: str, name: str, actor: str) -> None:
        self._secrets.remove(scope, name, actor)

    def seal(self, actor: str, scope: str) -> dict[str, Any]:
        said = self._secrets.seal(actor, scope)
        return {"sealed": list(said.sealed), "left": [_plain(one) for one in said.left]}

    def rotate(self, actor: str, *, new_key: bool, drop_old: bool) -> dict[str, Any]:
        return _plain(self._secrets.rotate(actor, new_key=new_key, drop_old=drop_old))


@contextmanager
def _secrets(session: Session) -> Iterator["_Asked | _Inside"]:
    service = _answering(session)
    if service is not None:
        with service:
            yield _Asked(service)
        return
    from orchestrator.cli.inside import bascule_inside, newest_estate

    with bascule_inside(session) as bascule:
        newest_estate(session, bascule, "change")
        yield _Inside(bascule.secrets)


def _answering(session: Session) -> Service | None:
    """The running service, tried out before a value is sent to it."""
    try:
        service = Service.of(session.data)
        service.get("halt", limit=1)
    except NoService:
        return None
    return service


def _plain(value: Any) -> dict[str, Any]:
    return {name: list(held) if isinstance(held := getattr(value, name), tuple) else held for name in value.__slots__}


def _place(scope: str, name: str) -> str:
    return f"secrets/{quote(scope, safe='')}/{quote(name, safe='')}"
