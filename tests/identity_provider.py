"""An OpenID provider on loopback over TLS: discovery, code with PKCE, signed tokens. Wrong where a test says so."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from providers.simulator.authority import Authority

CLIENT, SECRET = "bascule", "a secret of this client"


@dataclass
class OpenIdProvider:
    """`subject`: who signs in next. `claims`: what the next tokens say otherwise; `key`: what signs them."""

    issuer: str
    ca: Path
    back: str = ""
    subject: str = "anne-at-work"
    claims: dict[str, Any] = field(default_factory=dict)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", auto_kid=True))
    published: KeySet | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        assert asked["client_id"] == CLIENT
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        assert asked["redirect_uri"] == self.back, asked["redirect_uri"]
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{self.back}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, given: dict[str, str]) -> dict[str, Any] | None:
        asked = self.codes.pop(given.get("code", ""), None)
        digest = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or challenge != asked["code_challenge"] or given.get("redirect_uri") != self.back:
            return None
        now = int(time.time())
        said = {"iss": self.issuer, "aud": CLIENT, "sub": self.subject, "iat": now, "exp": now + 60}
        said |= {"nonce": asked["nonce"], **self.claims}
        token = jwt.encode({"alg": "ES256", "kid": self.key.kid}, said, self.key)
        return {"access_token": "opens nothing", "token_type": "Bearer", "id_token": token}

    def keys(self) -> dict[str, Any]:
        return dict((self.published or KeySet([self.key])).as_dict(private=False))


@contextmanager
def openid_provider(directory: Path) -> Iterator[OpenIdProvider]:
    authority = Authority(directory)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                self.send_response(303)
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_header("Location", provider.authorize(asked))
                self.end_headers()
                return
            found = {"/.well-known/openid-configuration": provider.described, "/keys": provider.keys}.get(parts.path)
            self.say(404 if found is None else 200, {} if found is None else found())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            wanted = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            basic = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            given = {name: values[0] for name, values in parse_qs(body).items()}
            known = base64.b64encode(basic.encode()).decode() == wanted
            said = provider.token(given) if known and self.path == "/token" else None
            self.say(200 if said else 400, said or {"error": "invalid_grant"})

        def say(self, status: int, said: dict[str, Any]) -> None:
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = authority.certificates("127.0.0.1").right.wrap_socket(server.socket, server_side=True)
    provider = OpenIdProvider(f"https://127.0.0.1:{server.server_address[1]}", authority.file)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
