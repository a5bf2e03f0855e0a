"""Takes secret values out of text before anyone sees or keeps it."""

import json
import re
from collections.abc import Iterable
from typing import Any

HIDDEN = "•••"
SHORTEST_LINE = 8
"""A single line of a multi-line secret is a secret of its own from this many characters on."""


class Mask:
    """Replaces each secret value, its lines and its escaped forms by `•••`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._pattern else text

    def finds_in(self, value: Any) -> bool:
        """Whether any text within a JSON value holds a secret."""
        if isinstance(value, dict):
            return any(self.finds_in(key) or self.finds_in(item) for key, item in value.items())
        if isinstance(value, list):
            return any(map(self.finds_in, value))
        return self._pattern is not None and self._pattern.search(str(value)) is not None


def _forms(secret: str) -> set[str]:
    """How a value may appear: as it is, stripped, line by line, escaped as JSON or Python would."""
    plain = {secret, secret.strip()} | {line for line in secret.splitlines() if len(line) >= SHORTEST_LINE}
    escaped = {json.dumps(form, ensure_ascii=ascii_only)[1:-1] for form in plain for ascii_only in (True, False)}
    return {form for form in plain | escaped | {repr(form)[1:-1] for form in plain} if form.strip()}
