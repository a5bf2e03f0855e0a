"""Shared by the contract tests."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context
from providers.dns import in_flight, signed_exchange
from providers.storage import open_writes
from tests.loopback import within
from tests.vendor_stand_ins import CloudStandIn, StoreStandIn, cloud_stand_in, reveal, store_stand_in

pytest.register_assert_rewrite("tests.contract.suite")


@pytest.fixture(autouse=True)
def _soon_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no answer is waited for, though not as long as a real network would need."""
    monkeypatch.setattr(in_flight, "IN_FLIGHT_SECONDS", 0.3)
    monkeypatch.setattr(open_writes, "IN_FLIGHT_SECONDS", 0.3)
    monkeypatch.setattr(signed_exchange, "FUDGE_SECONDS", 1)


@pytest.fixture
def cloud() -> Iterator[CloudStandIn]:
    with cloud_stand_in() as stand_in:
        yield stand_in


@pytest.fixture
def source() -> Iterator[StoreStandIn]:
    with store_stand_in("source", "eu-west-1") as stand_in:
        yield stand_in


@pytest.fixture
def target() -> Iterator[StoreStandIn]:
    with store_stand_in("target", "fr-par") as stand_in:
        yield stand_in


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[[Mapping[str, Any]], Context]:
    """A context of this scope, with an empty estate and a workspace."""

    def make(scope: Mapping[str, Any]) -> Context:
        for name in ("workspace", "estate"):
            (tmp_path / name).mkdir(exist_ok=True)
        return Context(within(dict(scope)), reveal, tmp_path / "workspace", tmp_path / "estate", deadline=20.0)

    return make
