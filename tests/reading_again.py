"""A read that failed is repeated soon: how long a vendor is left alone in between is nothing that tests wait for.

What a vendor asks for (`Retry-After`) is kept.
"""

from collections.abc import Iterator

import pytest

from providers import vendor_http
from providers.dns import api_session

SOON = 0.02
"""Seconds."""


@pytest.fixture(scope="session", autouse=True)
def _read_again_soon() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for reader in (api_session, vendor_http):
            patch.setattr(reader, "READ_AGAIN_SECONDS", SOON)
        yield
