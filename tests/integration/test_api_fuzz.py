"""Every operation that the API describes, with values that its schema allows and values that it does not.

Nothing that is sent may end in a fault of the service, and every answer is one that the description announces.
"""

import json
import random
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest

from tests.hostile_bodies import payloads
from tests.integration.service_fixture import RunningService, running_service
from tests.sampling import sampled
from tests.signal_senders import SIGNALS, store_secrets

SOME, MANY = 2, 10
"""Requests of each operation."""
STREAMS = "/stream"
"""These answer for as long as somebody listens."""
TEXTS = payloads("/nonexistent/marker")
ODD: list[Any] = [None, True, 0, -1, 10**30, 1e308, "", "0", [], {}, [None], {"a": [{}]}, *TEXTS]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("fuzz"), "", SIGNALS) as made:
        store_secrets(made.bascule.settings.data)
        yield made


@pytest.fixture(scope="module")
def description(service: RunningService) -> dict[str, Any]:
    found: dict[str, Any] = service.http.get("/api/v1/openapi.json").json()
    return found


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            if not path.endswith(STREAMS):
                yield path, method, operation


@pytest.mark.parametrize("each", sampled([SOME, MANY], lambda each: each == SOME))
def test_no_operation_fails_and_every_answer_is_announced(
    service: RunningService, description: dict[str, Any], each: int
) -> None:
    chance = random.Random("the API")
    wrong: list[str] = []
    for path, method, operation in operations(description):
        for _ in range(each):
            request = _request(chance, description, path, method, operation)
            answer = service.http.send(request(service.http))
            told = f"{method} {answer.request.url}: {answer.status_code} {answer.text[:200]}"
            if answer.status_code >= 500 and answer.status_code not in (502, 503):
                wrong.append(told)
            elif str(answer.status_code) not in {*operation["responses"], "405"}:
                wrong.append(f"not announced: {told}")
            elif answer.status_code >= 400 and answer.headers["content-type"] != "application/problem+json":
                wrong.append(f"no problem: {told}")
    assert wrong == []


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
@pytest.mark.parametrize("method", ["TRACE", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_methods_that_no_operation_has_are_405(service: RunningService, method: str, kind: str) -> None:
    """Whatever the body is said to be; and the answer names all that the path has."""
    paths = {
        "/api/v1/estate": "GET",
        "/api/v1/runs": "GET, POST",
        "/api/v1/map": "GET, POST",
        "/api/v1/signals/unmapped": "GET",
        "/webhooks/alertmanager": "OPTIONS, POST",
    }
    for path, allowed in paths.items():
        answer = service.http.request(method, path, headers={"Content-Type": kind} if kind else {})
        assert answer.status_code == 405, f"{method} {path}"
        if "/webhooks/" not in path or method != "OPTIONS":  # there CloudEvents' handshake answers
            assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("bearer", ["", "Bearer of-nobody"])
@pytest.mark.parametrize("method", ["TRACE", "PUT"])
def test_a_method_that_a_door_does_not_have_is_405_whoever_asks(
    service: RunningService, method: str, bearer: str
) -> None:
    """What it has is kept: a token is asked for where one is needed."""
    headers = {"Authorization": bearer} if bearer else {}
    with httpx.Client(base_url=service.url, headers=headers, trust_env=False) as stranger:
        for path, allowed in {"/api/v1/sessions/key": "POST", "/api/v1/sessions": "DELETE, GET, POST"}.items():
            answer = stranger.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path
        assert stranger.get("/api/v1/sessions").status_code == 401
        assert stranger.request(method, "/api/v1/runs").status_code == 401


def test_a_body_of_another_kind_is_415_where_there_is_something_to_post(service: RunningService) -> None:
    kind = {"Content-Type": "text/plain"}
    assert service.http.post("/api/v1/runs", content=b"{}", headers=kind).status_code == 415
    assert service.http.post("/api/v1/nothing", content=b"{}", headers=kind).status_code == 404


@pytest.mark.parametrize("name", ["olga\n", "\tolga", "ol\nga", "olga\x85", "\x1b[2Jolga"])
def test_a_name_is_one_line_without_controls_even_at_its_ends(
    service: RunningService, description: dict[str, Any], name: str
) -> None:
    """The description says the same, so that whoever builds a client from it knows before."""
    answer = service.http.post("/api/v1/estate/sync", json={"as": name})
    assert answer.status_code == 422
    [wrong] = answer.json()["errors"]
    assert wrong["where"] == "body.as"
    said = description["components"]["schemas"]["SyncOrder"]["properties"]["as"]["anyOf"][0]
    assert re.fullmatch(said["pattern"], name) is None
    assert re.fullmatch(said["pattern"], "Olga Müller-D'Arc")


def _request(
    chance: random.Random, description: dict[str, Any], path: str, method: str, operation: dict[str, Any]
) -> Any:
    """Builds the request with a client: its parameters, and a body where the operation takes one."""
    query: list[tuple[str, str]] = []
    for parameter in operation.get("parameters", ()):
        value = _text(_value(chance, description, parameter["schema"]))
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(value or "x", safe=""))
        elif parameter["in"] == "query" and (parameter.get("required") or chance.random() < 0.5):
            query.append((parameter["name"], value))
    content: bytes | None = None
    wanted = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if wanted is not None and chance.random() < 0.9:
        content = json.dumps(_value(chance, description, wanted["schema"])).encode()
    elif method == "post":
        content = chance.choice([b"", b"{", b"\xff", b"[" * 5000, b"null"])
    address = f"{path}?{urlencode(query)}" if query else path
    kind = {"Content-Type": chance.choice(["application/json"] * 9 + ["text/plain"])}
    return lambda http: http.build_request(method.upper(), address, content=content, headers=kind)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode()[:300]


def _value(chance: random.Random, description: dict[str, Any], schema: dict[str, Any], depth: int = 5) -> Any:
    """Mostly what the schema allows; now and then something that it does not, at any place."""
    if chance.random() < 0.12 or depth == 0:
        return chance.choice(ODD)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _value(chance, description, description["components"]["schemas"][name], depth)
    if "anyOf" in schema:
        return _value(chance, description, chance.choice(schema["anyOf"]), depth)
    if "enum" in schema or "const" in schema:
        return chance.choice(schema.get("enum") or [schema["const"]])
    kind = schema.get("type")
    if kind == "object":
        return _object(chance, description, schema, depth)
    if kind == "array":
        count = chance.randrange(schema.get("minItems", 0), schema.get("minItems", 0) + 3)
        return [_value(chance, description, schema.get("items", {}), depth - 1) for _ in range(count)]
    if kind in ("integer", "number"):
        return chance.randrange(int(schema.get("minimum", -5)), int(schema.get("maximum", 300)) + 1)
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "string":
        known = ["desk", "phone", "rehearsal", "drill", "live", "olga", "alertmanager", "desk-failover/go", "r-1"]
        return chance.choice([*known, "a" * 60]) if chance.random() < 0.8 else chance.choice(TEXTS)
    return chance.choice(ODD)


def _object(chance: random.Random, description: dict[str, Any], schema: dict[str, Any], depth: int) -> dict[str, Any]:
    required = schema.get("required", ())
    found = {
        name: _value(chance, description, inner, depth - 1)
        for name, inner in schema.get("properties", {}).items()
        if name in required or chance.random() < 0.6
    }
    if chance.random() < 0.05:
        found[chance.choice(TEXTS)[:50] or "x"] = 1
    return found
