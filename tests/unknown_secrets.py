"""What one test revealed is not kept out of what the next one says: its secrets are often words."""

from collections.abc import Iterator

import pytest

from providers import redaction


@pytest.fixture(autouse=True)
def unknown_secrets() -> Iterator[None]:
    """A service that lives through several tests knows what it reveals anew."""
    yield
    redaction.redact.forget()
