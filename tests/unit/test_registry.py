"""The registry: every line names a class, and what the scope lacks is said."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from providers.base import Context, ProviderError, Secret
from providers.registry import CLASSES, SOURCES, provider_for, source_for
from providers.wants import Copy, Place, Server, TcpProbe

SERVER = Server(provider="cloud", name="a", size="S", image="i")
COPY = Copy(source=Place(store="here", bucket="one"), target=Place(store="there", bucket="two"))


def context(scope: dict[str, Any]) -> Context:
    return Context(scope, lambda _: Secret(""), Path(), Path())


@pytest.mark.parametrize("path", sorted(CLASSES.values()))
def test_every_line_names_a_class(path: str) -> None:
    module, name = path.split(":")
    made = getattr(import_module(module), name)(context({}))
    assert all(callable(getattr(made, verb)) for verb in ("observe", "apply", "undo"))


def test_a_kind_without_drivers_needs_no_block() -> None:
    assert type(provider_for("probe.tcp", TcpProbe(host="a", port=1), context({}))).__name__ == "TcpCheck"


@pytest.mark.parametrize(
    ("kind", "want", "scope", "said"),
    [
        ("compute.server", SERVER, {}, "no `compute.cloud`"),
        ("compute.server", SERVER, {"compute": {"cloud": {"driver": "azure"}}}, "one of: .*scaleway"),
        ("storage.copy", COPY, {"storage": {"here": {"driver": "s3"}}}, "no `storage.there`"),
        ("storage.copy", COPY, {"storage": {"here": {"driver": "s3"}, "there": {"driver": "x"}}}, "'s3+x'"),
        ("compute.mainframe", None, {}, "known kinds: ansible.play"),
    ],
)
def test_what_is_missing_is_said(kind: str, want: Any, scope: dict[str, Any], said: str) -> None:
    with pytest.raises(ProviderError, match=said.replace("+", r"\+")) as caught:
        provider_for(kind, want, context(scope))
    assert caught.value.permanent


@pytest.mark.parametrize("driver", SOURCES)
def test_every_source_can_look(driver: str) -> None:
    assert callable(source_for(context({"sources": {"here": {"driver": driver}}}), "live", "here").look)


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ({}, "no `sources.here`"),
        ({"sources": {"here": {"driver": "azure"}}}, "no driver 'azure'; .* one of: aws"),
    ],
)
def test_a_source_that_is_missing_is_said(scope: dict[str, Any], said: str) -> None:
    with pytest.raises(ProviderError, match=said) as caught:
        source_for(context(scope), "live", "here")
    assert caught.value.permanent
