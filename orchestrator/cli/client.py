"""The running service, spoken to over HTTP with this installation's token."""

import getpass
import json
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from orchestrator.cli.answers import EventAnswer, LogLine, RunAnswer, RunWithSteps
from orchestrator.cli.credential import Credential, address_of, credential_for, installation, this_person
from orchestrator.cli.exits import CommandError, Exit, NoService
from orchestrator.cli.language import here
from orchestrator.domain.plan import Plan
from orchestrator.web.words import Language, knows, say

ANSWER_WITHIN = 120.0
"""Seconds: a plan looks at everything it would change before it is answered."""
QUIET_FOR = 20.0
"""Seconds without a byte after which a stream counts as broken; the service says something every 15."""
CREATE_TRIES = 3
GATES = frozenset(
    {"refused", "below_policy", "containment_missing", "secrets_missing", "halted", "untrusted"}
    | {"sign_in_needed", "second_factor_needed", "proof_too_old", "over_limit"}
)
"""Codes of problems by which a gate says no."""


class Answered(CommandError):
    """The service's refusal, with the `status` of its answer and the `problem`'s code; empty where it gave none."""

    status = 0
    problem = ""

    def told(self, language: Language) -> str:
        """The service speaks English here; in other languages its sentence stands behind what it is about."""
        key = f"problem.{self.problem}"
        if language == "en" or self._said is not None or not knows(language, key):
            return super().told(language)
        return say(language, "cli.problem", what=say(language, key), detail=self.message)


class Unreachable(NoService):
    """The service went away, or never was there."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One server-sent event; `data` is its JSON."""

    id: str
    kind: str
    data: Any


class Service:
    """Talks to the service of one data directory. Every refusal becomes a CommandError with the service's sentence."""

    def __init__(self, url: str, credential: Credential, data: Path, within: float = ANSWER_WITHIN) -> None:
        self.url = url
        self.credential = credential
        self._data = data
        self._http = httpx.Client(
            base_url=f"{url}/api/v1/",
            headers={"Authorization": f"Bearer {credential.token}"},
            timeout=httpx.Timeout(within, connect=min(within, 5.0)),
            trust_env=False,
        )

    @classmethod
    def of(cls, data: Path, within: float = ANSWER_WITHIN) -> Self:
        """The service that BASCULE_URL names, or that works on this data directory. Raises NoService, CommandError.

        Spoken to in the name of whoever signed in (`bascule login`), else with this installation's token.
        """
        try:
            url = address_of(data)
            return cls(url, credential_for(url, data), data, within)
        except PermissionError as error:
            raise CommandError.of("cli.data.foreign", data=data) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _none_for(data) from error

    @classmethod
    def of_installation(cls, data: Path) -> Self:
        """The service that works on this data directory, with its own token whoever is signed in. Raises NoService."""
        try:
            return cls(address_of(data), installation(data), data)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _none_for(data) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        asked = {name: value for name, value in parameters.items() if value is not None}
        return self._answer(self._send("GET", path, params=asked))

    def post(self, path: str, body: Mapping[str, Any], *, key: str | None = None, within: float = ANSWER_WITHIN) -> Any:
        """An order. In a person's own name it says no `as`, unless another name was asked for, which is refused."""
        return self._ordered("POST", path, body, headers={"Idempotency-Key": key} if key else {}, timeout=within)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ordered("PUT", path, body)

    def delete(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._answer(self._send("DELETE", path)) if body is None else self._ordered("DELETE", path, body)

    def _ordered(self, method: str, path: str, body: Mapping[str, Any], **more: Any) -> Any:
        said = {name: value for name, value in body.items() if name != "as" or self._says(value)}
        answer = self._send(method, path, json=said, **more)
        if _code_of(answer) == "proof_too_old" and sys.stdin.isatty():
            self.prove_again()
            answer = self._send(method, path, json=said, **more)
        return self._answer(answer)

    def acting(self, said: str) -> str:
        """In whose name things are done: of whoever is signed in, else as was said."""
        if not self.credential.personal:
            return said
        return self.credential.name or str(self.get("session")["name"])

    def prove_again(self) -> None:
        """Ask for a code of the second factor, and show it. Raises CommandError."""
        code = getpass.getpass(f"{here('cli.prove')} ")
        self._answer(self._send("POST", "session/proof", json={"code": code.strip()}))

    def _says(self, name: Any) -> bool:
        return not self.credential.personal or name not in (this_person(), self.credential.name, "", None)

    def make_plan(
        self, services: list[str], scope: str, direction: str = "failover", parameters: Mapping[str, Any] | None = None
    ) -> Plan:
        asked = {"services": services, "scope": scope, "direction": direction, "parameters": dict(parameters or {})}
        return Plan.model_validate(self.post("plans", asked))

    def plan(self, digest: str) -> Plan:
        return Plan.model_validate(self.get(f"plans/{_part(digest)}"))

    def moved(self, digest: str) -> list[dict[str, Any]]:
        """What changed outside since the plan was made."""
        found: list[dict[str, Any]] = self.get(f"plans/{_part(digest)}/moved")["moved"]
        return found

    def create_run(self, digest: str, actor: str, reason: str = "") -> tuple[str, bool]:
        """The run's id, and whether it is new. A lost answer is asked for again with the same key: one run."""
        key = str(uuid.uuid4())
        body = {"digest": digest, "as": actor, "reason": reason}
        for left in reversed(range(CREATE_TRIES)):
            try:
                said = self.post("runs", body, key=key)
                return str(said["id"]), bool(said["created"])
            except Unreachable:
                if not left:
                    raise
                time.sleep(0.5)
        raise AssertionError("unreachable")

    def run(self, run_id: str) -> RunWithSteps:
        return RunWithSteps.model_validate(self.get(f"runs/{_part(run_id)}"))

    def runs(self, *, limit: int = 50, active: bool = False) -> list[RunAnswer]:
        said = self.get("runs", limit=limit, active="true" if active else None)
        return [RunAnswer.model_validate(one) for one in said["runs"]]

    def events(self, run_id: str, after: int | None = None) -> list[EventAnswer]:
        said = self.get(f"runs/{_part(run_id)}/events", after=after)
        return [EventAnswer.model_validate(one) for one in said["events"]]

    def logs(self, run_id: str, step: str | None = None, after: int | None = None) -> list[LogLine]:
        said = self.get(f"runs/{_part(run_id)}/logs", step=step, after=after)
        return [LogLine.model_validate(one) for one in said["lines"]]

    def last_lines(self, run_id: str, count: int) -> list[LogLine]:
        """The newest of a run's output, in order."""
        said = self.get(f"runs/{_part(run_id)}/logs", latest=count)
        return [LogLine.model_validate(one) for one in said["lines"]]

    def objectives(self) -> dict[str, float]:
        """Each service's recovery time objective, seconds, for those that have one; none where no estate is read."""
        try:
            found = self.get("estate")["services"]
        except Answered:
            return {}
        return {str(one["name"]): float(one["rto"]) for one in found if one.get("rto")}

    def decide(self, run_id: str, verb: str, actor: str, *, step: str | None = None, **more: Any) -> None:
        """One decision of a person about a run, or about one of its steps."""
        place = f"runs/{_part(run_id)}" + (f"/steps/{_part(step)}" if step else "")
        body = {"as": actor, **{name: value for name, value in more.items() if value not in (None, "", False)}}
        self.post(f"{place}/{verb}", body)

    @contextmanager
    def stream(self, run_id: str, last: str) -> Iterator[Iterator[StreamEvent]]:
        """Live events of a run after the event `last`. Raises Unreachable when the connection breaks."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        timeout = httpx.Timeout(QUIET_FOR, connect=5.0)
        try:
            with self._http.stream("GET", f"runs/{_part(run_id)}/stream", headers=headers, timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                    self._answer(answer)
                yield read_events(answer.iter_lines())
        except httpx.TransportError as error:
            raise _none_for(self._data) from error

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **more)
        except httpx.ConnectError as error:
            raise _none_for(self._data) from error
        except httpx.TransportError as error:
            raise Unreachable.of("cli.silent", url=self.url, kind=type(error).__name__) from error

    def _answer(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json() if response.content else None
        raise _refusal(response, self.url)


def read_events(lines: Iterator[str]) -> Iterator[StreamEvent]:
    """Server-sent events (WHATWG HTML §9.2.6) whose data is JSON; comments are skipped."""
    kind, last, data = "message", "", list[str]()
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield StreamEvent(last, kind, json.loads("\n".join(data)))
            kind, data = "message", []
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id":
            last = value


def _code_of(response: httpx.Response) -> str:
    """The code of a problem; empty for everything else."""
    if not response.is_error:
        return ""
    try:
        return str(response.json().get("code", ""))
    except (ValueError, AttributeError):
        return ""


def _refusal(response: httpx.Response, url: str) -> Answered:
    """The error of a problem+json answer (RFC 9457)."""
    try:
        problem = response.json()
        detail = str(problem.get("detail") or problem.get("title") or "")
    except (ValueError, AttributeError):
        problem, detail = {}, ""
    word = str(problem.get("code") or "") if isinstance(problem, dict) else ""
    code = Exit.REFUSED if word in GATES else Exit.FAILED
    if response.status_code == httpx.codes.UNAUTHORIZED:
        refusal = Answered.of("cli.unknown", code, url=url)
    elif not detail:
        refusal = Answered.of("cli.unexplained", code, url=url, status=response.status_code)
    else:
        refusal = Answered(detail, code)
    refusal.status, refusal.problem = response.status_code, word
    return refusal


def _none_for(data: Path) -> Unreachable:
    return Unreachable.of("cli.no_service", data=data)


def _part(text: str) -> str:
    """A run, digest or step within a path. Step ids hold slashes, which stay."""
    return quote(text, safe="/:")
