"""The hosts that an estate's runbooks speak of, and for which service. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.domain.bundle import Bundle
from orchestrator.domain.zones import keys_of

_LABELS = r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9])?"
_AT_PARAMETER = re.compile(rf"({_LABELS})\.\$\{{\{{\s*parameters\.[a-z0-9_]+\s*\}}\}}")
_HOST = re.compile(rf"(?<![\w.@-]){_LABELS}\.[a-z]{{2,63}}(?![\w-])")


def mentioned_hosts(bundle: Bundle, domains: Sequence[str]) -> dict[str, frozenset[str]]:
    """Host within these domains -> the services whose runbooks name it.

    `portal.${{ parameters.domain }}` may be in any of the domains; it is looked for in each.
    """
    found: dict[str, set[str]] = {}
    for runbook in bundle.runbooks.values():
        for step in runbook.steps.values():
            for host in _hosts(step.with_, domains):
                found.setdefault(host, set()).add(runbook.service)
    return {host: frozenset(services) for host, services in sorted(found.items())}


def _hosts(with_: Mapping[str, Any], domains: Sequence[str]) -> Iterator[str]:
    for zone, name, kind in keys_of(with_):
        if kind in ("A", "AAAA", "CNAME") and name != "@" and not name.startswith("_"):
            yield from _within(f"{name}.{zone}".lower(), domains)
    for text in _texts(with_):
        yield from _within(text.lower(), domains)


def _within(text: str, domains: Sequence[str]) -> Iterator[str]:
    for match in _AT_PARAMETER.finditer(text):
        yield from (f"{match.group(1)}.{domain}" for domain in domains)
    for match in _HOST.finditer(text):
        host = match.group(0)
        if any(host.endswith(f".{domain}") for domain in domains):
            yield host


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
