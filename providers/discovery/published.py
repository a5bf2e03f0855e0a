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


Listed = Iterable[tuple[str, str]]
"""Owners and prefixes; an owner is empty where the list does not say whose it is."""


def read_published(text: bytes, name: str = "", place: str = "") -> dict[str, tuple[str, ...]]:
    """Whose list this is, mostly one owner's, and the prefixes, each once and joined where they touch.

    `name`: what to call the owner; needed where the form does not say it (plain lists).
    `place`: the file or URL, for messages. Raises ProviderError(permanent).
    """
    if len(text) > MOST_BYTES:
        raise ProviderError(f"{place} is larger than {MOST_BYTES} bytes, so it is no list of prefixes.", permanent=True)
    found: dict[str, list[str]] = {}
    for owner, prefix in _sound(_read(text, place), place):
        found.setdefault(name or owner, []).append(prefix)
    if "" in found:
        raise ProviderError(
            f"{place} does not say whose prefixes it lists; give it as NAME={place}, such as cloudflare={place}.",
            permanent=True,
        )
    if not found:
        raise ProviderError(f"{place} lists no prefix; give a file that the vendor publishes.", permanent=True)
    return {owner: _joined(prefixes) for owner, prefixes in found.items()}


def _read(text: bytes, place: str) -> Listed:
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProviderError(f"{place} is no text; give a list that a vendor publishes.", permanent=True) from error
    if not decoded.lstrip().startswith("{"):
        return (("", prefix) for prefix in _plain(decoded))
    try:
        data = json.loads(decoded)
    except ValueError as error:
        raise ProviderError(f"{place} is no complete JSON ({error}); fetch it again.", permanent=True) from error
    for fits, read in _FORMS:
        if fits(data):
            return read(data)
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


def _aws(data: Mapping[str, Any]) -> Listed:
    """The European Sovereign Cloud is a cloud of its own, with the regions `eusc-*`."""
    for key, field in (("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix")):
        for one in data.get(key, ()):
            yield ("aws-eusc" if str(one.get("region", "")).startswith("eusc-") else "aws"), one[field]


def _google(data: Mapping[str, Any]) -> Listed:
    """Only the list of Google Cloud says which service a prefix is for."""
    name = "google-cloud" if "service" in _first(data, "prefixes") else "google"
    for one in data["prefixes"]:
        yield name, one.get("ipv4Prefix") or one["ipv6Prefix"]


def _azure(data: Mapping[str, Any]) -> Listed:
    """All of Azure is in the tag AzureCloud and its regions; where it is absent, every tag counts."""
    tags = data["values"]
    whole = [tag for tag in tags if str(tag.get("name", "")).startswith("AzureCloud")]
    for tag in whole or tags:
        yield from (("azure", prefix) for prefix in tag["properties"]["addressPrefixes"])


def _github(data: Mapping[str, Any]) -> Listed:
    for key in _GITHUB_OWN:
        yield from (("github", prefix) for prefix in data.get(key, ()))


def _fastly(data: Mapping[str, Any]) -> Listed:
    for key in ("addresses", "ipv6_addresses"):
        yield from (("fastly", prefix) for prefix in data.get(key, ()))


def _oracle(data: Mapping[str, Any]) -> Listed:
    for region in data["regions"]:
        yield from (("oracle-cloud", one["cidr"]) for one in region["cidrs"])


def _first(data: Any, key: str) -> Mapping[str, Any]:
    """The first entry of a list in the document; empty where there is none."""
    entries = data.get(key)
    return entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}


_FORMS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Listed]], ...] = (
    (lambda data: "ip_prefix" in _first(data, "prefixes"), _aws),
    (lambda data: bool(_first(data, "prefixes")), _google),
    (lambda data: "properties" in _first(data, "values"), _azure),
    (lambda data: isinstance(data.get("hooks"), list), _github),
    (lambda data: isinstance(data.get("addresses"), list), _fastly),
    (lambda data: "cidrs" in _first(data, "regions"), _oracle),
)
"""Whether a document has a form, and how it is read; the first that fits."""


def _sound(listed: Listed, place: str) -> Listed:
    """Raises ProviderError(permanent) at the first that is no prefix, or where the form is not kept."""
    try:
        for owner, prefix in listed:
            yield owner, str(ipaddress.ip_network(str(prefix), strict=False))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{place} holds something that is no prefix ({error}); correct it."
        raise ProviderError(message, permanent=True) from error


def _joined(prefixes: Iterable[str]) -> tuple[str, ...]:
    networks: dict[int, list[Any]] = {4: [], 6: []}
    for prefix in prefixes:
        network = ipaddress.ip_network(prefix)
        networks[network.version].append(network)
    return tuple(str(one) for version in (4, 6) for one in ipaddress.collapse_addresses(networks[version]))
