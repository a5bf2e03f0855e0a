"""Every word of the console, in French and in English, from the catalogues in `locale/`.

A catalogue is a file of gettext, read with Babel when the service starts: there is nothing to compile. Its messages
are named (`run.running`) rather than being English text, so that the same English may be two words in French. What the
journal says stays in its own language.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from babel.messages.pofile import read_po
from babel.plural import PluralRule
from markupsafe import Markup, escape

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = ("fr", "en")

_LOCALE = Path(__file__).parent / "locale"
_ONE_FIRST = {"fr": PluralRule({"one": "n in 0..1"}), "en": PluralRule({"one": "n is 1"})}
"""As the catalogues' own `Plural-Forms` say: the first form for these numbers, the second for the others."""
_NARROW = re.compile(r" (?=[;!?»])|(?<=«) ")
_WIDE = re.compile(r" (?=:(?:\s|$))")


def say(language: Language, key: str, **values: object) -> str:
    """A message with its values. `count` chooses between its singular and its plural. Raises KeyError."""
    return _chosen(language, key, values).format(**values)


def say_marked(language: Language, key: str, **values: object) -> Markup:
    """The same for a page: values are escaped, but for those that are marked as HTML already."""
    return escape(_chosen(language, key, values)).format(**values)


def keys(language: Language) -> frozenset[str]:
    return frozenset(_catalogue(language))


def knows(language: Language, key: str) -> bool:
    return key in _catalogue(language)


def forms(language: Language, key: str) -> Sequence[str]:
    """The message as it stands in the catalogue: one form, or singular and plural. Raises KeyError."""
    return _catalogue(language)[key]


def language_of(asked: str | None, accepted: str | None, remembered: str | None = None) -> Language:
    """The language asked for in the address, else the one chosen before, else the best of Accept-Language.

    Else English. Accept-Language: RFC 9110 §12.5.4.
    """
    for said in (asked, remembered):
        if said in LANGUAGES:
            return "fr" if said == "fr" else "en"
    best: tuple[float, Language] = (0.0, "en")
    for part in (accepted or "").split(",")[:20]:
        tag, _, weight = part.strip().partition(";")
        for language in LANGUAGES:
            if tag.strip().lower().split("-")[0] == language:
                best = max(best, (_quality(weight), language), key=lambda pair: pair[0])
    return best[1]


def french(text: str) -> str:
    """With the spaces that French sets before its double signs, which no line may break at.

    Lexique des règles typographiques en usage à l'Imprimerie nationale: a narrow one before ; ! ?, a full one before
    the colon; here a narrow one within the quotation marks as well.
    """
    return _WIDE.sub("\u00a0", _NARROW.sub("\u202f", text))


def _chosen(language: Language, key: str, values: Mapping[str, object]) -> str:
    found = _catalogue(language)[key]
    if len(found) == 1:
        return found[0]
    count = values.get("count", 1)
    assert isinstance(count, int), f"{key} is counted"
    return found[0] if _ONE_FIRST[language](count) == "one" else found[1]


@functools.cache
def _catalogue(language: Language) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((_LOCALE / language / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            for message in read_po(file, locale=language, abort_invalid=True):
                if not message.id:
                    continue
                key = message.id if isinstance(message.id, str) else message.id[0]
                texts = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
                assert key not in found, f"{path}: {key} is there already"
                assert texts, f"{path}: {key} says nothing"
                assert all(texts), f"{path}: {key} says nothing"
                found[key] = tuple(french(text) for text in texts) if language == "fr" else texts
    return found


def _quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
