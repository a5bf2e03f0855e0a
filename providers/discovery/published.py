"""The lists of prefixes that companies publish, each in the form of its publisher.

AWS: https://docs.aws.amazon.com/vpc/latest/userguide/aws-ip-syntax.html. Google: cloud.json and goog.json of
https://www.gstatic.com/ipranges/. Azure: the service tags file. GitHub: https://api.github.com/meta. Fastly:
https://api.fastly.com/public-ip-list. Oracle: public_ip_ranges.json. Anyone else: one prefix a line.
"""

import ipaddress
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from providers.base import ProviderError

MOST_BYTES = 32 * 1024 * 1024
"""A published list is smaller: Azure's, the largest, has 4 MB."""

_GITHUB_OWN = ("hooks", "web", "api", "git", "packages", "pages")
"""GitHub's other lists are addresses of clouds that it runs on."""


def read_published(text: bytes, name: str = "", place: str = "") -> tuple[str, tuple[str, ...]]:
    """Whose list this is, and its prefixes, each once and joined where they touch.

    `name`: what to call the owner; needed where the form does not say it (plain lists).
    `place`: the file or URL, for messages. Raises ProviderError(permanent).
    """
    if len(text) > MOST_BYTES:
        raise ProviderError(f"{place} is larger than {MOST_BYTES} bytes, so it is no list of prefixes.", permanent=True)
    said, found = _read(text, place)
    name = name or said
    if not name:
        raise ProviderError(
            f"{place} does not say whose prefixes it lists; give it as NAME={place}, such as cloudflare={place}.",
            permanent=True,
        )
    prefixes = _joined(found, place)
    if not prefixes:
        raise ProviderError(f"{place} lists no prefix; give a file that the vendor publishes.", permanent=True)
    return name, prefixes


def _read(text: bytes, place: str) -> tuple[str, Iterable[str]]:
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProviderError(f"{place} is no text; give a list that a vendor publishes.", permanent=True) from error
    if not decoded.lstrip().startswith("{"):
        return "", _plain(decoded)
    try:
        data = json.loads(decoded)
    except ValueError as error:
        raise ProviderError(f"{place} is no complete JSON ({error}); fetch it again.", permanent=True) from error
    for name, fits, read in _FORMS:
        if fits(data):
            return name, read(data)
    raise ProviderError(
        f"{place} is in none of the forms that are known (AWS, Azure, Google, GitHub, Fastly, Oracle, one prefix a "
        "line); make it a list with one prefix a line.",
        permanent=True,
    )


def _plain(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.partition("#")[0].replace(",", " ").split()
        if words:
            yield words[0]


def _aws(data: Mapping[str, Any]) -> Iterator[str]:
    for one in data["prefixes"]:
        yield one["ip_prefix"]
    for one in data.get("ipv6_prefixes", ()):
        yield one["ipv6_prefix"]


def _google(data: Mapping[str, Any]) -> Iterator[str]:
    for one in data["prefixes"]:
        yield one.get("ipv4Prefix") or one["ipv6Prefix"]


def _azure(data: Mapping[str, Any]) -> Iterator[str]:
    """All of Azure is in the tag AzureCloud and its regions; where it is absent, every tag counts."""
    tags = data["values"]
    whole = [tag for tag in tags if str(tag.get("name", "")).startswith("AzureCloud")]
    for tag in whole or tags:
        yield from tag["properties"]["addressPrefixes"]


def _github(data: Mapping[str, Any]) -> Iterator[str]:
    for key in _GITHUB_OWN:
        yield from data.get(key, ())


def _fastly(data: Mapping[str, Any]) -> Iterator[str]:
    yield from data["addresses"]
    yield from data.get("ipv6_addresses", ())


def _oracle(data: Mapping[str, Any]) -> Iterator[str]:
    for region in data["regions"]:
        for one in region["cidrs"]:
            yield one["cidr"]


def _first(data: Any, key: str) -> Mapping[str, Any]:
    """The first entry of a list in the document; empty where there is none."""
    entries = data.get(key)
    return entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}


_FORMS: tuple[tuple[str, Callable[[Any], bool], Callable[[Any], Iterable[str]]], ...] = (
    ("aws", lambda data: "ip_prefix" in _first(data, "prefixes"), _aws),
    ("google-cloud", lambda data: "service" in _first(data, "prefixes"), _google),
    ("google", lambda data: bool(_first(data, "prefixes")), _google),
    ("azure", lambda data: "properties" in _first(data, "values"), _azure),
    ("github", lambda data: isinstance(data.get("hooks"), list), _github),
    ("fastly", lambda data: isinstance(data.get("addresses"), list), _fastly),
    ("oracle-cloud", lambda data: "cidrs" in _first(data, "regions"), _oracle),
)
"""Whose form it is, whether a document has it, and how it is read; the first that fits."""


def _joined(found: Iterable[str], place: str) -> tuple[str, ...]:
    networks: dict[int, list[Any]] = {4: [], 6: []}
    try:
        for prefix in found:
            network = ipaddress.ip_network(prefix, strict=False)
            networks[network.version].append(network)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ProviderError(
            f"{place} holds something that is no prefix ({error}); correct it.", permanent=True
        ) from error
    return tuple(str(one) for version in (4, 6) for one in ipaddress.collapse_addresses(networks[version]))
