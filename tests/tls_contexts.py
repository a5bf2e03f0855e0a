"""Every HTTP client that trusts the usual authorities would read them anew: a tenth of a test's time, for loopback."""

import os
import ssl
from functools import cache

import httpx._transports.default as transports
import pytest
from httpx._config import create_ssl_context
from httpx._types import CertTypes

PLACES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.hookimpl
def pytest_configure() -> None:
    transports.create_ssl_context = shared_ssl_context  # type: ignore[attr-defined]


def shared_ssl_context(
    verify: ssl.SSLContext | str | bool = True, cert: CertTypes | None = None, trust_env: bool = True
) -> ssl.SSLContext:
    """What httpx makes; of what it makes by itself, one in a process for each place of authorities."""
    if verify is not True or cert is not None:
        return create_ssl_context(verify, cert, trust_env)
    return _usual(tuple(os.environ.get(name, "") for name in PLACES) if trust_env else ())


@cache
def _usual(places: tuple[str, ...]) -> ssl.SSLContext:
    return create_ssl_context(trust_env=bool(places))
