"""Texts for SMS: in the GSM alphabet, and how many messages a text becomes (3GPP TS 23.038 §6.1, 23.040 §9.2.3.24)."""

import unicodedata

ONE = 160
"""Characters of one SMS in the GSM 7-bit alphabet."""
OF_SEVERAL = 153
"""Characters of each of several that are joined."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_TWICE = frozenset("^{}\\[~]|€")
_INSTEAD = {"’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-", "…": "...", "œ": "oe"}


def gsm(text: str) -> str:
    """The text in letters that every telephone shows at seven bits; accents that the alphabet lacks are left off."""
    plain = " ".join("".join(_INSTEAD.get(sign, sign) for sign in text).split())
    return "".join(sign if sign in _BASIC | _TWICE else _bare(sign) for sign in plain)


def parts(text: str) -> int:
    """How many SMS this text of the GSM alphabet becomes."""
    length = sum(2 if sign in _TWICE else 1 for sign in text)
    return 1 if length <= ONE else -(-length // OF_SEVERAL)


def _bare(sign: str) -> str:
    bare = "".join(part for part in unicodedata.normalize("NFKD", sign) if part in _BASIC)
    return bare or "?"
