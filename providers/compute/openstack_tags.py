"""Tags where OpenStack has none of its own: as metadata in Nova and Cinder, as a description in Neutron.

Both go into the create request and can be read back without loss. Nova's tags
proper would need a microversion for that, and have room for 60 characters;
metadata values and descriptions have 255 (API references of Nova, Cinder, Neutron).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from providers.base import ProviderError

LONGEST = 255
"""Characters of one metadata value, and of a description."""


def metadata_of(tags: Iterable[str]) -> dict[str, str]:
    """`bascule-step=portal/server` as `{"bascule-step": "portal/server"}`; a tag without a value has an empty one.

    Raises ProviderError(permanent) when a value has no room.
    """
    parts = (tag.partition("=") for tag in sorted(tags))
    return {key: _fitting(value) for key, _, value in parts}


def tags_in(metadata: Mapping[str, Any] | None) -> frozenset[str]:
    """The tags that such metadata carries."""
    return frozenset(f"{key}={value}" if value else key for key, value in (metadata or {}).items())


def description_of(tags: Iterable[str], *more: str) -> str:
    """The tags as words of one text. Raises ProviderError(permanent) when they have no room."""
    return _fitting(" ".join([*sorted(tags), *more]))


def words_in(description: str | None) -> frozenset[str]:
    """The tags that such a description carries; a text that people wrote has words that match none."""
    return frozenset((description or "").split())


def _fitting(text: str) -> str:
    if len(text) > LONGEST:
        raise ProviderError(
            f"The mark {text[:60]}… is longer than the {LONGEST} characters that OpenStack keeps; "
            "give the runbook's steps shorter names.",
            permanent=True,
        )
    return text
