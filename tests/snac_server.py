"""A real server of the social web on loopback: snac, with one account.

Debian has it as snac2, bookworm in its backports; `.ci/snac` brings it into the checkout.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.dns_servers import free_port

USER = "valbourg"
HERE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Snac:
    """A running server and its account's token."""

    url: str
    token: str
    client: httpx.Client
    """Signed in, past the code under test."""

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def set_fields(self, fields: dict[str, str]) -> None:
        """Somebody else changes the profile."""
        form: dict[str, str] = {}
        for index, (name, value) in enumerate(fields.items()):
            form |= {f"fields_attributes[{index}][name]": name, f"fields_attributes[{index}][value]": value}
        self.client.patch("/api/v1/accounts/update_credentials", data=form).raise_for_status()


@contextmanager
def snac_server(directory: Path) -> Iterator[Snac]:
    """Raises AssertionError when snac is not installed, or does not start."""
    program = shutil.which("snac", path=f"{HERE / '.snac/usr/bin'}:{os.environ.get('PATH', '')}")
    assert program, "snac is missing: `.ci/setup test` brings it, or install the Debian package snac2"
    port, base = free_port(), directory / "snac"
    password = _made(program, base, port)
    server = subprocess.Popen(
        [program, "httpd", str(base)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url, timeout=10, verify=False, headers={"Connection": "close"}) as client:
            token = _token(client, password)
            client.headers["Authorization"] = f"Bearer {token}"
            yield Snac(url, token, client)
    finally:
        server.terminate()
        server.wait(10)


def _made(program: str, base: Path, port: int) -> str:
    """A new server's files with one user; returns the password."""
    _run(program, ["init", str(base)], f"127.0.0.1\n{port}\n127.0.0.1:{port}\n\n\n")
    settings = base / "server.json"
    settings.write_text(settings.read_text().replace('"protocol": "https"', '"protocol": "http"'))
    said = _run(program, ["adduser", str(base), USER], "Mairie de Valbourg\n\n")
    found = re.search(r"password is (\S+)", said)
    assert found, said
    return found[1]


def _run(program: str, arguments: list[str], answers: str) -> str:
    done = subprocess.run([program, *arguments], input=answers, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout + done.stderr


def _token(client: httpx.Client, password: str) -> str:
    """As snac's own page hands it out; asked for again until the server listens."""
    end = time.monotonic() + 10
    while True:
        try:
            answer = client.post("/oauth/x-snac-get-token", data={"login": USER, "passwd": password})
        except httpx.TransportError:
            assert time.monotonic() < end, "snac does not listen"
            time.sleep(0.05)
        else:
            assert re.fullmatch(r"[0-9a-f]{32}", answer.text.strip()), answer.text
            return answer.text.strip()
