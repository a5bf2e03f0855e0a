"""How Bascule's tags are kept at Outscale, and what carries them before they are there.

A create request at Outscale takes no tags; they follow in a request of their
own. Until then two things in the create request itself say whose it is: the
client token, by which the vendor finds it and makes it only once, and, for a
machine, an OUTSCALE section in its user data, which the vendor keeps from the
machine. The section is taken out again once the tags are there.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from providers.compute.proof import MARK, RUN_TAG, STEP_TAG

NAME = "Name"
"""The tag that names a machine, volume or snapshot."""
GENERATIONS = 8
"""How often one step can make its machine anew: a token stays with what it made, also when that is gone."""
MADE_BY_US = "bascule-"
"""How each of our client tokens begins."""
BEGIN, END = "-----BEGIN OUTSCALE SECTION-----", "-----END OUTSCALE SECTION-----"
SECTION = re.compile(rf"\A{BEGIN}\n(?P<lines>(?:.*\n)*?){END}\n")
NOTHING = "#cloud-config\n{}\n"
"""User data that asks for nothing: what stands in place of the section when there is no user data."""


def tokens_of(kind: str, tags: Iterable[str]) -> list[str]:
    """The client tokens of one step's machine (or other kind), one a generation. 47 characters of ASCII."""
    text = "\n".join([kind, *sorted(tags), ""])
    return [f"{MADE_BY_US}{hashlib.sha256(f'{text}{n}'.encode()).hexdigest()[:39]}" for n in range(GENERATIONS)]


def is_one_step(tags: Iterable[str]) -> bool:
    """Whether tags are those of one step: only these make a token."""
    found = list(tags)
    return all(any(tag.startswith(start) for tag in found) for start in (RUN_TAG, STEP_TAG))


def to_vendor(tags: Iterable[str], name: str = "") -> list[dict[str, str]]:
    """`bascule` and `bascule-run=…` as keys and values, with the name as one more tag."""
    pairs = [tag.partition("=") for tag in sorted(tags)]
    named = [{"Key": NAME, "Value": name}] if name else []
    return named + [{"Key": key, "Value": value} for key, _, value in pairs]


def from_vendor(tags: Iterable[Mapping[str, str]]) -> list[str]:
    """The same back; the name is none of them."""
    pairs = [(tag["Key"], tag["Value"]) for tag in tags]
    return sorted(f"{key}={value}" if value else key for key, value in pairs if key != NAME)


def name_of(tags: Iterable[Mapping[str, str]]) -> str:
    return next((tag["Value"] for tag in tags if tag["Key"] == NAME), "")


def narrowest(tags: Iterable[str]) -> dict[str, list[str]]:
    """The vendor's filter for one step's own tag: it takes alternatives, so all tags together would widen it."""
    return {"Tags": [tag for tag in tags if tag.startswith(STEP_TAG)]}


def with_section(user_data: str | None, name: str, tags: Iterable[str]) -> str:
    """User data, in the vendor's encoding, that says whose the machine is until its tags do."""
    lines = [f"tags.{tag['Key']}={tag['Value']}" for tag in to_vendor(tags, name) if tag["Value"]]
    return _encoded("\n".join([BEGIN, "filter_private_section=true", *lines, END, user_data or NOTHING]))


def without_section(encoded: str) -> str | None:
    """The user data without the section, in the vendor's encoding; None when there is no section in it."""
    text = _decoded(encoded)
    found = SECTION.match(text)
    return _encoded(text[found.end() :]) if found else None


def in_section(encoded: str) -> tuple[str, list[str]]:
    """Name and tags that the section carries; the mark goes with any run."""
    found = SECTION.match(_decoded(encoded))
    lines: Sequence[str] = found["lines"].splitlines() if found else ()
    pairs = [line.removeprefix("tags.").partition("=") for line in lines if line.startswith("tags.")]
    tags = [f"{key}={value}" for key, _, value in pairs if key != NAME]
    name = next((value for key, _, value in pairs if key == NAME), "")
    return name, [MARK, *tags] if tags else []


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(encoded: Any) -> str:
    """Empty for what is no text: other people's machines may have any user data."""
    try:
        return base64.b64decode(encoded or "").decode()
    except (binascii.Error, UnicodeError):
        return ""
