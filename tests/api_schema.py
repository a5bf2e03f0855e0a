"""The whole description of the API against the running service, by schemathesis, a program of its own over real HTTP.

It sends what the description allows and what it does not, by operation, and holds each answer against it. A part of
what it sends names things that are there, so that requests reach beyond the first look-up.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.people.role import Role
from tests.integration.service_fixture import RunningService

SEED = 20261125
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
EXCLUDED: Mapping[str, str] = {
    "/api/v1/session": "ends the session that the requests are made with; tests/security looks at it",
    "/api/v1/sessions": "ends all of them",
    "/api/v1/runs/{run_id}/stream": "answers for as long as somebody listens; tests/integration/test_api.py reads it",
}
"""Path: why it is left out."""
_KNOWN = 0.8
"""The share of values that name something that is there."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`tested` operations of `described` in all, by `cases` requests; `said`: the report, with commands to repeat."""

    good: bool
    tested: int
    described: int
    cases: int
    said: str


def everybody(service: RunningService) -> str:
    """Somebody who may do everything: what is asked is then what the description is about."""
    return str(service.person("tester", *Role).headers["Authorization"])


def hold_against_description(
    service: RunningService, folder: Path, examples: int, phases: Sequence[str], known: Mapping[str, Sequence[str]]
) -> Outcome:
    """`examples`: random requests of each operation, besides those that reach every limit of its description.

    `known`: place of a value, such as `path.run_id`, and values there that the service knows.
    """
    (folder / "schemathesis.toml").write_text(_settings(known))
    program = Path(sys.executable).with_name("schemathesis")
    assert program.exists(), f"this test needs schemathesis: install requirements-dev.lock into {program.parent}"
    command = [
        *(str(program), "run", f"{service.url}/api/v1/openapi.json"),
        *("--header", f"Authorization: {everybody(service)}"),
        *("--checks", ",".join(CHECKS), "--phases", ",".join(phases)),
        *("--max-examples", str(examples), "--seed", str(SEED)),
        *("--continue-on-failure", "--no-shrink", "--request-timeout", "30"),
        *("--suppress-health-check", "filter_too_much,too_slow"),  # of what makes the requests, on a slow machine
        *(part for path in EXCLUDED for part in ("--exclude-path", path)),
    ]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return _outcome(done.returncode, done.stdout)


def _settings(known: Mapping[str, Sequence[str]]) -> str:
    """Its memory of earlier runs is off: a run is the same wherever it is."""
    lines = ["[cache]", "enabled = false", "[generation]", 'database = "none"']
    for number, values in enumerate(known.values()):
        lines += [f"[dictionaries.known{number}]", f"values = {json.dumps(list(values))}"]
    lines.append("[parameters]")
    for number, place in enumerate(known):
        lines.append(f'{json.dumps(place)} = {{ dictionary = "known{number}", probability = {_KNOWN} }}')
    return "\n".join(lines)


def _outcome(code: int, said: str) -> Outcome:
    """A report of another shape is a failure: what was not counted was not tested."""

    def counted(pattern: str) -> list[int]:
        found = re.search(pattern, said)
        assert found, f"the report does not say {pattern!r}:\n{said}"
        return [int(one) for one in found.groups()]

    selected, described = counted(r"Selected: (\d+)/(\d+)")
    [tested] = counted(r"Tested: (\d+)")
    [cases] = counted(r"(\d+) generated")
    return Outcome(code == 0 and tested == selected, tested, described, cases, said)
