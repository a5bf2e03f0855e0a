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

import pytest

from orchestrator.domain.people import actor
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
    "/api/v1/people/after-restore": "ends everybody's, and all tokens; tests/integration/test_doors.py looks at it",
    "/api/v1/people/{name}/disable": "maybe the tester; tests/integration/test_people_sign_in.py looks at it",
    "/api/v1/people/{name}/invite": "as well; tests/integration/test_people_admitted.py looks at it",
    "/api/v1/people/{name}/revoke": "as well; tests/security/test_37_self_approval.py looks at it",
    "/api/v1/runs/{run_id}/stream": "answers for as long as somebody listens; tests/integration/test_api.py reads it",
}
"""Path: why it is left out."""
CLOSED: Mapping[str, str] = {
    "POST /webhooks/{source}": "each source has a secret of its own; tests/integration/test_signals.py shows them",
    "POST /api/v1/webhooks/estate": "the forge has a secret of its own; tests/integration/test_api.py shows it",
    "POST /api/v1/people/{name}/recover": "it is the installation's token's alone",
    "POST /api/v1/people/{name}/confirm": "whoever gave a role does not confirm it",
    "POST /api/v1/break-glass/confirm": "whoever sealed codes does not confirm them",
}
"""Operation: why it may answer nothing but 401 and 403. Any other that does was not looked at."""
_KNOWN = 0.8
"""The share of values that name something that is there."""
_FRESH = 24 * 3600.0
"""Seconds that the tester's second factor counts: a slow machine takes longer for all of it than a person has."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`tested` operations of `described` in all, by `cases` requests; `said`: the report, with commands to repeat.

    `closed`: operations that answered nothing but 401 and 403. `good`: nothing was found, and what asked was let in.
    """

    good: bool
    tested: int
    described: int
    cases: int
    closed: frozenset[str]
    said: str


def everybody(service: RunningService) -> str:
    """Somebody who may do everything: what is asked is then what the description is about."""
    return str(service.person("tester", *Role).headers["Authorization"])


def hold_against_description(
    service: RunningService,
    folder: Path,
    examples: int,
    phases: Sequence[str],
    known: Mapping[str, Sequence[str]],
    only: str = "",
) -> Outcome:
    """`examples`: random requests of each operation, besides those that reach every limit of its description.

    `known`: place of a value, such as `path.run_id`, and values there that the service knows. `only`: a regular
    expression of the paths that are looked at.
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
        *(("--include-path-regex", only) if only else ()),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actor, "FRESH", _FRESH)
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return outcome(done.returncode, done.stdout)


def _settings(known: Mapping[str, Sequence[str]]) -> str:
    """Its memory of earlier runs is off: a run is the same wherever it is."""
    lines = ["[cache]", "enabled = false", "[generation]", 'database = "none"']
    for number, values in enumerate(known.values()):
        lines += [f"[dictionaries.known{number}]", f"values = {json.dumps(list(values))}"]
    lines.append("[parameters]")
    for number, place in enumerate(known):
        lines.append(f'{json.dumps(place)} = {{ dictionary = "known{number}", probability = {_KNOWN} }}')
    return "\n".join(lines)


def outcome(code: int, said: str) -> Outcome:
    """A report of another shape is a failure: what was not counted was not tested."""

    def counted(pattern: str) -> list[int]:
        found = re.search(pattern, said)
        assert found, f"the report does not say {pattern!r}:\n{said}"
        return [int(one) for one in found.groups()]

    selected, described = counted(r"Selected: (\d+)/(\d+)")
    [tested] = counted(r"Tested: (\d+)")
    [cases] = counted(r"(\d+) generated")
    closed = _closed(said)
    good = code == 0 and tested == selected and closed <= CLOSED.keys()
    return Outcome(good, tested, described, cases, closed, said)


def _closed(said: str) -> frozenset[str]:
    """The operations that the report lists as such: as many as it counts."""
    count = re.search(r"^Authentication failed: (\d+) operations? returned only", said, re.MULTILINE)
    if count is None:
        assert "returned only 401/403" not in said, f"the report says it in another way:\n{said}"
        return frozenset()
    listed = said[count.end() :].partition("\N{ELECTRIC LIGHT BULB}")[0]
    found = frozenset(re.findall(r"^  - ([A-Z]+ /\S*)$", listed, re.MULTILINE))
    assert len(found) == int(count[1]), f"the report counts {count[1]}, and lists {sorted(found)}:\n{said}"
    return found
